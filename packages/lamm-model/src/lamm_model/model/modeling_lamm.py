"""The LAMM model: a tower and a projector per modality in front of any causal language model."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel, GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast

from lamm_model.errors import LammModelError
from lamm_model.model.answer_loss import IGNORED, answer_head, summed_answer_loss
from lamm_model.model.configuration_lamm import LammConfig
from lamm_model.model.generation import LammGeneration
from lamm_model.model.projector import LammProjector, encode_images, fill_placeholders
from lamm_model.model.routing import ModalityRouting, infer_modality_ids
from lamm_model.model.saving import LammSaving
from lamm_model.model.silence import heard
from lamm_model.towers.configuration_point_cloud import cloud_tower

CACHE = "cache" if "cache" in {field.name for field in fields(BaseModelOutputWithPast)} else "past_key_values"


@dataclass
class LammOutput(CausalLMOutputWithPast):  # type: ignore[misc]
    """What `LammForConditionalGeneration` returns.

    Attributes:
        loss: Scalar, where labels were given.
        logits: `[B, S or logits_to_keep, V]`; None in a pass with labels, where only answer rows meet the head.
        cache: Cache of the language model; `past_key_values` before transformers 5.24.
        hidden_states: Per layer, where asked for.
        attentions: Per layer, where asked for.
    """


class LammPreTrainedModel(LammSaving, PreTrainedModel):  # type: ignore[misc]
    """Base of the LAMM models: configuration class, flags, initialisation."""

    config_class = LammConfig
    config: LammConfig
    base_model_prefix = "model"
    main_input_name = "input_ids"
    input_modalities = ("image", "text")
    supports_gradient_checkpointing = True
    _skip_keys_device_placement = (CACHE,)
    _supports_flash_attn = True
    _supports_sdpa = True
    _supports_flex_attn = True
    _supports_attention_backend = True


class LammModel(LammPreTrainedModel):
    """Towers, projectors and the language model without its head."""

    def __init__(self, config: LammConfig) -> None:
        super().__init__(config)
        language_model = AutoModel.from_config(config.text_config)
        width = language_model.get_input_embeddings().embedding_dim
        self.image_tower: nn.Module | None = None
        self.image_projector: LammProjector | None = None
        self.point_cloud_tower: nn.Module | None = None
        self.point_cloud_projector: LammProjector | None = None
        if config.image_config is not None:
            self.image_tower = AutoModel.from_config(config.image_config)
            self.image_projector = LammProjector(
                config.image_feature_size, width, config.projector_type, config.image_feature_norm
            )
        if config.point_cloud_config is not None:
            self.point_cloud_tower = cloud_tower(config.point_cloud_config)
            self.point_cloud_projector = LammProjector(
                config.point_cloud_config.feature_size, width, config.projector_type, config.point_cloud_feature_norm
            )
        self.language_model = language_model
        self.routing = ModalityRouting()
        self.post_init()
        if config.adapters is not None:
            from lamm_model.model.adapter_layers import inject_adapters

            inject_adapters(self)

    def get_input_embeddings(self) -> nn.Module:
        """Return the language model's."""
        embeddings: nn.Module = self.language_model.get_input_embeddings()
        return embeddings

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the language model's."""
        self.language_model.set_input_embeddings(value)

    def frozen_towers(self) -> list[nn.Module]:
        """List the towers that must not learn."""
        pairs = (
            (self.image_tower, self.config.freeze_image_tower),
            (self.point_cloud_tower, self.config.freeze_point_cloud_tower),
        )
        return [tower for tower, frozen in pairs if tower is not None and frozen]

    def train(self, mode: bool = True) -> LammModel:
        """Switch modes, except for frozen towers, whose batch statistics and dropout would otherwise drift."""
        super().train(mode)
        for tower in self.frozen_towers():
            tower.eval()
        if self.point_cloud_tower is not None and bool(getattr(self.config.point_cloud_config, "lora_rank", 0)):
            self.point_cloud_tower.eval()
        return self

    def encode_images(self, pixel_values: Tensor) -> Tensor:
        """Run the image tower, before the projector: `[n, 3, H, W]`, normalised for it, to `[n, image_tokens, C]`.

        Raises:
            LammModelError: The model has no image tower.
        """
        if self.image_tower is None:
            raise LammModelError("Expected a model with an image tower, got none. Build it with image_tower.")
        dtype = next(self.image_tower.parameters()).dtype
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.config.freeze_image_tower):
            return encode_images(self.image_tower, pixel_values.to(dtype), self.config)

    def encode_point_clouds(self, point_clouds: Tensor) -> Tensor:
        """Run the point-cloud tower, before the projector: `[n, num_points, 3 or 6]` to `[n, point_cloud_tokens, C]`.

        Raises:
            LammModelError: The model has no point-cloud tower.
        """
        if self.point_cloud_tower is None:
            raise LammModelError("Expected a model with a point-cloud tower, got none. Build it with point_cloud.")
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.config.freeze_point_cloud_tower):
            features: Tensor = self.point_cloud_tower(point_clouds).last_hidden_state
        return features

    def features_of(
        self,
        pixel_values: Tensor | None,
        point_clouds: Tensor | None,
        image_features: Tensor | None = None,
        point_cloud_features: Tensor | None = None,
    ) -> tuple[Tensor | None, Tensor | None]:
        """Return the features of images and of clouds, before the projector; those that are there already stay."""
        if image_features is None and pixel_values is not None:
            image_features = self.encode_images(pixel_values)
        if point_cloud_features is None and point_clouds is not None:
            point_cloud_features = self.encode_point_clouds(point_clouds)
        return image_features, point_cloud_features

    def embed(
        self,
        input_ids: Tensor,
        pixel_values: Tensor | None = None,
        point_clouds: Tensor | None = None,
        image_features: Tensor | None = None,
        point_cloud_features: Tensor | None = None,
    ) -> Tensor:
        """Embed text and put projected features in the placeholders' rows.

        Args as for `LammForConditionalGeneration.forward`.

        Returns:
            `[B, S, D]`.

        Raises:
            LammModelError: Placeholders and features differ in number.
        """
        image_mask = input_ids == self.config.image_token_id
        cloud_mask = input_ids == self.config.point_cloud_token_id
        placeholders = image_mask | cloud_mask
        embeds: Tensor = self.language_model.get_input_embeddings()(input_ids.masked_fill(placeholders, 0))
        image_features, point_cloud_features = self.features_of(
            pixel_values, point_clouds, image_features, point_cloud_features
        )
        if image_features is None and point_cloud_features is None and not bool(placeholders.any()):
            return embeds
        embeds = fill_placeholders(embeds, image_mask, image_features, self.image_projector, "image")
        return fill_placeholders(embeds, cloud_mask, point_cloud_features, self.point_cloud_projector, "point-cloud")

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        cache: Any = None,
        inputs_embeds: Tensor | None = None,
        pixel_values: Tensor | None = None,
        point_clouds: Tensor | None = None,
        image_features: Tensor | None = None,
        point_cloud_features: Tensor | None = None,
        modality_ids: Tensor | None = None,
        **kwargs: Any,
    ) -> BaseModelOutputWithPast:
        """Run towers, projectors and language model; see `LammForConditionalGeneration.forward`."""
        if (input_ids is None) == (inputs_embeds is None):
            raise LammModelError("Expected exactly one of input_ids and inputs_embeds, got both or neither.")
        cache = past_key_values if cache is None else cache
        if input_ids is not None and self.config.silent_media:
            image_features, point_cloud_features = self.features_of(
                pixel_values, point_clouds, image_features, point_cloud_features
            )
            pixel_values = point_clouds = None
            held = cache is not None and cache.get_seq_length() > 0
            packed = attention_mask is None and position_ids is not None
            if not held and not packed and (attention_mask is None or attention_mask.ndim == 2):
                attention_mask = heard(self.config, input_ids, attention_mask, image_features, point_cloud_features)
                position_ids = (attention_mask.long().cumsum(dim=1) - 1).clamp(min=0)
        media = (pixel_values, point_clouds, image_features, point_cloud_features)
        if modality_ids is None and self.routing.enabled:
            modality_ids = self._infer_modality_ids(input_ids, cache)
        if input_ids is not None:
            inputs_embeds = self.embed(input_ids, *media)
        elif any(medium is not None for medium in media):
            raise LammModelError(
                "Expected media to be part of inputs_embeds, got both. Give input_ids, or embed() them."
            )
        self.routing.modality_ids = modality_ids
        self.routing.masks.clear()
        return self.language_model(
            attention_mask=attention_mask,
            position_ids=position_ids,
            inputs_embeds=inputs_embeds,
            **{CACHE: cache},
            **kwargs,
        )

    def _infer_modality_ids(self, input_ids: Tensor | None, cache: Any) -> Tensor:
        """Tell each token's adapter set by the placeholders before it, where all of them are there to be seen."""
        held = cache.get_seq_length() if hasattr(cache, "get_seq_length") else 0
        if input_ids is None or held:
            raise LammModelError(
                f"Expected modality_ids with {'inputs_embeds' if input_ids is None else 'a cache that holds tokens'}: "
                "this model's adapter sets are chosen by the media before each token, which cannot be seen here. "
                "Give modality_ids [B, S]: 0 none, 1 image, 2 point cloud."
            )
        return infer_modality_ids(input_ids, self.config.image_token_id, self.config.point_cloud_token_id)


class LammForConditionalGeneration(LammGeneration, LammPreTrainedModel, GenerationMixin):  # type: ignore[misc]
    """The LAMM model with a language-model head: trains with `labels`, answers with `generate`.

    The class behaves as any image-text-to-text model of transformers: `from_pretrained`, `save_pretrained`,
    `generate`, `Trainer`, peft. Build one from separate parts with `lamm_model.building.building.build_model`.

    Attributes:
        reads_alone: Whether prompts are read one by one; here they are read side by side.
    """

    reads_alone = False

    def __init__(self, config: LammConfig) -> None:
        super().__init__(config)
        self.model = LammModel(config)
        self.loss_rows = 0  # answer rows that meet the head at once; 0 lets the vocabulary's size decide
        embeddings: Any = self.model.get_input_embeddings()
        self.lm_head: nn.Module = answer_head(embeddings.embedding_dim, config.text_config, config.lm_head_bias)
        name = next(name for name, module in self.named_modules() if module is embeddings)
        self._tied_weights_keys = {"lm_head.weight": f"{name}.weight"}
        self.post_init()
        if config.adapters is not None:
            from lamm_model.model.adapter_layers import reset_adapters

            reset_adapters(self)

    def get_input_embeddings(self) -> nn.Module:
        """Return the language model's."""
        embeddings: nn.Module = self.model.get_input_embeddings()
        return embeddings

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the language model's."""
        self.model.set_input_embeddings(value)

    def placeholder_ids(self) -> list[int]:
        """List the placeholder ids that the head could choose; an answer must not hold any."""
        size = self.config.text_config.vocab_size
        return [i for i in (self.config.image_token_id, self.config.point_cloud_token_id) if i < size]

    def encode_images(self, pixel_values: Tensor) -> Tensor:
        """Run the image tower, before the projector: `[n, 3, H, W]` to `[n, T, C]`."""
        features: Tensor = self.model.encode_images(pixel_values)
        return features

    def encode_point_clouds(self, point_clouds: Tensor) -> Tensor:
        """Run the point-cloud tower, before the projector: `[n, N, 3 or 6]` to `[n, T, C]`."""
        features: Tensor = self.model.encode_point_clouds(point_clouds)
        return features

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        cache: Any = None,
        inputs_embeds: Tensor | None = None,
        pixel_values: Tensor | None = None,
        point_clouds: Tensor | None = None,
        image_features: Tensor | None = None,
        point_cloud_features: Tensor | None = None,
        modality_ids: Tensor | None = None,
        labels: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
        logits_to_keep: int | Tensor = 0,
        **kwargs: Any,
    ) -> LammOutput:
        """Run the model.

        Args:
            input_ids: `[B, S]` with one placeholder id per media feature.
            attention_mask: `[B, S]`, 1 for tokens; None for packed rows.
            position_ids: `[B, S]`; restart at 0 for every packed document.
            past_key_values: Cache while generating.
            cache: The same under its name since transformers 5.24.
            inputs_embeds: `[B, S, D]` instead of `input_ids`.
            pixel_values: `[n_images, 3, H, W]`, in order of appearance over the batch.
            point_clouds: `[n_clouds, N, 3 or 6]`, in order of appearance over the batch.
            image_features: `[n_images, T, C]` instead of `pixel_values`: cached tower outputs before the projector.
            point_cloud_features: `[n_clouds, T, C]` instead of `point_clouds`.
            modality_ids: `[B, S]` long: which adapter set each token uses; 0 none, 1 image, 2 point cloud.
                Inferred from the placeholders when missing.
            labels: `[B, S]` long, -100 where no loss is wanted. Only rows that predict a kept label pass the head.
            num_items_in_batch: Number of kept labels over all accumulated batches and devices; the loss is then a sum
                divided by it, else the mean over this batch.
            logits_to_keep: Number of last positions (or their indices) to compute logits for; 0 means all.
            **kwargs: Passed to the language model.

        Returns:
            Loss, or logits, and the cache.
        """
        outputs = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            cache=cache,
            inputs_embeds=inputs_embeds,
            pixel_values=pixel_values,
            point_clouds=point_clouds,
            image_features=image_features,
            point_cloud_features=point_cloud_features,
            modality_ids=modality_ids,
            **kwargs,
        )
        hidden: Tensor = outputs.last_hidden_state
        loss = logits = None
        if labels is not None:
            loss = self.answer_loss(hidden, labels, num_items_in_batch)
        else:
            rows = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
            # Contiguous: for a slice, torch may multiply row by row and copy the head's weights for each of them.
            logits = self.lm_head(hidden[:, rows].contiguous())
        return LammOutput(
            loss=loss,
            logits=logits,
            **{CACHE: cache_of(outputs)},
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )

    def answer_loss(self, hidden: Tensor, labels: Tensor, num_items_in_batch: Tensor | int | None = None) -> Tensor:
        """Cross-entropy of the next token over the rows whose next label is kept.

        Selecting the rows before the head gives the same loss and gradient as masking after it and never builds the
        `[B, S, V]` logits.

        Args:
            hidden: `[B, S, D]`.
            labels: `[B, S]`, -100 ignored.
            num_items_in_batch: Divisor of the summed loss; the number of kept rows when None.

        Returns:
            Scalar loss in float32; 0 with a gradient path when nothing is kept.
        """
        targets = labels[:, 1:].to(hidden.device)
        # Whoever copies input_ids into labels (TRL does) copies placeholders, which no answer holds.
        config = self.config
        keep = (targets != IGNORED) & (targets != config.image_token_id) & (targets != config.point_cloud_token_id)
        total = summed_answer_loss(hidden[:, :-1][keep], self.lm_head, targets[keep], self.loss_rows)
        divisor = keep.sum().clamp(min=1) if num_items_in_batch is None else num_items_in_batch
        return total / divisor


def cache_of(outputs: Any) -> Any:
    """Return the cache of a model's outputs, whatever it is called; None where there is none."""
    return outputs.get(CACHE)

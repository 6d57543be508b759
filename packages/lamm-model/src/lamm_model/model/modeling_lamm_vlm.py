"""Point clouds for a model that sees already: its own forward pass, with cloud features in place of their tokens.

The base model stays whole: its image path, positions, masks, cache and generation are its own. Two hooks are all that
is added. One on its input embedding puts projected cloud features where the placeholders are; to everything else, a
cloud is text (in a model with positions of several axes, a cloud's tokens count on all of them together, as text's do).
One on its body says which adapter set each token uses. Without a cloud neither changes a bit.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForImageTextToText, GenerationConfig, PreTrainedModel

from lamm_model.errors import LammModelError
from lamm_model.model.configuration_lamm_vlm import LammVlmConfig
from lamm_model.model.modeling_lamm import LammForConditionalGeneration, LammOutput
from lamm_model.model.projector import LammProjector
from lamm_model.model.routing import ModalityRouting, infer_modality_ids
from lamm_model.model.saving import LammSaving
from lamm_model.towers.configuration_point_cloud import cloud_tower

_TOKEN_TYPES = ("mm_token_type_ids", "token_type_ids")  # which tokens are of an image, in models that must be told


@dataclass(eq=False)
class _Clouds:
    """Puts cloud features where the placeholders are, as hooks of the base model's input embedding.

    Attributes:
        token: Id of the placeholder.
        rows: Projected features `[placeholders, D]` of each row of the prompt; empty without clouds.
    """

    token: int
    rows: list[Tensor] = field(default_factory=list)
    _mask: Tensor | None = None

    def hide(self, module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        """Read another row of the table where a placeholder is: there may be none for it."""
        self._mask = None
        if not self.rows or args[0].ndim != 2:
            return None
        mask = args[0] == self.token
        if not bool(mask.any()):
            return None
        self._mask = mask
        return (args[0].masked_fill(mask, 0), *args[1:])

    def fill(self, module: nn.Module, args: Any, embeds: Tensor) -> Tensor:
        """Overwrite the placeholders' rows of `[B, S, D]`; rows of a prompt that are generated from repeat."""
        if self._mask is None:
            return embeds
        mask, self._mask = self._mask, None
        copies = len(mask) // len(self.rows)
        features = torch.cat([row for row in self.rows for _ in range(copies)])
        return embeds.masked_scatter(mask.unsqueeze(-1), features.to(embeds.dtype))


class LammVlmModel(nn.Module):
    """The base model, and the point-cloud tower and projector on top of it.

    Attributes:
        vlm: The whole base model, with its head.
        image_tower: None, as `image_projector`: both are within `vlm`.
    """

    image_tower: None = None
    image_projector: None = None

    def __init__(self, config: LammVlmConfig) -> None:
        super().__init__()
        self.config = config
        cloud = config.point_cloud_config
        width = config.text_config.hidden_size
        self.vlm: Any = AutoModelForImageTextToText.from_config(config.base_config)
        self.point_cloud_tower = cloud_tower(cloud)
        self.point_cloud_projector = LammProjector(
            cloud.feature_size, width, config.projector_type, config.point_cloud_feature_norm
        )
        self.routing = ModalityRouting()
        self.clouds = _Clouds(config.point_cloud_token_id)
        self._prompt_modality: Tensor | None = None  # `[B, S]` of the prompt that is being answered
        self.attach(self.vlm)

    def attach(self, vlm: Any) -> None:
        """Take a base model, and put the hooks on it."""
        self.vlm = vlm
        embeddings = vlm.get_input_embeddings()
        embeddings.register_forward_pre_hook(self.clouds.hide)
        embeddings.register_forward_hook(self.clouds.fill)
        self.inner.register_forward_pre_hook(self._route, with_kwargs=True)

    @property
    def all_tied_weights_keys(self) -> dict[str, str]:
        """Name the base model's weights that are one, as transformers asks every part of a model."""
        return {f"vlm.{name}": f"vlm.{source}" for name, source in self.vlm.all_tied_weights_keys.items()}

    @property
    def inner(self) -> Any:
        """The base model without its head."""
        return getattr(self.vlm, self.vlm.base_model_prefix)

    @property
    def language_model(self) -> Any:
        """The base model's language model, which gets the adapters."""
        return self.vlm.get_decoder()

    def frozen_towers(self) -> list[nn.Module]:
        """List the modules that must not learn."""
        return [self.point_cloud_tower] if self.config.freeze_point_cloud_tower else []

    def train(self, mode: bool = True) -> LammVlmModel:
        """Switch modes, except for what is frozen: the base model's image path, and the tower where it is."""
        super().train(mode)
        self.vlm.eval()
        self.language_model.train(mode)
        if self.frozen_towers() or bool(getattr(self.config.point_cloud_config, "lora_rank", 0)):
            self.point_cloud_tower.eval()
        return self

    def encode_point_clouds(self, point_clouds: Tensor) -> Tensor:
        """Run the point-cloud tower, before the projector: `[n, num_points, 3 or 6]` to `[n, T, C]`."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.config.freeze_point_cloud_tower):
            features: Tensor = self.point_cloud_tower(point_clouds).last_hidden_state
        return features

    def forward(
        self,
        input_ids: Tensor,
        modality_ids: Tensor | None = None,
        point_clouds: Tensor | None = None,
        point_cloud_features: Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        """Run everything but the head; args as for `LammVlmForConditionalGeneration.forward`."""
        with self.showing(input_ids, modality_ids, point_clouds, point_cloud_features):
            return self.inner(input_ids=input_ids, **self.inputs(input_ids, kwargs))

    @contextmanager
    def showing(
        self, input_ids: Tensor, modality_ids: Tensor | None, point_clouds: Tensor | None, features: Tensor | None
    ) -> Iterator[None]:
        """Show clouds to the base model for one pass, and route its tokens.

        Raises:
            LammModelError: Placeholders and features differ in number.
        """
        if modality_ids is None and self.routing.enabled:
            modality_ids = self.infer(input_ids)
        self.routing.modality_ids = modality_ids
        self.routing.masks.clear()
        self.clouds.rows = self._rows(input_ids, point_clouds, features)
        try:
            yield
        finally:
            self.clouds.rows = []

    @contextmanager
    def answering(self, input_ids: Tensor, point_clouds: Tensor | None, features: Tensor | None) -> Iterator[None]:
        """Show clouds to the base model while it generates from a prompt."""
        with self.showing(input_ids, None, point_clouds, features):
            self._prompt_modality = self.infer(input_ids) if self.routing.enabled else None
            try:
                yield
            finally:
                self._prompt_modality = None

    def infer(self, input_ids: Tensor) -> Tensor:
        """Tell each token's adapter set by the placeholders before it: `[B, S]`."""
        return infer_modality_ids(input_ids, self.config.routed_image_token_id, self.config.point_cloud_token_id)

    def inputs(self, input_ids: Tensor, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Complete what a base model needs to know of its images."""
        if kwargs.get("pixel_values") is None:
            return kwargs
        mask = kwargs.get("attention_mask")
        if mask is None or mask.ndim == 2:  # where its images are, its positions are its own
            kwargs = {name: value for name, value in kwargs.items() if name != "position_ids"}
        known = inspect.signature(self.inner.forward).parameters
        for name in _TOKEN_TYPES:
            if name in known and kwargs.get(name) is None:
                kwargs[name] = (input_ids == self.config.image_token_id).long()
        return kwargs

    def _rows(self, input_ids: Tensor, point_clouds: Tensor | None, features: Tensor | None) -> list[Tensor]:
        counts = (input_ids == self.config.point_cloud_token_id).sum(dim=1).tolist()
        if features is None and point_clouds is not None:
            features = self.encode_point_clouds(point_clouds)
        found = 0 if features is None else features.shape[0] * features.shape[1]
        if found != sum(counts):
            raise LammModelError(
                f"Expected {sum(counts)} point-cloud features for the {sum(counts)} point-cloud placeholders in "
                f"input_ids, got {found}. Pass one cloud per placeholder span."
            )
        if features is None:
            return []
        return list(self.point_cloud_projector(features).flatten(0, 1).split(counts))

    def _route(self, module: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        """Route the tokens of one pass of a generation: new tokens belong to their prompt's last medium."""
        prompt = self._prompt_modality
        if prompt is None:
            return
        ids, cache = kwargs.get("input_ids"), kwargs.get("past_key_values")
        width = (kwargs["inputs_embeds"] if ids is None else ids).shape[1]
        rows = (kwargs["inputs_embeds"] if ids is None else ids).shape[0]
        start = cache.get_seq_length() if cache is not None else 0
        new = prompt[:, -1:].expand(-1, max(0, start + width - prompt.shape[1]))
        whole = torch.cat([prompt, new], dim=1)[:, start : start + width]
        self.routing.modality_ids = whole.repeat_interleave(rows // len(prompt), dim=0)
        self.routing.masks.clear()


class LammVlmForConditionalGeneration(LammSaving, PreTrainedModel):  # type: ignore[misc]
    """A model that sees already, which gets point clouds on top: trains with `labels`, answers with `generate`.

    Without a cloud it computes what its base model computes, bit for bit, before and after it has learnt clouds.
    """

    config_class = LammVlmConfig
    config: LammVlmConfig
    base_model_prefix = "model"
    main_input_name = "input_ids"
    input_modalities = ("image", "text")
    supports_gradient_checkpointing = True
    reads_alone = True  # prompts: images make tokens of many forms, which only the base model can lay out
    _supports_flash_attn = True
    _supports_sdpa = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    def __init__(self, config: LammVlmConfig) -> None:
        super().__init__(config)
        self.model = LammVlmModel(config)
        self.loss_rows = 0
        self.post_init()
        if config.adapters is not None:
            from lamm_model.model.adapter_layers import inject_adapters, reset_adapters

            inject_adapters(self.model)
            reset_adapters(self)

    answer_loss = LammForConditionalGeneration.answer_loss

    @classmethod
    def can_generate(cls) -> bool:
        """Say yes, by the base model: transformers' pipelines ask."""
        return True

    @property
    def lm_head(self) -> Any:
        """The base model's head."""
        return self.model.vlm.get_output_embeddings()

    @property
    def generation_config(self) -> Any:
        """The base model's."""
        vlm = getattr(getattr(self, "model", None), "vlm", None)
        return getattr(vlm, "generation_config", None)

    @generation_config.setter
    def generation_config(self, value: Any) -> None:
        if hasattr(self, "model"):
            self.model.vlm.generation_config = value

    def get_input_embeddings(self) -> nn.Module:
        """Return the language model's."""
        embeddings: nn.Module = self.model.vlm.get_input_embeddings()
        return embeddings

    def get_output_embeddings(self) -> nn.Module:
        """Return the language model's head."""
        head: nn.Module = self.lm_head
        return head

    def encode_point_clouds(self, point_clouds: Tensor) -> Tensor:
        """Run the point-cloud tower, before the projector: `[n, N, 3 or 6]` to `[n, T, C]`."""
        return self.model.encode_point_clouds(point_clouds)

    def forward(
        self,
        input_ids: Tensor,
        modality_ids: Tensor | None = None,
        point_clouds: Tensor | None = None,
        point_cloud_features: Tensor | None = None,
        labels: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
        **kwargs: Any,
    ) -> Any:
        """Run the model.

        Args:
            input_ids: `[B, S]`, what `LammVlmProcessor` gives.
            modality_ids: `[B, S]` long: which adapter set each token uses; inferred from the placeholders when missing.
            point_clouds: `[n_clouds, N, 3 or 6]`, in order of appearance over the batch.
            point_cloud_features: `[n_clouds, T, C]` instead: cached tower outputs before the projector.
            labels: `[B, S]` long, -100 where no loss is wanted.
            num_items_in_batch: As for `LammForConditionalGeneration.forward`.
            **kwargs: The base model's: `attention_mask`, `pixel_values` and what belongs to it, `past_key_values`, ...

        Returns:
            The base model's output, or with labels the loss.
        """
        body = self.model
        if labels is not None:
            out = body(input_ids, modality_ids, point_clouds, point_cloud_features, **kwargs)
            return LammOutput(loss=self.answer_loss(out.last_hidden_state, labels, num_items_in_batch))
        with body.showing(input_ids, modality_ids, point_clouds, point_cloud_features):
            return body.vlm(input_ids=input_ids, **body.inputs(input_ids, kwargs))

    @torch.no_grad()
    def generate(
        self,
        inputs: Tensor | None = None,
        *,
        point_clouds: Tensor | None = None,
        point_cloud_features: Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        """Generate as the base model does, about clouds too.

        Raises:
            LammModelError: There are no `input_ids`, or other clouds than placeholders.
        """
        ids: Tensor | None = kwargs.pop("input_ids", inputs)
        if ids is None:
            raise LammModelError("Expected input_ids to generate from, got none. Give what the processor returns.")
        body = self.model
        with body.answering(ids, point_clouds, point_cloud_features):
            if body.clouds.rows and self.placeholder_ids():
                chosen = kwargs.get("generation_config") or self.generation_config
                others = kwargs.get("suppress_tokens") or chosen.suppress_tokens or []
                kwargs["suppress_tokens"] = [*others, *self.placeholder_ids()]
            return body.vlm.generate(input_ids=ids, **body.inputs(ids, kwargs))

    def placeholder_ids(self) -> list[int]:
        """List the ids that an answer about a cloud must not hold."""
        token = self.config.point_cloud_token_id
        return [token] if token < self.config.text_config.vocab_size else []

    def next_position(self, length: int, images: bool) -> int:
        """Return the position of the token after one prompt that was just read: images may take fewer than tokens."""
        deltas = getattr(self.model.inner, "rope_deltas", None) if images else None
        return length if deltas is None else length + int(deltas.flatten()[0])

    def save_pretrained(self, save_directory: str | os.PathLike[str], *args: Any, **kwargs: Any) -> None:
        """Save a whole model, adapter sets in place, and how its base model generates."""
        super().save_pretrained(save_directory, *args, **kwargs)
        self.generation_config.save_pretrained(save_directory)

    @classmethod
    def from_pretrained(cls, name: str | os.PathLike[str], *args: Any, **kwargs: Any) -> Any:
        """Load a whole model, or a checkpoint onto the base model that it names, as `LammSaving` says."""
        loaded = super().from_pretrained(name, *args, **kwargs)
        model = loaded[0] if isinstance(loaded, tuple) else loaded
        if os.path.isfile(os.path.join(str(name), "generation_config.json")):
            model.generation_config = GenerationConfig.from_pretrained(name)
        return loaded

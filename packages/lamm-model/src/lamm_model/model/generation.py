"""Generation as transformers does it, with media that belong to rows and adapter sets that belong to tokens."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig

from lamm_model.errors import LammModelError
from lamm_model.model.routing import infer_modality_ids
from lamm_model.model.silence import heard

MEDIA = ("pixel_values", "point_clouds", "image_features", "point_cloud_features")


class LammGeneration:
    """What `LammForConditionalGeneration` adds to transformers' generation."""

    config: Any
    model: Any
    generation_config: Any
    placeholder_ids: Callable[[], list[int]]

    def generate(self, inputs: Tensor | None = None, **kwargs: Any) -> Any:
        """Generate as any transformers model: greedy, sampled, with beams, assisted, with any cache.

        Modality ids are inferred from the placeholders when missing, and placeholders are never generated. To go on
        from `past_key_values`, give the `input_ids` of the whole dialogue; media whose tokens the cache holds may be
        given again or left out.

        Raises:
            LammModelError: Nothing tells which adapter set the tokens use, or the assistant cannot see media.
        """
        ids = kwargs.get("input_ids", inputs)
        self._refuse(ids, kwargs)
        if ids is not None and self.config.silent_media:
            features = self.model.features_of(*(kwargs.pop(name, None) for name in MEDIA))
            kwargs["image_features"], kwargs["point_cloud_features"] = features
            kwargs["attention_mask"] = heard(self.config, ids, kwargs.get("attention_mask"), *features)
        if ids is not None and kwargs.get("modality_ids") is None and self.model.routing.enabled:
            kwargs["modality_ids"] = infer_modality_ids(
                ids, self.config.image_token_id, self.config.point_cloud_token_id
            )
        chosen: GenerationConfig | None = kwargs.get("generation_config")
        others = kwargs.get("suppress_tokens") or (chosen or self.generation_config).suppress_tokens or []
        if chosen is not None and "suppress_tokens" not in kwargs:
            kwargs["generation_config"] = chosen = copy.deepcopy(chosen)
            chosen.suppress_tokens = [*others, *self.placeholder_ids()] or None
        else:
            kwargs["suppress_tokens"] = [*others, *self.placeholder_ids()] or None
        return super().generate(inputs, **kwargs)  # type: ignore[misc]

    def _refuse(self, ids: Tensor | None, kwargs: dict[str, Any]) -> None:
        """Refuse what would be answered without a word about the wrong media or by the wrong adapter set."""
        embeds: Tensor | None = kwargs.get("inputs_embeds")
        cache: Any = kwargs.get("past_key_values")
        if embeds is not None and not kwargs.get("use_cache", True):
            raise LammModelError("Expected use_cache = True to go on from inputs_embeds. Leave use_cache out.")
        held = cache.get_seq_length() if hasattr(cache, "get_seq_length") else 0
        if held and ids is not None and ids.shape[1] <= held:
            raise LammModelError(
                f"Expected input_ids of the whole dialogue, longer than the {held} tokens of past_key_values, got "
                f"{ids.shape[1]}. Append the new turn to what was read and answered."
            )
        assistant = getattr(kwargs.get("assistant_model"), "config", None)
        if assistant is not None and assistant.model_type != self.config.model_type:
            raise LammModelError(
                f"Expected an assistant_model that sees the same media, got one of type {assistant.model_type}. "
                "Give a LAMM model with the same placeholders, or use prompt_lookup_num_tokens."
            )

    def prepare_inputs_for_generation(
        self,
        input_ids: Tensor,
        is_first_iteration: bool = False,
        inputs_embeds: Tensor | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Keep media for the first pass only (the cache holds them after it) and route new tokens as their row."""
        media = {name: kwargs.pop(name) for name in MEDIA if name in kwargs}
        modality_ids = kwargs.pop("modality_ids", None)
        inputs: dict[str, Any] = super().prepare_inputs_for_generation(  # type: ignore[misc]
            input_ids, is_first_iteration=is_first_iteration, inputs_embeds=inputs_embeds, **kwargs
        )
        embeds = inputs.get("inputs_embeds")
        width = (inputs["input_ids"] if embeds is None else embeds).shape[1]
        cache = kwargs.get("past_key_values")
        # An assistant's first pass does not count as one: what is read for the first time is what no cache holds.
        if is_first_iteration or not kwargs.get("use_cache", True) or cache is None or not cache.get_seq_length():
            inputs.update({name: self._unread(input_ids, width, name, media[name]) for name in media})
        if modality_ids is not None:
            # What was generated, candidates of an assistant included, belongs to the prompt's last medium.
            length = modality_ids.shape[1] if embeds is not None else input_ids.shape[1]
            if inputs_embeds is not None and embeds is None:  # input_ids hold only what followed them
                length = modality_ids.shape[1] + width
            new = modality_ids[:, -1:].expand(-1, max(0, length - modality_ids.shape[1]))
            inputs["modality_ids"] = torch.cat([modality_ids, new], dim=1)[:, length - width : length]
        return inputs

    def _tokens_of(self, name: str, media: Tensor) -> tuple[int, int]:
        """Return the placeholder of a kind of media and how many of them one medium has."""
        image = name in ("pixel_values", "image_features")
        token = self.config.image_token_id if image else self.config.point_cloud_token_id
        if name.endswith("_features"):
            return token, media.shape[1]
        return token, self.config.image_tokens if image else self.config.point_cloud_tokens

    def _unread(self, input_ids: Tensor, width: int, name: str, media: Tensor | None) -> Tensor | None:
        """Leave out the media whose placeholders lie before the last `width` tokens: a cache holds them."""
        if media is None or input_ids.shape[1] <= width:
            return media
        token, each = self._tokens_of(name, media)
        present = input_ids == token
        whole, new = present.sum(dim=1), present[:, -width:].sum(dim=1)
        if len(media) * each != int(whole.sum()):
            return media  # the new ones alone, which the model counts
        ends = (whole // max(each, 1)).cumsum(0).tolist()
        counts = (new // max(each, 1)).tolist()
        rows = [row for end, count in zip(ends, counts, strict=True) for row in range(end - count, end)]
        return media[rows] if rows else None

    def _expand_inputs_for_generation(
        self,
        expand_size: int = 1,
        is_encoder_decoder: bool = False,
        input_ids: Tensor | None = None,
        **model_kwargs: Any,
    ) -> tuple[Tensor | None, dict[str, Any]]:
        """Repeat rows, each with all of its media: those of a row follow one another, they do not double one by one."""
        media = {name: model_kwargs.pop(name) for name in MEDIA if model_kwargs.get(name) is not None}
        ids, expanded = super()._expand_inputs_for_generation(  # type: ignore[misc]
            expand_size=expand_size, is_encoder_decoder=is_encoder_decoder, input_ids=input_ids, **model_kwargs
        )
        return ids, expanded | {name: self._repeat(input_ids, expand_size, name, media[name]) for name in media}

    def _repeat(self, input_ids: Tensor | None, times: int, name: str, media: Tensor) -> Tensor:
        if times == 1 or input_ids is None:
            return media
        token, each = self._tokens_of(name, media)
        counts = ((input_ids == token).sum(dim=1) // max(each, 1)).tolist()
        if sum(counts) != len(media):
            raise LammModelError(
                f"Expected {sum(counts)} media for the placeholders in input_ids, got {len(media)} in {name}. "
                "Pass one medium per placeholder span."
            )
        start, rows = 0, list[int]()
        for count in counts:
            rows += [*range(start, start + count)] * times
            start += count
        return media[rows]

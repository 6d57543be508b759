"""The LAMM model in vLLM: our towers and projectors in front of vLLM's own class of the language model.

vLLM widens one placeholder a medium to the medium's tokens, and puts the projected features in their place. Adapter
sets are merged before (`lamm model export --to vllm`): vLLM runs every token of a request through the same weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image
from torch import Tensor, nn
from transformers import AutoModel, BatchFeature
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
from vllm.config import VllmConfig
from vllm.model_executor.models.interfaces import SupportsMultiModal
from vllm.model_executor.models.utils import init_vllm_registered_model, maybe_prefix
from vllm.multimodal import MULTIMODAL_REGISTRY
from vllm.multimodal.inputs import MultiModalFieldConfig
from vllm.multimodal.parse import MultiModalDataParser, ProcessorBatchItems
from vllm.multimodal.processing import (
    BaseDummyInputsBuilder,
    BaseMultiModalProcessor,
    BaseProcessingInfo,
    PromptReplacement,
)

from lamm_model.errors import LammModelError, UsageError
from lamm_model.model.configuration_lamm import LammConfig
from lamm_model.model.projector import LammProjector, encode_images
from lamm_model.processing.processing_lamm import LammProcessor
from lamm_model.processing.segments import IMAGE, MARKERS, POINT_CLOUD
from lamm_model.towers.configuration_point_cloud import cloud_tower

FIELDS = {IMAGE: "pixel_values", POINT_CLOUD: "point_clouds"}
_BODY = "model.language_model."


class _Media(ProcessorBatchItems[Any]):  # type: ignore[misc]
    """Pictures or clouds as they came: paths, arrays, pictures; our processor reads them."""

    def get_item_for_hash(self, index: int) -> object:
        """Return what tells media apart; of a file its name, which seeds a cloud's sampling, and its content."""
        item = super().get_item_for_hash(index)
        return [Path(item).name, Path(item).read_bytes()] if isinstance(item, str | Path) else item


class _Parser(MultiModalDataParser):  # type: ignore[misc]
    """Takes one medium or a list of them under `image` and `point_cloud`."""

    def _get_subparsers(self) -> Mapping[str, Any]:
        return {IMAGE: lambda data: _items(data, IMAGE, 4), POINT_CLOUD: lambda data: _items(data, POINT_CLOUD, 3)}


def _items(data: Any, modality: str, dimensions: int) -> _Media:
    array = isinstance(data, np.ndarray | Tensor) and data.ndim == dimensions
    return _Media(list(data) if array or isinstance(data, list | tuple) else [data], modality)


class LammProcessingInfo(BaseProcessingInfo):  # type: ignore[misc]
    """What a LAMM model takes: any number of the media that it has towers for, each of a fixed number of tokens."""

    def get_hf_config(self) -> LammConfig:
        """Return the model's configuration."""
        config: LammConfig = self.ctx.get_hf_config(LammConfig)
        return config

    def get_hf_processor(self, **kwargs: object) -> LammProcessor:
        """Return the model's processor."""
        processor: LammProcessor = self.ctx.get_hf_processor(LammProcessor, **kwargs)
        return processor

    def get_data_parser(self) -> _Parser:
        """Return the reader of `multi_modal_data`."""
        return _Parser()

    def tokens(self) -> dict[str, int]:
        """Return the tokens of a medium, by the kinds that the model sees.

        Raises:
            UsageError: Some tokens of a tower say nothing, so that there is no such number.
        """
        config = self.get_hf_config()
        if config.silent_media:
            raise UsageError(
                f"Expected towers of a fixed number of tokens, got a reading one for {', '.join(config.silent_media)} "
                "media. Use `lamm model serve`."
            )
        tokens = {IMAGE: config.image_tokens, POINT_CLOUD: config.point_cloud_tokens}
        return {kind: count for kind, count in tokens.items() if count}

    def get_supported_mm_limits(self) -> Mapping[str, int | None]:
        """Return the kinds of media, without a limit of their number."""
        return dict.fromkeys(self.tokens(), None)

    def get_mm_max_tokens_per_item(self, seq_len: int, mm_counts: Mapping[str, int]) -> Mapping[str, int]:
        """Return the tokens of a medium of each kind."""
        return self.tokens()


class LammDummyInputs(BaseDummyInputsBuilder[LammProcessingInfo]):  # type: ignore[misc]
    """Media to measure the memory with."""

    def get_dummy_text(self, mm_counts: Mapping[str, int]) -> str:
        """Return a placeholder for each medium."""
        processor = self.info.get_hf_processor()
        tokens = {IMAGE: processor.image_token, POINT_CLOUD: processor.point_cloud_token}
        return "".join(tokens[kind] * count for kind, count in mm_counts.items())

    def get_dummy_mm_data(self, seq_len: int, mm_counts: Mapping[str, int], mm_options: Any) -> dict[str, list[Any]]:
        """Return a grey picture and a cloud of random points, as often as asked for."""
        media = {IMAGE: Image.new("RGB", (64, 64)), POINT_CLOUD: np.random.default_rng(0).random((64, 3))}
        return {kind: [media[kind]] * count for kind, count in mm_counts.items()}


class LammMultiModalProcessor(BaseMultiModalProcessor[LammProcessingInfo]):  # type: ignore[misc]
    """Prepares media with `LammProcessor`, and widens placeholders."""

    def _call_hf_processor(self, hf_data: Mapping[str, object], hf_kwargs: Mapping[str, object]) -> BatchFeature:
        """Prepare media without vLLM's cast: coordinates in 16 bits would change which points are sampled."""
        processor = self.info.get_hf_processor(**hf_kwargs)
        return processor(images=hf_data.get("images"), point_clouds=hf_data.get("point_clouds"))

    def _get_mm_fields_config(self, hf_inputs: BatchFeature, hf_processor_mm_kwargs: Mapping[str, object]) -> Any:
        return {name: MultiModalFieldConfig.batched(kind) for kind, name in FIELDS.items()}

    def _placeholders(self) -> dict[str, tuple[int, int]]:
        """Return the id of the placeholder and the tokens of a medium, by kind."""
        config = self.info.get_hf_config()
        ids = {IMAGE: config.image_token_id, POINT_CLOUD: config.point_cloud_token_id}
        return {kind: (ids[kind], count) for kind, count in self.info.tokens().items()}

    def _get_prompt_updates(
        self, mm_items: Any, hf_processor_mm_kwargs: Mapping[str, object], out_mm_kwargs: Any
    ) -> Sequence[PromptReplacement]:
        encode = self.info.get_tokenizer().encode
        return [
            PromptReplacement(modality=kind, target=target, replacement=[token] * count)
            for kind, (token, count) in self._placeholders().items()
            for target in ([token], encode(MARKERS[kind], add_special_tokens=False))
        ]

    def _postprocess_prompt(self, prompt: list[int]) -> list[int]:
        """Narrow the placeholders of ids that `LammProcessor` has made to one a medium, which vLLM widens again."""
        counts = dict(self._placeholders().values())
        narrow: list[int] = []
        for token, run in groupby(prompt):
            length = len(list(run))
            each = counts.get(token, 1)
            narrow += [token] * (length // each if length % each == 0 else length)
        return narrow


@MULTIMODAL_REGISTRY.register_processor(LammMultiModalProcessor, info=LammProcessingInfo, dummy_inputs=LammDummyInputs)
class LammForConditionalGeneration(nn.Module, SupportsMultiModal):  # type: ignore[misc]
    """A merged LAMM model: towers and projectors as in training, the language model as vLLM has it."""

    configure_mm_token_handling: Any
    _mark_tower_model: Any
    _mark_language_model: Any

    @classmethod
    def get_placeholder_str(cls, modality: str, i: int) -> str | None:
        """Return what stands for a medium in a prompt's text."""
        return MARKERS.get(modality)

    def __init__(self, *, vllm_config: VllmConfig, prefix: str = "") -> None:
        super().__init__()
        config: LammConfig = vllm_config.model_config.hf_config
        if config.adapters is not None:
            raise UsageError(
                f"Expected a model with one merged adapter set, got the sets {config.adapters['modalities']}. "
                "Write one: `lamm model export FOLDER --to vllm --adapter NAME --output OTHER`."
            )
        self.config = config
        self.placeholders = [config.image_token_id, config.point_cloud_token_id]
        self.configure_mm_token_handling(config.text_config.vocab_size, self.placeholders)
        width = config.text_config.hidden_size
        dtype = vllm_config.model_config.dtype
        self.image_tower: Any = None
        self.image_projector: Any = None
        self.point_cloud_tower: Any = None
        self.point_cloud_projector: Any = None
        with self._mark_tower_model(vllm_config, set(FIELDS)):
            if config.image_config is not None:
                self.image_tower = AutoModel.from_config(config.image_config).to(dtype)
                self.image_projector = LammProjector(
                    config.image_feature_size, width, config.projector_type, config.image_feature_norm
                ).float()
            if config.point_cloud_config is not None:
                self.point_cloud_tower = cloud_tower(config.point_cloud_config).float()
                self.point_cloud_projector = LammProjector(
                    config.point_cloud_config.feature_size, width, config.projector_type,
                    config.point_cloud_feature_norm,
                ).float()  # fmt: skip
        architecture = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[config.text_config.model_type]
        self.body_prefix = getattr(transformers, architecture).base_model_prefix
        with self._mark_language_model(vllm_config):
            self.language_model = init_vllm_registered_model(
                vllm_config=vllm_config,
                hf_config=config.text_config,
                architectures=[architecture],
                prefix=maybe_prefix(prefix, "language_model"),
            )
        self.make_empty_intermediate_tensors = self.language_model.make_empty_intermediate_tensors

    def embed_multimodal(
        self, pixel_values: Tensor | None = None, point_clouds: Tensor | None = None, **kwargs: object
    ) -> list[Tensor]:
        """Run tower and projector: `[n, 3, H, W]` or `[n, N, 3..7]` to `n` times `[T, D]`."""
        features: list[Tensor] = []
        if pixel_values is not None:
            dtype = next(self.image_tower.parameters()).dtype
            seen = encode_images(self.image_tower, pixel_values.to(dtype), self.config)
            features += self.image_projector(seen).to(dtype)
        if point_clouds is not None:
            seen = self.point_cloud_tower(point_clouds.float()).last_hidden_state
            features += self.point_cloud_projector(seen).to(next(self.language_model.parameters()).dtype)
        return features

    def forward(
        self,
        input_ids: Tensor | None,
        positions: Tensor,
        intermediate_tensors: Any = None,
        inputs_embeds: Tensor | None = None,
        **kwargs: object,
    ) -> Any:
        """Run the language model's body on tokens or on embeddings that hold the media."""
        return self.language_model(input_ids, positions, intermediate_tensors, inputs_embeds)

    def compute_logits(self, hidden_states: Tensor) -> Tensor | None:
        """Return the head's logits; an answer never holds a placeholder."""
        logits: Tensor | None = self.language_model.compute_logits(hidden_states)
        if logits is not None:
            logits[..., [token for token in self.placeholders if token < logits.shape[-1]]] = -torch.inf
        return logits

    def load_weights(self, weights: Iterable[tuple[str, Tensor]]) -> set[str]:
        """Fill the parts from a saved model, strictly.

        Raises:
            LammModelError: Weights of towers or projectors are missing, left over or misshapen.
        """
        parts: dict[str, dict[str, Tensor]] = {}
        names = set(self.language_model.load_weights(self._of_language_model(weights, parts)))
        loaded = {f"language_model.{name}" for name in names}
        for part in ("image_tower", "image_projector", "point_cloud_tower", "point_cloud_projector"):
            module: nn.Module | None = getattr(self, part)
            state = parts.pop(part, {})
            if module is None:
                continue
            try:
                module.load_state_dict(state)
            except RuntimeError as fault:
                reason = " ".join(str(fault).split())
                raise LammModelError(f"Expected the weights of {part}, got {reason} Export the model again.") from None
            loaded |= {f"{part}.{name}" for name, _ in module.named_parameters()}
        if parts:
            raise LammModelError(f"Expected weights of this model, got some of {sorted(parts)}. Export it again.")
        return loaded

    def _of_language_model(
        self, weights: Iterable[tuple[str, Tensor]], parts: dict[str, dict[str, Tensor]]
    ) -> Iterator[tuple[str, Tensor]]:
        """Pass on the language model's weights under their own names; lay the others aside by part."""
        for name, value in weights:
            if name.startswith(_BODY):
                yield f"{self.body_prefix}.{name.removeprefix(_BODY)}", value
            elif name.startswith("lm_head."):
                yield name, value
            else:
                part, _, rest = name.removeprefix("model.").partition(".")
                parts.setdefault(part, {})[rest] = value

"""Tower features of the media that queries show, each computed once while it is remembered."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from lamm_model.answering.prompt_state import PromptRow
from lamm_model.model.modeling_lamm import LammForConditionalGeneration
from lamm_model.processing.processing_lamm import LammProcessor
from lamm_model.processing.segments import IMAGE

DEFAULT_BYTES = 1 << 30
Medium = tuple[str, Path]


class MediaFeatures:
    """Loads and encodes media in batches and remembers the features, the least recently used ones dropped first.

    Attributes:
        max_bytes: Memory that remembered features may take.
    """

    def __init__(
        self, model: LammForConditionalGeneration, processor: LammProcessor, max_bytes: int = DEFAULT_BYTES
    ) -> None:
        self.model = model
        self.processor = processor
        self.max_bytes = max_bytes
        self._kept: OrderedDict[Medium, Tensor] = OrderedDict()
        self._bytes = 0

    def get(self, media: Sequence[Medium]) -> list[Tensor]:
        """Return the features `[T, C]` of each medium, before the projector."""
        missing = [medium for medium in dict.fromkeys(media) if medium not in self._kept]
        for kind in dict.fromkeys(kind for kind, _ in missing):
            self._encode(kind, [medium for medium in missing if medium[0] == kind])
        found = []
        for medium in media:
            self._kept.move_to_end(medium)
            found.append(self._kept[medium])
        while self._bytes > self.max_bytes and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= dropped.nbytes
        return found

    def prompt_row(self, row: dict[str, list[int]], media: Sequence[Medium], max_new_tokens: int) -> PromptRow:
        """Join a prompt's tokens (`LammProcessor.encode_dialogue`) with the features of its media."""
        features = [(kind, feature) for (kind, _), feature in zip(media, self.get(media), strict=True)]
        return PromptRow(row["input_ids"], row["modality_ids"], media=features, max_new_tokens=max_new_tokens)

    def _encode(self, kind: str, media: list[Medium]) -> None:
        paths = [path for _, path in media]
        device = self.model.device
        with torch.inference_mode():
            if kind == IMAGE:
                pixels = self.processor.image_processor(paths)["pixel_values"]
                features = self.model.encode_images(pixels.to(device))
            else:
                clouds = self.processor.feature_extractor(paths)["point_clouds"]
                features = self.model.encode_point_clouds(clouds.to(device))
        for medium, feature in zip(media, features, strict=True):
            self._kept[medium] = feature.clone()
            self._bytes += feature.nbytes

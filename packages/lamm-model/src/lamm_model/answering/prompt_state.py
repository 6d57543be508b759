"""Reading prompts: each distinct beginning once, rows of any length side by side, the last beginning remembered."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from lamm_model.model.modeling_lamm import LammForConditionalGeneration, cache_of
from lamm_model.model.projector import joined
from lamm_model.model.silence import spoken, spoken_places
from lamm_model.processing.processing_lamm import LammProcessor
from lamm_model.processing.processing_lamm_vlm import join_images
from lamm_model.processing.segments import IMAGE, POINT_CLOUD

FEATURE_BYTES = 1 << 30  # memory that remembered features may take
Medium = tuple[str, Path]
Piece = tuple[list[int], list[int]]  # token ids and the adapter set of each
WORTH_A_PASS = 128  # tokens; a common opening that saves fewer is not worth a pass of its own


@dataclass
class PromptRow:
    """One prompt, ready to answer.

    Attributes:
        ids: Token ids.
        modality_ids: Adapter set of each token.
        shared: Number of leading tokens that rows with the same `shared_key` have in common (text and media).
        shared_key: Names that beginning; rows with equal keys share one computation.
        media: Kinds and features `[T, C]` of the row's media, in order; all lie inside the shared beginning.
        max_new_tokens: Longest answer.
    """

    ids: list[int]
    modality_ids: list[int]
    shared: int = 0
    shared_key: object = None
    media: list[tuple[str, Tensor]] = field(default_factory=list)
    max_new_tokens: int = 128


@dataclass
class PromptState:
    """What a batch of rows has in the model: cache, mask, next position, adapter set, last logits."""

    cache: DynamicCache
    mask: Tensor
    position: Tensor
    modality: Tensor
    logits: Tensor

    def select(self, rows: Tensor) -> None:
        """Keep (or repeat) the rows at these indices."""
        self.cache.batch_select_indices(rows)
        self.mask, self.position = self.mask[rows], self.position[rows]
        self.modality, self.logits = self.modality[rows], self.logits[rows]

    def trim(self) -> None:
        """Drop the leading columns that no row has a token in."""
        self._set_width(self.mask.shape[1] - int(self.mask.any(dim=0).int().argmax()))

    def join(self, other: PromptState) -> None:
        """Add another state's rows below these; the narrower of the two is filled on the left, masked."""
        width = max(self.mask.shape[1], other.mask.shape[1])
        for state in (self, other):
            state._set_width(width)
        for mine, new in zip(self.cache.layers, other.cache.layers, strict=True):
            mine.keys, mine.values = torch.cat([mine.keys, new.keys]), torch.cat([mine.values, new.values])
        self.mask, self.position = torch.cat([self.mask, other.mask]), torch.cat([self.position, other.position])
        self.modality = torch.cat([self.modality, other.modality])
        self.logits = torch.cat([self.logits, other.logits])

    def _set_width(self, width: int) -> None:
        """Give the state so many columns: cut or fill it on the left. A layer with a window holds the last ones."""
        self.mask = _last_columns(self.mask, width, dim=1)
        for layer in self.cache.layers:
            columns = width
            if (window := getattr(layer, "sliding_window", None)) is not None:
                columns, layer.cumulative_length = min(width, window - 1), width
            layer.keys, layer.values = (_last_columns(x, columns, dim=2) for x in (layer.keys, layer.values))


def can_join(cache: DynamicCache) -> bool:
    """Tell whether states with such a cache can be joined: every layer holds keys and values by column."""
    return all(type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) for layer in cache.layers)


def _last_columns(values: Tensor, width: int, dim: int) -> Tensor:
    have = values.shape[dim]
    if width <= have:
        return values.narrow(dim, have - width, width)
    shape = [*values.shape[:dim], width - have, *values.shape[dim + 1 :]]
    return torch.cat([values.new_zeros(shape), values], dim=dim)


@dataclass
class PrefixMemory:
    """The state of one row after one beginning, for later batches about the same image or scene.

    It holds as long as the model's weights do: forget it when adapters are merged or taken out again.

    Attributes:
        key: Names the beginning, as `PromptRow.shared_key` does.
        state: After it; copied, never gone on from. None where nothing is remembered yet.
    """

    key: object = None
    state: PromptState | None = None


@torch.inference_mode()
def prefill(
    model: LammForConditionalGeneration, rows: list[PromptRow], pad: int, memory: PrefixMemory | None = None
) -> PromptState:
    """Read prompts, each distinct shared beginning once.

    Args:
        model: In evaluation mode.
        rows: At least one prompt.
        pad: Filling token id; always masked.
        memory: Remembers the beginning of a batch whose rows all share one, and uses it again.

    Returns:
        The state after the last prompt token of each row, with its logits `[B, V]`.
    """
    if model.reads_alone:
        return _each_alone(model, rows)
    keys = list(dict.fromkeys(row.shared_key for row in rows))
    known = memory.state if memory is not None and keys == [memory.key] else None
    if None in keys or (len(keys) == len(rows) and known is None):
        return _begin(model, [(row.ids, row.modality_ids) for row in rows], pad, rows)
    if known is not None:
        state = copy.deepcopy(known)
    else:
        first = {row.shared_key: row for row in reversed(rows)}
        heads = [first[key] for key in keys]
        begun = [(row.ids[: row.shared], row.modality_ids[: row.shared]) for row in heads]
        state = _begin(model, begun, pad, heads)
        if memory is not None and len(keys) == 1:
            memory.key, memory.state = keys[0], copy.deepcopy(state)
    state.select(torch.tensor([keys.index(row.shared_key) for row in rows], device=model.device))
    rest = [(row.ids[row.shared :], row.modality_ids[row.shared :]) for row in rows]
    return _extend(model, state, rest, pad, [])


def _each_alone(model: Any, rows: list[PromptRow]) -> PromptState:
    """Read each prompt by itself, its images as the base model lays them out, and put the states side by side."""
    states: list[PromptState] = []
    for row in rows:
        ids, modality = (torch.tensor([values], device=model.device) for values in (row.ids, row.modality_ids))
        images = join_images([medium for kind, medium in row.media if kind == IMAGE])  # type: ignore[misc]
        mask = torch.ones_like(ids)
        outputs = model(
            input_ids=ids,
            attention_mask=mask,
            modality_ids=modality,
            past_key_values=DynamicCache(config=model.config.text_config),
            use_cache=True,
            logits_to_keep=1,
            point_cloud_features=_stack([row], POINT_CLOUD),
            **{name: value.to(model.device) for name, value in images.items()},
        )
        position = torch.tensor([model.next_position(len(row.ids), bool(images))], device=model.device)
        states.append(PromptState(cache_of(outputs), mask, position, modality[:, -1], outputs.logits[:, -1]))
    for state in states[1:]:
        states[0].join(state)
    return states[0]


def _begin(model: LammForConditionalGeneration, pieces: list[Piece], pad: int, rows: list[PromptRow]) -> PromptState:
    """Read beginnings; the text that all of them open with (the system message) is read once."""
    lead = _common_text(model, pieces)
    if (len(pieces) - 1) * lead < WORTH_A_PASS:
        return _extend(model, None, pieces, pad, rows)
    state = _extend(model, None, [(pieces[0][0][:lead], pieces[0][1][:lead])], pad, [])
    state.select(torch.zeros(len(pieces), dtype=torch.long, device=model.device))
    return _extend(model, state, [(ids[lead:], kinds[lead:]) for ids, kinds in pieces], pad, rows)


def _common_text(model: LammForConditionalGeneration, pieces: list[Piece]) -> int:
    """Count the tokens before any medium in which all pieces agree, leaving each at least one token."""
    media = {model.config.image_token_id, model.config.point_cloud_token_id}
    first, kinds = pieces[0]
    count = 0
    for count in range(min(len(ids) for ids, _ in pieces)):
        token, kind = first[count], kinds[count]
        if token in media or any(ids[count] != token or other[count] != kind for ids, other in pieces):
            break
    return count


def _extend(
    model: LammForConditionalGeneration,
    state: PromptState | None,
    pieces: list[Piece],
    pad: int,
    with_media: list[PromptRow],
) -> PromptState:
    """Run left-padded pieces of text after what the state holds.

    Holes in the mask and explicit positions keep each row's result independent of its neighbours.
    """
    device = model.device
    width = max(len(ids) for ids, _ in pieces)
    ids = torch.full((len(pieces), width), pad)
    modality, mask = torch.zeros_like(ids), torch.zeros_like(ids)
    positions = torch.zeros_like(ids)
    for number, (tokens, kinds) in enumerate(pieces):
        start = width - len(tokens)
        ids[number, start:] = torch.tensor(tokens)
        modality[number, start:] = torch.tensor(kinds)
        mask[number, start:] = 1
        positions[number, start:] = torch.arange(len(tokens))
    ids, modality, mask, positions = (x.to(device) for x in (ids, modality, mask, positions))
    if state is not None:
        positions = positions + state.position.unsqueeze(1)
        mask = torch.cat([state.mask, mask], dim=1)
    outputs = model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions,
        modality_ids=modality,
        past_key_values=DynamicCache(config=model.config.text_config) if state is None else state.cache,
        use_cache=True,
        logits_to_keep=1,
        image_features=_stack(with_media, IMAGE),
        point_cloud_features=_stack(with_media, POINT_CLOUD),
    )
    return PromptState(cache_of(outputs), mask, positions[:, -1] + 1, modality[:, -1], outputs.logits[:, -1])


def _stack(rows: list[PromptRow], kind: str) -> Tensor | None:
    features = [feature for row in rows for name, feature in row.media if name == kind]
    return joined(features) if features else None


class MediaFeatures:
    """Loads and encodes media in batches and remembers the features, the least recently used ones dropped first."""

    def __init__(self, model: LammForConditionalGeneration, processor: LammProcessor) -> None:
        self.model = model
        self.processor = processor
        self._features: OrderedDict[Medium, Tensor] = OrderedDict()
        self._bytes = 0

    def get(self, media: Sequence[Medium], inputs: Mapping[Medium, Tensor] | None = None) -> list[Tensor]:
        """Return the features `[T, C]` of each medium, before the projector.

        Args:
            media: Kinds and files.
            inputs: What the tower takes of each medium, where the files were read before; they are not opened then.
        """
        missing = [medium for medium in dict.fromkeys(media) if medium not in self._features]
        for kind in dict.fromkeys(kind for kind, _ in missing):
            self._encode(kind, [medium for medium in missing if medium[0] == kind], inputs)
        for medium in media:
            self._features.move_to_end(medium)
        features = [self._features[medium] for medium in media]
        while self._bytes > FEATURE_BYTES and len(self._features) > 1:
            _, dropped = self._features.popitem(last=False)
            self._bytes -= _size(dropped)
        return features

    def prompt_row(
        self,
        row: dict[str, list[int]],
        media: Sequence[Medium],
        max_new_tokens: int,
        inputs: Mapping[Medium, Tensor] | None = None,
    ) -> PromptRow:
        """Join a prompt's tokens (`LammProcessor.encode_dialogue`) with what the features of its media say."""
        features = [(kind, feature) for (kind, _), feature in zip(media, self.get(media, inputs), strict=True)]
        ids, modality_ids, silent = row["input_ids"], row["modality_ids"], self.model.config.silent_media
        told = [(*silent[kind], len(feature)) for kind, feature in features if kind in silent]
        if told:
            places = list(spoken_places(ids, told))
            ids, modality_ids = [ids[place] for place in places], [modality_ids[place] for place in places]
        return PromptRow(ids, modality_ids, media=features, max_new_tokens=max_new_tokens)

    def _encode(self, kind: str, media: list[Medium], inputs: Mapping[Medium, Tensor] | None) -> None:
        if kind == IMAGE and self.model.reads_alone:
            for medium in media:
                image = self.processor.load_images([medium[1]]) if inputs is None else inputs[medium]
                self._features[medium] = image
                self._bytes += _size(image)
            return
        if inputs is not None:
            read = torch.stack([inputs[medium] for medium in media])
        elif kind == IMAGE:
            read = self.processor.image_processor([path for _, path in media])["pixel_values"]
        else:
            read = self.processor.feature_extractor([path for _, path in media])["point_clouds"]
        encode = self.model.encode_images if kind == IMAGE else self.model.encode_point_clouds
        with torch.inference_mode():
            features = encode(read.to(self.model.device))
        silent = kind in self.model.config.silent_media
        for medium, feature in zip(media, features, strict=True):
            self._features[medium] = feature[spoken(feature)] if silent else feature.clone()
            self._bytes += self._features[medium].nbytes


def _size(features: Any) -> int:
    """Return the bytes of features, or of a picture's inputs by name."""
    return sum(value.nbytes for value in (features.values() if isinstance(features, Mapping) else [features]))

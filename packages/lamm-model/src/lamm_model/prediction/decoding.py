"""Greedy answers for a batch of rows: shared beginnings are computed once, finished rows leave the batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor
from transformers import DynamicCache

from lamm_model.modeling_lamm import LammForConditionalGeneration
from lamm_model.prompts.segments import IMAGE, POINT_CLOUD

SHRINK_BELOW = 0.6  # drop finished rows from the batch when less than this share is still being answered


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


@torch.inference_mode()
def prefill(model: LammForConditionalGeneration, rows: list[PromptRow], pad: int) -> PromptState:
    """Read prompts, each distinct shared beginning once.

    Args:
        model: In evaluation mode.
        rows: At least one prompt.
        pad: Filling token id; always masked.

    Returns:
        The state after the last prompt token of each row, with its logits `[B, V]`.
    """
    order = list(dict.fromkeys(row.shared_key for row in rows))
    if len(order) == len(rows) or any(row.shared_key is None for row in rows):
        return _extend(model, None, [_whole(row) for row in rows], pad, rows)
    first = {row.shared_key: row for row in reversed(rows)}
    heads = [first[key] for key in order]
    begun = [(row.ids[: row.shared], row.modality_ids[: row.shared]) for row in heads]
    state = _extend(model, None, begun, pad, heads)
    state.select(torch.tensor([order.index(row.shared_key) for row in rows], device=model.device))
    rest = [(row.ids[row.shared :], row.modality_ids[row.shared :]) for row in rows]
    return _extend(model, state, rest, pad, [])


def _whole(row: PromptRow) -> tuple[list[int], list[int]]:
    return row.ids, row.modality_ids


def _extend(
    model: LammForConditionalGeneration,
    state: PromptState | None,
    pieces: list[tuple[list[int], list[int]]],
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
    return PromptState(outputs.past_key_values, mask, positions[:, -1] + 1, modality[:, -1], outputs.logits[:, -1])


def _stack(rows: list[PromptRow], kind: str) -> Tensor | None:
    features = [feature for row in rows for name, feature in row.media if name == kind]
    return torch.stack(features) if features else None


@torch.inference_mode()
def answer_rows(
    model: LammForConditionalGeneration,
    rows: list[PromptRow],
    *,
    pad: int,
    end_ids: set[int],
    ended: Callable[[list[int]], bool] | None = None,
) -> list[list[int]]:
    """Answer a batch greedily; the same tokens as one row at a time.

    Args:
        model: In evaluation mode.
        rows: Prompts.
        pad: Filling token id.
        end_ids: Ids that end an answer; not part of it.
        ended: Tells from the tokens so far whether a stop string has been written.

    Returns:
        Answer token ids of each row.
    """
    state = prefill(model, rows, pad)
    answers: list[list[int]] = [[] for _ in rows]
    open_rows = list(range(len(rows)))
    active = list(range(len(rows)))  # rows the state still holds
    forbidden = model.placeholder_ids()
    while True:
        state.logits[:, forbidden] = -torch.inf
        chosen = state.logits.argmax(dim=-1)
        for place, row in enumerate(active):
            if row in open_rows and _take(answers[row], int(chosen[place]), rows[row], end_ids, ended):
                open_rows.remove(row)
        if not open_rows:
            return answers
        if len(open_rows) < SHRINK_BELOW * len(active):
            kept = torch.tensor([active.index(row) for row in open_rows], device=model.device)
            state.select(kept)
            chosen = chosen[kept]
            active = list(open_rows)
        state = _step(model, state, chosen)


def _take(
    answer: list[int], token: int, row: PromptRow, end_ids: set[int], ended: Callable[[list[int]], bool] | None
) -> bool:
    """Add a token to an answer; return whether the answer is complete."""
    if token in end_ids:
        return True
    answer.append(token)
    return len(answer) >= row.max_new_tokens or (ended is not None and ended(answer))


def _step(model: LammForConditionalGeneration, state: PromptState, tokens: Tensor) -> PromptState:
    mask = torch.cat([state.mask, state.mask.new_ones(len(tokens), 1)], dim=1)
    outputs = model(
        input_ids=tokens.unsqueeze(1),
        attention_mask=mask,
        position_ids=state.position.unsqueeze(1),
        modality_ids=state.modality.unsqueeze(1),
        past_key_values=state.cache,
        use_cache=True,
    )
    return PromptState(outputs.past_key_values, mask, state.position + 1, state.modality, outputs.logits[:, -1])


@torch.inference_mode()
def stream_row(model: LammForConditionalGeneration, row: PromptRow, *, pad: int, end_ids: set[int]) -> Iterator[int]:
    """Answer one prompt greedily, token by token.

    Args:
        model: In evaluation mode.
        row: The prompt.
        pad: Filling token id.
        end_ids: Ids that end the answer.

    Yields:
        Token ids of the answer.
    """
    state = prefill(model, [row], pad)
    for _ in range(row.max_new_tokens):
        state.logits[:, model.placeholder_ids()] = -torch.inf
        token = state.logits.argmax(dim=-1)
        if int(token) in end_ids:
            return
        yield int(token)
        state = _step(model, state, token)

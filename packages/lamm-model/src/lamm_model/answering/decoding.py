"""Answers for a batch of rows, token by token: finished rows leave the batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from lamm_model.answering.prompt_state import PrefixMemory, PromptRow, PromptState, prefill
from lamm_model.model.modeling_lamm import LammForConditionalGeneration, cache_of
from lamm_model.processing.processing_lamm import LammProcessor

SHRINK_BELOW = 0.6  # drop finished rows from the batch when less than this share is still being answered


@dataclass(frozen=True)
class NewToken:
    """What one decoding step brought to one row.

    Attributes:
        row: Number of the row.
        token: The new token, or None where the model ended its answer.
        finish: Empty while the answer goes on; `stop` where the model ended it, `length` at the longest answer.
    """

    row: int
    token: int | None
    finish: str


@torch.inference_mode()
def decode_rows(
    model: LammForConditionalGeneration,
    processor: LammProcessor,
    rows: list[PromptRow],
    memory: PrefixMemory | None = None,
) -> Iterator[list[NewToken]]:
    """Answer a batch, one step at a time; each row's tokens are those it would get alone.

    Args:
        model: In evaluation mode.
        processor: Its processor: filling, end tokens and stop strings.
        rows: Prompts.
        memory: As for `prefill`.

    Yields:
        The new tokens of each step.
    """
    state = prefill(model, rows, processor.pad_token_id, memory)
    answers: list[list[int]] = [[] for _ in rows]
    open_rows = list(range(len(rows)))
    active = list(range(len(rows)))  # rows the state still holds
    forbidden = model.placeholder_ids()
    while True:
        state.logits[:, forbidden] = -torch.inf
        chosen = state.logits.argmax(dim=-1)
        step: list[NewToken] = []
        for row, token in zip(active, chosen.tolist(), strict=True):
            if row in open_rows:
                step.append(_take(processor, answers[row], row, token, rows[row].max_new_tokens))
        open_rows = [new.row for new in step if not new.finish]
        yield step
        if not open_rows:
            return
        if len(open_rows) < SHRINK_BELOW * len(active):
            going_on = torch.tensor([active.index(row) for row in open_rows], device=model.device)
            state.select(going_on)
            chosen = chosen[going_on]
            active = list(open_rows)
        state = advance(model, state, chosen)


def _take(processor: LammProcessor, answer: list[int], row: int, token: int, most: int) -> NewToken:
    """Add a token to an answer and say whether the answer is complete."""
    if token in processor.end_token_ids:
        return NewToken(row, None, "stop")
    answer.append(token)
    if processor.answer_stopped(answer):
        return NewToken(row, token, "stop")
    return NewToken(row, token, "length" if len(answer) >= most else "")


def advance(model: LammForConditionalGeneration, state: PromptState, tokens: Tensor) -> PromptState:
    """Add one token `[B]` to every row; the state that was passed holds no longer."""
    mask = torch.cat([state.mask, state.mask.new_ones(len(tokens), 1)], dim=1)
    outputs = model(
        input_ids=tokens.unsqueeze(1),
        attention_mask=mask,
        position_ids=state.position.unsqueeze(1),
        modality_ids=state.modality.unsqueeze(1),
        past_key_values=state.cache,
        use_cache=True,
    )
    return PromptState(cache_of(outputs), mask, state.position + 1, state.modality, outputs.logits[:, -1])


def answer_rows(
    model: LammForConditionalGeneration,
    processor: LammProcessor,
    rows: list[PromptRow],
    memory: PrefixMemory | None = None,
) -> list[list[int]]:
    """Answer a batch greedily, as `decode_rows` does, and return each row's token ids."""
    answers: list[list[int]] = [[] for _ in rows]
    for step in decode_rows(model, processor, rows, memory=memory):
        for new in step:
            if new.token is not None:
                answers[new.row].append(new.token)
    return answers


class TextStream:
    """Gives out only what later tokens cannot change: whole characters, nothing of a stop string, no space at the ends.

    All pieces together are the answer as `LammProcessor.answer_text` returns it. Where the whole answer is to be
    changed at its end (`finish`, for coordinates), it comes as one piece.

    Attributes:
        text: The answer so far.
        stopped: Whether a stop string has come.
    """

    def __init__(
        self, decode: Callable[[list[int]], str], stops: list[str], finish: Callable[[str], str] | None = None
    ) -> None:
        self._decode = decode
        self._stops = stops
        self._finish = finish
        self._ids: list[int] = []
        self.text = ""
        self.stopped = False

    def add(self, token: int | None, last: bool = False) -> str:
        """Add a token, or None for none, and return the text that has become certain by it, often empty.

        Args:
            token: The new token.
            last: Whether the answer is complete: what was held back comes out.
        """
        if token is not None:
            self._ids.append(token)
        whole = self._decode(self._ids)
        cut = min((at for stop in self._stops if (at := whole.find(stop)) >= 0), default=-1)
        self.stopped = cut >= 0
        if self.stopped:
            sure = whole[:cut].strip()
        elif last:
            sure = whole.strip()
        else:
            sure = whole[: len(whole) - _held_back(whole, self._stops)].strip()
        if self._finish is not None:
            sure = self._finish(sure) if last else ""
        piece = sure[len(self.text) :]
        self.text += piece
        return piece


def _held_back(text: str, stops: list[str]) -> int:
    r"""Count the characters at the end that may yet become part of a stop string, or are not whole yet.

    >>> _held_back("yes\n##", ["\n###"])
    3
    """
    if text.endswith("\ufffd"):  # a character may be spread over several tokens
        return len(text) - len(text.rstrip("\ufffd"))
    lengths = (length for stop in stops for length in range(1, len(stop)) if text.endswith(stop[:length]))
    return max(lengths, default=0)

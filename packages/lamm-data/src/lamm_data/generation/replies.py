"""From a server's reply to the answer of a row: what is no answer never becomes one."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from lamm_data.generation.answers import (
    Answer,
    UnusableAnswerError,
    parse_description,
    parse_dialogue,
    parse_options,
    parse_statements,
)
from lamm_data.generation.prompts import Example, Prompt
from lamm_data.generation.rows import Row
from lamm_data.writing.phrases import first_fault
from lamm_llm import Reply

_LONGEST_REFUSAL = 400


def looks_refused(text: str) -> bool:
    """Tell whether a short answer declines, speaks of the model or to its user, instead of answering.

    >>> looks_refused("I'm sorry, but I can't assist with that."), looks_refused("A dog sits there.")
    (True, False)
    """
    return len(text) <= _LONGEST_REFUSAL and first_fault(text, "refusal") is not None


def read_answer(prompt: Prompt, row: Row, reply: Reply) -> Answer:
    """Read a reply as the prompt's kind of answer.

    Raises:
        UnusableAnswerError: No record can be made from it.
    """
    if reply.refusal:
        raise UnusableAnswerError("refusal", f"The model refused: {reply.refusal}")
    if reply.finish == "content_filter":
        raise UnusableAnswerError("filtered", "The server's content filter stopped the answer.")
    text, cut_off = reply.answer, reply.cut_off
    if cut_off and not text.strip():
        what = "The answer was cut off at the limit of tokens before it began, in its thinking. Raise --max-tokens."
        raise UnusableAnswerError("cut_off", what)
    try:
        answer = _parse(prompt, row, text, cut_off)
    except UnusableAnswerError as unusable:
        if unusable.reason != "cut_off" and looks_refused(text):
            raise _refused(text) from None
        raise
    return _without_examples(_without_faults(answer), prompt.examples)


def _parse(prompt: Prompt, row: Row, text: str, cut_off: bool) -> Answer:
    if prompt.answer == "description":
        return parse_description(text, cut_off=cut_off)
    if prompt.answer == "dialogue":
        return parse_dialogue(text, cut_off=cut_off, most=prompt.rounds)
    if prompt.answer == "options":
        return parse_options(text, row.questions[0].answers, prompt.options, cut_off=cut_off)
    used = min(len(row.questions), prompt.questions_used or len(row.questions))
    return parse_statements(text, cut_off=cut_off, most=used or None)


def _without_faults(answer: Answer) -> Answer:
    """Drop the rounds in which the model refuses, chats, or leaves marks of its format; refuse the rest if it does."""
    if answer.rounds:
        whole = "\n".join(text for pair in answer.rounds for text in pair)
        if first_fault(whole, "refusal", "markup") is None:
            return answer
        rounds = tuple(pair for pair in answer.rounds if not any(map(_fault, pair)))
        if not rounds:
            raise _faulty(whole, *(_fault(answer.rounds[0][1]) or _fault(answer.rounds[0][0])))
        return replace(answer, rounds=rounds, salvaged=answer.salvaged or len(rounds) < len(answer.rounds))
    text = " ".join([answer.description, *answer.items])
    if fault := _fault(text):
        raise _faulty(text, *fault)
    return answer


def _fault(text: str) -> tuple[str, ...]:
    """Give the kind and the words of a fault: marks of a format anywhere, a refusal where it is short."""
    kinds = ("refusal", "markup") if len(text) <= _LONGEST_REFUSAL else ("markup",)
    return first_fault(text, *kinds) or ()


def _faulty(text: str, kind: str, words: str) -> UnusableAnswerError:
    if kind == "refusal":
        return _refused(text)
    return UnusableAnswerError("markup", f"The answer holds marks that no text should have: {words[:60]!r}.")


def _refused(text: str) -> UnusableAnswerError:
    return UnusableAnswerError("refusal", f"The model refused: {' '.join(text.split())[:200]}")


def _without_examples(answer: Answer, examples: tuple[Example, ...]) -> Answer:
    """Drop rounds that a small model copied from an example; short answers may be equal by chance."""
    copied, long_answers = _told(tuple(example.rounds for example in examples))
    rounds = tuple(pair for pair in answer.rounds if pair not in copied and pair[1] not in long_answers)
    same = bool(answer.description) and any(answer.description == example.description for example in examples)
    same = same or (bool(answer.items) and any(answer.items == example.items for example in examples))
    if same or (answer.rounds and not rounds):
        raise UnusableAnswerError("repeats_example", "The answer repeats an example; speak of this picture instead.")
    return answer if len(rounds) == len(answer.rounds) else replace(answer, rounds=rounds, salvaged=True)


@lru_cache(maxsize=16)
def _told(examples: tuple[tuple[tuple[str, str], ...], ...]) -> tuple[frozenset[tuple[str, str]], frozenset[str]]:
    """Return the rounds of examples, and those of their answers that are too long to be equal by chance."""
    rounds = frozenset(pair for example in examples for pair in example)
    return rounds, frozenset(answer for _, answer in rounds if len(answer.split()) > 5)

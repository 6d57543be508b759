"""From a row to its outcome: ask, read the answer, ask once more; what is no answer never becomes one.

Every step is decided by the answers alone, and the answers are in the journal, so the same steps are taken again on
resume without sending anything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial

from lamm_data.generation.answers import (
    Answer,
    UnusableAnswerError,
    parse_description,
    parse_dialogue,
    parse_options,
    parse_statements,
    parse_verdict,
)
from lamm_data.generation.prompts import Example, Prompt
from lamm_data.generation.request_builder import RequestBuilder
from lamm_data.generation.rows import Row
from lamm_data.writing.words import first_fault
from lamm_llm import FormatLadder, GaveUpError, RefusedError, Reply, Request, UnsupportedError

Ask = Callable[[Request], Awaitable[Reply]]
"""How a request gets its reply: by an engine's endpoint, or by looking it up."""
_LONGEST_REFUSAL = 400


@dataclass
class Outcome:
    """How a row ended.

    Attributes:
        answer: The usable answer, or None.
        reason: Why there is none.
        detail: The reason in words.
        requests: What was asked, in order; none when the row cannot be used.
        reply: The last reply.
        asked_again: Whether it took a second answer.
        failed: True when no answer was received, so that a later run should try again.
        shown: SHA-256 of the pictures that the model was shown.
    """

    answer: Answer | None = None
    reason: str = ""
    detail: str = ""
    requests: list[Request] = field(default_factory=list)
    reply: Reply = field(default_factory=lambda: Reply(""))
    asked_again: bool = False
    failed: bool = False
    shown: tuple[str, ...] = ()


def why_useless(prompt: Prompt, row: Row) -> Outcome | None:
    """Return the rejection of a row that a prompt cannot be written from, which then costs no request; else None."""
    missing = [name for name in prompt.needs if not getattr(row, name)]
    if missing:
        return Outcome(reason="no_" + missing[0], detail=f"Expected {' and '.join(missing)} in the row, got none.")
    if prompt.modality not in ("any", row.modality):
        detail = f"Expected a row about `{prompt.modality}`, got one about `{row.modality}`: choose another --type."
        return Outcome(reason="other_modality", detail=detail)
    return None


@dataclass
class Solver:
    """Solves rows, whoever asks for it; `reask` allows a second request after an unusable answer."""

    builder: RequestBuilder
    ladder: FormatLadder
    reask: bool

    async def solve(self, row: Row, ask: Ask) -> Outcome:
        """Work on one row until it has an answer or a reason.

        Raises:
            BudgetReachedError, EndpointError: When the run, not the row, has to stop.
        """
        useless = why_useless(self.builder.prompt, row)
        return useless or await self.answer(row, self.builder.asking(row), ask)

    async def answer(self, row: Row, build: Callable[[str], Request], ask: Ask) -> Outcome:
        """Ask for a row by the request that `build` makes in an answer format, and read what comes back."""
        outcome = Outcome()
        try:
            await self._ask_twice(row, build, ask, outcome)
        except (UnusableAnswerError, GaveUpError) as failure:
            outcome.reason, outcome.detail = failure.reason, str(failure)
            outcome.failed = isinstance(failure, GaveUpError)
        except (RefusedError, UnsupportedError) as failure:
            kind = "refused" if isinstance(failure, RefusedError) else "unsupported"
            outcome.reason, outcome.detail, outcome.failed = f"{kind}_by_server", str(failure), True
        return outcome

    async def _ask_twice(self, row: Row, build: Callable[[str], Request], ask: Ask, outcome: Outcome) -> None:
        outcome.reply = await self.ladder.ask(build, ask, outcome.requests)
        try:
            self._read(row, outcome)
            return
        except UnusableAnswerError as unusable:
            if not self.reask or unusable.reason in ("refusal", "filtered"):
                raise
            reason, complaint = unusable.reason, str(unusable)
        request, text = outcome.requests[-1], outcome.reply.answer
        outcome.asked_again = True
        if reason == "cut_off":  # more room in place of a correction
            outcome.requests.append(self.builder.longer(request))
            outcome.reply = await ask(outcome.requests[-1])
        else:
            corrected = partial(self.builder.again, request, text, complaint)
            outcome.reply = await self.ladder.ask(corrected, ask, outcome.requests)
        self._read(row, outcome)

    def _read(self, row: Row, outcome: Outcome) -> None:
        """Read the last reply and tell the ladder how its format did."""
        try:
            outcome.answer = read_answer(self.builder.prompt, row, outcome.reply)
        finally:
            self.ladder.judged(outcome.requests[-1].format, outcome.answer is not None)


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
    if prompt.answer == "verdict":  # it quotes what it is about, whatever that is
        return answer
    return _without_examples(_without_faults(answer), prompt.examples)


def _parse(prompt: Prompt, row: Row, text: str, cut_off: bool) -> Answer:
    if prompt.answer == "description":
        return parse_description(text, cut_off=cut_off)
    if prompt.answer == "dialogue":
        return parse_dialogue(text, cut_off=cut_off, most=prompt.rounds)
    if prompt.answer == "options":
        return parse_options(text, row.questions[0].answers, prompt.options, cut_off=cut_off)
    if prompt.answer == "verdict":
        return parse_verdict(text, cut_off=cut_off)
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

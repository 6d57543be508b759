"""From a row to its outcome: ask, read the answer, ask once more if it is unusable.

Every step is decided by the answers alone, and the answers are in the journal, so the same steps are taken again on
resume without sending anything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from lamm_data.errors import LammDataError
from lamm_data.generation.answers import (
    Answer,
    UnusableAnswerError,
    looks_refused,
    parse_description,
    parse_dialogue,
    parse_options,
    parse_statements,
)
from lamm_data.generation.prompts import Example, Prompt
from lamm_data.generation.request_builder import RequestBuilder
from lamm_data.generation.rows import Row
from lamm_llm import (
    FORMATS,
    FormatLadder,
    GaveUpError,
    RefusedError,
    Reply,
    Request,
    UnsupportedError,
    without_thinking,
)

Ask = Callable[[Request], Awaitable[Reply]]
"""How a request gets its reply: by an engine's endpoint, or by looking it up."""


class Known(Protocol):
    """What has been asked before: a journal, or a journal and the batches under way."""

    def __len__(self) -> int: ...

    def __contains__(self, key: str, /) -> bool: ...


@dataclass(frozen=True)
class Outcome:
    """How a row ended.

    Attributes:
        answer: The usable answer, or None.
        reason: Why there is none.
        detail: The reason in words.
        text: Raw text of the last answer.
        request: Key of the last request, empty when none was made.
        seed: Seed of the last request.
        reply: The last reply.
        asks: Requests it took.
        failed: True when no answer was received, so that a later run should try again.
    """

    answer: Answer | None = None
    reason: str = ""
    detail: str = ""
    text: str = ""
    request: str = ""
    seed: int = 0
    reply: Reply = field(default_factory=lambda: Reply(""))
    asks: int = 0
    failed: bool = False


def why_useless(prompt: Prompt, row: Row) -> Outcome | None:
    """Say why a prompt cannot be written from a row, which then costs no request.

    Args:
        prompt: The prompt.
        row: The row.

    Returns:
        The rejection, or None when the row can be used.
    """
    missing = [name for name in prompt.needs if not getattr(row, name)]
    if missing:
        return Outcome(reason="no_" + missing[0], detail=f"Expected {' and '.join(missing)} in the row, got none.")
    if prompt.modality not in ("any", row.modality):
        detail = f"Expected a row about `{prompt.modality}`, got one about `{row.modality}`: choose another --type."
        return Outcome(reason="other_modality", detail=detail)
    return None


class Solver:
    """Solves rows, whoever asks for it.

    Args:
        known: Which requests have been asked before.
        builder: Builds requests.
        ladder: Chooses the answer format.
        reask: Ask once more after an unusable answer.
    """

    def __init__(self, known: Known, builder: RequestBuilder, ladder: FormatLadder, *, reask: bool = True) -> None:
        self.builder = builder
        self.ladder = ladder
        self.reask = reask
        self._known_keys = known
        self._resumed = len(known) > 0

    async def solve(self, row: Row, ask: Ask) -> Outcome:
        """Work on one row until it has an answer or a reason.

        Args:
            row: The row.
            ask: Gives the reply to a request.

        Returns:
            The outcome.

        Raises:
            BudgetReachedError, EndpointError: When the run, not the row, has to stop.
        """
        useless = why_useless(self.builder.prompt, row)
        if useless is not None:
            return useless
        progress = _Progress(row)
        try:
            return await self._ask_twice(row, ask, progress)
        except UnusableAnswerError as unusable:
            return progress.outcome(unusable.reason, str(unusable))
        except GaveUpError as failure:
            return progress.outcome(failure.reason, str(failure), failed=True)
        except RefusedError as failure:
            return progress.outcome("refused_by_server", str(failure), failed=True)
        except UnsupportedError as failure:
            return progress.outcome("unsupported_by_server", str(failure), failed=True)

    async def _ask_twice(self, row: Row, ask: Ask, progress: _Progress) -> Outcome:
        try:
            await self._first(row, ask, progress)
            return progress.read(self.builder.prompt, self.ladder)
        except UnusableAnswerError as unusable:
            if not self.reask or unusable.reason in ("refusal", "filtered"):
                raise
            again = self._again(progress, unusable)
        progress.begin(again)
        progress.reply = await ask(again)
        return progress.read(self.builder.prompt, self.ladder)

    async def _first(self, row: Row, ask: Ask, progress: _Progress) -> None:
        while True:
            request = self._known([self.builder.first(row, name) for name in self._formats()])
            progress.request = request
            try:
                progress.reply = await ask(request)
            except UnsupportedError:
                if request.format == FORMATS[-1] or self.ladder.fixed:
                    raise
                self.ladder.refused(request.format)
                continue
            progress.asks = 1
            return

    def _again(self, progress: _Progress, unusable: UnusableAnswerError) -> Request:
        """Build the second request: more room after a cut, otherwise a correction."""
        request, text = progress.asked(), progress.reply.text
        if unusable.reason == "cut_off":
            return self.builder.longer(request)
        return self._known([self.builder.again(request, text, str(unusable), name) for name in self._formats()])

    def _formats(self) -> list[str]:
        """Formats to build a request in: every one when earlier answers may stand in the journal."""
        return self.ladder.candidates() if self._resumed else [self.ladder.current]

    def _known(self, requests: list[Request]) -> Request:
        """Choose the request that is answered already, else the one in the current format."""
        return next((request for request in requests if request.key in self._known_keys), requests[0])


@dataclass
class _Progress:
    """How far a row has come."""

    row: Row
    request: Request | None = None
    reply: Reply = field(default_factory=lambda: Reply(""))
    asks: int = 0

    def asked(self) -> Request:
        if self.request is None:
            raise LammDataError("Expected a request before its answer.")
        return self.request

    def begin(self, request: Request) -> None:
        self.request, self.asks = request, self.asks + 1

    def read(self, prompt: Prompt, ladder: FormatLadder) -> Outcome:
        """Read the last reply and tell the ladder how its format did."""
        request = self.asked()
        try:
            answer = read_answer(prompt, self.row, self.reply)
        except UnusableAnswerError:
            ladder.judged(request.format, False)
            raise
        ladder.judged(request.format, True)
        return Outcome(answer, "", "", self.reply.text, request.key, request.seed, self.reply, self.asks)

    def outcome(self, reason: str, detail: str, *, failed: bool = False) -> Outcome:
        key, seed = (self.request.key, self.request.seed) if self.request else ("", 0)
        return Outcome(None, reason, detail, self.reply.text, key, seed, self.reply, self.asks, failed)


def read_answer(prompt: Prompt, row: Row, reply: Reply) -> Answer:
    """Read a reply as the prompt's kind of answer.

    Args:
        prompt: The prompt.
        row: The row that was asked about.
        reply: The reply.

    Returns:
        The answer.

    Raises:
        UnusableAnswerError: With its reason.
    """
    if reply.refusal:
        raise UnusableAnswerError("refusal", f"The model refused: {reply.refusal}")
    if reply.finish == "content_filter":
        raise UnusableAnswerError("filtered", "The server's content filter stopped the answer.")
    try:
        answer = _parse(prompt, row, without_thinking(reply.text), reply.finish == "length")
    except UnusableAnswerError as unusable:
        if unusable.reason != "cut_off" and looks_refused(reply.text):
            raise _refused(reply.text) from None
        raise
    if not answer.rounds and looks_refused(" ".join([answer.description, *answer.items])):
        raise _refused(reply.text)
    return _without_examples(answer, prompt.examples)


def _parse(prompt: Prompt, row: Row, text: str, cut_off: bool) -> Answer:
    if prompt.answer == "description":
        return parse_description(text, cut_off=cut_off)
    if prompt.answer == "dialogue":
        return parse_dialogue(text, cut_off=cut_off, most=prompt.rounds)
    if prompt.answer == "options":
        return parse_options(text, row.questions[0].answers, prompt.options, cut_off=cut_off)
    used = min(len(row.questions), prompt.questions_used or len(row.questions))
    return parse_statements(text, cut_off=cut_off, most=used)


def _refused(text: str) -> UnusableAnswerError:
    return UnusableAnswerError("refusal", f"The model refused: {' '.join(text.split())[:200]}")


def _without_examples(answer: Answer, examples: tuple[Example, ...]) -> Answer:
    """Drop rounds that a small model copied from an example; short answers may be equal by chance."""
    copied = {pair for example in examples for pair in example.rounds}
    long_answers = {text for _, text in copied if len(text.split()) > 5}
    rounds = tuple(pair for pair in answer.rounds if pair not in copied and pair[1] not in long_answers)
    same = bool(answer.description) and any(answer.description == example.description for example in examples)
    same = same or (bool(answer.items) and any(answer.items == example.items for example in examples))
    if same or (answer.rounds and not rounds):
        raise UnusableAnswerError("repeats_example", "The answer repeats an example; speak of this picture instead.")
    return replace(answer, rounds=rounds, salvaged=answer.salvaged or len(rounds) < len(answer.rounds))

"""From a row to its outcome: ask, read the answer, ask once more if it is unusable.

Every step is decided by the answers alone, and the answers are in the journal, so the same steps are taken again on
resume without sending anything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

from lamm_data.generation.answers import Answer, UnusableAnswerError
from lamm_data.generation.prompts import Prompt
from lamm_data.generation.replies import read_answer
from lamm_data.generation.request_builder import RequestBuilder
from lamm_data.generation.rows import Row
from lamm_llm import FormatLadder, GaveUpError, RefusedError, Reply, Request, UnsupportedError

Ask = Callable[[Request], Awaitable[Reply]]
"""How a request gets its reply: by an engine's endpoint, or by looking it up."""


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

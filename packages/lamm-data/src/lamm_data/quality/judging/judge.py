"""Asks a judge how faithful records are: the picture or views where a media root is known, the annotations, the text.

Requests, answer formats, one re-ask, journal and price limits are those of generation. A record without a readable
verdict is never passed: it has the finding `unjudged`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from lamm_data.errors import SourceError
from lamm_data.files.pictures import media_file
from lamm_data.generation.answers import BEST_SCORE
from lamm_data.generation.prompts import load_packaged_prompt
from lamm_data.generation.request_builder import MAX_OBJECTS, RequestBuilder, Sampling
from lamm_data.generation.rows import Row
from lamm_data.generation.seeing import PICTURE_SIZE, VIEW_SIZE, cloud_views, jpeg, picture_jpeg
from lamm_data.generation.solving import Ask, Outcome, Solver
from lamm_data.progress import Advance, unwatched
from lamm_data.quality.checks.record import Finding
from lamm_data.records.annotations import Question
from lamm_data.records.instruction import PLACEHOLDERS, InstructionRecord
from lamm_llm import (
    Budget,
    BudgetReachedError,
    Endpoint,
    EndpointSettings,
    Engine,
    FormatLadder,
    Journal,
    RetryPolicy,
    find_price,
    run_async,
)

_VIEWS = 4


@dataclass(frozen=True)
class FaithfulnessSettings:
    """Who judges, and what is accepted.

    Attributes:
        model: Model name.
        endpoint: Where to ask.
        journal: File that keeps every reply; the same call again sends nothing twice.
        least: Score from which a record passes, 2 to 5.
        media_root: Folder of the media, which are shown then; None to judge by annotations alone.
        max_cost: US dollars to spend in this call, at most.
        prices: The user's price table.
        max_tokens: Most tokens of one verdict.
    """

    model: str
    endpoint: EndpointSettings
    journal: Path
    least: int = 4
    media_root: Path | None = None
    max_cost: float | None = None
    prices: Path | None = None
    max_tokens: int = 512


@dataclass
class Verdicts:
    """What a judge answered.

    Attributes:
        outcomes: How each record ended, by its key: with an answer that has a score, or with a reason.
        sent: Requests sent.
        reused: Replies that the journal held.
        cost: US dollars spent in this call; None where the price is unknown.
    """

    outcomes: dict[int, Outcome] = field(default_factory=dict)
    sent: int = 0
    reused: int = 0
    cost: float | None = None

    def score(self, key: int) -> int | None:
        """Return the score of a record; None where it has none."""
        answer = self.outcomes[key].answer
        return answer.score if answer else None

    def scores(self) -> Counter[int]:
        """Count the records by score."""
        return Counter(score for key in self.outcomes if (score := self.score(key)) is not None)

    def unjudged(self) -> Counter[str]:
        """Count the records without a verdict by reason."""
        return Counter(outcome.reason for outcome in self.outcomes.values() if outcome.answer is None)

    def to_dict(self) -> dict[str, Any]:
        """Give plain values for JSON."""
        scores, unjudged = dict(sorted(self.scores().items())), dict(self.unjudged())
        return {"scores": scores, "unjudged": unjudged, "sent": self.sent, "reused": self.reused, "cost": self.cost}

    def describe(self) -> Iterator[str]:
        """Say what was answered, a line each."""
        for score in range(BEST_SCORE, 0, -1):
            yield f"{f'judged {score} of {BEST_SCORE}':28}{self.scores()[score]:>10}"
        for reason, count in sorted(self.unjudged().items()):
            yield f"{f'not judged, {reason}':28}{count:>10}"
        cost = "unknown" if self.cost is None else f"{self.cost:.4f} USD"
        yield f"{self.sent} requests sent to the judge, {self.reused} replies reused, cost {cost}"

    def findings(self, least: int) -> Iterable[tuple[int, Finding]]:
        """Give the findings of the kinds unfaithful and unjudged, by the key of the record."""
        for key, outcome in self.outcomes.items():
            if outcome.answer is None:
                yield key, Finding("unjudged", f"{outcome.reason}: {outcome.detail}"[:300])
            elif outcome.answer.score < least:
                quotes = "; ".join(outcome.answer.items)
                yield key, Finding("unfaithful", f"score {outcome.answer.score}{': ' if quotes else ''}{quotes}"[:300])


def judge_records(
    records: Iterable[tuple[int, InstructionRecord]],
    rows: Mapping[str, Row],
    settings: FaithfulnessSettings,
    advance: Advance = unwatched,
) -> Verdicts:
    """Ask for a verdict about each record.

    Args:
        records: Records with a key of their own each.
        rows: Annotation rows by the id of their record.
        settings: Who judges.
        advance: Called with the number of records that have ended.

    Raises:
        EndpointError: The endpoint cannot be used; replies so far are in the journal.
        LammLlmError: The journal or the price table does not fit.
    """
    return run_async(lambda: _judge(records, rows, settings, advance))


async def _judge(
    records: Iterable[tuple[int, InstructionRecord]],
    rows: Mapping[str, Row],
    settings: FaithfulnessSettings,
    advance: Advance,
) -> Verdicts:
    prompt = load_packaged_prompt("quality/judging", "judge")
    builder = RequestBuilder(prompt, Sampling(settings.model, 0.0, settings.max_tokens))
    budget = Budget(find_price(settings.model, settings.prices), settings.max_cost, promise=True)
    endpoint, verdicts = Endpoint(settings.endpoint), Verdicts()
    try:
        with closing(Journal(settings.journal, None, sendings=True)) as journal:
            engine: Engine[tuple[int, InstructionRecord]] = Engine([endpoint], journal, budget, RetryPolicy())
            solver = Solver(builder, FormatLadder(asked_before=journal), reask=True)

            async def work(item: tuple[int, InstructionRecord], asked: Endpoint) -> None:
                key, record = item
                ask = partial(engine.ask, endpoint=asked)
                try:
                    outcome = await _outcome(record, rows.get(str(record.id)), solver, settings.media_root, ask)
                except BudgetReachedError as reached:
                    outcome = Outcome(reason="not_asked", detail=f"{reached}. Run the same command again")
                verdicts.outcomes[key] = outcome
                advance(1)

            await engine.run(iter(records), work)
    finally:
        await endpoint.close()
    verdicts.sent, verdicts.reused, verdicts.cost = engine.traffic.sent, engine.traffic.reused, budget.cost
    return verdicts


async def _outcome(
    record: InstructionRecord, row: Row | None, solver: Solver, media_root: Path | None, ask: Ask
) -> Outcome:
    if row is None and (media_root is None or not record.media):
        return Outcome(
            reason="no_evidence", detail="Expected an annotation row of its id, or --media-root; got neither"
        )
    told = evidence(record, row)
    try:
        pictures = await asyncio.to_thread(_pictures, record, told, media_root) if media_root else []
    except SourceError as error:
        return Outcome(reason="no_medium", detail=str(error))
    return await solver.answer(told, solver.builder.telling(told, pictures), ask)


def evidence(record: InstructionRecord, row: Row | None) -> Row:
    """Return what a request tells: the annotations, with people's questions as sentences, and the dialogue to check."""
    name = record.media[0] if record.media else ""
    row = row or Row(str(record.id), name, record.modality)
    known = tuple(f"{item.text} {', '.join(item.answers)}" for item in row.questions)
    texts = [_without_placeholders(turn.text) for turn in record.conversations]
    rounds = tuple(Question(asked, (answered,)) for asked, answered in zip(texts[::2], texts[1::2], strict=False))
    return replace(row, captions=row.captions + known, questions=rounds)


def _without_placeholders(text: str) -> str:
    for placeholder in PLACEHOLDERS:
        text = text.replace(placeholder, "")
    return text.strip()


def _pictures(record: InstructionRecord, row: Row, root: Path) -> list[bytes]:
    """Read the pictures of a record, or draw views of its clouds with the annotated objects numbered."""
    paths = [media_file(root, name) for name in record.media]
    if record.modality == "image":
        return [picture_jpeg(path, PICTURE_SIZE) for path in paths]
    return [
        jpeg(view.picture) for path in paths for view in cloud_views(path, row.objects[:MAX_OBJECTS], _VIEWS, VIEW_SIZE)
    ]

"""A whole generation run: rows in, records and rejections out, with counts that add up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from lamm_data.errors import LammDataError, UsageError
from lamm_data.generation.request_builder import RequestBuilder
from lamm_data.generation.results import Counts, Results
from lamm_data.generation.rows import Row, RowFault
from lamm_data.generation.seeing import NOT_SEEN, PictureSolver, ViewSolver
from lamm_data.generation.settings import GenerationSettings, input_rows, settings_builder
from lamm_data.generation.solving import Solver
from lamm_llm import (
    BATCHES,
    Budget,
    BudgetReachedError,
    Endpoint,
    EndpointError,
    Engine,
    FormatLadder,
    Journal,
    RetryPolicy,
    Traffic,
    find_price,
    refuse_open_batches,
    run_async,
    sibling,
)

Numbered = tuple[int, Row]


@dataclass
class Summary:
    """What a run did.

    Attributes:
        counts: How the rows ended.
        traffic: What was sent.
        prompt_tokens: Prompt tokens paid in this call.
        answer_tokens: Answer tokens paid in this call.
        cost: US dollars spent in this call, or None when the price is unknown.
        seconds: Duration of this call.
        stopped: Why the run stopped early; empty when it did not.
        format: Answer format in use at the end.
    """

    counts: Counts
    traffic: Traffic
    prompt_tokens: int = 0
    answer_tokens: int = 0
    cost: float | None = None
    seconds: float = 0.0
    stopped: str = ""
    format: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Give plain values for JSON."""
        return {**vars(self), "counts": self.counts.to_dict(), "traffic": self.traffic.to_dict()}


Watcher = Callable[[Summary], None]


def generate(settings: GenerationSettings, watch: Watcher | None = None) -> Summary:
    """Generate instruction records, continuing where an earlier call with the same settings stopped.

    Beside `output` stand the journal of answers (`NAME.journal.jsonl`) and the rejections (`NAME.rejected.jsonl`).

    Args:
        settings: What to do.
        watch: Called after each row with the state so far.

    Returns:
        The summary.

    Raises:
        UsageError: When the settings, the prompt or the journal do not fit.
        EndpointError: When no endpoint can be used; finished answers are in the journal.
    """
    return run_async(lambda: _generate(settings, watch))


@dataclass
class OpenRun:
    """The files of a run, open: its journal, and where its records and rejections will be written.

    Attributes:
        settings: What to do.
        builder: Builds requests.
        journal: Answers so far.
        results: Outcomes so far.
        batched: Whether batches may be answering what the journal names.
    """

    settings: GenerationSettings
    builder: RequestBuilder
    journal: Journal
    results: Results
    batched: bool

    def rows(self) -> Iterator[Numbered]:
        """Read the rows; those that cannot be used are rejected here."""
        for position, row in enumerate(input_rows(self.settings, self.builder.prompt)):
            self.results.counts.rows += 1
            if isinstance(row, RowFault):
                self.results.add_fault(position, row)
            else:
                yield position, row

    def finish(self) -> None:
        """Write records and rejections.

        Raises:
            LammDataError: When the prompt could not use a single row.
        """
        counts = self.results.counts
        useless = ("bad_row", "other_modality", *NOT_SEEN, *(f"no_{name}" for name in self.builder.prompt.needs))
        if counts.rows == sum(counts.rejected[reason] for reason in useless):
            raise _no_usable_rows(self.settings, counts)
        self.results.finish()


@contextmanager
def open_run(settings: GenerationSettings) -> Iterator[OpenRun]:
    """Open the files of a run, and close them again.

    Raises:
        UsageError: When the prompt or the journal does not fit.
    """
    builder = settings_builder(settings)
    prompt = builder.prompt
    identity = {"type": prompt.name, "prompt": prompt.sha256, **asdict(builder.sampling)}
    answers, rejected = sibling(settings.output, "journal.jsonl"), sibling(settings.output, "rejected.jsonl")
    batched = sibling(settings.output, BATCHES).exists()
    with (
        closing(Journal(answers, identity, begin_anew=not batched)) as journal,
        closing(Results(settings, prompt, rejected)) as results,
    ):
        yield OpenRun(settings, builder, journal, results, batched)


def solver_of(settings: GenerationSettings, builder: RequestBuilder, ladder: FormatLadder) -> Solver:
    """Return what solves the rows of a run: by text alone, with the picture, or by way of views."""
    if settings.see == "image":
        return PictureSolver(builder, ladder, settings.reask, settings)
    if settings.see == "views":
        return ViewSolver(builder, ladder, settings.reask, settings)
    return Solver(builder, ladder, settings.reask)


async def _generate(settings: GenerationSettings, watch: Watcher | None) -> Summary:
    budget = Budget(find_price(settings.model, settings.prices), settings.max_cost, settings.max_requests)
    endpoints = [Endpoint(item) for item in settings.endpoints]
    policy = RetryPolicy(settings.attempts, settings.retry_delay, patience=settings.patience)
    try:
        with open_run(settings) as opened:
            if opened.batched:
                refuse_open_batches(settings.output)
            run = _Run(opened, Engine(endpoints, opened.journal, budget, policy, settings.seed), watch)
            try:
                await run.engine.run(opened.rows(), run.work)
            except EndpointError as error:
                raise await run.explain(error) from error
            opened.finish()
    finally:
        for endpoint in endpoints:
            await endpoint.close()
    return run.summary()


class _Run:
    """One call's moving parts."""

    def __init__(self, opened: OpenRun, engine: Engine[Numbered], watch: Watcher | None) -> None:
        self.settings, self.results = opened.settings, opened.results
        self.engine = engine
        self.ladder = FormatLadder(opened.settings.format, opened.journal)
        self.solver = solver_of(opened.settings, opened.builder, self.ladder)
        self.watch = watch
        self.stopped = ""
        self.started = time.monotonic()

    def summary(self) -> Summary:
        budget = self.engine.budget
        return Summary(
            counts=self.results.counts,
            traffic=self.engine.traffic,
            prompt_tokens=budget.prompt_tokens,
            answer_tokens=budget.answer_tokens,
            cost=budget.cost,
            seconds=time.monotonic() - self.started,
            stopped=self.stopped,
            format=self.ladder.current,
        )

    async def work(self, numbered: Numbered, endpoint: Endpoint) -> None:
        position, row = numbered
        try:
            outcome = await self.solver.solve(row, partial(self.engine.ask, endpoint=endpoint))
        except BudgetReachedError as reached:
            self.stopped = str(reached)
            self.results.counts.unsent += 1
            return
        self.results.add(position, row, outcome)
        if self.watch is not None:
            self.watch(self.summary())

    async def explain(self, error: EndpointError) -> EndpointError:
        """Add the models a server offers to an error about one it does not."""
        names = await self.engine.endpoints[0].model_names()
        message = str(error)
        if not names or self.settings.model in names or "--model" not in message:
            return error
        return EndpointError(f"{message} The server offers: {', '.join(sorted(names)[:20])}.")


def _no_usable_rows(settings: GenerationSettings, counts: Counts) -> LammDataError:
    if counts.rows == 0:
        return UsageError(f"Expected annotation rows in {settings.annotations}, found none.")
    reasons = ", ".join(f"{count} {reason}" for reason, count in counts.rejected.items())
    return LammDataError(
        f"Expected rows that {settings.type} can use in {settings.annotations}, got {counts.rows} that it cannot "
        f"({reasons}). Check that the file holds what the prompt needs"
        f"{', and --media-root' if any(counts.rejected[reason] for reason in NOT_SEEN) else ''}."
    )

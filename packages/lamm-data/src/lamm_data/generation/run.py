"""A whole generation run: rows in, records and rejections out, with counts that add up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from lamm_data.errors import LammDataError, UsageError
from lamm_data.generation.configuration import GenerationSettings, settings_prompt
from lamm_data.generation.endpoint import Endpoint
from lamm_data.generation.engine import Engine, RetryPolicy, Traffic
from lamm_data.generation.failures import BudgetReachedError, EndpointError
from lamm_data.generation.journal import Journal
from lamm_data.generation.money import Budget, find_price
from lamm_data.generation.prompts import Prompt
from lamm_data.generation.requests import RequestBuilder, Sampling
from lamm_data.generation.results import Counts, RecordMaker, Results
from lamm_data.generation.rows import Row, RowFault, read_rows
from lamm_data.generation.solving import FormatLadder, Solver

Placed = tuple[int, Row]


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
        return asdict(self)


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
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_generate(settings, watch))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Take uvloop's event loop where it is installed (`lamm-data[fast]`)."""
    try:
        import uvloop
    except ModuleNotFoundError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def journal_path(output: Path) -> Path:
    """Name the journal that belongs to an output file."""
    return output.with_name(f"{output.stem}.journal.jsonl")


def run_identity(prompt: Prompt, sampling: Sampling) -> dict[str, Any]:
    """Say what makes two runs the same run: the header of the journal."""
    return {"type": prompt.name, "prompt": prompt.sha256, **asdict(sampling)}


async def _generate(settings: GenerationSettings, watch: Watcher | None) -> Summary:
    prompt = settings_prompt(settings)
    sampling = Sampling(settings.model, settings.temperature, settings.max_tokens, settings.seed)
    budget = Budget(find_price(settings.model, settings.prices), settings.max_cost, settings.max_requests)
    endpoints = [Endpoint(item) for item in settings.endpoints]
    journal = Journal(journal_path(settings.output), run_identity(prompt, sampling))
    results = Results(settings.output, RecordMaker(prompt, settings.seed, settings.media_prefix, settings.source))
    policy = RetryPolicy(settings.attempts, settings.retry_delay, patience=settings.patience)
    engine: Engine[Placed] = Engine(endpoints, journal, budget, policy, settings.seed)
    solver = Solver(engine, RequestBuilder(prompt, sampling), FormatLadder(settings.format), reask=settings.reask)
    run = _Run(settings, engine, solver, results, watch)
    try:
        await run.go()
        if results.counts.rows == results.counts.rejected["no_" + prompt.needs[0]] + results.counts.rejected["bad_row"]:
            raise _no_usable_rows(settings, results)
        results.finish()
    finally:
        results.discard()
        journal.close()
        for endpoint in endpoints:
            await endpoint.close()
    return run.summary()


class _Run:
    """One call's moving parts."""

    def __init__(
        self,
        settings: GenerationSettings,
        engine: Engine[Placed],
        solver: Solver,
        results: Results,
        watch: Watcher | None,
    ) -> None:
        self.settings = settings
        self.engine = engine
        self.solver = solver
        self.results = results
        self.watch = watch
        self.stopped = ""
        self.started = time.monotonic()

    async def go(self) -> None:
        try:
            await self.engine.run(self._rows(), self._work)
        except EndpointError as error:
            raise await self._explain(error) from error

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
            format=self.solver.ladder.current,
        )

    def _rows(self) -> Iterator[Placed]:
        for place, row in enumerate(islice(read_rows(self.settings.annotations), self.settings.limit)):
            self.results.counts.rows += 1
            if isinstance(row, RowFault):
                self.results.add_fault(place, row)
            else:
                yield place, row

    async def _work(self, placed: Placed, endpoint: Endpoint) -> None:
        place, row = placed
        try:
            outcome = await self.solver.solve(row, endpoint)
        except BudgetReachedError as reached:
            self.stopped = str(reached)
            self.results.counts.unsent += 1
            return
        self.results.add(place, row, outcome)
        if self.watch is not None:
            self.watch(self.summary())

    async def _explain(self, error: EndpointError) -> EndpointError:
        """Add the models a server offers to an error about one it does not."""
        names = await self.engine.endpoints[0].model_names()
        message = str(error)
        if not names or self.settings.model in names or "--model" not in message:
            return error
        return EndpointError(f"{message} The server offers: {', '.join(sorted(names)[:20])}.")


def _no_usable_rows(settings: GenerationSettings, results: Results) -> LammDataError:
    counts = results.counts
    if counts.rows == 0:
        return UsageError(f"Expected annotation rows in {settings.annotations}, found none.")
    reasons = ", ".join(f"{count} {reason}" for reason, count in counts.rejected.items())
    return LammDataError(
        f"Expected rows that {settings.type} can use in {settings.annotations}, got {counts.rows} that it cannot "
        f"({reasons}). Check that the file holds what the prompt needs."
    )

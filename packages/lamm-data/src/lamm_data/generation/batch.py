"""The Batch API, at half the price: the same requests under the same keys, answered into the same journal.

`submit` hands over what the journal does not answer yet, `status` asks how the batches are doing, `collect` takes the
answers of those that have ended and writes records and rejections as a run does, `cancel` stops them. A correction
is a request like any other: it goes into the next `submit`. Each may be killed at any moment and called again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lamm_data.errors import UsageError
from lamm_data.generation.results import Counts
from lamm_data.generation.run import OpenRun, open_run, solver_of
from lamm_data.generation.settings import GenerationSettings
from lamm_data.generation.solving import Ask
from lamm_llm import (
    ENDED,
    Batch,
    BatchServer,
    BatchState,
    BatchView,
    Budget,
    BudgetReachedError,
    Endpoint,
    EndpointError,
    FormatLadder,
    GaveUpError,
    Journal,
    Outbox,
    RefusedError,
    Reply,
    Request,
    RetryPolicy,
    ThrottledError,
    TransientError,
    UnsupportedError,
    WaitingError,
    batch_share,
    dumps,
    find_price,
    request_line,
    run_async,
)


@dataclass
class BatchSummary:
    """What one call did, and where the batches stand.

    Attributes:
        action: `submit`, `status`, `collect` or `cancel`.
        batches: The batches that may still give answers, and those that ended in this call.
        requests: Requests handed over or taken back in this call.
        counts: How the rows stand (`submit` and `collect`).
        prompt_tokens: Prompt tokens paid, as far as collected in this call.
        answer_tokens: Answer tokens paid, as far as collected in this call.
        cost: US dollars: of what was collected, or at most of what was submitted; None when the price is unknown.
        stopped: Why not everything was submitted, or what a batch as a whole failed of; empty when all went well.
    """

    action: str
    batches: list[Batch] = field(default_factory=list)
    requests: int = 0
    counts: Counts = field(default_factory=Counts)
    prompt_tokens: int = 0
    answer_tokens: int = 0
    cost: float | None = None
    stopped: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Give plain values for JSON."""
        return {**vars(self), "counts": self.counts.to_dict(), "batches": [asdict(batch) for batch in self.batches]}


def describe_batches(summary: BatchSummary, output: Path) -> str:
    """Say what a call did, one line a batch."""
    cost = "unknown" if summary.cost is None else f"{summary.cost:.4f} USD"
    counts, lines = summary.counts, []
    if summary.action == "submit":
        lines.append(
            f"{summary.requests} requests handed over, cost at most {cost} ({summary.stopped or 'all of them'})"
        )
    if summary.action == "collect":
        reasons = "".join(f", {count} {reason}" for reason, count in sorted((counts.rejected + counts.failed).items()))
        lines.append(
            f"{counts.rows} rows: {counts.finished} finished, {counts.rejected.total()} rejected, "
            f"{counts.failed.total()} failed{reasons}, {counts.unsent} waiting; {counts.records} records in {output}, "
            f"cost {cost}"
        )
    lines += [
        f"{batch.id or batch.token[:12]}: {batch.status}, "
        f"{batch.answered} of {batch.requests} answered, {batch.failed} failed"
        for batch in summary.batches
    ]
    return "\n".join(lines) or "No batches are under way."


def run_batch(action: str, settings: GenerationSettings, progress: Callable[[int], None] | None = None) -> BatchSummary:
    """Work with the batches of a run.

    Args:
        action: `submit`, `status`, `collect` or `cancel`.
        settings: The run's settings, the same for every action; batches go to its first endpoint.
        progress: Called with the number of rows gone through.

    Returns:
        The summary.

    Raises:
        UsageError: When the settings or the journal do not fit, or the batches are at another endpoint.
        EndpointError: When the endpoint has no Batch API or cannot be used.
    """
    return run_async(lambda: _run(action, settings, progress))


async def _run(action: str, settings: GenerationSettings, progress: Callable[[int], None] | None) -> BatchSummary:
    endpoint = Endpoint(settings.endpoints[0])
    try:
        with open_run(settings) as opened:
            desk = _Desk(opened, endpoint, progress)
            steps = {"submit": desk.submit, "status": desk.status, "collect": desk.collect, "cancel": desk.cancel}
            return await steps[action]()
    finally:
        await endpoint.close()


class _Keys:
    """Requests that need not be handed over: answered ones and those under way."""

    def __init__(self, journal: Journal, waiting: set[str]) -> None:
        self.journal, self.waiting = journal, waiting

    def __len__(self) -> int:
        return len(self.journal) + len(self.waiting)

    def __contains__(self, key: str) -> bool:
        return key in self.journal or key in self.waiting


class _Desk:
    """Everything one call needs, open."""

    def __init__(self, opened: OpenRun, endpoint: Endpoint, progress: Callable[[int], None] | None) -> None:
        settings = opened.settings
        self.opened, self.endpoint, self.progress = opened, endpoint, progress
        policy = RetryPolicy(settings.attempts, settings.retry_delay, patience=settings.patience)
        self.server = BatchServer(endpoint, policy, settings.seed)
        self.state = BatchState(settings.output)
        self.state.forget_files()
        price = find_price(settings.model, settings.prices)
        share = batch_share(settings.prices)
        self.budget = Budget(price.scaled(share) if price else None, settings.max_cost, settings.max_requests)
        self.failures: dict[str, Exception] = {}
        for batch in self.state.open():
            if batch.endpoint != endpoint.settings.shown_url:
                raise UsageError(
                    f"Expected the endpoint of the batches under way, {batch.endpoint}, got "
                    f"{endpoint.settings.shown_url}. Give that one first, or cancel and collect there."
                )

    async def submit(self) -> BatchSummary:
        waiting = {key for batch in self.state.open() for key in self.state.keys(batch)}
        outbox = Outbox(self.state, self.endpoint.settings.shown_url)
        summary = BatchSummary("submit", counts=self.opened.results.counts)

        async def ask(request: Request) -> Reply:
            reply = self.opened.journal.get(request.key)
            if reply is None and request.key not in waiting:
                self.budget.admit_whole(request.prompt_tokens, int(request.payload["max_tokens"]))
                waiting.add(request.key)
                outbox.add(request.key, request.format, request_line(request.key, dumps(self.endpoint.body(request))))
                summary.requests += 1
            if reply is None:
                raise WaitingError
            return reply

        try:
            summary.stopped = await self._solve(ask, waiting)
            outbox.plan()
        finally:
            outbox.close()
        await self.server.hand_over(self.state)
        summary.batches, summary.cost = self.state.open(), self.budget.cost
        return summary

    async def status(self) -> BatchSummary:
        await self.server.look_for_lost(self.state)
        for batch in self.state.open():
            if batch.id:
                self._note(batch, await self.server.retrieve(batch.id))
        self.state.save()
        return BatchSummary("status", self.state.open())

    async def cancel(self) -> BatchSummary:
        await self.server.look_for_lost(self.state)
        summary = BatchSummary("cancel", self.state.open())
        for batch in summary.batches:
            if not batch.id:  # never made, and not to be made any more
                batch.status, batch.collected = "cancelled", True
            elif (await self._ended(batch)) is None:
                self._note(batch, await self.server.cancel(batch.id))
            summary.requests += batch.requests
        self.state.save()
        return summary

    async def collect(self) -> BatchSummary:
        await self.server.look_for_lost(self.state)
        summary = BatchSummary("collect", self.state.open(), counts=self.opened.results.counts)
        ended = [batch for batch in summary.batches if batch.id and await self._take(batch, summary)]
        waiting = {key for batch in self.state.open() if batch not in ended for key in self.state.keys(batch)}

        async def ask(request: Request) -> Reply:
            reply = self.opened.journal.get(request.key)
            if reply is not None:
                return reply
            raise self.failures.get(request.key) or WaitingError()

        await self._solve(ask, waiting)
        self.opened.finish()
        for batch in ended:  # only now: until the files are written, the next call would take everything again
            batch.collected = True
        self.state.save()
        self.state.forget_files()
        budget = self.budget
        summary.requests = sum(batch.requests for batch in ended)
        summary.prompt_tokens, summary.answer_tokens = budget.prompt_tokens, budget.answer_tokens
        summary.cost = budget.cost
        return summary

    async def _solve(self, ask: Ask, waiting: set[str]) -> str:
        """Take every row as far as it goes without sending; tell why requests were held back."""
        ladder = FormatLadder(self.opened.settings.format, _Keys(self.opened.journal, waiting))
        for name in self.state.refused_formats:
            ladder.refused(name)
        solver = solver_of(self.opened.settings, self.opened.builder, ladder)
        stopped, results = "", self.opened.results
        for position, row in self.opened.rows():
            if self.progress is not None:
                self.progress(1)
            try:
                results.add(position, row, await solver.solve(row, ask))
            except WaitingError:
                results.counts.unsent += 1
            except BudgetReachedError as reached:
                stopped = str(reached)
                results.counts.unsent += 1
        return stopped

    async def _ended(self, batch: Batch) -> BatchView | None:
        view = await self.server.retrieve(batch.id)
        self._note(batch, view)
        return view if view.status in ENDED else None

    async def _take(self, batch: Batch, summary: BatchSummary) -> bool:
        """Bring the answers of a batch that has ended into the journal; tell whether it has ended."""
        view = await self._ended(batch)
        if view is None:
            return False
        answered = 0
        async for key, status, body, words in self.server.answers(self.state, batch, view):
            answered += await self._store(batch, key, status, body, words)
        batch.answered, batch.failed = answered, batch.requests - answered
        if view.errors:
            summary.stopped = f"batch {batch.id} {view.status}: {self.endpoint.hide_key(view.errors)}"
        return True

    async def _store(self, batch: Batch, key: str, status: int, body: Any, words: str) -> bool:
        """Journal one answer, or remember why there is none; tell whether there is one."""
        try:
            reply = self._read(status, body, words)
        except UnsupportedError as unsupported:
            failure: Exception = unsupported
            if batch.format not in self.state.refused_formats:
                self.state.refused_formats.append(batch.format)
        except TransientError as error:
            failure = GaveUpError(f"batch_{error.reason}" if status != 200 else error.reason, words or str(error))
        except (ThrottledError, EndpointError) as error:
            failure = GaveUpError(f"batch_http_{status}", words or str(error))
        except RefusedError as refused:
            failure = refused
        else:
            if key not in self.opened.journal:
                await self.opened.journal.append(key, reply)
                self.budget.spend(reply.prompt_tokens, reply.completion_tokens)
            return True
        self.failures[key] = failure
        return False

    def _read(self, status: int, body: Any, words: str) -> Reply:
        if not status:
            raise TransientError("expired", words)
        return self.endpoint.read((json.dumps(body) if body else words).encode(), status=status)

    def _note(self, batch: Batch, view: BatchView) -> None:
        batch.status, batch.answered, batch.failed = view.status, view.done, view.failed

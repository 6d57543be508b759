"""The Batch API: hand all first requests over at once, at half the price, and journal what comes back.

The batches of a run are named beside its cache before they are made, so that a run that was killed finds them again
instead of paying for others.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lamm_llm import (
    ENDED,
    Batch,
    BatchServer,
    BatchState,
    EndpointError,
    Outbox,
    RefusedError,
    Reply,
    Request,
    ThrottledError,
    TransientError,
    UnsupportedError,
    dumps,
    request_line,
)
from lamm_metrics.errors import LammMetricsError
from lamm_metrics.gpt.asking import Asker
from lamm_metrics.gpt.items import Job
from lamm_metrics.gpt.verdicts import judge_messages


class BatchRun:
    """The batches of one run.

    Args:
        asker: Asks, and holds journal and budget of the run.
        share: What a request costs in a batch, as a share of its price.
        cache: The run's journal, beside which its batches are named.
    """

    def __init__(self, asker: Asker, share: float, cache: Path) -> None:
        self.asker, self.share, self.settings = asker, share, asker.settings
        self.journal, self.budget = asker.journal, asker.engine.budget
        self.endpoint = asker.engine.endpoints[0]
        self.server = BatchServer(self.endpoint, asker.engine.policy, self.settings.seed)
        self.state = BatchState(cache)

    async def fill(self, jobs: Sequence[Job]) -> None:
        """Answer the first request of every job, as far as a batch can; what is left is asked for singly.

        Raises:
            EndpointError: The endpoint cannot be used, or the server makes no batches.
            LammMetricsError: The batches would pass the limit on money.
        """
        made = (self.asker.request(job, judge_messages(job.item, job.mode, job.order)) for job in jobs)
        requests = {request.key: request for request in made}
        await self._settle(requests)
        waiting = [request for key, request in requests.items() if key not in self.journal]
        self._check_money(waiting)
        outbox = Outbox(self.state, self.endpoint.settings.shown_url)
        try:
            for request in waiting:
                outbox.add(request.key, request.format, request_line(request.key, dumps(self.endpoint.body(request))))
            outbox.plan()
        finally:
            outbox.close()
        await self._settle(requests)

    def _check_money(self, requests: Sequence[Request]) -> None:
        most = self.budget.gone
        for request in requests:
            most += self.share * self.budget.dollars(*request.most)
        if self.settings.max_cost is not None and most > self.settings.max_cost:
            raise LammMetricsError(
                f"Expected batches within {self.settings.max_cost:g} USD, got at most {most:.4f} USD. "
                "Raise --max-cost, lower --max-tokens, or judge a smaller --sample."
            )

    async def _settle(self, requests: Mapping[str, Request]) -> None:
        """Hand over every batch that is only planned, then wait for each and keep what it answered."""
        planned = [batch for batch in self.state.open() if not batch.id]
        try:
            await self.server.hand_over(self.state)
        except EndpointError:
            for batch in planned:
                if not batch.id:
                    self._close(batch)
            raise
        self.asker.engine.traffic.sent += sum(batch.requests for batch in planned)
        for batch in self.state.open():
            await self._collect(batch, requests)

    async def _collect(self, batch: Batch, requests: Mapping[str, Request]) -> None:
        while (view := await self.server.retrieve(batch.id)).status not in ENDED:
            await asyncio.sleep(self.settings.batch_pause)
        async for key, status, body, _ in self.server.answers(self.state, batch, view):
            await self._keep(key, requests.get(key), status, body)
        self._close(batch)
        if view.status != "completed":
            raise LammMetricsError(
                f"Expected batch {batch.id} to be completed, got {view.status}: {view.errors}. "
                "What it answered is kept; run the same command again to hand over the rest."
            )

    def _close(self, batch: Batch) -> None:
        batch.collected = True
        self.state.save()
        self.state.forget_files()

    async def _keep(self, key: str, request: Request | None, status: int, body: Any) -> None:
        """Keep one answer; failures that may pass are left to be asked for singly."""
        if key in self.journal:
            return
        try:
            reply = replace(self._read(status, json.dumps(body)), share=self.share)
        except TransientError as error:
            self.asker.engine.traffic.retried[f"batch_{error.reason}"] += 1
        except (ThrottledError, UnsupportedError):
            return
        else:
            model = str(request.payload["model"]) if request else reply.model  # of other jobs than this run's
            await self.journal.append(key, reply, model)
            self.budget.spend(reply.prompt_tokens, reply.completion_tokens, model, reply.share)

    def _read(self, status: int, text: str) -> Reply:
        """Read one answer; what the server refuses for good is an answer too."""
        try:
            return self.endpoint.read(text.encode(), status=status)
        except RefusedError as failure:
            return Reply(str(failure), rejected="request")

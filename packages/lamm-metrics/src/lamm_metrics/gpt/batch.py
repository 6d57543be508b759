"""The Batch API: hand all first requests over at once, at half the price, and journal what comes back.

A batch is known by a token made from its requests. The token is written to `batches.json` before the batch is made and
sent along as metadata, so that a run that was killed finds its batch again instead of paying for another.
"""

import asyncio
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lamm_llm import (
    ENDED,
    BatchServer,
    Endpoint,
    EndpointError,
    RefusedError,
    Reply,
    Request,
    TransientError,
    UnsupportedError,
    dumps,
    read_reply,
    read_result_line,
    request_line,
)
from lamm_metrics.errors import LammMetricsError
from lamm_metrics.gpt.asking import Asker
from lamm_metrics.gpt.items import Job
from lamm_metrics.gpt.verdicts import judge_messages
from lamm_metrics.records.files import parse_json

STATE = "batches.json"
# OpenAI takes 50,000 requests and 200 MB a batch.
MOST_REQUESTS, MOST_BYTES = 20_000, 100_000_000


def open_batches(folder: Path) -> dict[str, dict[str, str]]:
    """Return the batches under way, by token; each holds its `id` once that is known.

    Raises:
        LammMetricsError: The file that names them is damaged.
    """
    path = folder / STATE
    try:
        found = parse_json(path.read_text(encoding="utf-8")) if path.exists() else {}
        return {str(token): {str(key): str(value) for key, value in row.items()} for token, row in found.items()}
    except (ValueError, AttributeError) as error:
        raise LammMetricsError(f"Expected the names of batches in {path}, got {error!r}. Move it away.") from error


class BatchRun:
    """The batches of one run.

    Args:
        asker: Asks, and holds journal and budget of the run.
        share: What a request costs in a batch, as a share of its price.
        folder: Where `batches.json` is kept.
    """

    def __init__(self, asker: Asker, share: float, folder: Path) -> None:
        self.asker, self.share, self.settings = asker, share, asker.settings
        self.journal, self.budget = asker.journal, asker.engine.budget
        self.endpoint = asker.engine.endpoints[0]
        self.server = BatchServer(self.endpoint, asker.engine.policy, self.settings.seed)
        self.path = folder / STATE
        self.open = open_batches(folder)

    async def fill(self, jobs: Sequence[Job]) -> None:
        """Answer the first request of every job, as far as a batch can; what is left is asked for singly.

        Raises:
            EndpointError: The endpoint cannot be used, or the server makes no batches.
            LammMetricsError: The batches would pass the limit on money.
        """
        made = (self.asker.request(job, judge_messages(job.item, job.mode, job.order)) for job in jobs)
        requests = {request.key: request for request in made}
        for token in list(self.open):
            await self._collect(token, requests)
        waiting = [request for key, request in requests.items() if key not in self.journal]
        self._check_money(waiting)
        tokens = [await self._submit(chunk) for chunk in _chunks(waiting, self.endpoint)]
        for token in tokens:
            await self._collect(token, requests)

    def _check_money(self, requests: Sequence[Request]) -> None:
        most = self.budget.gone
        for request in requests:
            answer, model = int(request.payload["max_tokens"]), str(request.payload["model"])
            most += self.share * self.budget.dollars(request.most_prompt_tokens, answer, model)
        if self.settings.max_cost is not None and most > self.settings.max_cost:
            raise LammMetricsError(
                f"Expected batches within {self.settings.max_cost:g} USD, got at most {most:.4f} USD. "
                "Raise --max-cost, lower --max-tokens, or judge a smaller --sample."
            )

    async def _submit(self, lines: Mapping[str, bytes]) -> str:
        """Hand a batch over, once, and remember it."""
        token = sha256("\n".join(lines).encode()).hexdigest()[:32]
        file = await self.server.upload((f"{token}.jsonl", b"".join(lines.values())))
        self._remember({**self.open, token: {}})
        try:
            identifier = await self.server.create(file, token)
        except EndpointError:
            self._forget(token)
            raise
        self.asker.engine.traffic.sent += len(lines)
        self._remember({**self.open, token: {"id": identifier}})
        return token

    async def _collect(self, token: str, requests: Mapping[str, Request]) -> None:
        """Wait for a batch and keep what it answered."""
        identifier = self.open[token].get("id") or await self.server.find(token)
        if not identifier:
            self._forget(token)
            return
        while (view := await self.server.retrieve(identifier)).status not in ENDED:
            await asyncio.sleep(self.settings.batch_pause)
        with TemporaryDirectory(dir=self.path.parent) as folder:
            for file in view.files:
                path = Path(folder) / "answers.jsonl"
                await self.server.download(file, path)
                with path.open("rb") as answers:
                    for line in answers:
                        for key, status, body, _ in read_result_line(line):
                            await self._keep(key, requests.get(key), status, body)
        self._forget(token)
        if view.status != "completed":
            raise LammMetricsError(
                f"Expected batch {identifier} to be completed, got {view.status}: {view.errors}. "
                "What it answered is kept; run the same command again to hand over the rest."
            )

    async def _keep(self, key: str, request: Request | None, status: int, body: Any) -> None:
        """Keep one answer; failures that may pass are left to be asked for singly."""
        if key in self.journal:
            return
        try:
            reply = replace(self._read(status, json.dumps(body)), share=self.share)
        except TransientError as error:
            self.asker.engine.traffic.retried[f"batch_{error.reason}"] += 1
        except UnsupportedError:
            return
        else:
            model = str(request.payload["model"]) if request else reply.model  # of other jobs than this run's
            await self.journal.append(key, reply, model)
            self.budget.spend(reply.prompt_tokens, reply.completion_tokens, model, reply.share)

    def _read(self, status: int, text: str) -> Reply:
        """Read one answer; what the server refuses for good is an answer too."""
        if status == 200:
            return self.endpoint.clean(read_reply(text.encode()))
        failure = self.endpoint.status_failure(status, text, {})
        if isinstance(failure, RefusedError):
            return Reply(str(failure), rejected="request")
        raise failure

    def _remember(self, state: dict[str, dict[str, str]]) -> None:
        partial = self.path.with_name(f"{STATE}.partial")
        partial.write_text(json.dumps(state))
        os.replace(partial, self.path)
        self.open = state

    def _forget(self, token: str) -> None:
        self._remember({name: value for name, value in self.open.items() if name != token})


def _chunks(requests: Sequence[Request], endpoint: Endpoint) -> Iterator[dict[str, bytes]]:
    """Yield the lines of batches, by key, each batch within the limits."""
    chunk: dict[str, bytes] = {}
    size = 0
    for request in requests:
        line = request_line(request.key, dumps(endpoint.body(request)))
        if chunk and (len(chunk) >= MOST_REQUESTS or size + len(line) > MOST_BYTES):
            yield chunk
            chunk, size = {}, 0
        chunk[request.key] = line
        size += len(line)
    if chunk:
        yield chunk

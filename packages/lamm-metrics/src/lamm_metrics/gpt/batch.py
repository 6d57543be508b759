"""The Batch API: hand all first requests over at once, at half the price, and fill the cache with what comes back.

A batch is known by a token made from its requests. The token is written to `batches.json` before the batch is made and
sent along as metadata, so that a run that was killed finds its batch again instead of paying for another.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from lamm_metrics.errors import LammMetricsError
from lamm_metrics.gpt.asking import FormatLadder, request_payload
from lamm_metrics.gpt.cache import Reply, request_key
from lamm_metrics.gpt.endpoint import read_reply
from lamm_metrics.gpt.failures import PassingError, RefusedError, UnknownError, UnsupportedFormatError
from lamm_metrics.gpt.items import Job
from lamm_metrics.gpt.prices import BATCH_SHARE, estimate_tokens, price_of
from lamm_metrics.gpt.sending import FIRST_WAIT, LONGEST_WAIT, Sender
from lamm_metrics.gpt.settings import JudgeSettings
from lamm_metrics.gpt.verdicts import judge_messages
from lamm_metrics.records.files import parse_json

STATE = "batches.json"
ENDED = ("completed", "failed", "expired", "cancelled")
# OpenAI takes 50,000 requests and 200 MB a batch.
MOST_REQUESTS, MOST_BYTES = 20_000, 100_000_000
Payloads = Mapping[str, Mapping[str, Any]]
T = TypeVar("T")


class NoBatchError(LammMetricsError):
    """The server makes no batch of this."""


def open_batches(folder: Path) -> dict[str, dict[str, str]]:
    """The batches under way, by token; each holds its `id` once that is known.

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
        sender: Endpoint, cache and budget of the run.
        settings: How to judge.
        folder: Where `batches.json` is kept.
    """

    def __init__(self, sender: Sender, settings: JudgeSettings, folder: Path) -> None:
        self.sender, self.settings = sender, settings
        self.path = folder / STATE
        self.open = open_batches(folder)

    def fill(self, jobs: Sequence[Job], ladder: FormatLadder) -> None:
        """Answer the first request of every job, as far as a batch can; what is left is asked for singly.

        Raises:
            EndpointError: The endpoint cannot be used.
            LammMetricsError: The batches would pass the limit on money, or the server makes none.
        """
        payloads = self._payloads(jobs, ladder)
        for token in list(self.open):
            self._collect(token, payloads)
        waiting = {key: payload for key, payload in payloads.items() if self.sender.cache.get(key) is None}
        self._check_money(waiting)
        tokens = [self._submit(chunk) for chunk in _chunks(waiting, self.sender.endpoint.body)]
        for token in tokens:
            self._collect(token, payloads)

    def _payloads(self, jobs: Sequence[Job], ladder: FormatLadder) -> Payloads:
        """The first request of every job, by key."""
        found = {}
        for job in jobs:
            messages = judge_messages(job.item, job.mode, job.order)
            payload = request_payload(job, self.settings, messages, ladder.form(job.judge))
            found[request_key(self.settings.shown_endpoint, payload)] = payload
        return found

    def _check_money(self, payloads: Payloads) -> None:
        if self.settings.max_cost is None:
            return
        most = self.sender.budget.gone
        for payload in payloads.values():
            price = price_of(self.sender.budget.prices, payload["model"])
            if price is not None:
                most += BATCH_SHARE * price.of(estimate_tokens(payload), payload["max_tokens"])
        if most > self.settings.max_cost:
            raise LammMetricsError(
                f"Expected batches within {self.settings.max_cost:g} USD, got at most {most:.4f} USD. "
                "Raise --max-cost, lower --max-tokens, or judge a smaller --sample."
            )

    def _submit(self, lines: Mapping[str, bytes]) -> str:
        """Hand a batch over, once, and remember it."""
        token = sha256("\n".join(lines).encode()).hexdigest()[:32]
        name, data = f"{token}.jsonl", b"".join(lines.values())
        file = self._patiently(lambda client: client.files.create(file=(name, data), purpose="batch"))
        self._remember({**self.open, token: {}})
        try:
            made = self._patiently(
                lambda client: client.batches.create(
                    input_file_id=file.id,
                    endpoint="/v1/chat/completions",
                    completion_window="24h",
                    metadata={"lamm": token},
                )
            )
        except NoBatchError:
            self._forget(token)
            raise
        self.sender.sent += len(lines)
        self._remember({**self.open, token: {"id": made.id}})
        return token

    def _collect(self, token: str, payloads: Payloads) -> None:
        """Wait for a batch and keep what it answered."""
        identifier = self.open[token].get("id") or self._search(token)
        if not identifier:
            self._forget(token)
            return
        while True:
            batch = self._patiently(lambda client: client.batches.retrieve(identifier))
            if batch.status in ENDED:
                break
            time.sleep(self.settings.batch_pause)
        for file in filter(None, (batch.output_file_id, batch.error_file_id)):
            for line in self._download(str(file)).splitlines():
                self._keep(line, payloads)
        self._forget(token)
        if batch.status != "completed":
            raise LammMetricsError(
                f"Expected batch {identifier} to be completed, got {batch.status}: {getattr(batch, 'errors', None)}. "
                "What it answered is kept; run the same command again to hand over the rest."
            )

    def _download(self, file: str) -> bytes:
        return self._patiently(lambda client: bytes(client.files.content(file).content))

    def _search(self, token: str) -> str:
        """The batch that a killed run may have made before it could note its name; empty when there is none."""
        listed = self._patiently(lambda client: client.batches.list(limit=100).data)
        return next((str(one.id) for one in listed if (one.metadata or {}).get("lamm") == token), "")

    def _keep(self, line: bytes, payloads: Payloads) -> None:
        """Keep one answer; failures that may pass are left to be asked for singly."""
        try:
            values = parse_json(line.decode())
            key, response = str(values["custom_id"]), values["response"] or {}
            status, body = int(response.get("status_code") or 0), response.get("body") or {}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LammMetricsError(f"Expected a line of a batch's answers, got {line[:80]!r}: {error!r}.") from error
        if self.sender.cache.get(key) is not None:
            return
        try:
            reply = replace(self._read(status, json.dumps(body)), share=BATCH_SHARE)
        except PassingError as error:
            self.sender.failures[f"batch_{error.reason}"] += 1
            return
        model = str(payloads[key]["model"] if key in payloads else body.get("model"))
        self.sender.cache.append(key, model, reply)
        self.sender.budget.charge(model, reply)

    def _read(self, status: int, text: str) -> Reply:
        """Read one answer; what the server refuses for good is an answer too."""
        if status == 200:
            return self.sender.endpoint.clean_reply(read_reply(text.encode()))
        try:
            raise self.sender.endpoint.failure(status, text, {})
        except UnsupportedFormatError as error:
            return Reply(rejected="format", text=str(error))
        except RefusedError as error:
            return Reply(rejected="request", text=str(error))

    def _remember(self, state: dict[str, dict[str, str]]) -> None:
        partial = self.path.with_name(f"{STATE}.partial")
        partial.write_text(json.dumps(state))
        os.replace(partial, self.path)
        self.open = state

    def _forget(self, token: str) -> None:
        self._remember({name: value for name, value in self.open.items() if name != token})

    def _patiently(self, work: Callable[[Any], T]) -> T:
        """Call the server, again after failures that may pass."""
        attempt = 0
        while True:
            try:
                return self.sender.endpoint.call(work)
            except PassingError as error:
                attempt += 1
                self.sender.failures[error.reason] += 1
                if attempt > self.settings.retries:
                    raise self.sender.endpoint.unreachable(str(error)) from None
                time.sleep(min(LONGEST_WAIT, FIRST_WAIT * 2.0**attempt if error.wait is None else error.wait))
            except (RefusedError, UnsupportedFormatError, UnknownError) as error:
                raise NoBatchError(
                    f"Expected a server with a Batch API, got: {error}. Leave --batch out to ask singly."
                ) from None


def _chunks(payloads: Payloads, body: Callable[[Mapping[str, Any]], dict[str, Any]]) -> Iterator[dict[str, bytes]]:
    """The lines of batches, by key, each batch within the limits."""
    chunk: dict[str, bytes] = {}
    size = 0
    for key, payload in payloads.items():
        row = {"custom_id": key, "method": "POST", "url": "/v1/chat/completions", "body": body(payload)}
        line = json.dumps(row).encode() + b"\n"
        if chunk and (len(chunk) >= MOST_REQUESTS or size + len(line) > MOST_BYTES):
            yield chunk
            chunk, size = {}, 0
        chunk[key] = line
        size += len(line)
    if chunk:
        yield chunk

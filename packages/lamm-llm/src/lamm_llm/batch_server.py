"""The Batch API of an endpoint: files and batches, each call patient with failures that may pass."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from lamm_llm.batch_state import Batch, BatchState
from lamm_llm.endpoint import Endpoint
from lamm_llm.engine import RetryPolicy
from lamm_llm.errors import EndpointError, RefusedError, ThrottledError, TransientError, longest_pause

ENDED = ("completed", "failed", "expired", "cancelled")
T = TypeVar("T")


@dataclass(frozen=True)
class BatchView:
    """A batch as the server sees it.

    Attributes:
        id: The server's id.
        status: For example `in_progress` or `completed`.
        done: Requests answered so far.
        failed: Requests failed so far.
        files: Ids of the files of answers and of failures, as far as there are any.
        errors: Why the whole batch failed.
    """

    id: str
    status: str
    done: int
    failed: int
    files: tuple[str, ...]
    errors: str


class BatchServer:
    """Files and batches at one endpoint.

    Args:
        endpoint: The endpoint.
        policy: How often to try a call.
        seed: Seed of the jitter between tries.
    """

    def __init__(self, endpoint: Endpoint, policy: RetryPolicy, seed: int = 0) -> None:
        self.endpoint = endpoint
        self._client = endpoint.client
        self._policy = policy
        self._chance = random.Random(seed)

    async def retrieve(self, batch: str) -> BatchView:
        """Ask how a batch is doing."""
        return await self._patiently(partial(self._look, self._client.batches.retrieve, batch))

    async def cancel(self, batch: str) -> BatchView:
        """Ask to stop a batch; what it has answered can still be collected."""
        return await self._patiently(partial(self._look, self._client.batches.cancel, batch))

    async def _look(self, call: Callable[[str], Awaitable[Any]], batch: str) -> BatchView:
        return _view(await call(batch))

    async def look_for_lost(self, state: BatchState) -> None:
        """Find the batches that a killed run made but could not note."""
        for batch in state.open():
            if batch.file and not batch.id:
                batch.id = await self._patiently(partial(self._search, batch.token))
                state.save()

    async def hand_over(self, state: BatchState) -> None:
        """Upload and make every batch that is only planned, noting each id before the next step."""
        await self.look_for_lost(state)
        for batch in state.open():
            if not batch.file:
                batch.file = await self._patiently(partial(self._upload, state.request_file(batch)))
                state.save()
            if not batch.id:
                batch.id, batch.status = await self._make(batch), "submitted"
                state.save()

    async def answers(
        self, state: BatchState, batch: Batch, view: BatchView
    ) -> AsyncIterator[tuple[str, int, Any, str]]:
        """Yield `(key, HTTP status, body, failure)` of each answer in an ended batch; 0 where the batch gave no status.

        Lines that answer no request of ours give nothing.
        """
        keys = state.keys(batch)
        for number, file in enumerate(view.files):
            path = state.path.with_name(f"{state.request_file(batch).name}.{number}.part")
            await self._patiently(partial(self._download, file, path))
            with path.open("rb") as lines:
                for line in lines:
                    answer = _read_answer(line)
                    if answer is not None and answer[0] in keys:
                        yield answer
            path.unlink()

    async def _upload(self, path: Path) -> str:
        return str((await self._client.files.create(file=path, purpose="batch")).id)

    async def _download(self, file: str, path: Path) -> None:
        async with self._client.files.with_streaming_response.content(file) as response:
            with path.open("wb") as out:
                async for chunk in response.iter_bytes(1 << 20):
                    out.write(chunk)

    async def _make(self, batch: Batch) -> str:
        """Make a batch of its uploaded file, once: a try whose answer was lost is looked for before another."""
        tried = False

        async def once() -> str:
            nonlocal tried
            found = await self._search(batch.token) if tried else ""
            tried = True
            if found:
                return found
            made = await self._client.batches.create(
                input_file_id=batch.file,
                endpoint="/v1/chat/completions",
                completion_window="24h",
                metadata={"lamm": batch.token},
            )
            return str(made.id)

        return await self._patiently(once)

    async def _search(self, token: str) -> str:
        async for batch in self._client.batches.list(limit=100):
            if (batch.metadata or {}).get("lamm") == token:
                return str(batch.id)
        return ""

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make a call, again after failures that may pass.

        Raises:
            EndpointError: The server has no Batch API, refuses, or cannot be used.
        """
        import openai

        attempt = 0
        while True:
            try:
                return await call()
            except openai.NotFoundError as error:
                raise self._without_batches(str(error)) from None
            except openai.APIError as error:
                failure = self.endpoint.failure(error)
            except (ValueError, TypeError, AttributeError, RecursionError) as error:  # a page, or JSON of another kind
                failure = TransientError("malformed_reply", f"no answer of the Batch API: {type(error).__name__}")
            attempt += 1
            if isinstance(failure, RefusedError) or not isinstance(failure, ThrottledError | TransientError):
                raise failure if isinstance(failure, EndpointError) else self._without_batches(str(failure))
            if attempt >= self._policy.attempts:
                raise self.endpoint.unreachable_error(str(failure), "the Batch API")
            wait = failure.retry_after
            await asyncio.sleep(self._policy.delay(attempt, self._chance) if wait is None else longest_pause(wait))

    def _without_batches(self, said: str) -> EndpointError:
        return EndpointError(
            f"Expected a server with a Batch API at {self.endpoint.settings.shown_url}, got: "
            f"{self.endpoint.hide_key(said)}. Leave --batch out to ask singly."
        )


def _view(batch: Any) -> BatchView:
    counts = batch.request_counts
    files = (batch.output_file_id, batch.error_file_id)
    problems = getattr(batch.errors, "data", None) or []
    return BatchView(
        id=str(batch.id),
        status=str(batch.status),
        done=int(getattr(counts, "completed", 0) or 0),
        failed=int(getattr(counts, "failed", 0) or 0),
        files=tuple(str(file) for file in files if file),
        errors="; ".join(str(getattr(problem, "message", problem)) for problem in problems)[:500],
    )


def _read_answer(line: bytes) -> tuple[str, int, Any, str] | None:
    """Read one line of a batch's answers or failures, trusting nothing about its shape; None where it is none."""
    try:
        values = json.loads(line)
        response, error = values.get("response") or {}, values.get("error") or {}
        words = str(error.get("message") or error.get("code") or "") if isinstance(error, dict) else str(error)
        return str(values["custom_id"]), int(response.get("status_code") or 0), response.get("body"), words
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None

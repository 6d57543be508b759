"""The batches of a run on disk: one small file that names them, and the request file of each.

Every step is written down before the next one is taken: the request file before the batch is named, its name before
anything is sent, the file's id before the batch is made, the batch's id before it is ever polled.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO

from lamm_llm.errors import LammLlmError, UsageError
from lamm_llm.files import atomic_path, sibling

BATCHES = "batches.json"
"""Ending of the file beside a run's output that says which batches belong to it."""
MOST_REQUESTS = 50_000
MOST_BYTES = 200_000_000
"""What OpenAI takes in one batch."""

_KEY = slice(len('{"custom_id":"'), len('{"custom_id":"') + 64)


@dataclass
class Batch:
    """One batch.

    Attributes:
        token: Our own name of it, sent along as metadata, by which it is found again when its id was not yet noted.
        endpoint: Where it was handed over.
        format: Answer format of its requests.
        requests: How many it holds.
        bytes: Size of its request file.
        file: Id of the uploaded request file; empty before the upload.
        id: The server's id; empty before the batch is made.
        status: What the server said last.
        answered: Answers taken from it.
        failed: Requests it could not answer.
        collected: Whether everything it will ever give is in the journal.
    """

    token: str
    endpoint: str
    format: str
    requests: int
    bytes: int
    file: str = ""
    id: str = ""
    status: str = "planned"
    answered: int = 0
    failed: int = 0
    collected: bool = False


class BatchState:
    """All batches of a run.

    Args:
        output: The run's output file; `NAME.batches.json` stands beside it.

    Attributes:
        batches: Every batch ever planned, in order.
        refused_formats: Answer formats that the server turned out not to know.

    Raises:
        LammLlmError: When the file is damaged.
    """

    def __init__(self, output: Path) -> None:
        self.path = sibling(output, BATCHES)
        self.batches: list[Batch] = []
        self.refused_formats: list[str] = []
        if self.path.exists():
            self._load()

    def open(self) -> list[Batch]:
        """List the batches that may still give answers."""
        return [batch for batch in self.batches if not batch.collected]

    def save(self) -> None:
        """Write the state; beside first, then renamed, and on the disk before it counts."""
        values = {"refused_formats": self.refused_formats, "batches": [asdict(batch) for batch in self.batches]}
        with atomic_path(self.path, sync=True) as beside:
            beside.write_text(json.dumps(values, indent=1), encoding="utf-8")

    def request_file(self, batch: Batch) -> Path:
        """Name the file of a batch's requests."""
        return self.path.with_name(f"{self.path.name.removesuffix('.batches.json')}.batch-{batch.token[:12]}.jsonl")

    def keys(self, batch: Batch) -> set[str]:
        """Return the request keys of a batch.

        Raises:
            LammLlmError: When its request file is gone.
        """
        try:
            with self.request_file(batch).open("rb") as lines:
                return {line[_KEY].decode() for line in lines}
        except OSError as error:
            raise LammLlmError(
                f"Expected the requests of batch {batch.id or batch.token} in {self.request_file(batch)}, got: {error}."
                " Put the file back, or move the state file away to give the batch up."
            ) from error

    def forget_files(self) -> None:
        """Remove request files that no open batch needs: of collected ones, and of runs killed before naming them."""
        kept = {self.request_file(batch) for batch in self.open()}
        for path in self.path.parent.glob(f"{self.path.name.removesuffix('.batches.json')}.batch-*.jsonl*"):
            if path not in kept:
                path.unlink(missing_ok=True)

    def _load(self) -> None:
        known = {item.name for item in fields(Batch)}
        try:
            values = json.loads(self.path.read_text(encoding="utf-8"))
            self.refused_formats = [str(name) for name in values["refused_formats"]]
            self.batches = [Batch(**{key: row[key] for key in known & set(row)}) for row in values["batches"]]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise LammLlmError(
                f"Expected the names of batches in {self.path}, got {error!r}. Move it away to begin anew."
            ) from error


class Outbox:
    """Collects the lines of new batches on disk, each batch within the limits.

    Args:
        state: Where the batches are named once they are complete.
        endpoint: Where they will be handed over.
        most_requests: Requests in one batch, at most.
        most_bytes: Bytes of one batch's request file, at most.
    """

    def __init__(
        self, state: BatchState, endpoint: str, most_requests: int = MOST_REQUESTS, most_bytes: int = MOST_BYTES
    ) -> None:
        self._state, self._endpoint = state, endpoint
        self._most = (most_requests, most_bytes)
        self._planned: list[Batch] = []
        self._file: IO[bytes] | None = None
        self._begin()

    def _begin(self) -> None:
        self._requests = self._bytes = 0
        # The serial number makes a second batch of the same requests (the first one expired) another one.
        self._token = hashlib.sha256(f"{len(self._state.batches) + len(self._planned)}".encode())
        self._format = ""

    def add(self, key: str, answer_format: str, line: bytes) -> None:
        """Take one request, whose line begins with its key as `custom_id`."""
        most_requests, most_bytes = self._most
        if self._requests and (self._requests >= most_requests or self._bytes + len(line) > most_bytes):
            self._complete()
        if self._file is None:
            self._file = self._state.path.with_name(f".{self._state.path.name}.part").open("wb")
        self._file.write(line)
        self._token.update(key.encode())
        self._requests, self._bytes, self._format = self._requests + 1, self._bytes + len(line), answer_format

    def plan(self) -> list[Batch]:
        """Name the new batches in the state file; from here on no request of theirs is ever planned again."""
        self._complete()
        if self._planned:
            self._state.batches += self._planned
            self._state.save()
        return self._planned

    def _complete(self) -> None:
        if self._file is None:
            return
        batch = Batch(self._token.hexdigest(), self._endpoint, self._format, self._requests, self._bytes)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        os.replace(self._file.name, self._state.request_file(batch))
        self._planned.append(batch)
        self._file = None
        self._begin()

    def close(self) -> None:
        """Drop what was not planned."""
        if self._file is not None:
            self._file.close()
            Path(self._file.name).unlink(missing_ok=True)


def refuse_open_batches(output: Path) -> None:
    """Keep a run from asking singly for what batches are answering already.

    Raises:
        UsageError: When batches are under way.
    """
    waiting = BatchState(output).open()
    if waiting:
        raise UsageError(
            f"Expected no batches under way for {output}, got {len(waiting)} with "
            f"{sum(batch.requests for batch in waiting)} requests ({sibling(output, BATCHES)}). "
            "Run with --batch collect, or with --batch cancel first."
        )


def request_line(key: str, body: bytes) -> bytes:
    """Write the line of one request."""
    return b'{"custom_id":"%s","method":"POST","url":"/v1/chat/completions","body":%s}\n' % (key.encode(), body)

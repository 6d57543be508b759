"""The cache: every reply, appended to a file the moment it arrives, under the sha256 of its request.

One JSON line a reply. A line goes to the operating system in one write, so a killed process loses nothing that was
answered; a torn last line is cut off when the file is opened again. One process at a time may hold a cache.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import IO, Any

from lamm_metrics.errors import LammMetricsError, UsageError
from lamm_metrics.reading import parse_json


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered.

    Attributes:
        text: Content of the message.
        finish: Why it ended: `stop`, `length` and so on.
        refusal: The server's own refusal text, if any.
        prompt_tokens: Tokens of the request, as billed.
        answer_tokens: Tokens of the reply, as billed.
        model: Name the server gave the model.
        rejected: Why the server refused the request for good: `format` (it does not know the format of replies),
            `request`, or empty.
        share: Share of the price that was paid; half through the Batch API.
    """

    text: str = ""
    finish: str = "stop"
    refusal: str = ""
    prompt_tokens: int = 0
    answer_tokens: int = 0
    model: str = ""
    rejected: str = ""
    share: float = 1.0


def request_key(endpoint: str, payload: Mapping[str, Any]) -> str:
    """The sha256 of a request written in one canonical way; the order of keys does not matter.

    >>> request_key("u", {"a": 1, "b": 2}) == request_key("u", {"b": 2, "a": 1})
    True
    """
    text = json.dumps({"endpoint": endpoint, "request": payload}, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode("utf-8")).hexdigest()


class ReplyCache:
    """Replies by the key of their request.

    Args:
        path: The file; created when missing.

    Raises:
        UsageError: Another process holds the file.
        LammMetricsError: A line before the last is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._replies: dict[str, tuple[str, Reply]] = {}
        self._locks: dict[str, Lock] = {}
        self._lock = Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[bytes] = path.open("a+b", buffering=0)
        try:
            _hold(self._file, path)
            self._load()
        except BaseException:
            self._file.close()
            raise

    def __len__(self) -> int:
        return len(self._replies)

    def get(self, key: str) -> Reply | None:
        """The reply to a request, or None when it was never answered."""
        found = self._replies.get(key)
        return found[1] if found else None

    def answered(self) -> set[str]:
        """The keys of all requests that need not be sent, in this form or another."""
        return {key for key, (_, reply) in self._replies.items() if reply.rejected != "format"}

    def items(self) -> Iterator[tuple[str, Reply]]:
        """The name of the asked model and the reply, for every answered request."""
        yield from list(self._replies.values())

    @contextmanager
    def claim(self, key: str) -> Iterator[None]:
        """Hold a request, so that two threads with the very same one do not both send it."""
        with self._lock:
            lock = self._locks.setdefault(key, Lock())
        with lock:
            yield

    def append(self, key: str, model: str, reply: Reply) -> None:
        """Keep a reply.

        Raises:
            LammMetricsError: The disk does not take it; what was kept before stays whole.
        """
        line = (json.dumps({"key": key, "model": model, "reply": asdict(reply)}) + "\n").encode("ascii")
        with self._lock:
            size = self._file.seek(0, os.SEEK_END)
            try:
                written = self._file.write(line)
                if written != len(line):
                    raise OSError(f"only {written} of {len(line)} bytes were taken")
            except OSError as error:
                self._file.truncate(size)
                raise LammMetricsError(
                    f"Expected room for the cache {self.path}, got: {error}. {len(self)} replies are kept; make room "
                    "and run the same command again."
                ) from error
            self._replies[key] = (model, reply)

    def close(self) -> None:
        """Bring everything to the disk and let go of the file."""
        if not self._file.closed:
            os.fsync(self._file.fileno())
            self._file.close()

    def _load(self) -> None:
        """Read the file and cut off a torn last line."""
        self._file.seek(0)
        size = 0
        with os.fdopen(os.dup(self._file.fileno()), "rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n"):
                    break
                self._load_line(line, number)
                size += len(line)
        self._file.truncate(size)

    def _load_line(self, line: bytes, number: int) -> None:
        try:
            values = parse_json(line.decode("utf-8"))
            self._replies[str(values["key"])] = (str(values["model"]), Reply(**values["reply"]))
        except (ValueError, KeyError, TypeError) as error:
            raise LammMetricsError(
                f"Expected a line of a cache of replies, got damaged text ({self.path}, line {number}: {error}). "
                "Remove that line, or move the file away to begin anew."
            ) from error


def _hold(file: IO[bytes], path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Windows has no flock; two writers are then the user's own care.
        return
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UsageError(
            f"Expected to be the only run with the cache {path}, but another process holds it. "
            "Wait for it, or choose another --output."
        ) from error

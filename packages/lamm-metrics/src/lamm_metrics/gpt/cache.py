"""The cache: every reply, appended to a file the moment it arrives, under the sha256 of its request.

One JSON line a reply, and one before every sending, which says what the sending may cost. A line goes to the operating
system in one write, so a killed process loses nothing that was answered; a torn last line is cut off when the file is
opened again. One process at a time may hold a cache.

A sending ends with its reply, or with a line that says it failed. A sending without either, because the process was
killed, the connection broke or time ran out, may or may not have been answered and billed: nobody on this side can
know. Such sendings are counted, and so is their price.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import IO, Any, NamedTuple

from lamm_metrics.errors import LammMetricsError, UsageError
from lamm_metrics.records.files import parse_json


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


class Sending(NamedTuple):
    """One sending of a request: the asked model and the most tokens that it can be billed for."""

    model: str
    prompt_tokens: int
    answer_tokens: int


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
        # Sendings under way, and those of earlier times whose outcome is not known.
        self._sendings: dict[str, list[Sending]] = {}
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

    def begin(self, key: str, sending: Sending) -> None:
        """Note that a request is about to be sent.

        Raises:
            LammMetricsError: The disk does not take it; nothing may be sent then.
        """
        self._write({"sent": key, **sending._asdict()})

    def fail(self, key: str) -> None:
        """Note that the last sending of a request was not answered and is not billed, as far as the server says.

        Raises:
            LammMetricsError: The disk does not take it.
        """
        self._write({"failed": key})

    def unknown(self, key: str) -> int:
        """How many sendings of a request are under way or have an outcome that is not known."""
        return len(self._sendings.get(key, ()))

    def unknown_sendings(self) -> Iterator[Sending]:
        """Every sending that is under way or has an outcome that is not known."""
        for sendings in list(self._sendings.values()):
            yield from sendings

    def append(self, key: str, model: str, reply: Reply) -> None:
        """Keep a reply; it ends the last sending of its request.

        Raises:
            LammMetricsError: The disk does not take it; what was kept before stays whole.
        """
        self._write({"key": key, "model": model, "reply": asdict(reply)})

    def _write(self, values: Mapping[str, Any]) -> None:
        line = (json.dumps(values) + "\n").encode("ascii")
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
            self._take(values)

    def _take(self, values: Mapping[str, Any]) -> None:
        """Know what a line says."""
        if "sent" in values:
            sending = Sending(str(values["model"]), int(values["prompt_tokens"]), int(values["answer_tokens"]))
            self._sendings.setdefault(str(values["sent"]), []).append(sending)
            return
        key, single = str(values["failed"] if "failed" in values else values["key"]), True
        if "failed" not in values:
            reply = Reply(**values["reply"])
            self._replies[key] = (str(values["model"]), reply)
            single = reply.share == 1
        # Only one sending of a request is under way at a time: the last. Replies of batches end none.
        if single and self._sendings.get(key):
            self._sendings[key].pop()

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
            self._take(parse_json(line.decode("utf-8")))
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

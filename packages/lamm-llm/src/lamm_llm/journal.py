"""The journal: every answer that was paid for, appended the moment it arrives.

One JSON line for each answer, after one header line that says which run it belongs to. Lines reach the operating system
at once (a killed process loses nothing) and the disk in groups (a power cut loses at most 64 lines or 0.2 s). The last
line may be torn; it is cut off when the journal is opened again. One process at a time may hold a journal.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from lamm_llm.errors import LammLlmError, UsageError
from lamm_llm.fast_json import dumps, loads

GROUP = 64
GROUP_SECONDS = 0.2


@dataclass(frozen=True)
class Reply:
    """What a server answered.

    Attributes:
        text: Content of the message.
        finish: `stop`, `length`, `content_filter` or whatever the server gave.
        refusal: The server's own refusal text, if any.
        prompt_tokens: Tokens billed for the prompt, as the server counts.
        completion_tokens: Tokens billed for the answer.
        model: Model name the server answered with.
        fingerprint: The server's `system_fingerprint`, if any.
    """

    text: str
    finish: str = "stop"
    refusal: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    model: str = ""
    fingerprint: str = ""


class Journal:
    """Append-only store of replies by request key.

    Args:
        path: The journal file; created when missing.
        identity: What the run is (type, model, prompt hash, sampling); compared with the header of an existing file.
        begin_anew: Take over a journal of another run that holds no answer: a call with a wrong model name, once
            corrected, need not be told to choose another output.

    Raises:
        UsageError: When the file belongs to another run or another process holds it.
        LammLlmError: When a line before the last is damaged.
    """

    def __init__(self, path: Path, identity: dict[str, Any], *, begin_anew: bool = False) -> None:
        self.path = path
        self._begin_anew = begin_anew
        self._index: dict[bytes, int] = {}
        self._unsynced = 0
        self._synced_at = 0.0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(path)
        self._file: IO[bytes] = path.open("a+b", buffering=0)
        try:
            self._size = self._load(identity)
        except BaseException:
            self._file.close()
            self._lock.release()
            raise

    def __len__(self) -> int:
        return len(self._index)

    def __contains__(self, key: str) -> bool:
        return bytes.fromhex(key) in self._index

    def get(self, key: str) -> Reply | None:
        """Look an answer up.

        Args:
            key: Request key.

        Returns:
            The reply, or None when the request has not been answered.
        """
        offset = self._index.get(bytes.fromhex(key))
        if offset is None:
            return None
        return Reply(**loads(self._line_at(offset))["reply"])

    async def append(self, key: str, reply: Reply) -> None:
        """Store an answer.

        Args:
            key: Request key.
            reply: The answer.

        Raises:
            LammLlmError: When the disk does not take it; what was stored before stays whole.
        """
        offset = self._size
        self._write({"key": key, "reply": vars(reply)})
        self._index[bytes.fromhex(key)] = offset
        self._unsynced += 1
        now = asyncio.get_running_loop().time()
        if self._unsynced >= GROUP or now - self._synced_at > GROUP_SECONDS:
            self._unsynced, self._synced_at = 0, now
            await asyncio.to_thread(self._sync)

    def close(self) -> None:
        """Bring everything to the disk and let go of the file."""
        if not self._file.closed:
            try:
                self._sync()
            finally:
                self._file.close()
                self._lock.release()

    def _sync(self) -> None:
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._no_room(error) from error

    def _no_room(self, error: OSError) -> LammLlmError:
        return LammLlmError(
            f"Expected room for the journal {self.path}, got: {error}. {len(self._index)} answers are stored; "
            "make room and run the same command again."
        )

    def _write(self, value: dict[str, Any]) -> None:
        line = dumps(value) + b"\n"
        try:
            written = self._file.write(line)
            if written != len(line):
                raise OSError(f"only {written} of {len(line)} bytes were taken")
        except OSError as error:
            self._file.truncate(self._size)
            raise self._no_room(error) from error
        self._size += len(line)

    def _line_at(self, offset: int) -> bytes:
        """Read one line without disturbing the append position."""
        size = 8192
        while True:
            block = os.pread(self._file.fileno(), size, offset)
            end = block.find(b"\n")
            if end >= 0:
                return block[:end]
            size *= 4

    def _load(self, identity: dict[str, Any]) -> int:
        """Read an existing journal, cut off a torn last line, and give the size of what remains."""
        self._size = 0
        header: dict[str, Any] | None = None
        self._file.seek(0)
        with os.fdopen(os.dup(self._file.fileno()), "rb") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.endswith(b"\n"):
                    break
                values = self._read_line(line, number)
                header = values if number == 1 else header
                self._size += len(line)
        if header is not None and (names := _differing(header, identity)):
            if self._index or not self._begin_anew:
                raise _other_run(header, identity, names, self.path)
            self._size = 0
        self._file.truncate(self._size)
        self._file.seek(0, os.SEEK_END)
        if self._size == 0:
            self._write({"journal": 1, "run": identity})
        return self._size

    def _read_line(self, line: bytes, number: int) -> dict[str, Any]:
        """Take up one line, and give what it says: of the first line, which run it is."""
        try:
            values: dict[str, Any] = loads(line)
            if number == 1:
                return dict(values["run"])
            self._index[bytes.fromhex(values["key"])] = self._size
            return values
        except (ValueError, KeyError, TypeError) as error:
            raise LammLlmError(
                f"Expected a journal line, got damaged text: {self.path}, line {number}: {error}. "
                "Remove that line, or move the journal away to begin anew."
            ) from error


def read_replies(path: Path) -> dict[str, Reply]:
    """Read what a journal holds without opening it for writing, for example while a run goes on.

    Args:
        path: The journal; it need not exist.

    Returns:
        Replies by request key; a line that is not whole yet is left out.

    Raises:
        LammLlmError: When a line is damaged.
    """
    if not path.exists():
        return {}
    with path.open("rb") as lines:
        next(lines, None)
        try:
            values = [loads(line) for line in lines if line.endswith(b"}\n")]
            return {value["key"]: Reply(**value["reply"]) for value in values}
        except (ValueError, KeyError, TypeError) as error:
            raise LammLlmError(f"Expected a journal in {path}, got damaged text: {error}. Move it away.") from error


def _differing(header: dict[str, Any], identity: dict[str, Any]) -> list[str]:
    return [name for name in {**header, **identity} if header.get(name) != identity.get(name)]


def _other_run(header: dict[str, Any], identity: dict[str, Any], names: list[str], path: Path) -> UsageError:
    differences = "; ".join(f"{name}: {header.get(name)!r} there, {identity.get(name)!r} here" for name in names)
    return UsageError(
        f"Expected a journal of this run, got one of another in {path} ({differences}). "
        "Choose another --output, or move that journal away."
    )


def _lock(path: Path) -> FileLock:
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise UsageError(
            f"Expected to be the only run with the journal {path}, but another process holds it. "
            "Wait for it, or choose another --output."
        ) from error
    return lock

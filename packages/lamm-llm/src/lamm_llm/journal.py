"""The journal: every answer that was paid for, appended the moment it arrives.

One JSON line for each answer, after one header line that says which run it belongs to; each line with its version and a
checksum (`files`). Lines reach the operating system at once (a killed process loses nothing) and the disk in
groups (a power cut loses at most 64 lines or 0.2 s). The last line may be torn; it is cut off when the journal is
opened again. One process at a time may hold a journal.

A journal may also note every sending before it goes out. A sending ends with its answer, or with a line that says it
failed; one without either (the process was killed, the connection broke, time ran out) may have been answered and
billed, which nobody on this side can know: such sendings are counted, and so is their price.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from typing import IO, Any, NamedTuple

from lamm_llm.errors import LammLlmError, UsageError
from lamm_llm.files import LINE_VERSION, open_line, refuse_unknown, seal_line, sole_use
from lamm_llm.replies import Reply

GROUP = 64
GROUP_SECONDS = 0.2


_FIELDS = {field.name for field in fields(Reply)} | {"answer_tokens"}
_KINDS: dict[str, set[str]] = {
    "run": {"journal", "run"},
    "sent": {"sent", "model", "prompt_tokens", "answer_tokens"},
    "failed": {"failed"},
    "key": {"key", "model", "reply"},
}
"""Fields of a line by the one that tells its kind."""


class Sending(NamedTuple):
    """One sending of a request: the asked model and the most tokens that it can be billed for."""

    model: str
    prompt_tokens: int
    answer_tokens: int


class Journal:
    """Append-only store of replies by request key.

    Args:
        path: The journal file; created when missing.
        identity: What the run is (type, model, prompt hash, sampling); compared with the header of an existing file.
            None for a journal that any run may use: it has no header, and says of every answer which model was asked.
        begin_anew: Take over a journal of another run that holds no answer: a call with a wrong model name, once
            corrected, need not be told to choose another output.
        sendings: Whether sendings are noted.

    Raises:
        UsageError: When the file belongs to another run or another process holds it.
        LammLlmError: When a line before the last is damaged.
    """

    def __init__(
        self, path: Path, identity: dict[str, Any] | None, *, begin_anew: bool = False, sendings: bool = False
    ) -> None:
        self.path = path
        self.sendings = sendings
        self._identity, self._begin_anew = identity, begin_anew
        # Sendings under way, and those of earlier times whose outcome is not known.
        self._sendings: dict[str, list[Sending]] = {}
        self._index: dict[bytes, int] = {}
        self._unsynced, self._synced_at = 0, 0.0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = ExitStack()
        self._lock.enter_context(sole_use(path))
        self._file: IO[bytes] = path.open("a+b", buffering=0)
        try:
            self._load()
        except BaseException:
            self._file.close()
            self._lock.close()
            raise

    def __len__(self) -> int:
        return len(self._index)

    def __contains__(self, key: str) -> bool:
        return bytes.fromhex(key) in self._index

    def get(self, key: str) -> Reply | None:
        """Return the reply to a request; None when it has not been answered."""
        offset = self._index.get(bytes.fromhex(key))
        return None if offset is None else _reply(open_line(self._line_at(offset)))

    def replies(self) -> Iterator[tuple[str, Reply]]:
        """Return the asked model (empty in a journal of one model) and the reply of every answered request."""
        for offset in list(self._index.values()):
            values = open_line(self._line_at(offset))
            yield str(values.get("model", "")), _reply(values)

    def begin(self, key: str, sending: Sending) -> None:
        """Note that a request is about to be sent.

        Raises:
            LammLlmError: The disk does not take it; nothing may be sent then.
        """
        self._write({"sent": key, **sending._asdict()})
        self._sendings.setdefault(key, []).append(sending)

    def fail(self, key: str) -> None:
        """Note that the last sending of a request was not answered and is not billed, as far as the server says."""
        self._write({"failed": key})
        self._end_sending(key)

    def unknown(self, key: str) -> int:
        """Return how many sendings of a request are under way or have an outcome that is not known."""
        return len(self._sendings.get(key, ()))

    def unknown_sendings(self) -> list[Sending]:
        """Return every sending that is under way or has an outcome that is not known."""
        return [sending for sendings in self._sendings.values() for sending in sendings]

    async def append(self, key: str, reply: Reply, model: str = "") -> None:
        """Store an answer; it ends the last sending of its request.

        Args:
            key: Request key.
            reply: The answer.
            model: The asked model; written where the journal has no header that names it.

        Raises:
            LammLlmError: When the disk does not take it; what was stored before stays whole.
        """
        offset = self._size
        asked = {"model": model} if self._identity is None else {}
        self._write({"key": key, **asked, "reply": vars(reply)})
        self._take_reply(key, reply.rejected, reply.share, offset)
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
                self._lock.close()

    def _take_reply(self, key: str, rejected: str, share: float, offset: int) -> None:
        """Know where a reply stands. Earlier versions kept refused answer formats, too: these answer nothing."""
        if rejected != "format":
            self._index[bytes.fromhex(key)] = offset
        if share == 1:  # a batch's reply is the answer to no single sending
            self._end_sending(key)

    def _end_sending(self, key: str) -> None:
        # Only one sending of a request is under way at a time: the last.
        if self._sendings.get(key):
            self._sendings[key].pop()

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
        line = seal_line(value)
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

    def _load(self) -> None:
        """Read an existing journal and cut off a torn last line."""
        self._size, identity = 0, self._identity
        header: dict[str, Any] | None = None
        self._file.seek(0)
        with os.fdopen(os.dup(self._file.fileno()), "rb") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.endswith(b"\n"):
                    break
                if number == 1 and identity is not None:
                    header = self._read_header(line)
                else:
                    self._read_line(line, number)
                self._size += len(line)
        if header is not None and identity is not None and header != identity:
            if self._index or not self._begin_anew:
                raise self._other_run(header, identity)
            self._size = 0
        self._file.truncate(self._size)
        self._file.seek(0, os.SEEK_END)
        if self._size == 0 and identity is not None:
            self._write({"journal": LINE_VERSION, "run": identity})

    def _read_header(self, line: bytes) -> dict[str, Any]:
        try:
            return dict(_read(line)["run"])
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise self._damaged(1, error) from error

    def _read_line(self, line: bytes, number: int) -> None:
        try:
            values = _read(line)
            if "sent" in values:
                sending = Sending(str(values["model"]), int(values["prompt_tokens"]), int(values["answer_tokens"]))
                self._sendings.setdefault(str(values["sent"]), []).append(sending)
            elif "failed" in values:
                self._end_sending(str(values["failed"]))
            else:
                reply = values["reply"]
                self._take_reply(values["key"], reply.get("rejected", ""), reply.get("share", 1), self._size)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise self._damaged(number, error) from error

    def _other_run(self, header: dict[str, Any], identity: dict[str, Any]) -> UsageError:
        differences = "; ".join(
            f"{name}: {header.get(name)!r} there, {identity.get(name)!r} here"
            for name in {**header, **identity}
            if header.get(name) != identity.get(name)
        )
        return UsageError(
            f"Expected a journal of this run, got one of another in {self.path} ({differences}). "
            "Choose another --output, or move that journal away."
        )

    def _damaged(self, number: int, error: Exception) -> LammLlmError:
        return LammLlmError(
            f"Expected a journal line, got damaged text: {self.path}, line {number}: {error}. "
            "Remove that line and its request is sent again, or move the journal away to begin anew."
        )


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
        try:
            values = [_read(line) for line in lines if line.endswith(b"}\n")]
            replies = {value["key"]: _reply(value) for value in values if "key" in value}
            return {key: reply for key, reply in replies.items() if reply.rejected != "format"}
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise LammLlmError(f"Expected a journal in {path}, got damaged text: {error}. Move it away.") from error


def _read(line: bytes) -> dict[str, Any]:
    """Read a line of any kind.

    Raises:
        ValueError, TypeError: It is changed, of another version, of no known kind, or has unknown fields.
    """
    values = open_line(line)
    kind = next((kind for kind in _KINDS if kind in values), "key")
    refuse_unknown(values, _KINDS[kind])
    if kind == "key":
        reply = values["reply"]
        refuse_unknown(reply, _FIELDS)
        if not isinstance(reply["text"], str):
            raise ValueError("the text of the reply is no text")
    return values


def _reply(line: dict[str, Any]) -> Reply:
    """Read the reply of a line; the judge of lamm-metrics 0.1 wrote `answer_tokens`."""
    values = line["reply"]
    if "answer_tokens" in values:
        values["completion_tokens"] = values.pop("answer_tokens")
    return Reply(**values)

"""Verdicts of people, one JSON line each: appended, synced, never rewritten; the last one of a reviewer counts."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lamm_data.errors import SourceError, UsageError
from lamm_llm import loads, sole_use

ACCEPT, REJECT = "accept", "reject"
MAX_NOTE = 2000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one reviewer says of one record.

    Attributes:
        record: Key of the record's content, see `content_key`.
        reviewer: Name of the reviewer.
        verdict: `accept` or `reject`.
        stratum: Layer of the sample the record belongs to.
        id: The record's id, for people.
        reason: Why it is rejected, in the words of the reasons table.
        note: Anything else.
        time: When, ISO 8601 in UTC.
    """

    record: str
    reviewer: str
    verdict: str
    stratum: str = ""
    id: str = ""
    reason: str = ""
    note: str = ""
    time: str = ""

    def __post_init__(self) -> None:
        if self.verdict not in (ACCEPT, REJECT):
            raise UsageError(f"Expected a verdict of {ACCEPT} or {REJECT}, got {self.verdict!r}.")
        if not self.reviewer.strip():
            raise UsageError("Expected the name of a reviewer, got none. Give --reviewer NAME.")
        if len(self.note) > MAX_NOTE:
            raise UsageError(f"Expected a note of at most {MAX_NOTE} characters, got {len(self.note)}.")


def read_verdicts(paths: Iterable[Path]) -> list[Verdict]:
    """Read verdict files; of several verdicts of one reviewer on one record the last one counts.

    A last line without its line break is what a crash leaves of an append, and is passed over.

    Returns:
        The verdicts that count, in order of first appearance.

    Raises:
        UsageError: A file is missing.
        SourceError: A whole line is no verdict.
    """
    latest: dict[tuple[str, str], Verdict] = {}
    for path in paths:
        if not path.is_file():
            raise UsageError(f"Expected a file of verdicts, found nothing at {path}. Review first, or check the path.")
        for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], start=1):
            if line.strip():
                verdict = _verdict(line, path, number)
                latest[verdict.record, verdict.reviewer] = verdict
    return list(latest.values())


def _verdict(line: bytes, path: Path, number: int) -> Verdict:
    try:
        values: Any = loads(line)
        known = {key: values[key] for key in Verdict.__dataclass_fields__ if key in values}
        if not all(isinstance(value, str) for value in known.values()):
            raise ValueError("a value that is no text")
        return Verdict(**known)
    except (ValueError, TypeError, UsageError) as error:
        raise SourceError(
            f"Expected a verdict a line, got {error} ({path}, line {number}). Mend or remove that line."
        ) from error


class VerdictFile:
    """Appends verdicts; each is on the disk when `add` returns.

    Args:
        path: The file; made with its folder when missing. What a crash left of a last line is cut off.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._alone = ExitStack()
        self._alone.enter_context(sole_use(path))
        content = path.read_bytes() if path.is_file() else b""
        self._file = path.open("ab", buffering=0)
        if content and not content.endswith(b"\n"):
            self._file.truncate(content.rfind(b"\n") + 1)

    def add(self, verdict: Verdict) -> None:
        """Append one verdict and wait until it is on the disk.

        Raises:
            OSError: The disk is full or gone; nothing of the verdict is left then.
        """
        line = json.dumps(asdict(verdict), ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        with self._lock:
            before = self._file.seek(0, os.SEEK_END)
            try:
                if self._file.write(line) != len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
                os.fsync(self._file.fileno())
            except OSError:
                self._file.truncate(before)
                raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self._alone.close()

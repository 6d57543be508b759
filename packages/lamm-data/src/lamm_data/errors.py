"""The errors that lamm-data raises on purpose, under one base class."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

SHOWN_FAULTS = 20


def first_of(items: Sequence[object], most: int = 5) -> list[str]:
    """Return the first items as texts, and at the end how many more there are.

    >>> first_of(["a", "b", "c"], 2)
    ['a', 'b', '... and 1 more']
    """
    left = len(items) - most
    return [str(item) for item in items[:most]] + ([f"... and {left} more"] if left > 0 else [])


class LammDataError(Exception):
    """A fault the user can mend: the message says what was expected, what was found and what to do.

    Attributes:
        exit_code: Process status a command line should end with: 1 when the work failed, 2 when it was misused.
    """

    exit_code = 1


def import_extra(module: str, purpose: str, extra: str, advice: str = "") -> Any:
    """Import a module that only an extra of lamm-data brings.

    Raises:
        LammDataError: It cannot be imported; the message says what to install: the extra, or a library of the system.
    """
    try:
        return importlib.import_module(module)
    except (ImportError, OSError) as error:
        install = f"Install it: pip install 'lamm-data[{extra}]'."
        if ".so" in str(error):  # the package is there, what it is linked against is not
            install = "Install that library of the system (open3d: apt-get install libx11-6 libgl1 libgomp1)."
        raise LammDataError(f"Expected {module} for {purpose}, got {error}. {install}{advice}") from error


class UsageError(LammDataError):
    """The call itself is wrong: an unknown source, task, option or combination."""

    exit_code = 2


class SourceError(LammDataError):
    """An annotation file is missing, truncated or not laid out as its format says."""


class OutsideError(SourceError):
    """A medium's name leads out of the folder that media lie in: nothing there is opened."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with one record.

    Attributes:
        message: "Expected X, got Y."
        path: File the record came from.
        line: Line (1-based) on which the record starts; 0 when it came from memory.
        id: The record's id where it has one.
    """

    message: str
    path: str = ""
    line: int = 0
    id: str | None = None

    def __str__(self) -> str:
        where = [part for part in (self.path, f"line {self.line}" if self.line else "") if part]
        if self.id is not None:
            where.append(f"id {self.id!r}")
        return f"{self.message} ({', '.join(where)})" if where else self.message


class RecordError(LammDataError):
    """Records break their contract; every fault found is in `faults`.

    Attributes:
        faults: All faults of the file, in file order.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = list(faults)
        lines = first_of(self.faults, SHOWN_FAULTS)
        super().__init__("; ".join(lines) if len(lines) == 1 else "\n  ".join([f"{len(self.faults)} faults:", *lines]))

    def __reduce__(self) -> tuple[type[RecordError], tuple[list[Fault]]]:
        return type(self), (self.faults,)  # to come whole out of a worker process

"""Read JSON files of records: a JSON list, or JSON Lines; every fault of a file is gathered before it is reported."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from lamm_metrics.errors import LammMetricsError

SHOWN = 10


class FileFaultsError(LammMetricsError):
    """A file or a pair of files cannot be used.

    Attributes:
        faults: Every fault found, one line each.
    """

    def __init__(self, where: str, faults: Sequence[str], remedy: str) -> None:
        self.faults = list(faults)
        shown = "; ".join(self.faults[:SHOWN])
        more = f"; and {len(self.faults) - SHOWN} more" if len(self.faults) > SHOWN else ""
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        super().__init__(f"{where}: {count}: {shown}{more}. {remedy}")


def first_ten(ids: Sequence[str]) -> str:
    """The first ten ids and how many there are."""
    listed = ", ".join(repr(name[:80]) for name in ids[:SHOWN])
    return f"{listed}, … ({len(ids)} in all)" if len(ids) > SHOWN else f"{listed} ({len(ids)} in all)"


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def parse_json(text: str) -> Any:
    """Parse strict JSON.

    Raises:
        ValueError: It is no JSON, holds NaN or an infinity, or is nested too deeply.
    """
    try:
        return json.loads(text, parse_constant=_reject_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, with or without a byte order mark.

    Raises:
        LammMetricsError: It is not UTF-8.
    """
    raw = path.read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise LammMetricsError(
            f"Expected UTF-8, got byte 0x{raw[error.start]:02x} ({path}, line {line}). Save the file as UTF-8."
        ) from error


def read_records(path: Path) -> tuple[list[tuple[str, Any]], list[str]]:
    """Read a JSON list or JSON Lines.

    Returns:
        The parsed records, each with the place it stands at ("line 3" or "record 3"), and the faults found.
    """
    text = read_text(path)
    if text.lstrip()[:1] == "[":
        return _read_list(text)
    return _read_lines(text)


def _read_list(text: str) -> tuple[list[tuple[str, Any]], list[str]]:
    try:
        parsed = parse_json(text)
    except json.JSONDecodeError as error:
        return [], [f"line {error.lineno}: no JSON list ({error.msg})"]
    except ValueError as error:
        return [], [f"no JSON list ({error})"]
    return [(f"record {i}", record) for i, record in enumerate(parsed, 1)], []


def _lines(text: str) -> Iterator[tuple[int, str]]:
    # Not splitlines(): JSON strings may hold U+2028 and its like.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, line


def _read_lines(text: str) -> tuple[list[tuple[str, Any]], list[str]]:
    records, faults = [], []
    for number, line in _lines(text):
        try:
            records.append((f"line {number}", parse_json(line)))
        except ValueError as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            faults.append(f"line {number}: no JSON ({reason}), is the file truncated?")
    return records, faults

"""Read JSON files of records: a JSON list, or JSON Lines; every fault of a file is gathered before it is reported."""

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from lamm_metrics.errors import LammMetricsError

SHOWN = 10
SHOWN_CHARACTERS = 80
# Faults after which a file is not looked at any further.
ENOUGH = 1000
BOM = b"\xef\xbb\xbf"
LARGEST = sys.float_info.max
_MARKS: Mapping[object, bool] = {
    **dict.fromkeys((0, None, "", "0", "false", "no"), False),
    **dict.fromkeys((1, "1", "true", "yes"), True),
}


class FileFaultsError(LammMetricsError):
    """A file or a pair of files cannot be used.

    Attributes:
        faults: Every fault found, one line each, up to `ENOUGH`.
    """

    def __init__(self, where: str, faults: Sequence[str], remedy: str) -> None:
        self.faults = list(faults)
        shown = "; ".join(self.faults[:SHOWN])
        more = f"; and {len(self.faults) - SHOWN} more" if len(self.faults) > SHOWN else ""
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        count += " or more" if len(self.faults) >= ENOUGH else ""
        super().__init__(f"{where}: {count}: {shown}{more}. {remedy}")


def first_ten(ids: Sequence[str]) -> str:
    """Return the first ten ids and how many there are."""
    listed = ", ".join(repr(name[:80]) for name in ids[:SHOWN])
    return f"{listed}, … ({len(ids)} in all)" if len(ids) > SHOWN else f"{listed} ({len(ids)} in all)"


def is_number(value: object) -> bool:
    """Return whether a parsed value is a finite number that a float can hold, and no truth value.

    >>> is_number(3), is_number(True), is_number(float("nan")), is_number(10**400)
    (True, False, False, False)
    """
    # Comparisons of whole numbers with floats are exact, so this works for those no float can hold.
    return isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST <= value <= LARGEST


def are_numbers(value: object, lengths: Sequence[int] | None = None) -> bool:
    """Return whether a parsed value is a list of finite numbers, of one of these lengths."""
    return isinstance(value, list | tuple) and all(map(is_number, value)) and (lengths is None or len(value) in lengths)


def mark_of(value: object) -> bool | None:
    """Return whether a mark such as `iscrowd` is set, as 0 and 1 or words tell; None where it is neither.

    >>> mark_of(1), mark_of("0"), mark_of(None), mark_of("maybe")
    (True, False, False, None)
    """
    written = value.strip().lower() if isinstance(value, str) else value
    return _MARKS.get(written) if isinstance(written, str | int | float | None) else None


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


def _parse_leniently(text: str) -> Any:
    """Parse JSON in which NaN and infinities may stand, as Python writes it: the check of the record names its id."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def shown(value: object) -> str:
    """Return a value as an error message shows it: as JSON, cut off where it is long."""
    try:
        text = json.dumps(value, default=str)
    except RecursionError:
        text = "something nested too deeply"
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file, with or without a byte order mark.

    Raises:
        LammMetricsError: It is not UTF-8.
    """
    raw = path.read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise LammMetricsError(f"{_no_utf8(raw, error)} ({path}, line {line}). Save the file as UTF-8.") from error


def _no_utf8(raw: bytes, error: UnicodeDecodeError) -> str:
    return f"Expected UTF-8, got byte 0x{raw[error.start]:02x}"


def write_beside(path: Path, parts: Iterable[str]) -> None:
    """Write a text file beside its place and rename it, so that nobody ever reads half of one."""
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("w", encoding="utf-8", errors="replace") as stream:
        stream.writelines(parts)
    os.replace(partial, path)


def placed_records(source: str | os.PathLike[str] | Iterable[Any]) -> tuple[list[tuple[str, Any]], list[str]]:
    """Read records from a JSON list or JSON Lines, or take those that are given.

    Returns:
        The parsed records, each with the place it stands at ("line 3" or "record 3"), and the faults found; reading
        stops at `ENOUGH` faults, so that a large file of nonsense costs little.

    Raises:
        LammMetricsError: A JSON list is not UTF-8.
    """
    if not isinstance(source, str | os.PathLike):
        return [(f"record {i}", record) for i, record in enumerate(source, 1)], []
    path = Path(source)
    with path.open("rb") as stream:
        start = stream.read(4096).removeprefix(BOM).lstrip()[:1]
    return _read_list(read_text(path)) if start == b"[" else _read_lines(path)


def _read_list(text: str) -> tuple[list[tuple[str, Any]], list[str]]:
    try:
        parsed = _parse_leniently(text)
    except json.JSONDecodeError as error:
        return [], [f"line {error.lineno}: no JSON list ({error.msg}; is the file truncated?)"]
    except ValueError as error:
        return [], [f"no JSON list ({error})"]
    return [(f"record {i}", record) for i, record in enumerate(parsed, 1)], []


def _read_lines(path: Path) -> tuple[list[tuple[str, Any]], list[str]]:
    records: list[tuple[str, Any]] = []
    faults: list[str] = []
    # Lines of bytes end at line feeds only; lines of text would also end at characters that JSON strings may hold.
    with path.open("rb") as stream:
        for number, raw in enumerate(stream, 1):
            line = raw.removeprefix(BOM) if number == 1 else raw
            if not line.strip():
                continue
            try:
                records.append((f"line {number}", _parse_leniently(line.decode("utf-8"))))
            except UnicodeDecodeError as error:
                faults.append(f"line {number}: {_no_utf8(line, error)}")
            except ValueError as error:
                reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
                # A file that was cut off ends without a line feed.
                hint = "" if raw.endswith(b"\n") else "; is the file truncated?"
                faults.append(f"line {number}: no JSON ({reason}{hint})")
            if len(faults) >= ENOUGH:
                break
    return records, faults

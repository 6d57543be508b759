"""The one way in: records from a file of any kind that is read, from a frame, a data set, a mapping or a list."""

import io
import json
import os
from collections.abc import Iterable, Mapping
from gzip import GzipFile
from itertools import chain
from pathlib import Path
from typing import IO, Any, cast

from lamm_metrics.records.columns import (
    PARQUET,
    ZIP,
    Placed,
    read_csv,
    read_parquet,
    read_xlsx,
    rows_of_frame,
)
from lamm_metrics.records.files import (
    BOM,
    ENOUGH,
    IMAGE,
    SCALARS,
    bare_name,
    decoded,
    no_utf8,
    opened,
    parse_leniently,
    plain,
)
from lamm_metrics.records.other_tools import records_of_object, refuse_foreign

Source = str | os.PathLike[str] | Iterable[Any]
Read = tuple[Placed, list[str]]


def is_header(record: object) -> bool:
    """Return whether a record is a header; a file of several shards put together has several."""
    return isinstance(record, dict) and "lamm" in record and "id" not in record


def placed_records(source: Source) -> tuple[Placed, list[str], bool]:
    """Read records: `docs/formats.md` lists the kinds of files, and what may be passed in their place.

    Returns:
        The records, each with the place it stands at ("line 3", "row 3" or "record 3"); the faults found; and whether
        they are rows of a table, whose cells hold text for what JSON has lists and numbers for. Reading stops at
        `ENOUGH` faults, so that a large file of nonsense costs little.

    Raises:
        LammMetricsError: The file cannot be read at all.
    """
    if isinstance(source, str | os.PathLike):
        return _read_file(Path(source))
    rows = None if isinstance(source, list | tuple) else rows_of_frame(source)
    if rows is not None:
        return rows, [], True
    if isinstance(source, Mapping):
        held = records_of_object(source)
        source = [source] if held is None and source else held or list(source.values())
    return [(f"record {i}", _in_memory(record)) for i, record in enumerate(source, 1)], [], False


def _in_memory(record: Any) -> Any:
    try:
        return record if _is_plain(record) else plain(record)
    except RecursionError:  # the check of the record refuses what it cannot use
        return record


def _is_plain(value: Any) -> bool:
    """Return whether nothing in a value has to be changed, as nearly always: looking costs a fraction of copying."""
    kind = type(value)
    if kind is not dict and kind is not list:
        return kind in SCALARS
    for item in value.values() if kind is dict else value:
        if type(item) not in SCALARS and not _is_plain(item):
            return False
    return kind is list or len(value) != 2 or value.keys() != IMAGE


def _read_file(path: Path) -> tuple[Placed, list[str], bool]:
    if path.is_dir():
        refuse_foreign(path, b"", path.name)
    ending = Path(path.name.removesuffix(".gz")).suffix.lower()
    with opened(path) as stream:
        start = stream.peek(4096)
        if start.startswith(PARQUET):
            return *read_parquet(io.BytesIO(stream.read()) if isinstance(stream, GzipFile) else stream, path), True
        if ending == ".xlsx" and start.startswith(ZIP):
            return *read_xlsx(io.BytesIO(stream.read()) if isinstance(stream, GzipFile) else stream, path), True
        if ending in (".csv", ".tsv"):
            return *read_csv(cast("IO[bytes]", stream), ending == ".tsv"), True
        refuse_foreign(path, start, bare_name(path))
        first = start.removeprefix(BOM).lstrip()[:1]
        if first == b"[":
            return *_read_list(decoded(stream.read(), path)), False
        return *(_read_object(stream) if first == b"{" else _read_lines(stream)), False


def _read_list(text: str) -> Read:
    try:
        parsed = parse_leniently(text)
    except json.JSONDecodeError as error:
        return [], [f"line {error.lineno}: no JSON list ({error.msg}; is the file truncated?)"]
    except ValueError as error:
        return [], [f"no JSON list ({error})"]
    return [(f"record {i}", record) for i, record in enumerate(parsed, 1)], []


def _read_object(stream: Iterable[bytes]) -> Read:
    """Read JSON Lines, or a single object over one or many lines that holds the records."""
    lines = iter(stream)
    head = next(lines)
    try:
        parse_leniently(head.removeprefix(BOM).decode("utf-8"))
    except ValueError:  # the first line of an object over many lines, or a faulty line
        whole = head + b"".join(lines)
        try:
            return _of_object(parse_leniently(whole.decode("utf-8-sig")), "record 1")
        except ValueError:
            return _read_lines(io.BytesIO(whole))
    placed, faults = _read_lines(chain([head], lines))
    return _of_object(placed[0][1], placed[0][0]) if len(placed) == 1 and not faults else (placed, faults)


def _of_object(found: Any, where: str) -> Read:
    held = records_of_object(found) if isinstance(found, dict) else None
    return ([(where, found)] if held is None else [(f"record {i}", one) for i, one in enumerate(held, 1)]), []


def _read_lines(lines: Iterable[bytes]) -> Read:
    records: Placed = []
    faults: list[str] = []
    # Lines of bytes end at line feeds only; lines of text would also end at characters that JSON strings may hold.
    for number, raw in enumerate(lines, 1):
        line = raw.removeprefix(BOM) if number == 1 else raw
        if not line.strip():
            continue
        try:
            records.append((f"line {number}", parse_leniently(line.decode("utf-8"))))
        except UnicodeDecodeError as error:
            faults.append(f"line {number}: {no_utf8(line, error)}")
        except ValueError as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            # A file that was cut off ends without a line feed.
            hint = "" if raw.endswith(b"\n") else "; is the file truncated?"
            faults.append(f"line {number}: no JSON ({reason}{hint})")
        if len(faults) >= ENOUGH:
            break
    return records, faults

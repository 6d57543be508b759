"""Tables as records: CSV, TSV, Parquet, xlsx, frames and data sets; a row is a record, an empty cell no key."""

import csv
import io
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import IO, Any

from lamm_metrics.errors import LammMetricsError
from lamm_metrics.records.files import ENOUGH, first_ten, no_utf8, parse_leniently, plain

Placed = list[tuple[str, Any]]
BATCH = 1000
PARQUET, ZIP = b"PAR1", b"PK\x03\x04"


def parsed_cells(record: Mapping[str, Any], keys: Iterable[str], lists: Iterable[str] = ()) -> dict[str, Any]:
    """Return a row in which text under these keys was read as JSON, as far as it is JSON: a cell holds no list.

    Args:
        record: The row.
        keys: The keys.
        lists: Those of them under which a record has a list of texts: a cell that is none is the only text.
    """
    parsed = {key: _parsed(record[key]) for key in keys if isinstance(record.get(key), str)}
    parsed |= {key: [str(record[key])] for key in lists if key in record and not _is_list(parsed.get(key, record[key]))}
    return {**record, **parsed}


def _is_list(cell: object) -> bool:
    return isinstance(cell, Iterable) and not isinstance(cell, str)


def _parsed(text: str) -> Any:
    try:
        return parse_leniently(text)
    except ValueError:
        return text


def _row(names: Sequence[str], cells: Iterable[Any]) -> dict[str, Any]:
    """Return a row by the names of its columns, without empty cells, whole numbers as such."""
    found = {name: plain(cell) for name, cell in zip(names, cells, strict=False) if name}
    return {
        name: int(cell) if isinstance(cell, float) and cell.is_integer() else cell
        for name, cell in found.items()
        if not (cell is None or cell == "" or _is_missing(cell))
    }


def _is_missing(cell: object) -> bool:
    return (isinstance(cell, float) and cell != cell) or type(cell).__name__ in ("NAType", "NaTType")


def _repeated(names: Sequence[str]) -> list[str]:
    twice = sorted({name for name in names if name and names.count(name) > 1})
    return [f"columns that occur more than once: {first_ten(twice)}"] if twice else []


def read_csv(stream: IO[bytes], tabs: bool) -> tuple[Placed, list[str]]:
    """Read rows of text, each with its line; what separates cells is seen in the head: a comma, semicolon or tab."""
    placed: Placed = []
    faults: list[str] = []
    lines = iter(io.TextIOWrapper(stream, "utf-8-sig", newline=""))
    longest = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # Windows takes no more
    reader = None
    try:
        head = next(lines, "")
        separator = "\t" if tabs else max(",;\t", key=head.count)
        reader = csv.reader(chain([head], lines), delimiter=separator, strict=True)
        names = next(reader, [])
        faults += _repeated(names)
        begin = reader.line_num + 1
        for cells in reader:
            if cells and len(cells) != len(names):
                faults.append(f"line {begin}: expected {len(names)} cells, got {len(cells)}")
            elif cells:
                placed.append((f"line {begin}", _row(names, cells)))
            begin = reader.line_num + 1
            if len(faults) >= ENOUGH:
                break
    except UnicodeDecodeError as error:
        faults.append(f"after line {reader.line_num if reader else 0}: {no_utf8(error.object, error)}")
    except csv.Error as error:
        faults.append(f"line {reader.line_num if reader else 1}: no row of a table ({error})")
    finally:
        csv.field_size_limit(longest)
    return placed, faults


def read_parquet(stream: IO[bytes], path: Path) -> tuple[Placed, list[str]]:
    """Read the rows of a Parquet file.

    Raises:
        LammMetricsError: pyarrow is not installed, or the file is damaged.
    """
    try:
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise _lacking("a Parquet file", path, "pyarrow", "parquet") from error
    try:
        return _rows(row for batch in ParquetFile(stream).iter_batches(BATCH) for row in batch.to_pylist()), []
    except Exception as error:  # a damaged file raises Arrow's errors, and others where its values become Python's
        raise _damaged("a Parquet file", path, error) from error


def read_xlsx(stream: IO[bytes], path: Path) -> tuple[Placed, list[str]]:
    """Read the rows of the sheet of an xlsx file that opens first; formulas are text, as answers with "=" are.

    Raises:
        LammMetricsError: openpyxl is not installed, or the file is damaged.
    """
    try:
        from openpyxl import load_workbook
    except ImportError as error:
        raise _lacking("an xlsx file", path, "openpyxl", "xlsx") from error
    try:
        sheet = load_workbook(stream, read_only=True).worksheets[0].iter_rows(values_only=True)
        names = ["" if name is None else str(name) for name in next(sheet, ())]
        rows = [(f"row {number}", _row(names, cells)) for number, cells in enumerate(sheet, 2)]
    except Exception as error:  # openpyxl lets whatever a damaged part raises through
        raise _damaged("an xlsx file", path, error) from error
    return [(where, row) for where, row in rows if row], _repeated(names)


def _lacking(kind: str, path: Path, module: str, extra: str) -> LammMetricsError:
    install = f'pip install "lamm-metrics[{extra}]"'
    return LammMetricsError(f"Expected {module} to read {kind}, got no such module ({path}). Install it: {install}.")


def _damaged(kind: str, path: Path, error: Exception) -> LammMetricsError:
    reason = " ".join(str(error).split())[:200]
    return LammMetricsError(f"Expected {kind}, got a damaged one ({path}: {reason}). Write it again.")


def _rows(rows: Iterable[Mapping[str, Any]]) -> Placed:
    return [(f"row {number}", _row(list(row), row.values())) for number, row in enumerate(rows, 1)]


def rows_of_frame(source: Any) -> Placed | None:
    """Return the rows of a frame of pandas or polars, a table of pyarrow or a data set; None where it is none of them.

    Raises:
        LammMetricsError: A frame's columns have the same name, or there are several splits.
    """
    if isinstance(source, Mapping):
        if source and all(hasattr(split, "with_format") for split in source.values()):
            names = ", ".join(map(str, source))
            raise LammMetricsError(f"Expected one split of a data set, got {names}. Choose one: data[{names[:20]!r}].")
        return None
    if hasattr(source, "collect") and hasattr(source, "lazy"):  # polars.LazyFrame
        source = source.collect()
    if hasattr(source, "with_format") and hasattr(source, "iter"):  # datasets.Dataset, datasets.IterableDataset
        return _rows(row for batch in source.with_format("arrow").iter(BATCH) for row in batch.to_pylist())
    if hasattr(source, "to_dicts"):  # polars.DataFrame
        return _rows(source.to_dicts())
    if hasattr(source, "to_pylist") and hasattr(source, "column_names"):  # pyarrow.Table
        return _rows(source.to_pylist())
    return _rows(_pandas_rows(source)) if hasattr(source, "columns") and hasattr(source, "itertuples") else None


def _pandas_rows(frame: Any) -> Iterator[dict[str, Any]]:
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    names = [str(name) for name in frame.columns]
    if faults := _repeated(names):
        raise LammMetricsError(f"Expected columns of different names, got {faults[0]}. Rename them.")
    return (dict(zip(names, cells, strict=True)) for cells in frame.itertuples(index=False, name=None))

"""Instruction records as Parquet files, and back (extra `parquet`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from lamm_data.errors import LammDataError, SourceError
from lamm_data.export.rows import SCHEMA, TEXTS, VERSION, from_row, to_row
from lamm_data.records.instruction import InstructionRecord

ROWS_PER_GROUP = 2_000
ROWS_PER_SHARD = 50_000


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise LammDataError(
            f"Expected pyarrow for Parquet files, got {error}. Install it: pip install 'lamm-data[parquet]'."
        ) from error
    return pa, parquet


def _schema(arrow: Any) -> Any:
    turn = arrow.struct([("from", arrow.string()), ("value", arrow.string())])
    columns = [
        *((name, arrow.string()) for name in TEXTS),
        ("modality", arrow.string()),
        ("media", arrow.list_(arrow.string())),
        ("listed", arrow.bool_()),
        ("conversations", arrow.list_(turn)),
        ("meta", arrow.string()),
        ("extra", arrow.string()),
    ]
    return arrow.schema(columns, metadata={"schema": SCHEMA, "version": str(VERSION)})


def write_parquet(records: Iterable[InstructionRecord], folder: Path, *, rows_per_shard: int = ROWS_PER_SHARD) -> int:
    """Write `train-00000.parquet` and so on into a folder, a group of rows at a time; return how many records.

    Raises:
        LammDataError: pyarrow is not installed.
    """
    arrow, parquet = _pyarrow()
    schema, stream = _schema(arrow), iter(records)
    count = shard = 0
    ahead = list(islice(stream, ROWS_PER_GROUP))
    while ahead or shard == 0:
        with parquet.ParquetWriter(folder / f"train-{shard:05d}.parquet", schema, compression="zstd") as writer:
            room = rows_per_shard
            while ahead and room > 0:
                group, ahead = ahead[:room], ahead[room:]
                writer.write_table(arrow.Table.from_pylist([to_row(record) for record in group], schema))
                count, room = count + len(group), room - len(group)
                ahead = ahead or list(islice(stream, ROWS_PER_GROUP))
        shard += 1
    return count


def read_parquet(path: str | Path) -> Iterator[InstructionRecord]:
    """Read one Parquet file, or every one of a folder in the order of their names.

    Raises:
        LammDataError: pyarrow is not installed.
        SourceError: There is no file, or one is damaged, foreign or of another schema version.
    """
    _, parquet = _pyarrow()
    path = Path(path)
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not files or not files[0].is_file():
        raise SourceError(f"Expected Parquet files, got none at {path}. Check the path.")
    for file in files:
        yield from _read_file(parquet, file)


def _read_file(parquet: Any, file: Path) -> Iterator[InstructionRecord]:
    try:
        # ArrowInvalid is a ValueError, ArrowException's other kinds are OSErrors.
        with parquet.ParquetFile(file) as opened:
            _check_version(opened.schema_arrow.metadata or {}, file)
            for batch in opened.iter_batches(ROWS_PER_GROUP):
                for row in batch.to_pylist():
                    yield from_row(row, file)
    except (ValueError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SourceError(
            f"Expected a whole Parquet file, got {reason} ({file}). Download or write it again."
        ) from error


def _check_version(metadata: dict[bytes, bytes], file: Path) -> None:
    name, version = metadata.get(b"schema", b"none").decode(), metadata.get(b"version", b"none").decode()
    if (name, version) != (SCHEMA, str(VERSION)):
        raise SourceError(
            f"Expected the schema {SCHEMA} version {VERSION}, got {name} version {version} ({file}). "
            "Write it again with this version of lamm data export."
        )

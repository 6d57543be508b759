"""Instruction records as Parquet files, and back (extra `parquet`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from lamm_data.errors import SourceError, import_extra
from lamm_data.export.rows import SCHEMA, TEXTS, VERSION, check_version, from_row, shards_of, to_row
from lamm_data.records.instruction import InstructionRecord

ROWS_PER_GROUP = 2_000
ROWS_PER_SHARD = 50_000


def _pyarrow() -> tuple[Any, Any]:
    arrow, parquet = (import_extra(name, "Parquet files", "parquet") for name in ("pyarrow", "pyarrow.parquet"))
    return arrow, parquet


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
    for file in shards_of(path, ".parquet", "Parquet files"):
        yield from _read_file(parquet, file)


def _read_file(parquet: Any, file: Path) -> Iterator[InstructionRecord]:
    try:
        # ArrowInvalid is a ValueError, ArrowException's other kinds are OSErrors.
        with parquet.ParquetFile(file) as opened:
            metadata = opened.schema_arrow.metadata or {}
            name, version = (metadata.get(key, b"none").decode() for key in (b"schema", b"version"))
            check_version(name, version, file)
            for batch in opened.iter_batches(ROWS_PER_GROUP):
                for row in batch.to_pylist():
                    yield from_row(row, file)
    except (ValueError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SourceError(
            f"Expected a whole Parquet file, got {reason} ({file}). Download or write it again."
        ) from error

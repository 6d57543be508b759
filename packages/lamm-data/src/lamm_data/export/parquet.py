"""Instruction records as Parquet files, also with their media inside, and back (extra `parquet`)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lamm_data.errors import SourceError, import_extra
from lamm_data.export.rows import (
    FEATURES,
    MEDIA_FEATURES,
    SCHEMA,
    VERSION,
    MediaFolder,
    check_version,
    from_row,
    shards_of,
    to_row,
)
from lamm_data.records.instruction import InstructionRecord

ROWS_PER_GROUP, GROUP_BYTES = 2_000, 64 << 20
"""Most rows, and media after which a group of rows ends: viewers and loaders read a group at a time."""
ROWS_PER_SHARD, SHARD_BYTES = 50_000, 512 << 20


def _pyarrow() -> tuple[Any, Any]:
    arrow, parquet = (import_extra(name, "Parquet files", "parquet") for name in ("pyarrow", "pyarrow.parquet"))
    return arrow, parquet


def _arrow_type(arrow: Any, feature: Any) -> Any:
    """Return the Arrow type that the `datasets` library stores a feature as."""
    if isinstance(feature, list):
        return arrow.list_(_arrow_type(arrow, feature[0]))
    if feature.get("_type") == "Image":
        return arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
    if feature.get("_type") == "Value":
        return {"string": arrow.string, "bool": arrow.bool_, "binary": arrow.binary}[feature["dtype"]]()
    return arrow.struct([(name, _arrow_type(arrow, part)) for name, part in feature.items()])


def _schema(arrow: Any, features: Mapping[str, Any]) -> Any:
    """Return the columns, with their features as the `datasets` library and the Hub's viewer look for them."""
    known = {"schema": SCHEMA, "version": str(VERSION), "huggingface": json.dumps({"info": {"features": features}})}
    return arrow.schema([(name, _arrow_type(arrow, part)) for name, part in features.items()], metadata=known)


@dataclass(slots=True)
class _Shards:
    """Files of rows that are filled one after the other, a group of rows at a time."""

    folder: Path
    features: Mapping[str, Any]
    most_rows: int
    modules: tuple[Any, Any]
    count: int = 0
    _rows: list[dict[str, Any]] = field(default_factory=list)
    _bytes: int = 0
    _writer: Any = None
    _shard: int = 0
    _written: tuple[int, int] = (0, 0)

    def add(self, row: dict[str, Any], size: int) -> None:
        """Add a row whose media have so many bytes."""
        self._rows.append(row)
        self._bytes += size
        self.count += 1
        full = self._written[0] + len(self._rows) >= self.most_rows
        if full or len(self._rows) >= ROWS_PER_GROUP or self._bytes >= GROUP_BYTES:
            self._flush()
            if full or self._written[1] >= SHARD_BYTES:
                self._close()

    def finish(self) -> None:
        """Write what is left; without any row, an empty file."""
        if self._rows or not self._shard:
            self._flush()
        self._close()

    def _flush(self) -> None:
        arrow, parquet = self.modules
        schema = _schema(arrow, self.features)
        if self._writer is None:
            name = self.folder / f"train-{self._shard:05d}.parquet"
            self._writer = parquet.ParquetWriter(name, schema, compression="zstd")
            self._shard += 1
        self._writer.write_table(arrow.Table.from_pylist(self._rows, schema))
        self._written = (self._written[0] + len(self._rows), self._written[1] + self._bytes)
        self._rows, self._bytes = [], 0

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer, self._written = None, (0, 0)


def write_parquet(
    records: Iterable[InstructionRecord],
    folder: Path,
    *,
    media_root: Path | None = None,
    rows_per_shard: int = ROWS_PER_SHARD,
) -> int:
    """Write `train-00000.parquet` and so on into a folder, a group of rows at a time; return how many records.

    With a media root the files hold the media, too: `images` (which the Hub's viewer shows) and `clouds`, each with
    `bytes` and `path`. A picture that several records are about is in each of their rows.

    Raises:
        LammDataError: pyarrow is not installed.
        SourceError: Media are missing, outside the root, or no pictures: how many and which first.
    """
    modules = _pyarrow()
    features = FEATURES if media_root is None else MEDIA_FEATURES | FEATURES
    shards, media = _Shards(folder, features, rows_per_shard, modules), MediaFolder(media_root or Path(), pictures=True)
    try:
        for record in records:
            found = media.find(record) if media_root else []
            if found is None:
                continue
            packed: dict[str, list[dict[str, Any]]] = {"image": [], "pcl": []}
            for kind, name, path in found:
                packed[kind].append({"bytes": path.read_bytes(), "path": name})
            row = to_row(record) | {"images": packed["image"], "clouds": packed["pcl"]}
            shards.add(row, sum(len(part["bytes"]) for parts in packed.values() for part in parts))
    finally:
        shards.finish()
    media.finish()
    return shards.count


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
            for batch in opened.iter_batches(ROWS_PER_GROUP, columns=list(FEATURES)):
                for row in batch.to_pylist():
                    yield from_row(row, file)
    except (ValueError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SourceError(
            f"Expected a whole Parquet file, got {reason} ({file}). Download or write it again."
        ) from error

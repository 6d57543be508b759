"""Instruction records with their media as WebDataset shards (plain tar files), and back."""

from __future__ import annotations

import heapq
import io
import json
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lamm_data.errors import SourceError
from lamm_data.export.rows import SCHEMA, VERSION, MediaFolder, check_version, from_row, shards_of, to_row
from lamm_data.files.archives import WholeHeader, check_member
from lamm_data.records.instruction import InstructionRecord

RECORDS_PER_SHARD = 1_000
LARGEST_RECORD = 1 << 24
"""Bytes of one record's JSON beyond which a shard is refused."""


@dataclass(slots=True)
class _Series:
    """Shards that hold media of one kind: loaders want every sample of a shard to have the same parts."""

    name: str
    count: int = 0
    shard: tarfile.TarFile | None = None


@dataclass(slots=True)
class _Writer:
    folder: Path
    media: MediaFolder
    per_shard: int
    stack: ExitStack
    series: dict[str, _Series] = field(default_factory=dict)

    def add(self, number: int, record: InstructionRecord) -> None:
        """Write one sample: its JSON and its media."""
        media = self.media.find(record)
        if media is None:
            return
        paths = [path for *_, path in media]
        suffixes = [path.suffix.lower().lstrip(".") or "bin" for path in paths]
        name = suffixes[0] if len(suffixes) == 1 else f"{suffixes[0]}x{len(suffixes)}" if suffixes else "json"
        if len({kind for kind, *_ in media}) == 2:
            name = "_".join(suffixes)
        shard = self._shard(self.series.setdefault(name, _Series(name)))
        key = f"{number:09d}"
        value = {key: part for key, part in to_row(record).items() if part is not None}
        value |= {"schema": SCHEMA, "version": VERSION}
        _add_bytes(shard, f"{key}.json", json.dumps(value, ensure_ascii=False).encode())
        for index, (path, suffix) in enumerate(zip(paths, suffixes, strict=True)):
            _add_bytes(shard, f"{key}.{suffix}" if len(paths) == 1 else f"{key}.{index}.{suffix}", path.read_bytes())

    def _shard(self, series: _Series) -> tarfile.TarFile:
        if series.shard is None or series.count % self.per_shard == 0:
            if series.shard is not None:
                series.shard.close()
            name = self.folder / f"{series.name}-{series.count // self.per_shard:06d}.tar"
            opened = tarfile.open(name, "w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - the stack closes it
            series.shard = self.stack.enter_context(opened)
        series.count += 1
        return series.shard


def _add_bytes(shard: tarfile.TarFile, name: str, content: bytes) -> None:
    # Neither time nor owner: the same records give the same bytes.
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o644
    shard.addfile(member, io.BytesIO(content))


def write_webdataset(
    records: Iterable[InstructionRecord], folder: Path, media_root: Path, *, per_shard: int = RECORDS_PER_SHARD
) -> int:
    """Write shards `<kind>-000000.tar`, one series a kind of medium (`jpg`, `png`, `npy`, `jpgx2`); count the records.

    A sample is `<number>.json`, a flat record (`lamm_data.export.rows`), and the media's files as they are.

    Raises:
        SourceError: Media are missing or outside the root: how many and which first.
    """
    count, media = 0, MediaFolder(media_root)
    with ExitStack() as stack:
        writer = _Writer(folder, media, per_shard, stack)
        for count, record in enumerate(records, 1):
            writer.add(count - 1, record)
    media.finish()
    return count


def read_webdataset(path: str | Path) -> Iterator[InstructionRecord]:
    """Read the records of one shard, or of all shards of a folder in the order they were written in.

    Nothing is unpacked to disk. Links, devices and names that leave the folder are refused.

    Raises:
        SourceError: There is no shard, or one is damaged, unsafe or of another schema version.
    """
    series: dict[str, list[Path]] = {}
    for shard in shards_of(path, ".tar", "WebDataset shards (.tar)"):
        series.setdefault(shard.stem.rpartition("-")[0], []).append(shard)
    for _, record in heapq.merge(*(_samples(files) for files in series.values()), key=lambda sample: sample[0]):
        yield record


def _samples(shards: list[Path]) -> Iterator[tuple[str, InstructionRecord]]:
    for shard in shards:
        try:
            with tarfile.open(shard, "r:", tarinfo=WholeHeader) as opened:
                for member in opened:
                    check_member(member.name, shard, link=not member.isreg())
                    if member.name.endswith(".json"):
                        yield member.name, _record(opened, member, shard)
        except (tarfile.TarError, EOFError) as error:
            raise SourceError(
                f"Expected a whole tar file, got {error} ({shard}). Download or write it again."
            ) from error


def _record(opened: tarfile.TarFile, member: tarfile.TarInfo, shard: Path) -> InstructionRecord:
    if member.size > LARGEST_RECORD:
        raise SourceError(
            f"Expected a record of at most {LARGEST_RECORD} bytes, got {member.size} ({shard}, {member.name})."
        )
    handle = opened.extractfile(member)
    where = f"{shard}, {member.name}"
    try:
        value: Any = json.loads(handle.read() if handle else b"")
    except (ValueError, RecursionError) as error:
        raise SourceError(f"Expected a record as JSON, got {error} ({where}).") from error
    head = value if isinstance(value, dict) else {}
    check_version(head.get("schema"), str(head.get("version")), where)
    return from_row(value, where)

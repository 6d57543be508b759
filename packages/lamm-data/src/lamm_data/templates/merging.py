"""Conversation merging: records about one image or cloud become the rounds of one dialogue."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from lamm_data.errors import UsageError
from lamm_data.records.instruction import MAX_ROUNDS_3D
from lamm_data.sources.registry import load_sources
from lamm_data.writing.draws import item_rng

MIXED = "normal"
"""Task type of a dialogue whose rounds are of different tasks: no published system message fits all of them."""

Record = dict[str, Any]


class Merger:
    """Collects records on disk and gives them back merged by their image or cloud.

    Memory grows with the number of records (an offset each), not with their text. Records are merged only
    when their licences and the terms of their sources agree, so that a dialogue never mixes terms of use.

    Args:
        folder: Where the nameless file with the records waits.
        rounds: At most this many rounds a dialogue (ten about a point cloud).
        seed: With the image's path it decides the order of the records inside a dialogue.
    """

    def __init__(self, folder: str | Path, rounds: int, seed: int) -> None:
        if rounds < 2:
            raise UsageError(f"Expected at least 2 rounds to merge into, got {rounds}.")
        Path(folder).mkdir(parents=True, exist_ok=True)
        self.rounds, self.seed = rounds, seed
        self._file = tempfile.TemporaryFile("w+b", dir=folder)  # noqa: SIM115 - closed by `close`
        self._offsets: dict[tuple[str, str], list[int]] = {}
        self._size = 0

    def close(self) -> None:
        """Remove the file that waits."""
        self._file.close()

    def add(self, lines: Iterable[str]) -> None:
        """Take records, each one line of JSON."""
        for line in lines:
            record = json.loads(line)
            meta = record.get("meta") or {}
            media = json.dumps([record.get("image"), record.get("pcl")])
            terms = json.dumps([meta.get("licence"), _terms(str(meta.get("source")))])
            self._offsets.setdefault((media, terms), []).append(self._size)
            raw = line.encode() + b"\n"
            self._file.write(raw)
            self._size += len(raw)

    def merged(self) -> Iterator[str]:
        """Yield one line of JSON a dialogue, in the order in which the images first came."""
        self._file.flush()
        for (media, _), offsets in self._offsets.items():
            records = [self._read(offset) for offset in offsets]
            item_rng(self.seed, "merge", media).shuffle(records)
            most = self.rounds if records[0].get("pcl") is None else min(self.rounds, MAX_ROUNDS_3D)
            for number, group in enumerate(_groups(records, most)):
                yield json.dumps(_merge(group, number), ensure_ascii=False)

    def _read(self, offset: int) -> Record:
        self._file.seek(offset)
        record: Record = json.loads(self._file.readline())
        return record


@cache
def _terms(name: str) -> list[str]:
    """Give the terms of use of a source; a source that is not listed has terms of its own."""
    source = load_sources().get(name)
    return [name] if source is None else [source.licence, str(source.redistribution), str(source.commercial)]


def _groups(records: list[Record], rounds: int) -> Iterator[list[Record]]:
    """Fill one dialogue after the other; a record that has more rounds than fit stands alone."""
    group: list[Record] = []
    held = 0
    for record in records:
        more = len(record["conversations"]) // 2
        if group and held + more > rounds:
            yield group
            group, held = [], 0
        group.append(record)
        held += more
    if group:
        yield group


def _merge(records: list[Record], number: int) -> Record:
    """Make one record of several about one image; a single one stays as it is."""
    if len(records) == 1:
        return records[0]
    first = records[0]
    metas = [record.get("meta") or {} for record in records]
    tasks = list(dict.fromkeys(str(meta.get("task")) for meta in metas))
    same = {key: value for key, value in metas[0].items() if all(meta.get(key) == value for meta in metas)}
    kinds = {record.get("task_type") for record in records}
    merged = dict(first)
    merged["id"] = f"{first.get('src_image') or first.get('src_dataset')}-merged-{first.get('src_id')}-{number}"
    merged["conversations"] = [turn for record in records for turn in record["conversations"]]
    merged["task_type"] = kinds.pop() if len(kinds) == 1 else MIXED
    merged["meta"] = same | {"task": "+".join(sorted(tasks)), "merged": [record.get("id") for record in records]}
    if "source" not in same:
        sources = sorted({str(meta.get("source")) for meta in metas})
        merged["meta"] |= {"source": sources[0], "sources": sources}  # of equal terms: the first one speaks for all
    return merged

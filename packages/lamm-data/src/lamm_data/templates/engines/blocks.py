"""A block of items in, lines of records and an account out: the unit that worker processes convert."""

from __future__ import annotations

import copyreg
import json
import pickle
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import islice
from operator import attrgetter
from typing import Any

from lamm_data.files.processes import in_parallel
from lamm_data.records.annotations import (
    Annotated,
    Box,
    Box3D,
    ClassLabel,
    Count,
    Description,
    Keypoints,
    Question,
    Relation,
)
from lamm_data.sources.media import MediaCheck
from lamm_data.templates.convert import Conversion, convert

BLOCK = 256
"""Items a block: small enough to bound memory, large enough to outweigh the way to a worker."""


@dataclass(frozen=True, slots=True)
class Block:
    """What became of a block of items.

    Attributes:
        lines: Records as JSON, one a line, in the order of the items.
        counts: What was read, written and left out, by reason.
        missing: Media that are not there or damaged, in order.
    """

    lines: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    missing: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class BlockMaker:
    """Converts blocks; it can be sent to other processes and machines.

    Attributes:
        conversion: What to do; its own counts are not touched.
        media: How to look for media.
    """

    conversion: Conversion
    media: MediaCheck

    def __call__(self, items: Sequence[Annotated]) -> Block:
        """Convert one block of items; the same items give the same block wherever and whenever it is made."""
        conversion = replace(self.conversion, counts=Counter())
        media = replace(self.media, missing=[])
        kept = media.present(items, conversion.counts)
        lines = [json.dumps(record.to_dict(), ensure_ascii=False) for record in convert(kept, conversion)]
        conversion.counts["items read"] += len(media.missing)
        return Block(lines, conversion.counts, media.missing)


Batch = tuple[int, list[Annotated]]
"""Place of the block maker that the items are for, and the items."""

Engine = Callable[[Sequence[BlockMaker], Iterator[Batch]], Iterator[tuple[int, Block]]]
"""Makes the blocks of batches, in the order of the batches, each with the place of its maker."""


@dataclass(frozen=True, slots=True)
class BlockMakers:
    """The block makers of a run, as one function of a batch."""

    makers: tuple[BlockMaker, ...]

    def __call__(self, batch: Batch) -> tuple[int, Block]:
        """Make the block of one batch."""
        place, items = batch
        return place, self.makers[place](items)


def processes(workers: int) -> Engine:
    """Give an engine of so many worker processes of this machine; one makes the blocks in this process."""
    return lambda makers, batches: in_parallel(BlockMakers(tuple(makers)), batches, workers)


def batched(items: Iterable[Annotated], size: int = 0) -> Iterator[list[Annotated]]:
    """Cut a stream of items into lists of a size (`BLOCK` when 0); the last one may be shorter."""
    stream = iter(items)
    while batch := list(islice(stream, size or BLOCK)):
        yield batch


def _register(kind: type) -> None:
    """Let values of a dataclass be pickled by their fields: three times faster than slots are by default."""
    values = attrgetter(*(entry.name for entry in fields(kind)))
    copyreg.pickle(kind, lambda value: (kind, values(value)))


for _kind in (Box, Box3D, Relation, Keypoints, Question, ClassLabel, Count, Description, Annotated):
    _register(_kind)


def pack(value: Any) -> bytes:
    """Write a value for another process of this run."""
    return pickle.dumps(value, protocol=5)


def unpack(packed: bytes) -> Any:
    """Read what `pack` wrote; never call it on bytes from a file or a stranger."""
    return pickle.loads(packed)  # noqa: S301 - bytes come from this run's own processes

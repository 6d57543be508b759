"""Conversion of a source into instruction files: blocks of items, any number of workers, one file or shards."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from lamm_data.errors import UsageError
from lamm_data.files.processes import in_parallel
from lamm_data.files.settings import parse_part
from lamm_data.files.shards import open_shards
from lamm_data.records.annotations import Annotated
from lamm_data.records.tasks import CONVERSION_TASKS
from lamm_data.sources.media import MediaCheck
from lamm_data.sources.registry import Source, choose_tasks, open_source
from lamm_data.templates.convert import Batch, Block, BlockMaker, Conversion, Engine
from lamm_data.templates.exhaustive import load_exhaustive, refuse_negatives
from lamm_data.templates.merging import Merger
from lamm_data.templates.pools.definitions import check_pools
from lamm_data.templates.pools.pools import Pool, read_pools
from lamm_data.writing.coordinates import METRE_DECIMALS
from lamm_data.writing.options import AnswerPool

BLOCK = 256
"""Items a block: small enough to bound memory, large enough to outweigh the way to a worker."""


@dataclass(frozen=True, slots=True)
class ConvertSettings:
    """What `convert_source` may be told.

    Attributes:
        split: Split to read; the source's training split when empty.
        tasks: Task keys; all of the source when empty.
        style: `full`, `short` or `plain` answers.
        seed: Seed of everything drawn.
        per_item: At most this many pairs an item and task (None: the source's default; 0: all).
        rounds: Pairs of one item that share a record.
        media: `check`, `skip-missing` or `ignore`: what to do about missing images and clouds.
        pools: Folder of TOML pools that replace the package's of the same names.
        numbers: Number style of 2D boxes and points.
        metre_decimals: Decimals of 3D boxes.
        largest_first: List the objects of an image or cloud by size, the largest first, in place of as annotated.
        negatives: Above 0, adds yes-or-no questions about classes, of which this share is answered "no".
        merge: Records of one image or cloud, of any task, become a dialogue of at most so many rounds; 0 leaves them.
        decode: Decode every image and load every cloud; a damaged one counts as a missing one does.
        workers: Processes that convert.
        ray: Convert on Ray Data instead: `local`, `auto` or a cluster's address.
        shard_size: Records a file; 0 for one file.
        part: `K/N` converts the K-th of N parts of the items, so that N machines may share a source.
        dataset: Name of the user's own data set (source `images`), which must be stated.
        licence: Its licence or terms; "not stated" where it is empty and the files say nothing.
        layout: Its label format; found out when empty.
    """

    split: str = ""
    tasks: tuple[str, ...] = ()
    style: str = "full"
    seed: int = 0
    per_item: int | None = None
    rounds: int = 1
    media: str = "check"
    pools: str | Path | None = None
    numbers: str = "paper"
    metre_decimals: int = METRE_DECIMALS
    largest_first: bool = False
    negatives: float = 0.0
    merge: int = 0
    decode: bool = False
    workers: int = 1
    ray: str = ""
    shard_size: int = 0
    part: str = ""
    dataset: str = ""
    licence: str = ""
    layout: str = ""

    def engine(self) -> Engine:
        """Choose who makes the blocks."""
        if self.workers < 1:
            raise UsageError(f"Expected at least 1 worker, got {self.workers}.")
        if self.ray:
            from lamm_data.templates.ray_cluster import ray_cluster

            return ray_cluster(self.ray)
        return processes(self.workers)


@dataclass(frozen=True, slots=True)
class BlockMakers:
    """The block makers of a run, as one function of a batch."""

    makers: tuple[BlockMaker, ...]

    def __call__(self, batch: Batch) -> tuple[int, Block]:
        """Make the block of one batch."""
        maker, items = batch
        return maker, self.makers[maker](items)


def processes(workers: int) -> Engine:
    """Give an engine of so many worker processes of this machine; one makes the blocks in this process."""
    if workers == 1:
        return lambda makers, batches: map(BlockMakers(tuple(makers)), batches)
    return lambda makers, batches: in_parallel(BlockMakers(tuple(makers)), batches, workers)


def batched(items: Iterable[Annotated], size: int = 0) -> Iterator[list[Annotated]]:
    """Cut a stream of items into lists of a size (`BLOCK` when 0); the last one may be shorter."""
    stream = iter(items)
    while batch := list(islice(stream, size or BLOCK)):
        yield batch


def convert_source(
    name: str,
    root: str | Path,
    output: str | Path,
    settings: ConvertSettings | None = None,
    *,
    progress: Callable[[int], None] | None = None,
    found: Callable[[str], None] | None = None,
) -> Counter[str]:
    """Turn a source's annotations into instruction records.

    The same source, settings and seed give the same bytes at any number of workers and on Ray.

    Args:
        name: Source name (`lamm data sources`), or several that share a root, separated by commas.
        root: Folder of the source; media paths of the records are relative to it.
        output: JSON Lines file, or a JSON list when the name ends in `.json`; it appears when it is complete.
        settings: Everything else.
        progress: Called with the number of newly converted records.
        found: Called with what was found in a folder of the user's own.

    Returns:
        Counts of items read, records written and annotations left out, each as "task: reason".

    Raises:
        UsageError: Unknown source, split, task or style, or negatives from a source that cannot give them.
        SourceError: The download is incomplete or damaged.
    """
    settings, counts = settings or ConvertSettings(), Counter[str]()
    stated = (settings.dataset, settings.licence, settings.layout)
    sources = [open_source(part.strip(), root, *stated, found=found) for part in name.split(",")]
    engine, plans = settings.engine(), _plans(sources, Path(root), settings)
    with ExitStack() as stack:
        writer = stack.enter_context(open_shards(output, settings.shard_size))
        merger = Merger(Path(output).parent, settings.merge, settings.seed) if settings.merge else None
        add = writer.add if merger is None else stack.enter_context(closing(merger)).add
        makers = [plan.maker() for plan in plans]
        for number, block in engine(makers, _batches(plans)):
            add(block.lines)
            plans[number].counts.update(block.counts)
            plans[number].media.missing += block.missing
            if progress is not None:
                progress(len(block.lines))
        for plan in plans:
            if plan.media.missing:
                plan.media.finish()
            counts.update({f"{plan.conversion.task}: {reason}": number for reason, number in plan.counts.items()})
        if merger is not None:
            writer.add(merger.merged())
            counts["merged: records written"] = writer.written
    return counts


@dataclass(slots=True)
class _Plan:
    """One task of a run: what to read, how to convert it, and what became of it."""

    source: Source
    root: Path
    split: str
    read: str
    conversion: Conversion
    media: MediaCheck
    share: tuple[int, int]
    counts: Counter[str]

    def maker(self) -> BlockMaker:
        """Make the block maker; where options are drawn from all answers, a first reading collects these."""
        if self.conversion.make_options:
            self.conversion.options = AnswerPool(self.source.open(self.root, self.split, self.read))
        return BlockMaker(self.conversion, self.media)

    def batches(self) -> Iterator[list[Annotated]]:
        """Read this run's part of the items."""
        first, parts = self.share
        items = new_items(self.source.open(self.root, self.split, self.read), self.counts)
        return batched(islice(items, first, None, parts))


def _batches(plans: list[_Plan]) -> Iterator[Batch]:
    for number, plan in enumerate(plans):
        for items in plan.batches():
            yield number, items


def new_items(items: Iterable[Annotated], counts: Counter[str]) -> Iterator[Annotated]:
    """Pass each item on once; a second one with the same id, medium and first question is counted."""
    seen: set[bytes] = set()
    for item in items:
        asked = item.questions[0].id if item.questions else ""
        key = hashlib.blake2b("\x1f".join((item.id, item.media, asked)).encode(), digest_size=12).digest()
        if key in seen:
            counts["items read"] += 1
            counts["left out: duplicate id"] += 1
        else:
            seen.add(key)
            yield item


def _plans(sources: list[Source], root: Path, settings: ConvertSettings) -> list[_Plan]:
    pools = check_pools(read_pools(settings.pools)) if settings.pools else {}
    able = {source.name: tuple(task for task in source.readers if task in CONVERSION_TASKS) for source in sources}
    plans: list[_Plan] = []
    for source in sources:
        elsewhere = {task for name, tasks in able.items() if name != source.name for task in tasks}
        wanted = tuple(task for task in settings.tasks if task in able[source.name] or task not in elsewhere)
        if not settings.tasks or wanted:
            tasks = choose_tasks(source, wanted, able[source.name])
            plans += _source_plans(source, tasks, root, settings, pools)
    if settings.negatives and not any(plan.conversion.closed for plan in plans):
        raise refuse_negatives(sources[0])
    return plans


def _source_plans(
    source: Source, tasks: tuple[str, ...], root: Path, settings: ConvertSettings, pools: dict[str, Pool]
) -> Iterator[_Plan]:
    lists = load_exhaustive()[0] if settings.negatives else {}
    share = parse_part(settings.part) if settings.part else (0, 1)
    closed = {task: lists[source.name, task] for task in tasks if (source.name, task) in lists}
    meta = {"source": source.name, "licence": source.licence} | ({"synthetic": True} if source.synthetic else {})
    for read in tasks:
        for task in (read, CONVERSION_TASKS[read].presence) if read in closed else (read,):
            per_item = closed[read].per_item if task != read else source.per_item.get(task, 0)
            conversion = Conversion(
                task,
                source.dataset_of(read),
                settings.style,
                settings.seed,
                per_item if settings.per_item is None else settings.per_item,
                settings.rounds,
                source.choices,
                make_options=CONVERSION_TASKS[task].optioned,
                numbers=settings.numbers,
                metre_decimals=settings.metre_decimals,
                largest_first=settings.largest_first,
                closed=closed[read].classes if task != read else (),
                negatives=settings.negatives,
                meta=meta,
                pools=pools,
            )
            media = MediaCheck(root, settings.media, settings.decode)
            split = settings.split or source.train
            yield _Plan(source, root, split, read, conversion, media, share, Counter())

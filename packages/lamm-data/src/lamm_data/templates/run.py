"""Conversion of a source into one instruction file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lamm_data.records import InstructionRecord, write_records
from lamm_data.sources.media import MediaCheck
from lamm_data.sources.registry import Source, choose_tasks, get_source
from lamm_data.tasks import CONVERSION_TASKS
from lamm_data.templates.convert import Conversion, convert
from lamm_data.templates.pools import Pool, read_pool


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
    """

    split: str = ""
    tasks: tuple[str, ...] = ()
    style: str = "full"
    seed: int = 0
    per_item: int | None = None
    rounds: int = 1
    media: str = "check"
    pools: str | Path | None = None


def convert_source(
    name: str,
    root: str | Path,
    output: str | Path,
    settings: ConvertSettings | None = None,
    *,
    progress: Callable[[int], None] | None = None,
) -> Counter[str]:
    """Turn a source's annotations into instruction records.

    Args:
        name: Source name (`lamm data sources`).
        root: Folder of the source; media paths of the records are relative to it.
        output: JSON Lines file, or a JSON list when the name ends in `.json`; it appears when it is complete.
        settings: Everything else.
        progress: Called with the number of newly written records.

    Returns:
        Counts of items read, records written and annotations left out, each as "task: reason".

    Raises:
        UsageError: Unknown source, split, task or style.
        SourceError: The download is incomplete or damaged.
    """
    source, settings, counts = get_source(name), settings or ConvertSettings(), Counter[str]()
    possible = tuple(task for task in source.readers if task in CONVERSION_TASKS)
    tasks = choose_tasks(source, settings.tasks, possible)
    pools = (
        {path.stem: read_pool(path) for path in sorted(Path(settings.pools).glob("*.toml"))} if settings.pools else {}
    )

    def records() -> Iterator[InstructionRecord]:
        for task in tasks:
            conversion = _conversion(source, task, settings, pools)
            items = source.open(root, settings.split or source.train, task)
            checked = MediaCheck(Path(root), settings.media)(items, conversion.counts)
            for record in convert(checked, conversion):
                if progress is not None:
                    progress(1)
                yield record
            counts.update({f"{task}: {reason}": number for reason, number in conversion.counts.items()})

    write_records(output, records())
    return counts


def _conversion(source: Source, task: str, settings: ConvertSettings, pools: dict[str, Pool]) -> Conversion:
    meta = {"source": source.name, "licence": source.licence} | ({"synthetic": True} if source.synthetic else {})
    return Conversion(
        task,
        source.dataset_of(task),
        settings.style,
        settings.seed,
        source.per_item.get(task, 0) if settings.per_item is None else settings.per_item,
        settings.rounds,
        source.choices,
        make_options=task == "vqa3d",
        meta=meta,
        pools=pools,
    )

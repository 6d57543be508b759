"""Benchmark files of a source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from lamm_data.annotations import Annotated
from lamm_data.benchmark.build import BUILDERS, Build, build_records, subset
from lamm_data.benchmark.records import write_benchmark
from lamm_data.errors import UsageError
from lamm_data.sources.media import MediaCheck
from lamm_data.sources.registry import Source, choose_tasks, get_source
from lamm_data.tasks import benchmark_file_name

ATTRIBUTES = {"smile": "Smile", "hair": "Hair"}


@dataclass(frozen=True, slots=True)
class BenchmarkFile:
    """What became of one file.

    Attributes:
        name: File name.
        records: Records written.
        published: Records of the published file, or 0 when unknown.
        left_out: Annotations left out, by reason.
    """

    name: str
    records: int
    published: int
    left_out: dict[str, int]


def build_benchmark(
    name: str,
    root: str | Path,
    output: str | Path,
    *,
    split: str = "",
    tasks: tuple[str, ...] = (),
    per_task: int = 0,
    seed: int = 0,
    media: str = "check",
    progress: Callable[[int], None] | None = None,
) -> list[BenchmarkFile]:
    """Write a source's benchmark files `<Task>_<Dataset>.json`.

    Args:
        name: Source name (`lamm data sources`).
        root: Folder of the source; media paths of the records are relative to it.
        output: Folder for the files.
        split: Split to read; the source's held-out split when empty. Name the training split for a fine-tune set.
        tasks: Task keys; all that the source is a benchmark for when empty.
        per_task: Keep this many records a file, balanced over classes; 0 keeps all.
        seed: Seed of the subset and of drawn options.
        media: `check`, `skip-missing` or `ignore`: what to do about missing images and clouds.
        progress: Called with the number of newly finished files.

    Raises:
        UsageError: Unknown source, split or task, or a source without a held-out split.
    """
    source = get_source(name)
    possible = source.benchmark_tasks or tuple(task for task in source.readers if task in BUILDERS)
    split = split or source.benchmark_split
    if not split:
        raise UsageError(f"Expected a source with a held-out split, got {name}. Name one with --split.")
    written = []
    for task in choose_tasks(source, tasks, possible):
        for attribute in ATTRIBUTES if task == "facial_classification" else ("",):
            dataset = source.dataset_of(task) + (f"({ATTRIBUTES[attribute]})" if attribute else "")
            build = Build(
                task,
                dataset,
                seed=seed,
                choices=source.choices,
                attribute=attribute,
                meta={"source": name, "split": split} | ({"synthetic": True} if source.synthetic else {}),
            )
            items = _wanted(source, source.open(root, split, task), build)
            checked = MediaCheck(Path(root), media)(items, build.left_out)
            records = list(build_records(checked, build))
            kept = subset(records, per_task or len(records), seed)
            file = benchmark_file_name(task, dataset)
            count = write_benchmark(Path(output) / file, kept)
            written.append(BenchmarkFile(file, count, source.published.get(task, 0), dict(build.left_out)))
            if progress is not None:
                progress(1)
    return written


def _wanted(source: Source, items: Iterable[Annotated], build: Build) -> Iterator[Annotated]:
    """Leave objects out whose class is not in the source's closed list."""
    for item in items:
        kept = tuple(box for box in item.boxes3d if not source.classes or box.label in source.classes)
        if len(kept) < len(item.boxes3d):
            build.left_out["object of a class outside the benchmark"] += len(item.boxes3d) - len(kept)
        yield replace(item, boxes3d=kept)

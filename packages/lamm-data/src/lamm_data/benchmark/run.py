"""Benchmark files of a source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from lamm_data.benchmark.build import build_records, subset
from lamm_data.benchmark.entry import Build, instructions
from lamm_data.benchmark.fine_tune import FINE_TUNE_TASKS, as_instruction
from lamm_data.benchmark.proposals import open_proposals
from lamm_data.errors import SourceError, UsageError
from lamm_data.progress import Advance, unwatched
from lamm_data.records.annotations import Annotated
from lamm_data.records.benchmark import BenchmarkRecord, write_benchmark
from lamm_data.records.instruction import write_records
from lamm_data.records.tasks import TASKS, benchmark_file_name
from lamm_data.sources.media import MediaCheck, with_corner
from lamm_data.sources.registry import Source, choose_tasks, open_source


@dataclass(frozen=True, slots=True)
class BenchmarkFile:
    """What became of one file.

    Attributes:
        name: File name.
        records: Records written.
        items: Images or clouds read.
        published: Records of the published file, or 0 when unknown.
        left_out: Annotations left out, by reason.
        unknown: Objects that annotations name and their scenes lack, as `scene: id`.
    """

    name: str
    records: int
    items: int
    published: int
    left_out: dict[str, int]
    unknown: tuple[str, ...] = ()


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
    fine_tune: bool = False,
    oriented: bool = False,
    proposals: str = "",
    dataset: str = "",
    licence: str = "",
    layout: str = "",
    progress: Advance = unwatched,
    found: Callable[[str], None] | None = None,
) -> list[BenchmarkFile]:
    """Write a source's benchmark files `<Task>_<Dataset>.json`.

    The held-out split makes the zero-shot set. Another split puts its name into the file's (`Detection_VOC2012_train`),
    and `fine_tune` writes the training split as instruction records, `<Task>_<Dataset>_finetune.json`.

    Args:
        name: Source name (`lamm data sources`).
        root: Folder of the source; media paths of the records are relative to it.
        output: Folder for the files.
        split: Split to read; the source's held-out split when empty (its training split for a fine-tune set).
        tasks: Task keys; all that the source is a benchmark for when empty.
        per_task: Keep this many records a file, balanced over classes; 0 keeps all.
        seed: Seed of the subset and of drawn options.
        media: `check`, `skip-missing` or `ignore`: what to do about missing images and clouds.
        fine_tune: Write the queries with their answers as instruction records, to train on.
        oriented: Write turned 3D boxes with nine numbers (3RScan's); the axis-aligned box around them otherwise.
        proposals: Numbered objects that answers may name: `annotation`, or a file or folder that
            `lamm_data.benchmark.proposals.open_proposals` reads; boxes are asked for when empty.
        dataset: Name of the user's own data set (source `images`).
        licence: Its licence or terms.
        layout: Its label format; found out when empty.
        progress: Called with the number of newly finished files.
        found: Called with what was found in a folder of the user's own.

    Raises:
        UsageError: Unknown source, split or task, or a source without a held-out split.
        SourceError: The download is damaged or incomplete, or names two records alike.
    """
    source = open_source(name, root, dataset, licence, layout, found=found)
    possible = tuple(task for task in source.benchmarks if not fine_tune or task in FINE_TUNE_TASKS)
    split = split or (source.train if fine_tune else source.benchmark_split)
    if not split:
        splits = ", ".join(source.splits)
        raise UsageError(
            f"Expected a source with a held-out split, got {name} with {splits}. Name one with --split; files of your "
            "own get one by putting the images of the exam into a folder `val`, and the others into `train`."
        )
    wanted = choose_tasks(source, tasks, possible)
    numbered = open_proposals(proposals, Path(root)) if proposals else None
    if numbered is not None and not any(f"{task}_numbered" in instructions() for task in wanted):
        able = [key.removesuffix("_numbered") for key in instructions() if key.endswith("_numbered")]
        raise UsageError(f"Expected proposals for a task out of {', '.join(able)}, got them for {', '.join(wanted)}.")
    written = []
    for task in wanted:
        for attribute in TASKS[task].attributes:
            title = source.dataset_of(task, attribute)
            build = Build(
                task,
                title,
                seed=seed,
                choices=source.choices,
                attribute=attribute,
                oriented=oriented,
                proposals=numbered,
                meta={"source": name, "split": split, "licence": source.licence}
                | ({"synthetic": True} if source.synthetic else {}),
            )
            items = _wanted(source, source.open(root, split, task), build)
            checked = MediaCheck(Path(root), media)(items, build.left_out)
            if TASKS[task].kind == "boxes3d" and media != "ignore":
                checked = (with_corner(Path(root), item) for item in checked)
            records = list(build_records(checked, build))
            chosen = subset(records, per_task or len(records), seed)
            file = _file_name(source, task, title, split, fine_tune)
            _check_ids(chosen, file)
            count = _write(Path(output) / file, chosen, fine_tune)
            held_out = split == source.benchmark_split and not fine_tune
            published = source.published_records(task, attribute) if held_out else 0
            written.append(
                BenchmarkFile(file, count, build.read, published, dict(build.left_out), tuple(build.unknown))
            )
            progress(1)
    return written


def _file_name(source: Source, task: str, dataset: str, split: str, fine_tune: bool) -> str:
    suffix = "_finetune" if fine_tune else "" if split == source.benchmark_split else f"_{split}"
    return benchmark_file_name(task, dataset, suffix)


def _check_ids(records: list[BenchmarkRecord], file: str) -> None:
    """Refuse a file in which an answer could not be told whose it is."""
    twice = [key for key, number in Counter(record.id for record in records).items() if number > 1]
    if twice:
        raise SourceError(
            f"Expected every record of {file} to have an id of its own, got {len(twice)} repeated, {twice[0]!r} "
            "first. Two annotations of the source have one id: mend its files."
        )


def _write(path: Path, records: list[BenchmarkRecord], fine_tune: bool) -> int:
    if fine_tune:
        return write_records(path, map(as_instruction, records))
    return write_benchmark(path, records)


def _wanted(source: Source, items: Iterable[Annotated], build: Build) -> Iterator[Annotated]:
    """Count items, and leave objects out whose class is not in the source's closed list."""
    for item in items:
        build.read += 1
        boxes = tuple(box for box in item.boxes3d if not source.classes or box.label in source.classes)
        if len(boxes) < len(item.boxes3d):
            build.left_out["object of a class outside the benchmark"] += len(item.boxes3d) - len(boxes)
        yield replace(item, boxes3d=boxes)

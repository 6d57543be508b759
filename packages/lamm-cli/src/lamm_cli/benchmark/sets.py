"""The files of the benchmark: what there is, what lies under a data root, and what is built there from sources."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lamm_cli.folders import file_hash
from lamm_cli.leaderboard.scores import BenchmarkFile, BenchmarkFilesError
from lamm_cli.processes import run_lamm
from lamm_data import TASKS, Source, benchmark_file_name, did_you_mean, is_alignment_set, load_sources
from lamm_metrics import all_tasks, task_of_file

ALIGNMENT = "ch3ef"


@dataclass(frozen=True)
class SourceFolder:
    """A source whose files lie under the data root.

    Attributes:
        name: Name of the source.
        root: Its folder.
        tasks: Task keys it is a benchmark for.
    """

    name: str
    root: Path
    tasks: tuple[str, ...]


def benchmark_sources() -> dict[str, Source]:
    """Return the sources that the benchmark is built from, by name."""
    return {name: source for name, source in load_sources().items() if source.benchmark_split}


def sources_under(root: Path, wanted: Sequence[str] = ()) -> list[SourceFolder]:
    """Find the sources under a data root: the root itself if it is a sample world, else one folder a source.

    Raises:
        BenchmarkFilesError: A wanted source has no folder there.
    """
    known = benchmark_sources()
    if (root / "sample.json").is_file():
        folders = {"sample": root}
    else:
        folders = {name: root / name for name in known if (root / name).is_dir()}
    missing = [name for name in wanted if name not in folders]
    if missing:
        raise BenchmarkFilesError(
            f"Expected a folder for each source under {root}, found none for {', '.join(missing)}. "
            f"Benchmark sources are {', '.join(known)}."
        )
    return [SourceFolder(name, folders[name], known[name].benchmarks) for name in wanted or folders]


def finished_files(root: Path) -> list[Path]:
    """Return the benchmark files `<Task>_<Dataset>.json` that lie directly under a root."""
    return sorted(path for path in root.glob("*.json") if task_of_file(path))


def alignment_sets(root: Path) -> list[Path]:
    """Return the sets of Ch3Ef's layout (helpful, honest, harmless) under a root, or under `ch3ef` there."""
    finished = set(finished_files(root))
    found = [*root.glob("*.json"), *(root / ALIGNMENT).glob("*.json")]
    return sorted(path for path in found if path not in finished and is_alignment_set(path))


def gather_files(settings: dict[str, Any], output: Path) -> list[BenchmarkFile]:
    """Return the benchmark files of a run, building what is not there yet.

    Args:
        settings: The table `[benchmark]`.
        output: Folder for what is built, a folder a source.

    Raises:
        BenchmarkFilesError: A task has another name, or there is nothing to build from under the root.
        lamm_cli.processes.CommandFailedError: A source could not be read.
    """
    root = Path(settings["root"])
    if not root.is_dir():
        raise BenchmarkFilesError(f"Expected the folder of the data, got nothing at {root}. Give it with --root.")
    if unknown := [task for task in settings["tasks"] if task not in all_tasks()]:
        named = ", ".join(map(repr, unknown))
        raise BenchmarkFilesError(f"Expected tasks, got {named}. {did_you_mean(unknown[0], all_tasks())}")
    files = [BenchmarkFile.read(path, root) for path in finished_files(root)] or list(_built(settings, root, output))
    files += _aligned(settings, root, output / ALIGNMENT)
    chosen = [file for file in files if not settings["tasks"] or file.task in settings["tasks"]]
    if not chosen:
        raise BenchmarkFilesError(
            f"Expected benchmark files, a sample world, folders of sources or alignment sets in {root}, found none"
            f"{' for the tasks ' + ', '.join(settings['tasks']) if settings['tasks'] else ''}. "
            "`lamm benchmark list --root DIR` shows what is there."
        )
    return chosen


def _built(settings: dict[str, Any], root: Path, output: Path) -> Iterator[BenchmarkFile]:
    named = [name for name in settings["sources"] if name != ALIGNMENT]
    for source in sources_under(root, named) if named or not settings["sources"] else []:
        tasks = [task for task in source.tasks if not settings["tasks"] or task in settings["tasks"]]
        if not tasks:
            continue
        folder, done = output / source.name, output / source.name / ".complete"
        if not done.exists():
            options = ["--source", source.name, "--root", source.root, "--output", folder, "--tasks", ",".join(tasks)]
            run_lamm(["data", "benchmark", *options, "--per-task", settings["per_task"], "--seed", settings["seed"]])
            done.touch()
        yield from (BenchmarkFile.read(path, source.root) for path in sorted(folder.glob("*.json")))


def _aligned(settings: dict[str, Any], root: Path, output: Path) -> list[BenchmarkFile]:
    files = []
    for path in alignment_sets(root) if ALIGNMENT in (settings["sources"] or [ALIGNMENT]) else []:
        folder, done = output / path.stem, output / path.stem / f".{file_hash(path)}"
        if not done.exists():
            options = ["--benchmark", path, "--media-root", path.parent, "--output", folder]
            run_lamm(["data", "recipe", "alignment", *options])
            done.touch()
        files += [BenchmarkFile.read(made, path.parent) for made in sorted(folder.glob("*.json"))]
    return files


@dataclass(frozen=True)
class BenchmarkRow:
    """One benchmark file.

    Attributes:
        file: Its name.
        task: Task key.
        modality: `image` or `pcl`.
        source: Source it is built from.
        published: Records of the published file; 0 where it was never published.
        present: `file` (finished), `source` (can be built), `no`, or empty without a root.
    """

    file: str
    task: str
    modality: str
    source: str
    published: int
    present: str = ""


def benchmark_rows(root: Path | None = None) -> list[BenchmarkRow]:
    """Return every benchmark file that the sources give.

    Args:
        root: Data root; says for each file whether it or its source is there.
    """
    finished = {path.name for path in finished_files(root)} if root is not None else set()
    folders = {source.name for source in sources_under(root)} if root is not None else set()
    rows = []
    for name, source in benchmark_sources().items():
        for task in source.benchmarks:
            for attribute in TASKS[task].attributes:
                file = benchmark_file_name(task, source.dataset_of(task, attribute))
                present = ""
                if root is not None:
                    present = "file" if file in finished else "source" if name in folders else "no"
                published = source.published_records(task, attribute)
                rows.append(BenchmarkRow(file, task, TASKS[task].modality, name, published, present))
    for path in alignment_sets(root) if root is not None else []:
        rows.append(BenchmarkRow(path.name, "vqa", TASKS["vqa"].modality, ALIGNMENT, 0, "source"))
    return sorted(rows, key=lambda row: (row.source == "sample", row.modality, row.file))

"""The benchmark files of a run: those that lie under the data root, or built there from the sources' own files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamm_cli.children import run_lamm
from lamm_cli.scores import BenchmarkFile, BenchmarkFilesError

if TYPE_CHECKING:
    from lamm_data.sources.registry import Source


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


def benchmark_sources() -> "dict[str, Source]":
    """Return the sources that the benchmark is built from, by name."""
    from lamm_data.sources.registry import load_sources

    return {name: source for name, source in load_sources().items() if source.benchmark_split}


def tasks_of(source: "Source") -> tuple[str, ...]:
    """Return the task keys a source is a benchmark for."""
    from lamm_data.benchmark.build import BUILDERS

    return source.benchmark_tasks or tuple(task for task in source.readers if task in BUILDERS)


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
    return [SourceFolder(name, folders[name], tasks_of(known[name])) for name in wanted or folders]


def finished_files(root: Path) -> list[Path]:
    """Return the benchmark files ``<Task>_<Dataset>.json`` that lie directly under a root."""
    from lamm_data.tasks import TASKS

    prefixes = (*(f"{task.prefix}_" for task in TASKS.values()), "POPE_")
    return sorted(path for path in root.glob("*.json") if path.name.startswith(prefixes))


def gather_files(settings: dict[str, Any], output: Path) -> list[BenchmarkFile]:
    """Return the benchmark files of a run, building what is not there yet.

    Args:
        settings: The table ``[benchmark]``.
        output: Folder for what is built, a folder a source.

    Raises:
        BenchmarkFilesError: There is nothing to build from under the root.
        lamm_cli.children.CommandFailedError: A source could not be read.
    """
    root = Path(settings["root"])
    if not root.is_dir():
        raise BenchmarkFilesError(f"Expected the folder of the data, got nothing at {root}. Give it with --root.")
    files = [BenchmarkFile.read(path, root) for path in finished_files(root)] or list(_built(settings, root, output))
    chosen = [file for file in files if not settings["tasks"] or file.task in settings["tasks"]]
    if not chosen:
        raise BenchmarkFilesError(
            f"Expected benchmark files, a sample world or folders of sources in {root}, found none"
            f"{' for the tasks ' + ', '.join(settings['tasks']) if settings['tasks'] else ''}. "
            "`lamm benchmark list --root DIR` shows what is there."
        )
    return chosen


def _built(settings: dict[str, Any], root: Path, output: Path) -> Iterator[BenchmarkFile]:
    for source in sources_under(root, settings["sources"]):
        tasks = [task for task in source.tasks if not settings["tasks"] or task in settings["tasks"]]
        if not tasks:
            continue
        folder, done = output / source.name, output / source.name / ".complete"
        if not done.exists():
            numbers = ["--per-task", str(settings["per_task"]), "--seed", str(settings["seed"])]
            files = ["--source", source.name, "--root", str(source.root), "--output", str(folder)]
            run_lamm(["data", "benchmark", *files, "--tasks", ",".join(tasks), *numbers])
            done.touch()
        yield from (BenchmarkFile.read(path, source.root) for path in sorted(folder.glob("*.json")))

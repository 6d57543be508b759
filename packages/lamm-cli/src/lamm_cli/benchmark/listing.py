"""What the benchmark consists of, and what of it lies under a data root."""

from dataclasses import dataclass
from pathlib import Path

from lamm_cli.benchmark.sets import (
    ALIGNMENT,
    alignment_sets,
    benchmark_sources,
    finished_files,
    sources_under,
)


@dataclass(frozen=True)
class BenchmarkRow:
    """One benchmark file.

    Attributes:
        file: Its name.
        task: Task key.
        modality: ``image`` or ``pcl``.
        source: Source it is built from.
        published: Records of the published file; 0 where it was never published.
        present: ``file`` (finished), ``source`` (can be built), ``no``, or empty without a root.
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
    from lamm_data import TASKS, benchmark_file_name

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


def show_rows(rows: list[BenchmarkRow]) -> None:
    """Print the rows as a table on stdout."""
    from rich.console import Console
    from rich.table import Table

    table = Table("file", "task", "modality", "source", "published", "under the root")
    for row in rows:
        table.add_row(row.file, row.task, row.modality, row.source, str(row.published or "–"), row.present or "–")
    Console(width=None if Console().is_terminal else 160).print(table)

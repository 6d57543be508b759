"""Several runs over one benchmark beside chance: scores with intervals, a table, and a report."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamm_cli.output import console

if TYPE_CHECKING:
    from lamm_metrics.metric import Score
    from lamm_metrics.report.result import Report

CHANCE = "chance"


class BenchmarkFilesError(Exception):
    """The benchmark folder or a run's predictions are not what the comparison needs."""

    exit_code = 1


@dataclass(frozen=True)
class Cell:
    """One score of one run."""

    value: float | None
    interval: tuple[float, float] | None
    failed: float

    @classmethod
    def of(cls, score: "Score") -> "Cell":
        """Take what the table shows from a score."""
        return cls(score.value, score.interval, score.failure_rate)

    def __str__(self) -> str:
        if self.value is None:
            return "undefined"
        interval = "" if self.interval is None else f" [{self.interval[0]:.2f}, {self.interval[1]:.2f}]"
        return f"{self.value:.2f}{interval}"


@dataclass(frozen=True)
class ComparisonRow:
    """One benchmark file: its headline metric for every run.

    Attributes:
        name: File name without its ending.
        metric: Name of the headline metric.
        higher_is_better: Its direction.
        n: Records.
        cells: By run, chance last.
    """

    name: str
    metric: str
    higher_is_better: bool
    n: int
    cells: Mapping[str, Cell]

    def beats(self, run: str, other: str) -> bool:
        """Return whether one run is better than another with intervals that do not overlap."""
        mine, theirs = self.cells[run].interval, self.cells[other].interval
        if mine is None or theirs is None:
            return False
        return mine[0] > theirs[1] if self.higher_is_better else mine[1] < theirs[0]


@dataclass
class ComparisonTable:
    """All rows of a comparison; the first run is the one that is judged against the others."""

    runs: tuple[str, ...]
    rows: list[ComparisonRow] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        rows = [
            {
                "benchmark": row.name,
                "metric": row.metric,
                "higher_is_better": row.higher_is_better,
                "n": row.n,
                "scores": {
                    run: {"value": cell.value, "interval": cell.interval, "failure_rate": cell.failed}
                    for run, cell in row.cells.items()
                },
                "beats": [run for run in self.runs[1:] if row.beats(self.runs[0], run)],
            }
            for row in self.rows
        ]
        return {"runs": list(self.runs), "rows": rows}

    def markdown(self) -> str:
        """Return the table as Markdown; ``*`` marks a first run whose interval lies clear of the blind run's."""
        head = ["benchmark", "metric", "n", *self.runs]
        lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
        lines += ["| " + " | ".join(self._texts(row)) + " |" for row in self.rows]
        return "\n".join(lines) + "\n"

    def _texts(self, row: ComparisonRow) -> list[str]:
        arrow = "↑" if row.higher_is_better else "↓"
        cells = [str(row.cells[run]) for run in self.runs]
        if "blind" in self.runs and row.beats(self.runs[0], "blind"):
            cells[0] += " \\*"
        return [row.name, f"{row.metric} {arrow}", str(row.n), *cells]

    def show(self) -> None:
        """Print the table on stdout."""
        from rich.console import Console
        from rich.table import Table

        table = Table("benchmark", "metric", "n", *self.runs)
        for row in self.rows:
            table.add_row(*[text.replace("\\*", "*") for text in self._texts(row)])
        # A pipe or file has no width of its own; the table must not be cut there.
        Console(width=None if os.isatty(1) else 160).print(table)

    def write(self, folder: Path) -> None:
        """Write ``table.json`` and ``table.md``."""
        for name, text in (("table.json", json.dumps(self.to_json(), indent=1)), ("table.md", self.markdown())):
            beside = folder / f".{name}.part"
            beside.write_text(text, encoding="utf-8")
            os.replace(beside, folder / name)


def compare_runs(benchmark: Path, runs: Mapping[str, Path], report: Path, media_root: Path) -> ComparisonTable:
    """Score the predictions of several runs on every file of a benchmark, with chance beside them.

    Args:
        benchmark: Folder of ``<Task>_<Dataset>.json`` files whose records name their ``task``.
        runs: Folder of predictions (``<Task>_<Dataset>.jsonl``) by the name of the run.
        report: HTML file to write.
        media_root: Folder of the media, for the report.

    Raises:
        BenchmarkFilesError: The benchmark is empty, or a run lacks predictions.
    """
    from rich.progress import track

    from lamm_metrics.report.html import write_report

    files = sorted(benchmark.glob("*.json"))
    if not files:
        raise BenchmarkFilesError(f"Expected benchmark files in {benchmark}, found none. Run `lamm data benchmark`.")
    table = ComparisonTable((*runs, CHANCE))
    reports: dict[str, dict[str, Report]] = {run: {} for run in table.runs}
    for path in track(files, "scoring", console=console(), transient=True):
        scored = _score_file(path, runs)
        for run, result in scored.items():
            reports[run][path.stem] = result
        first = next(iter(scored.values())).headline
        cells = {run: Cell.of(result.headline) for run, result in scored.items()}
        table.rows.append(ComparisonRow(path.stem, first.name, first.higher_is_better, first.n, cells))
    write_report(report, reports, media_root=media_root, title="LAMM: runs beside each other")
    return table


def _score_file(path: Path, runs: Mapping[str, Path]) -> "dict[str, Report]":
    from lamm_metrics.chance import chance_predictions
    from lamm_metrics.scoring import score

    records = json.loads(path.read_text(encoding="utf-8"))
    task = records[0].get("task") if records else None
    if not task:
        raise BenchmarkFilesError(f"Expected records that name their task in {path}, found none. Build it again.")
    scored = {}
    for run, folder in runs.items():
        answers = folder / f"{path.stem}.jsonl"
        if not answers.exists():
            raise BenchmarkFilesError(
                f"Expected predictions of {run} in {answers}, found none. Run `lamm model predict`."
            )
        scored[run] = score(task, path, answers)
    scored[CHANCE] = score(task, path, chance_predictions(task, path))
    return scored

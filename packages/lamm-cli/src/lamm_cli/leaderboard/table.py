"""Several runs over one benchmark beside chance: scores with intervals, a table, and a report."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.progress import track

from lamm_cli.leaderboard.scores import CHANCE, BenchmarkFile, BenchmarkFilesError, Scorer
from lamm_cli.output import console, csv_text, markdown_table, print_table
from lamm_llm import write_whole
from lamm_metrics import Report, Score, write_report

LATEX = str.maketrans(
    {letter: rf"\{letter}" for letter in "&%_#${}"}
    | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}
    | dict.fromkeys("\r\n", " ")
)


@dataclass(frozen=True)
class Cell:
    """One score of one run."""

    value: float | None
    interval: tuple[float, float] | None
    failed: float

    @classmethod
    def of(cls, score: Score) -> "Cell":
        """Take what the table shows from a score."""
        return cls(score.value, score.interval, score.failure_rate)

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> "Cell":
        """Take a cell from the plain values that it was written as."""
        interval = values["interval"]
        return cls(values["value"], interval and (interval[0], interval[1]), values["failed"])

    @property
    def sides(self) -> tuple[float | None, float | None]:
        """The ends of the interval, None where there is none."""
        return self.interval or (None, None)

    def __str__(self) -> str:
        if self.value is None:
            return "undefined"
        interval = "" if self.interval is None else f" [{self.interval[0]:.2f}, {self.interval[1]:.2f}]"
        return f"{self.value:.2f}{interval}"


@dataclass(frozen=True)
class ComparisonRow:
    """One metric of one benchmark file, for every run.

    Attributes:
        name: File name without its ending.
        metric: Name of the metric.
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
        """Return the table as Markdown; `*` marks a first run whose interval lies clear of blind and of chance."""
        return markdown_table(self._head, map(self._texts, self.rows))

    def csv(self) -> str:
        """Return one line a benchmark and run: value, interval and failure rate, empty where undefined."""
        head = ["benchmark", "metric", "higher_is_better", "n", "run", "value", "low", "high", "failure_rate"]
        cells = ((row, run, row.cells[run]) for row in self.rows for run in self.runs)
        lines = (
            [row.name, row.metric, row.higher_is_better, row.n, run, cell.value, *cell.sides, cell.failed]
            for row, run, cell in cells
        )
        return csv_text([head, *lines])

    def latex(self) -> str:
        """Return a `tabular` of the headline scores; the best run of a row is bold. Needs the package booktabs."""
        lines = [
            r"\begin{tabular}{ll" + "r" * len(self.runs) + "}",
            r"\toprule",
            " & ".join(["Benchmark", "Metric", *(_latex(run) for run in self.runs)]) + r" \\",
            r"\midrule",
        ]
        for row in self.rows:
            values = {run: row.cells[run].value for run in self.runs}
            known = [value for value in values.values() if value is not None]
            # Where all are equal, none is best.
            best = (max(known) if row.higher_is_better else min(known)) if len(set(known)) > 1 else None
            cells = [_latex_cell(value, value is not None and value == best) for value in values.values()]
            arrow = r"$\uparrow$" if row.higher_is_better else r"$\downarrow$"
            lines.append(" & ".join([_latex(row.name), f"{_latex(row.metric)} {arrow}", *cells]) + r" \\")
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"

    @property
    def _head(self) -> list[str]:
        return ["benchmark", "metric", "n", *self.runs]

    def _texts(self, row: ComparisonRow) -> list[str]:
        arrow = "↑" if row.higher_is_better else "↓"
        cells = [str(row.cells[run]) for run in self.runs]
        unseeing = [run for run in ("blind", CHANCE) if run in self.runs]
        if "blind" in unseeing and all(row.beats(self.runs[0], run) for run in unseeing):
            cells[0] += " \\*"
        return [row.name, f"{row.metric} {arrow}", str(row.n), *cells]

    def show(self) -> None:
        """Print the table on stdout."""
        print_table(self._head, ([text.replace("\\*", "*") for text in self._texts(row)] for row in self.rows))

    def write(self, folder: Path) -> None:
        """Write `table.json` and `table.md`."""
        write_whole(folder / "table.json", json.dumps(self.to_json(), indent=1))
        write_whole(folder / "table.md", self.markdown())


def score_runs(
    files: Sequence[BenchmarkFile], runs: Mapping[str, Path], scorer: Scorer, beside: Collection[str] = ()
) -> tuple[ComparisonTable, dict[str, dict[str, Report]]]:
    """Score the predictions of several runs on benchmark files, with chance beside them.

    Args:
        files: The benchmark.
        runs: Folder of predictions (`<Task>_<Dataset>.jsonl`) by the name of the run.
        scorer: How to score.
        beside: Metrics that have a row of their own after the headline's, where a task has them.

    Returns:
        The table, and the reports by run and benchmark.

    Raises:
        BenchmarkFilesError: A run lacks predictions.
    """
    table = ComparisonTable((*runs, CHANCE))
    reports: dict[str, dict[str, Report]] = {run: {} for run in table.runs}
    for file in track(files, "scoring", console=console(), transient=True):
        scored = {run: scorer.of_run(run, file, folder / f"{file.name}.jsonl") for run, folder in runs.items()}
        scored[CHANCE] = scorer.of_chance(file)
        for run, report in scored.items():
            reports[run][file.name] = report
        first = next(iter(scored.values()))
        for metric in dict.fromkeys([first.headline.name, *(one.name for one in first.scores if one.name in beside)]):
            cells = {run: Cell.of(report.score(metric)) for run, report in scored.items()}
            of_first = first.score(metric)
            table.rows.append(ComparisonRow(file.name, metric, of_first.higher_is_better, of_first.n, cells))
    return table, reports


def compare_runs(
    benchmark: Path, runs: Mapping[str, Path], report: Path, media_root: Path, beside: Collection[str] = ()
) -> ComparisonTable:
    """Score several runs on every file of a folder, write the report, and return the table.

    Args:
        benchmark: Folder of `<Task>_<Dataset>.json` files whose records name their `task`.
        runs: Folder of predictions by the name of the run.
        report: HTML file to write.
        media_root: Folder of the media, for the report.
        beside: As for `score_runs`.

    Raises:
        BenchmarkFilesError: The benchmark is empty, or a run lacks predictions.
    """
    files = [BenchmarkFile.read(path, media_root) for path in sorted(benchmark.glob("*.json"))]
    if not files:
        raise BenchmarkFilesError(f"Expected benchmark files in {benchmark}, found none. Run `lamm data benchmark`.")
    table, reports = score_runs(files, runs, Scorer(), beside)
    write_report(report, reports, media_root=media_root, title="LAMM: runs beside each other")
    return table


def _latex_cell(value: float | None, best: bool) -> str:
    if value is None:
        return "--"
    return rf"\textbf{{{value:.2f}}}" if best else f"{value:.2f}"


def _latex(text: str) -> str:
    return text.translate(LATEX)

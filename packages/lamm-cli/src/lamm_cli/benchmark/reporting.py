"""What a run leaves for people and for machines: tables and the report."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.progress import track

from lamm_cli.benchmark.judging import Judged
from lamm_cli.benchmark.variants import VARIANTS, VariantRow
from lamm_cli.leaderboard.scores import BenchmarkFile, Scorer
from lamm_cli.leaderboard.table import ComparisonTable
from lamm_cli.output import console
from lamm_llm import write_whole
from lamm_metrics import Comparison, LammMetricsError, Report, compare, write_report

REPORT = "report.html"
TITLE = "LAMM benchmark"


def write_outcome(
    folder: Path,
    table: ComparisonTable,
    reports: Mapping[str, Mapping[str, Report]],
    files: Sequence[BenchmarkFile],
    significance: Mapping[str, Mapping[str, Comparison]],
    judged: Judged,
    force: bool,
) -> bool:
    """Write `table.json`, `.md`, `.csv`, `.tex` and `report.html`, unless they stand there already.

    Args:
        folder: The run directory.
        table: The leaderboard.
        reports: Reports by run and benchmark.
        files: The benchmark files, for the media of the report.
        significance: Paired comparisons of the first run with the others, by benchmark and run.
        judged: What a judge said of captions.
        force: Write even if nothing has changed.

    Returns:
        Whether anything was written.
    """
    csv = table.csv() + judged.csv()
    before = folder / "table.csv"
    if not force and before.is_file() and before.read_text() == csv and (folder / REPORT).is_file():
        return False
    size = f"{len(files)} benchmark files with {sum(file.records for file in files)} records."
    kept = "Settings, versions and hashes stand in run.toml and manifest.json beside this page."
    write_report(
        folder / REPORT,
        {run: {**by_file, **judged.reports(run)} for run, by_file in reports.items()},
        media_root={file.name: file.media_root for file in files},
        title=TITLE,
        subtitle=f"{size} {kept}",
        significance=significance,
        transcripts=judged.transcripts,
    )
    table.write(folder)
    if judged.rows:
        write_whole(folder / "table.md", table.markdown() + "\n" + judged.markdown())
    write_whole(folder / "table.tex", table.latex())
    write_whole(before, csv)
    return True


def write_variant_report(
    folder: Path,
    reports: Mapping[str, Mapping[str, Report]],
    roots: Mapping[str, Path],
    differences: Mapping[str, Mapping[str, VariantRow]],
) -> None:
    """Write `recipes.html`: the variants' scores, their differences from the base files, and their samples."""
    write_report(
        folder / VARIANTS,
        reports,
        media_root=roots,
        title=f"{TITLE}: variants",
        subtitle="recipes.md beside this page also has the intervals of the differences, same choices and kept shares.",
        significance=differences,
        against="the same model's score on the unchanged file",
    )


def paired(
    files: Sequence[BenchmarkFile], runs: Mapping[str, Path], scorer: Scorer
) -> dict[str, dict[str, Comparison]]:
    """Compare the first run with each other one on every file: paired tests on the same records.

    Returns:
        Comparisons by benchmark and run; a file with too few records to compare has none.
    """
    first, *others = runs
    found: dict[str, dict[str, Comparison]] = {}
    for file in track(files if others else [], "comparing", console=console(), transient=True):
        for run in others:
            comparison = _compared(file, runs[first], runs[run], scorer)
            if comparison is not None:
                found.setdefault(file.name, {})[run] = comparison
    return found


def _compared(file: BenchmarkFile, first: Path, second: Path, scorer: Scorer) -> Comparison | None:
    before, after = (folder / f"{file.name}.jsonl" for folder in (first, second))

    def made() -> dict[str, object]:
        try:
            return compare(file.task, file.path, before, after, scorer.protocol, draws=scorer.draws).to_json()
        except LammMetricsError as fault:
            return {"why": str(fault)}

    kept = scorer.beside(after, file, f"against-{first.name}", made, before.read_bytes())
    return None if "why" in kept else Comparison.from_json(kept)

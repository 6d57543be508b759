"""What a run leaves for people and for machines: tables and the report."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lamm_cli.comparison import ComparisonTable
from lamm_cli.folders import write_beside
from lamm_cli.scores import BenchmarkFile
from lamm_cli.table_formats import as_csv, as_latex

if TYPE_CHECKING:
    from lamm_metrics.report.result import Report

REPORT = "report.html"
TITLE = "LAMM benchmark"


def write_outcome(
    folder: Path,
    table: ComparisonTable,
    reports: "Mapping[str, Mapping[str, Report]]",
    files: Sequence[BenchmarkFile],
    force: bool = False,
) -> bool:
    """Write ``table.json``, ``.md``, ``.csv``, ``.tex`` and ``report.html``, unless they stand there already.

    Args:
        folder: The run directory.
        table: The leaderboard.
        reports: Reports by run and benchmark.
        files: The benchmark files, for the media of the report.
        force: Write even if nothing has changed.

    Returns:
        Whether anything was written.
    """
    csv = as_csv(table)
    before = folder / "table.csv"
    if not force and before.is_file() and before.read_text() == csv and (folder / REPORT).is_file():
        return False
    from lamm_metrics.report.html import write_report

    write_report(folder / REPORT, reports, media_root=common_root(files), title=TITLE)
    table.write(folder)
    write_beside(folder / "table.tex", as_latex(table))
    write_beside(before, csv)
    return True


def common_root(files: Sequence[BenchmarkFile]) -> Path | None:
    """Return the media root of all files, or None when they have several."""
    roots = {os.fspath(file.media_root.resolve()) for file in files}
    return Path(roots.pop()) if len(roots) == 1 else None

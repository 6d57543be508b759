"""A comparison table as CSV and as LaTeX."""

import csv
import io

from lamm_cli.leaderboard.table import ComparisonTable

LATEX = {"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "$": r"\$", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}"}


def as_csv(table: ComparisonTable) -> str:
    """Return one line a benchmark and run: value, interval and failure rate, empty where undefined."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(["benchmark", "metric", "higher_is_better", "n", "run", "value", "low", "high", "failure_rate"])
    for row in table.rows:
        for run in table.runs:
            cell = row.cells[run]
            low, high = cell.interval or ("", "")
            value = "" if cell.value is None else cell.value
            writer.writerow([row.name, row.metric, row.higher_is_better, row.n, run, value, low, high, cell.failed])
    return written.getvalue()


def as_latex(table: ComparisonTable) -> str:
    """Return a `tabular` of the headline scores; the best run of a row is bold. Needs the package booktabs."""
    lines = [
        r"\begin{tabular}{ll" + "r" * len(table.runs) + "}",
        r"\toprule",
        " & ".join(["Benchmark", "Metric", *(_escape(run) for run in table.runs)]) + r" \\",
        r"\midrule",
    ]
    for row in table.rows:
        values = {run: row.cells[run].value for run in table.runs}
        known = [value for value in values.values() if value is not None]
        # Where all are equal, none is best.
        best = (max(known) if row.higher_is_better else min(known)) if len(set(known)) > 1 else None
        cells = [_latex_cell(value, value is not None and value == best) for value in values.values()]
        arrow = r"$\uparrow$" if row.higher_is_better else r"$\downarrow$"
        lines.append(" & ".join([_escape(row.name), f"{_escape(row.metric)} {arrow}", *cells]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _latex_cell(value: float | None, best: bool) -> str:
    if value is None:
        return "--"
    return rf"\textbf{{{value:.2f}}}" if best else f"{value:.2f}"


def _escape(text: str) -> str:
    return "".join(LATEX.get(letter, letter) for letter in text)

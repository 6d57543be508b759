"""Reports as plain text."""

from collections.abc import Mapping, Sequence

from lamm_metrics.records.files import SHOWN
from lamm_metrics.results.report import Report
from lamm_metrics.results.score import Score


def number(value: float | None) -> str:
    """A value in four decimals, or a dash where it is undefined."""
    return "–" if value is None else f"{value:.4f}"


def with_interval(score: Score) -> str:
    """A value with its interval.

    >>> with_interval(Score("accuracy", 0.5, (0.25, 0.75), 4, 0, True, ""))
    '0.5000 [0.2500, 0.7500]'
    """
    interval = "" if score.interval is None else f" [{number(score.interval[0])}, {number(score.interval[1])}]"
    return number(score.value) + interval


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells in aligned columns; the first row is the head."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _exact(value: float) -> str:
    """A count as a whole number, anything else to four decimals."""
    return str(value) if isinstance(value, int) else f"{value:.4f}"


def report_text(report: Report) -> str:
    """A report as a table with the signatures below it."""
    title = " · ".join(part for part in (report.task, report.dataset, report.model, report.protocol) if part)
    rows = [["score", "value", "interval", "better", "n", "failed", "if failures right"]]
    for score in report.scores:
        interval = "–" if score.interval is None else f"[{number(score.interval[0])}, {number(score.interval[1])}]"
        direction = "higher" if score.higher_is_better else "lower"
        best = number(score.extra.get("failures_right"))
        rows.append(
            [score.name, number(score.value), interval, direction, str(score.n), f"{score.failure_rate:.1%}", best]
        )
    extras = [
        f"{score.name}: " + ", ".join(f"{key} {_exact(value)}" for key, value in score.extra.items())
        for score in report.scores
        if score.extra
    ]
    statuses = ", ".join(f"{status} {count}" for status, count in report.statuses.items())
    unread = [
        f"{sample.id[:80]!r} ({sample.status}{f': {sample.detail}' if sample.detail else ''})"
        for sample in report.samples
        if sample.status != "ok"
    ]
    more = f", … ({len(unread)} in all)" if len(unread) > SHOWN else ""
    parts = [title, table(rows), "\n".join(extras), f"answers: {statuses}" if statuses else ""]
    parts.append(f"not read: {', '.join(unread[:SHOWN])}{more}" if unread else "")
    parts.append(f"note: {report.note}" if report.note else "")
    parts.append("\n".join(_signatures(report)))
    return "\n\n".join(part for part in parts if part)


def _signatures(report: Report) -> list[str]:
    """The signatures, those that differ in the name alone on one line."""
    names: dict[str, list[str]] = {}
    for score in report.scores:
        names.setdefault(score.signature.removeprefix(score.name), []).append(score.name)
    return [", ".join(alike) + choices for choices, alike in names.items()]


def comparison_table(results: Mapping[str, Mapping[str, Report]]) -> str:
    """Headline scores of several models on several tasks, a row a task and a column a model.

    Args:
        results: Reports by model and task.
    """
    tasks = list(dict.fromkeys(task for reports in results.values() for task in reports))
    rows = [["task", "score", *results]]
    for task in tasks:
        reports = [reports.get(task) for reports in results.values()]
        name = next(report.headline.name for report in reports if report is not None)
        rows.append([task, name, *("–" if report is None else with_interval(report.headline) for report in reports)])
    return table(rows)

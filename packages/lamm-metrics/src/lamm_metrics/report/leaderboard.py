"""The tables of a report: the leaderboard in HTML and in text, every score, and what the paper published."""

import tomllib
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from typing import Protocol, TypeAlias

from lamm_metrics.results.report import Report
from lamm_metrics.results.score import Score
from lamm_metrics.tables import bracketed, number, table, with_interval

Arranged = Mapping[str, Mapping[str, Report]]


class Compared(Protocol):
    """A paired comparison, such as `lamm_metrics.compare` makes: a difference, and p of no difference."""

    @property
    def difference(self) -> float | None:
        """Return the difference of the scores; None where there is none."""

    @property
    def p_value(self) -> float | None:
        """Return p of no difference; None where it was not tested."""


# Comparisons of each cell with the first model, or with whatever the page names, by benchmark and model.
Significance: TypeAlias = Mapping[str, Mapping[str, Compared]]


def leaderboard(arranged: Arranged, significance: Significance) -> str:
    """Return the table of headline scores: a row a task, a column a model."""
    names = list(dict.fromkeys(name for reports in arranged.values() for name in reports))
    head = "".join(f'<th scope="col">{escape(model)}</th>' for model in arranged)
    body = []
    for name in names:
        headlines = {model: reports[name].headline for model, reports in arranged.items() if name in reports}
        first = next(iter(headlines.values()))
        arrow = "higher is better" if first.higher_is_better else "lower is better"
        sizes = {score.n for score in headlines.values()}
        common = f", n\u00a0=\u00a0{first.n}" if len(sizes) == 1 else ""
        best = _best(headlines)
        cells = "".join(
            "<td>–</td>"
            if model not in headlines
            else _cell(headlines[model], model in best, significance.get(name, {}).get(model), bool(common))
            for model in arranged
        )
        button = _name(name, any(reports[name].samples for reports in arranged.values() if name in reports))
        note = f"<small>{escape(first.name)}, {arrow}{common}</small>"
        body.append(f'<tr><th scope="row">{button}<br>{note}</th>{cells}</tr>')
    return f'<thead><tr><th scope="col">Task</th>{head}</tr></thead><tbody>{"".join(body)}</tbody>'


def _name(name: str, listed: bool) -> str:
    """Return the name of a row, which leads to its samples where any are listed."""
    shown = escape(name.replace("_", " ")).replace("+", "+<wbr>")
    return f'<button class="link" type="button" data-task="{escape(name)}">{shown}</button>' if listed else shown


def details(arranged: Arranged) -> str:
    """Return every score of every report with its signature, folded by benchmark and within it by model."""
    names = dict.fromkeys(name for reports in arranged.values() for name in reports)
    return "\n".join(
        f"<details><summary>{escape(name.replace('_', ' '))}</summary>"
        + "".join(_details(model, name, reports[name]) for model, reports in arranged.items() if name in reports)
        + "</details>"
        for name in names
    )


def published() -> str:
    """Return the scores that LAMM published, folded and marked with their protocol."""
    table = tomllib.loads((files("lamm_metrics.report") / "data" / "published.toml").read_text("utf-8"))
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in ("Set", "Metric", *table["columns"]))
    body = "".join(
        f'<tr><th scope="row">{escape(row["file"].replace("_", " "))}</th><td>{escape(row["metric"])}</td>'
        + "".join(f"<td>{escape(score)}</td>" for score in row["scores"])
        + "</tr>"
        for row in table["rows"]
    )
    return (
        f"<details><summary>What the LAMM paper published ({escape(table['protocol'])})</summary>"
        "<p>Percentages, and counts for FSC147, by the published protocol: other formulas than the standard ones above."
        " Compare them with scores of <code>--protocol paper</code> only.</p>"
        "<div class='wide' tabindex='0' role='region' aria-label='Published scores'>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></details>"
    )


def _best(headlines: Mapping[str, Score]) -> set[str]:
    known = {model: score.value for model, score in headlines.items() if score.value is not None}
    if len(set(known.values())) < 2:
        return set()
    higher = next(iter(headlines.values())).higher_is_better
    top = max(known.values()) if higher else min(known.values())
    return {model for model, value in known.items() if value == top}


def _bar(score: Score) -> str:
    """Return a picture of a share and its interval; other numbers have no common scale and get none."""
    if score.value is None or score.interval is None or not 0 <= score.value <= 1 or score.interval[1] > 1:
        return ""
    low, high = (100 * side for side in score.interval)
    return (
        '<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="track" width="100" height="8"/><rect class="span" x="{low:.2f}" y="2" width="{high - low:.2f}" '
        f'height="4"/><rect class="mark" x="{100 * score.value - 0.5:.2f}" width="1" height="8"/></svg>'
    )


def _cell(score: Score, best: bool, compared: Compared | None, sized: bool) -> str:
    """Return one score, with its number of records where the head of the row does not say it."""
    notes = [] if sized else [f"n = {score.n}"]
    if score.n_failed:
        notes.append(f"unread {score.failure_rate:.1%}")
    if compared is not None and compared.difference is not None and compared.p_value is not None:
        shown = "p &lt; 0.001" if compared.p_value < 0.001 else f"p = {compared.p_value:.3f}"
        notes.append(f"Δ {compared.difference:+.{4 if abs(compared.difference) < 10 else 1}f}, {shown}")
    return (
        f"<td{' class=best' if best else ''}><strong>{number(score.value)}</strong> "
        f'<small class="range">{bracketed(score.interval)}</small>{_bar(score)}'
        f"{''.join(f'<small>{note}</small>' for note in notes)}</td>"
    )


def _details(model: str, name: str, report: Report) -> str:
    rows = []
    for score in report.scores:
        extra = ", ".join(f"{escape(key)} {value:.4f}" for key, value in score.extra.items())
        rows.append(
            f'<tr><th scope="row">{escape(score.name)}</th><td>{number(score.value)} '
            f"<small>{bracketed(score.interval)}</small>{_bar(score)}</td><td>{score.n}</td><td>{score.failure_rate:.1%}</td><td>{extra}</td>"
            f"<td><code>{escape(score.signature)}</code></td></tr>"
        )
    columns = ("Score", "Value", "n", "Unread", "More", "Signature")
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    note = f"<p>Note: {escape(report.note)}</p>" if report.note else ""
    statuses = ", ".join(f"{escape(status)} {count}" for status, count in report.statuses.items()) or "not kept"
    return (
        f"<details><summary>{escape(model)}</summary>"
        f"<div class='wide' tabindex='0' role='region' aria-label='{escape(name)}: {escape(model)}'><table>"
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
        f"<p>Answers by extraction status: {statuses}</p>{note}</details>"
    )


def comparison_table(results: Mapping[str, Mapping[str, Report]]) -> str:
    """Return headline scores of several models on several tasks, a row a task and a column a model.

    Args:
        results: Reports by model and task.
    """
    tasks = list(dict.fromkeys(task for reports in results.values() for task in reports))
    rows = [["task", "score", *results]]
    for task in tasks:
        found = [reports[task].headline if task in reports else None for reports in results.values()]
        name = next(score.name for score in found if score is not None)
        shown = (with_interval(score.value, score.interval, "–") if score else "–" for score in found)
        rows.append([task, name, *shown])
    return table(rows)

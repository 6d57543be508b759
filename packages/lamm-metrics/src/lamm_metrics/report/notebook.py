"""How scores, answers and questions show themselves in a notebook: tables without scripts, in its own colours."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from lamm_metrics.report.text import number

if TYPE_CHECKING:
    from lamm_metrics.records.predictions import Predictions
    from lamm_metrics.records.references import References
    from lamm_metrics.results.report import Report

# Rows of answers or questions that a notebook shows, and characters of a cell.
ROWS, LONGEST = 10, 300


def report_html(report: "Report") -> str:
    """Every score of a report with its interval and what could not be read, then note and signatures."""
    title = " · ".join(part for part in (report.task, report.dataset, report.model, report.protocol) if part)
    rows = [
        (
            score.name,
            f"{number(score.value)} {'↑' if score.higher_is_better else '↓'}",
            "–" if score.interval is None else f"[{number(score.interval[0])}, {number(score.interval[1])}]",
            str(score.n),
            f"{score.failure_rate:.1%}",
        )
        for score in report.scores
    ]
    statuses = ", ".join(f"{status} {count}" for status, count in report.statuses.items())
    notes = [f"answers: {statuses}" if statuses else "", f"note: {report.note}" if report.note else ""]
    signatures = "<br>".join(f"<code>{escape(score.signature)}</code>" for score in report.scores)
    return (
        f"<p><strong>{escape(title)}</strong></p>{_table(('score', 'value', 'interval', 'n', 'unreadable'), rows)}"
        + "".join(f"<p>{escape(note)}</p>" for note in notes if note)
        + f"<details><summary>signatures</summary>{signatures}</details>"
    )


def predictions_html(predictions: "Predictions") -> str:
    """The first answers, and how many there are."""
    rows = [
        (one.id, f"(no answer: {one.error})" if one.error else one.plain_text or _structured(one))
        for one in predictions.records.values()
    ]
    model = str(predictions.header.get("model", ""))
    return _listed(f"{len(rows)} answers{f' of {model}' if model else ''}", ("id", "answer"), rows)


def references_html(references: "References") -> str:
    """The first questions with their true answers, and how many there are."""
    from lamm_metrics.records.truth import truth_text

    records: Iterable[Mapping[str, Any]] = references.records.values()
    rows = [(str(one["id"]), str(one.get("query", "")), truth_text(one)) for one in records]
    title = f"{len(rows)} records{f' of {references.dataset}' if references.dataset else ''}"
    return _listed(title, ("id", "question", "truth"), rows)


def _structured(prediction: Any) -> str:
    names = ("boxes", "points", "number", "choice", "probabilities")
    return ", ".join(f"{name}: {value}" for name in names if (value := getattr(prediction, name)) is not None)


def _listed(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    more = f"<p>… and {len(rows) - ROWS} more</p>" if len(rows) > ROWS else ""
    return f"<p><strong>{escape(title)}</strong></p>{_table(head, rows[:ROWS])}{more}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    left = 'style="text-align: left"'
    names = "".join(f"<th {left}>{escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(f'<td {left}>{_cell(text)}</td>' for text in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>"


def _cell(text: str) -> str:
    shown = text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
    return escape(shown).replace("\n", "<br>")

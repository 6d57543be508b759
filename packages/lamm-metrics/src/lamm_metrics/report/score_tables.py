"""Every score of every report with its signature, and what the paper published."""

import tomllib
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from lamm_metrics.report.shown import Arranged, shown_name
from lamm_metrics.results.report import Report
from lamm_metrics.tables import bracketed, number


def details(arranged: Arranged) -> str:
    """Return every score of every report with its signature, folded by benchmark and within it by model."""
    names = dict.fromkeys(name for reports in arranged.values() for name in reports)
    return "\n".join(
        f"<details><summary>{escape(shown_name(name))}</summary>"
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


def _details(model: str, name: str, report: Report) -> str:
    rows = []
    for score in report.scores:
        extra = ", ".join(f"{escape(key)} {value:.4f}" for key, value in score.extra.items())
        rows.append(
            f'<tr><th scope="row">{escape(score.name)}</th><td>{number(score.value)} '
            f"<small>{bracketed(score.interval)}</small></td><td>{score.n}</td><td>{score.failure_rate:.1%}</td><td>{extra}</td>"
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


def foot(arranged: Arranged) -> str:
    """Return what one must know to repeat the scores: settings and, where they lay in files, hashes of the records."""
    rows = []
    for name in dict.fromkeys(name for reports in arranged.values() for name in reports):
        reports = [by_name[name] for by_name in arranged.values() if name in by_name]
        settings = {key: _each(report.settings.get(key) for report in reports) for key in _keys(reports)}
        digest = settings.pop("benchmark_sha256", "")
        cells = [
            _each(report.task for report in reports),
            _each(report.protocol for report in reports),
            ", ".join(f"{key} {value}" for key, value in settings.items()) or "–",
            _each(report.headline.signature.rpartition("|v:")[2] for report in reports),
        ]
        texts = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        digest = f"<td><code>{escape(digest) or 'not a file'}</code></td>"
        rows.append(f'<tr><th scope="row">{escape(shown_name(name))}</th>{texts}{digest}</tr>')
    head = "".join(
        f'<th scope="col">{column}</th>'
        for column in ("Set", "Task", "Protocol", "Settings", "Version", "SHA-256 of the records")
    )
    return (
        "<details><summary>Settings, versions and hashes</summary>"
        "<div class='wide' tabindex='0' role='region' aria-label='Settings, versions and hashes'>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div></details>"
    )


def _keys(reports: Sequence[Report]) -> list[str]:
    return list(dict.fromkeys(key for report in reports for key in report.settings))


def _each(values: Iterable[Any]) -> str:
    """Return the different values in a row."""
    return ", ".join(dict.fromkeys(str(value) for value in values if value is not None))

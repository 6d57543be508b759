"""A report as one HTML file that needs nothing else: no server, no network, no other file."""

import json
import os
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from lamm_metrics.errors import UsageError
from lamm_metrics.metric import Score, version
from lamm_metrics.report.result import Report, Sample
from lamm_metrics.report.text import number

Results = Sequence[Report] | Mapping[str, Mapping[str, Report]]
# Characters of one answer that the page shows.
LONGEST = 2000


def by_model(results: Results) -> dict[str, dict[str, Report]]:
    """Arrange reports by model, and within a model by what they are of.

    Raises:
        UsageError: There are none.
    """
    if isinstance(results, Mapping):
        arranged = {model: dict(reports) for model, reports in results.items()}
    else:
        arranged = {}
        for report in results:
            parts = (report.task, report.dataset, "paper" if report.protocol == "paper" else "")
            _place(arranged.setdefault(report.model or "model", {}), " · ".join(part for part in parts if part), report)
    if not any(arranged.values()):
        raise UsageError("Expected at least one report, got none. Score something first.")
    return arranged


def _place(reports: dict[str, Report], name: str, report: Report) -> None:
    """File a report under its name, numbered where the name is taken, so that none is lost."""
    taken = sum(1 for other in reports if other == name or other.startswith(f"{name} ("))
    reports[f"{name} ({taken + 1})" if taken else name] = report


def write_report(
    path: str | os.PathLike[str],
    results: Results,
    media_root: str | os.PathLike[str] | None = None,
    title: str = "LAMM report",
    thumbnails: Mapping[str, str] | None = None,
    max_samples: int = 2000,
) -> Path:
    """Write a report of one or several models on one or several tasks as a single HTML file.

    Args:
        path: Where to write; an existing file is replaced once the new one is complete.
        results: Reports, or reports by model and task: one column a model, so that a model stands beside the same
            model blind and beside chance.
        media_root: Folder of the media; samples then show their images from there. None shows no media files.
        title: Heading.
        thumbnails: Small pictures as `data:image/…` URIs by media path or record id; they are embedded.
        max_samples: Samples of each report that are listed, evenly spread; the page says when some are left out.

    Returns:
        The path.

    Raises:
        UsageError: There are no reports.
    """
    target = Path(path)
    arranged = by_model(results)
    root = None if media_root is None else os.path.relpath(media_root, target.parent)
    panels = [
        _panel(model, name, report, thumbnails or {}, root, max_samples)
        for model, reports in arranged.items()
        for name, report in reports.items()
    ]
    folder = files("lamm_metrics.report") / "data"
    page = Template((folder / "report.html").read_text("utf-8")).substitute(
        title=escape(title),
        style=(folder / "report.css").read_text("utf-8"),
        script=(folder / "report.js").read_text("utf-8"),
        version=escape(version()),
        headlines=_headlines(arranged),
        details="\n".join(
            _details(model, name, report) for model, rs in arranged.items() for name, report in rs.items()
        ),
        # Inside a script element only "<" could end it early.
        data=json.dumps(panels, ensure_ascii=False).replace("<", "\\u003c").replace("\u2028", "\\u2028"),
    )
    partial = target.with_name(target.name + ".partial")
    partial.write_text(page, "utf-8", errors="replace")
    os.replace(partial, target)
    return target


def _bar(score: Score) -> str:
    """A picture of a share and its interval; other numbers have no common scale and get none."""
    if score.value is None or score.interval is None or not 0 <= score.value <= 1 or score.interval[1] > 1:
        return ""
    low, high = (100 * side for side in score.interval)
    return (
        '<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="track" width="100" height="8"/><rect class="span" x="{low:.2f}" y="2" width="{high - low:.2f}" '
        f'height="4"/><rect class="mark" x="{100 * score.value - 0.5:.2f}" width="1" height="8"/></svg>'
    )


def _interval(score: Score) -> str:
    return "" if score.interval is None else f"[{number(score.interval[0])}, {number(score.interval[1])}]"


def _headlines(arranged: Mapping[str, Mapping[str, Report]]) -> str:
    """The table of headline scores: a row a task, a column a model."""
    names = list(dict.fromkeys(name for reports in arranged.values() for name in reports))
    head = "".join(f'<th scope="col">{escape(model)}</th>' for model in arranged)
    body = []
    for name in names:
        given = [reports.get(name) for reports in arranged.values()]
        headline = next(report.headline for report in given if report is not None)
        arrow = "higher is better" if headline.higher_is_better else "lower is better"
        cells = "".join("<td>–</td>" if report is None else _cell(report.headline) for report in given)
        body.append(
            f'<tr><th scope="row">{escape(name)}<br><small>{escape(headline.name)}, {arrow}</small></th>{cells}</tr>'
        )
    return f'<thead><tr><th scope="col">Task</th>{head}</tr></thead><tbody>{"".join(body)}</tbody>'


def _cell(score: Score) -> str:
    return (
        f"<td><strong>{number(score.value)}</strong> <small>{_interval(score)}</small>{_bar(score)}"
        f"<small>n = {score.n}, unreadable {score.failure_rate:.1%}</small></td>"
    )


def _details(model: str, name: str, report: Report) -> str:
    """Every score of one report with its signature."""
    rows = []
    for score in report.scores:
        extra = ", ".join(f"{escape(key)} {value:.4f}" for key, value in score.extra.items())
        rows.append(
            f'<tr><th scope="row">{escape(score.name)}</th><td>{number(score.value)} <small>{_interval(score)}</small>'
            f"{_bar(score)}</td><td>{score.n}</td><td>{score.failure_rate:.1%}</td><td>{extra}</td>"
            f"<td><code>{escape(score.signature)}</code></td></tr>"
        )
    columns = ("Score", "Value", "n", "Unreadable", "More", "Signature")
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    note = f"<p>Note: {escape(report.note)}</p>" if report.note else ""
    statuses = ", ".join(f"{escape(status)} {count}" for status, count in report.statuses.items()) or "not kept"
    return (
        f"<details><summary>{escape(name)} · {escape(model)}</summary><div class='wide' tabindex='0'><table>"
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
        f"<p>Answers by extraction status: {statuses}</p>{note}</details>"
    )


def _panel(
    model: str, name: str, report: Report, thumbnails: Mapping[str, str], root: str | None, limit: int
) -> dict[str, Any]:
    """The samples of one report for the page's script."""
    total = len(report.samples)
    step = max(1, -(-total // max(1, limit)))
    shown = [_sample(sample, thumbnails, root) for sample in report.samples[::step]]
    return {"model": model, "name": name, "total": total, "samples": shown}


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text)} characters)"


def _sample(sample: Sample, thumbnails: Mapping[str, str], root: str | None) -> dict[str, Any]:
    picture = thumbnails.get(sample.media) or thumbnails.get(sample.id) or ""
    if not picture.startswith("data:image/"):
        # Point clouds cannot be shown as pictures.
        drawable = root is not None and sample.media and not sample.media.endswith(".npy")
        picture = Path(root or "", sample.media).as_posix() if drawable else ""
    return {
        "id": sample.id,
        "group": sample.group,
        "status": sample.status,
        "value": sample.value,
        "extracted": _cut(sample.extracted),
        "query": _cut(sample.query),
        "answer": _cut(sample.answer),
        "truth": _cut(sample.truth),
        "media": sample.media,
        "picture": picture,
    }

"""A report as one HTML file that needs nothing else: no server, no network, no other file."""

import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from lamm_metrics.errors import UsageError
from lamm_metrics.records.files import write_beside
from lamm_metrics.report.findings import FIRST, Findings, findings_of
from lamm_metrics.report.leaderboard import Significance, leaderboard
from lamm_metrics.report.page_data import PageData
from lamm_metrics.report.score_tables import details, foot, published
from lamm_metrics.results.report import Report
from lamm_metrics.results.score import version
from lamm_metrics.viewer.script import viewer_script

Results = Sequence[Report] | Mapping[str, Mapping[str, Report]]
MediaRoot = str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]]
SAID = 6  # sentences of a list that are seen at once
SCRIPTS = ("dom", "board", "plots", "task", "cards", "samples")
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'{parts}; img-src data: file: 'self'"


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
            reports, name = arranged.setdefault(report.model or "model", {}), " · ".join(filter(None, parts))
            # Numbered where the name is taken, so that none is lost.
            taken = sum(1 for other in reports if other == name or other.startswith(f"{name} ("))
            reports[f"{name} ({taken + 1})" if taken else name] = report
    if not any(arranged.values()):
        raise UsageError("Expected at least one report, got none. Score something first.")
    return arranged


def write_report(
    path: str | os.PathLike[str],
    results: Results,
    media_root: MediaRoot | None = None,
    title: str = "LAMM report",
    thumbnails: Mapping[str, str] | None = None,
    max_samples: int = 100_000,
    *,
    subtitle: str = "",
    significance: "Significance | None" = None,
    against: str = FIRST,
    transcripts: Mapping[str, Mapping[str, str]] | None = None,
) -> Path:
    """Write a report of one or several models on one or several tasks as a single HTML file.

    Images (with Pillow installed) and point clouds (`.npy`) are embedded, the first of every task before the second; a
    page with more than 10,000 samples keeps them in a folder `<name>.parts` beside it.

    Args:
        path: Where to write; an existing file is replaced once the new one is complete.
        results: Reports, or reports by model and task: one column a model, so that a model stands beside the same
            model blind and beside chance.
        media_root: Folder of the media, or folders by name of the benchmark; None shows no media files.
        title: Heading.
        thumbnails: Small pictures as `data:image/…` URIs by media path or record id; they are embedded.
        max_samples: Most samples of each report that are listed, evenly spread; the page says when some are left out.
        subtitle: One sentence below the heading.
        significance: Paired comparisons, by benchmark and model.
        against: What these compare each cell with.
        transcripts: What judges said, by benchmark and record id.

    Returns:
        The path.

    Raises:
        UsageError: There are no reports.
    """
    target = Path(path)
    arranged = by_model(results)
    named = media_root if isinstance(media_root, Mapping) else {} if media_root is None else {"": media_root}
    roots = {name: Path(root) for name, root in named.items()}
    data = PageData(target, roots, thumbnails or {}, transcripts or {}, max_samples)
    embedded = data.build(arranged)
    parted = any(panel.get("parts") for panel in embedded["panels"])
    folder = files("lamm_metrics.report") / "data"
    page = Template((folder / "report.html").read_text("utf-8")).substitute(
        title=escape(title),
        subtitle=f"<p>{escape(subtitle)}</p>" if subtitle else "",
        policy=POLICY.format(parts=" file: 'self'" if parted else ""),
        style=(folder / "report.css").read_text("utf-8"),
        script="\n".join([viewer_script(), *((folder / f"{name}.js").read_text("utf-8") for name in SCRIPTS)]),
        version=escape(version()),
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        findings=_findings(findings_of(arranged, significance or {}, against)),
        foot=foot(arranged),
        paired=f"Δ is the difference from {escape(against)}, p that of a paired test with it." if significance else "",
        headlines=leaderboard(arranged, significance or {}),
        details=details(arranged),
        published=published(),
        # Inside a script element only "<" could end it early.
        data=json.dumps(embedded, ensure_ascii=False, allow_nan=False)
        .replace("<", "\\u003c")
        .replace("\u2028", "\\u2028"),
    )
    write_beside(target, [page])
    return target


def _findings(found: Findings) -> str:
    """Return the sentences as three lists, long ones folded; each says so where there is nothing to say."""
    titled = (
        ("Who is ahead", found.ahead, "Nothing to compare with: score a second model, or chance."),
        ("What could not be read", found.unread, "Every answer could be read."),
        ("What looks wrong", found.doubts, "Nothing that these checks find."),
    )
    parts = []
    for title, sentences, none in titled:
        first, rest = (sentences[:SAID], sentences[SAID:]) if len(sentences) > SAID + 1 else (sentences or [none], [])
        more = f"<details><summary>{len(rest)} more</summary>{_bullets(rest)}</details>" if rest else ""
        parts.append(f"<div><h3>{title}</h3>{_bullets(first)}{more}</div>")
    return "".join(parts)


def _bullets(sentences: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(one)}</li>' for one in sentences)}</ul>"

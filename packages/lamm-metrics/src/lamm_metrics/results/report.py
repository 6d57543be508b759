"""The result of scoring one predictions file on one task."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from html import escape
from os import PathLike
from pathlib import Path
from typing import Any

from lamm_metrics.errors import LammMetricsError
from lamm_metrics.records.files import SHOWN, parse_json, read_text
from lamm_metrics.results.score import Mark, Score
from lamm_metrics.tables import bracketed, number, table, table_html


@dataclass(frozen=True, slots=True)
class Sample:
    """One record, its answer, and how it was scored by the headline metric.

    Attributes:
        id: Identifier of the record.
        group: What makes records dependent, such as the image.
        status: How reading the answer ended.
        value: The record's own value, or None where the metric gives single records none.
        extracted: What was read from the answer.
        query: The question.
        answer: The answer.
        truth: The ground truth, as text.
        media: Path of the image or point cloud, relative to the media root.
        marks: True and answered boxes and points, for drawing.
        confidence: Probability that the model gave its answer, where the prediction states probabilities.
        system: The task's system message, where the record has one.
        detail: Why the answer could not be read; empty where it could, or where nothing more is known.
    """

    id: str
    group: str
    status: str
    value: float | None
    extracted: str
    query: str = ""
    answer: str = ""
    truth: str = ""
    media: str = ""
    marks: tuple[Mark, ...] = ()
    confidence: float | None = None
    system: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """Scores of one model on one task.

    Attributes:
        task: Task key.
        protocol: "standard" or "paper".
        scores: All scores, the headline first.
        samples: Every record with its answer; empty when they were not asked for.
        dataset: Name of the data set, where known.
        model: Name of the model, where the predictions say it.
        settings: What was chosen for this run: seed, draws, confidence and so on.
        note: What one must know to read the headline.
    """

    task: str
    protocol: str
    scores: tuple[Score, ...]
    samples: tuple[Sample, ...] = ()
    dataset: str = ""
    model: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""

    @property
    def headline(self) -> Score:
        """Return the first score."""
        return self.scores[0]

    def score(self, name: str) -> Score:
        """Return the score of a name.

        Raises:
            KeyError: There is none.
        """
        for score in self.scores:
            if score.name == name:
                return score
        raise KeyError(name)

    @property
    def statuses(self) -> dict[str, int]:
        """Return how many answers ended in each extraction status."""
        counts: dict[str, int] = {}
        for sample in self.samples:
            counts[sample.status] = counts.get(sample.status, 0) + 1
        return dict(sorted(counts.items()))

    def __str__(self) -> str:
        return _text(self)

    def _repr_html_(self) -> str:
        return _html(self)

    def to_json(self, samples: bool = False) -> dict[str, Any]:
        """Return a plain dictionary that `json.dumps` accepts.

        Args:
            samples: Include every record with its answer.
        """
        result: dict[str, Any] = {
            "lamm": "report",
            "task": self.task,
            "protocol": self.protocol,
            "dataset": self.dataset,
            "model": self.model,
            "settings": dict(self.settings),
            "note": self.note,
            "scores": [score.to_json() for score in self.scores],
            "statuses": self.statuses,
        }
        if samples:
            result["samples"] = [asdict(sample) for sample in self.samples]
        return result


def with_interval(score: Score) -> str:
    """Return a value with its interval.

    >>> with_interval(Score("accuracy", 0.5, (0.25, 0.75), 4, 0, True, ""))
    '0.5000 [0.2500, 0.7500]'
    """
    return f"{number(score.value)} {bracketed(score.interval)}".rstrip()


def _exact(value: float) -> str:
    """Return a count as a whole number, anything else to four decimals."""
    return str(value) if isinstance(value, int) else f"{value:.4f}"


def _text(report: Report) -> str:
    """Return a report as a table with the signatures below it."""
    title = " · ".join(part for part in (report.task, report.dataset, report.model, report.protocol) if part)
    rows = [["score", "value", "interval", "better", "n", "failed", "if failures right"]]
    for score in report.scores:
        interval = bracketed(score.interval) or "–"
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
    """Return the signatures, those that differ in the name alone on one line."""
    names: dict[str, list[str]] = {}
    for score in report.scores:
        names.setdefault(score.signature.removeprefix(score.name), []).append(score.name)
    return [", ".join(alike) + choices for choices, alike in names.items()]


def _html(report: Report) -> str:
    """Return every score of a report with its interval and what could not be read, then note and signatures."""
    title = " · ".join(part for part in (report.task, report.dataset, report.model, report.protocol) if part)
    rows = [
        (
            score.name,
            f"{number(score.value)} {'↑' if score.higher_is_better else '↓'}",
            bracketed(score.interval) or "–",
            str(score.n),
            f"{score.failure_rate:.1%}",
        )
        for score in report.scores
    ]
    statuses = ", ".join(f"{status} {count}" for status, count in report.statuses.items())
    notes = [f"answers: {statuses}" if statuses else "", f"note: {report.note}" if report.note else ""]
    signatures = "<br>".join(f"<code>{escape(score.signature)}</code>" for score in report.scores)
    return (
        f"<p><strong>{escape(title)}</strong></p>{table_html(('score', 'value', 'interval', 'n', 'unreadable'), rows)}"
        + "".join(f"<p>{escape(note)}</p>" for note in notes if note)
        + f"<details><summary>signatures</summary>{signatures}</details>"
    )


def _sample(written: Mapping[str, Any]) -> Sample:
    marks = tuple(Mark(kind, tuple(map(float, numbers)), *rest) for kind, numbers, *rest in written.get("marks", ()))
    return Sample(**{**written, "marks": marks})


def _report(written: Mapping[str, Any]) -> Report:
    return Report(
        task=written["task"],
        protocol=written["protocol"],
        scores=tuple(Score.from_json(score) for score in written["scores"]),
        samples=tuple(_sample(sample) for sample in written.get("samples", [])),
        dataset=written["dataset"],
        model=written["model"],
        settings=written["settings"],
        note=written["note"],
    )


def read_reports(path: str | PathLike[str]) -> list[Report]:
    """Read a file of one report or a list of reports.

    Raises:
        LammMetricsError: The file holds something else.
    """
    try:
        parsed = parse_json(read_text(Path(path)))
        return [_report(written) for written in (parsed if isinstance(parsed, list) else [parsed])]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise LammMetricsError(
            f"Expected a report that `lamm metrics score --json` wrote, got something else ({path}: {error}). "
            "Score again with --output NAME.json."
        ) from error

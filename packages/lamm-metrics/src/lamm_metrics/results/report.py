"""The result of scoring one predictions file on one task."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from html import escape
from importlib import import_module
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import Any

from lamm_metrics.errors import LammMetricsError, UsageError
from lamm_metrics.records.files import SHOWN, parse_json, read_text
from lamm_metrics.results.score import Mark, Score, checked
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
        return {score.name: score for score in self.scores}[name]

    @property
    def statuses(self) -> dict[str, int]:
        """Return how many answers ended in each extraction status."""
        return dict(sorted(Counter(sample.status for sample in self.samples).items()))

    @property
    def unread(self) -> tuple[Sample, ...]:
        """Return the samples whose answer could not be read; `detail` of each says why."""
        return tuple(sample for sample in self.samples if sample.status != "ok")

    def __str__(self) -> str:
        return self.text()

    def text(self, *, verbose: bool = False) -> str:
        """Return the scores as a table of text, with what was not read and what one must know.

        Args:
            verbose: Also the score if every unread answer were right, further numbers about each, and the signatures.
        """
        rows = [["score", "", "value", "interval", "n", "unread", *(["if unread right"] if verbose else [])]]
        for score in self.scores:
            arrow = "↑" if score.higher_is_better else "↓"
            interval = bracketed(score.interval) or "–"
            best = [number(score.extra.get("failures_right"))] if verbose else []
            rows.append(
                [score.name, arrow, number(score.value), interval, str(score.n), f"{score.failure_rate:.1%}", *best]
            )
        unread = [
            f"{sample.id[:80]!r} ({sample.status}{f': {sample.detail}' if sample.detail else ''})"
            for sample in self.unread
        ]
        more = f", … ({len(unread)} in all)" if len(unread) > SHOWN else ""
        listed = f"unread: {', '.join(unread[:SHOWN])}{more}" if unread else ""
        answers, note = self._notes()
        parts = [self._title(), table(rows), answers if unread or verbose else "", listed, note]
        parts += [self._extras(), self._signatures()] if verbose else []
        return "\n\n".join(part for part in parts if part)

    def _extras(self) -> str:
        """Return the further numbers about each score, a line a score."""
        extras: list[str] = []
        for score in self.scores:
            # Numbers such as `ap/cat` stand together, apart from those of the whole.
            lines: dict[str, list[str]] = {}
            for key, value in score.extra.items():
                kind, slash, one = key.partition("/")
                lines.setdefault(f" ({kind} of each)" if slash else "", []).append(f"{one or key} {_exact(value)}")
            extras += [f"{score.name}{kind}: {', '.join(listed)}" for kind, listed in lines.items()]
        return "\n".join(extras)

    def _signatures(self) -> str:
        """Return the signatures; those that differ in the name alone share a line."""
        names: dict[str, list[str]] = {}
        for score in self.scores:
            names.setdefault(score.signature.removeprefix(score.name), []).append(score.name)
        return "\n".join(", ".join(alike) + choices for choices, alike in names.items())

    def _repr_html_(self) -> str:
        rows = [
            (
                score.name,
                f"{number(score.value)} {'↑' if score.higher_is_better else '↓'}",
                bracketed(score.interval) or "–",
                str(score.n),
                f"{score.failure_rate:.1%}",
            )
            for score in self.scores
        ]
        signatures = "<br>".join(f"<code>{escape(score.signature)}</code>" for score in self.scores)
        head = ("score", "value", "interval", "n", "unread")
        return (
            f"<p><strong>{escape(self._title())}</strong></p>{table_html(head, rows)}"
            + "".join(f"<p>{escape(note)}</p>" for note in self._notes() if note)
            + f"<details><summary>signatures</summary>{signatures}</details>"
        )

    def _title(self) -> str:
        return " · ".join(part for part in (self.task, self.dataset, self.model, self.protocol) if part)

    def _notes(self) -> tuple[str, str]:
        """Return how reading ended and what one must know, each empty where there is nothing to say."""
        statuses = ", ".join(f"{status} {count}" for status, count in self.statuses.items())
        return f"answers: {statuses}" if statuses else "", f"note: {self.note}" if self.note else ""

    def to_frame(self, library: str = "", *, samples: bool = False) -> Any:
        """Return the scores as a frame, see `results_frame`."""
        return results_frame([self], library, samples=samples)

    def to_json(self, samples: bool = False) -> dict[str, Any]:
        """Return a plain dictionary that `json.dumps` accepts.

        Args:
            samples: Include every record with its answer; without it, the unread ones with the reason.
        """
        result: dict[str, Any] = {
            "lamm": "report",
            **{name: getattr(self, name) for name in ("task", "protocol", "dataset", "model")},
            "settings": dict(self.settings),
            "note": self.note,
            "scores": [score.to_json() for score in self.scores],
            "statuses": self.statuses,
        }
        if samples:
            return {**result, "samples": [asdict(sample) for sample in self.samples]}
        return {**result, "unread": [{"id": one.id, "status": one.status, "detail": one.detail} for one in self.unread]}


LIBRARIES = ("pandas", "polars")


def results_frame(reports: Mapping[str, Report] | Iterable[Report], library: str = "", *, samples: bool = False) -> Any:
    """Return the scores of reports as one frame, a row a score, the headline of each report first.

    Args:
        reports: One or several, such as those that `read_reports` returns; a mapping names their models.
        library: "pandas" or "polars"; whichever is installed, pandas first, when empty.
        samples: Return a row a sample instead: each record with its answer, and how that was read.

    Raises:
        UsageError: No such library.
        LammMetricsError: It is not installed.
    """
    if library not in ("", *LIBRARIES):
        raise UsageError(f"Expected pandas or polars, got {library!r}. Choose one of them.")
    found = next((name for name in LIBRARIES if library in ("", name) and find_spec(name)), None)
    if found is None:
        wanted = library or LIBRARIES[0]
        raise LammMetricsError(
            f"Expected {library or ' or '.join(LIBRARIES)}, got none. Install it: pip install {wanted}."
        )
    named = reports.items() if isinstance(reports, Mapping) else [(report.model, report) for report in reports]
    rows = [
        {"model": model, "task": report.task, "dataset": report.dataset, "protocol": report.protocol, **row}
        for model, report in named
        for row in (map(_sample_row, report.samples) if samples else map(_score_row, report.scores))
    ]
    return import_module(found).DataFrame(rows)


def _score_row(score: Score) -> dict[str, Any]:
    low, high = score.interval or (None, None)
    named = {
        "score": score.name,
        "value": score.value,
        "low": low,
        "high": high,
        "n": score.n,
        "unread": score.n_failed,
    }
    return {**named, "higher_is_better": score.higher_is_better, "signature": score.signature}


def _sample_row(sample: Sample) -> dict[str, Any]:
    return {key: value for key, value in asdict(sample).items() if key not in ("marks", "system")}


def _exact(value: float) -> str:
    """Return a count as a whole number, anything else to four decimals."""
    return str(value) if isinstance(value, int) else f"{value:.4f}"


def _sample(written: Mapping[str, Any]) -> Sample:
    marks = tuple(Mark(kind, tuple(map(float, numbers)), *rest) for kind, numbers, *rest in written.get("marks", ()))
    return checked(Sample(**{**written, "marks": marks}))


def _report(written: Mapping[str, Any]) -> Report:
    scores = tuple(Score.from_json(score) for score in written["scores"])
    samples = tuple(_sample(sample) for sample in written.get("samples", []))
    own = {name: written[name] for name in ("task", "protocol", "dataset", "model", "settings", "note")}
    return checked(Report(scores=scores, samples=samples, **own))


def read_reports(path: str | PathLike[str]) -> list[Report]:
    """Read a file of one report or a list of reports.

    Raises:
        LammMetricsError: The file holds something else.
    """
    try:
        parsed = parse_json(read_text(Path(path)))
        return [_report(written) for written in (parsed if isinstance(parsed, list) else [parsed])]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError) as error:
        raise LammMetricsError(
            f"Expected a report that `lamm metrics score --json` wrote, got something else ({path}: {error}). "
            "Score again with --output NAME.json."
        ) from error

"""The result of scoring one predictions file on one task."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from lamm_metrics.results.score import Mark, Score


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
        """The first score."""
        return self.scores[0]

    def score(self, name: str) -> Score:
        """The score of a name.

        Raises:
            KeyError: There is none.
        """
        for score in self.scores:
            if score.name == name:
                return score
        raise KeyError(name)

    @property
    def statuses(self) -> dict[str, int]:
        """How many answers ended in each extraction status."""
        counts: dict[str, int] = {}
        for sample in self.samples:
            counts[sample.status] = counts.get(sample.status, 0) + 1
        return dict(sorted(counts.items()))

    def __str__(self) -> str:
        from lamm_metrics.report.text import report_text

        return report_text(self)

    def _repr_html_(self) -> str:
        from lamm_metrics.report.notebook import report_html

        return report_html(self)

    def to_json(self, samples: bool = False) -> dict[str, Any]:
        """A plain dictionary that `json.dumps` accepts.

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

"""What a run of the GPT Metric found, as text and as JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from lamm_metrics.results.score import Score
from lamm_metrics.tables import with_interval


@dataclass(frozen=True, slots=True)
class JudgeReport:
    """What one judge, or all together, said.

    Attributes:
        judge: Name of the judge.
        scores: All scores; in absolute mode the grades first, else the win rates.
        verdicts: Verdicts that were asked for.
        unscored: How many of them are unscored, by reason.
    """

    judge: str
    scores: tuple[Score, ...]
    verdicts: int
    unscored: Mapping[str, int]

    def score(self, name: str) -> Score:
        """The score of a name.

        Raises:
            KeyError: There is none.
        """
        return {score.name: score for score in self.scores}[name]

    def to_json(self) -> dict[str, Any]:
        """Return a plain dictionary that `json.dumps` accepts."""
        return {**asdict(self), "scores": [score.to_json() for score in self.scores]}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a run found.

    Attributes:
        mode: One of the modes.
        models: The judged models.
        records: Number of records judged.
        reports: One a judge; the first is all judges together where there are several.
        agreement: Krippendorff's alpha across judges; None with one judge.
        requests: Requests sent and answered from the cache, failures by kind, and as `possibly_paid_twice` the sendings
            of requests of which an earlier sending may have been billed although its answer never arrived.
        cost: US dollars of all replies in the cache; None where a price is unknown.
        unsent: Verdicts that are missing because the money was spent or requests failed; asked for by another run.
        settings: What was chosen.
    """

    mode: str
    models: tuple[str, ...]
    records: int
    reports: tuple[JudgeReport, ...]
    agreement: Score | None
    requests: Mapping[str, int]
    cost: float | None
    unsent: int
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def scores(self) -> tuple[Score, ...]:
        """The scores of the first report."""
        return self.reports[0].scores

    def score(self, name: str) -> Score:
        """A score of the first report.

        Raises:
            KeyError: There is none.
        """
        return self.reports[0].score(name)

    def to_json(self) -> dict[str, Any]:
        """Return a plain dictionary that `json.dumps` accepts."""
        own = {
            "models": list(self.models),
            "reports": [report.to_json() for report in self.reports],
            "agreement": None if self.agreement is None else self.agreement.to_json(),
        }
        return {"lamm": "judgement", **asdict(self), **own}

    def __str__(self) -> str:
        lines = [f"GPT Metric · {self.mode} · {self.records} records · {', '.join(self.models)}"]
        for report in self.reports:
            unscored = sum(report.unscored.values())
            why = ", ".join(f"{reason} {count}" for reason, count in report.unscored.items())
            lines += [
                "",
                f"{report.judge}: {report.verdicts} verdicts, {unscored} unscored{f' ({why})' if why else ''}",
            ]
            width = max((len(score.name) for score in report.scores), default=0)
            lines += [f"  {score.name:<{width}}  {_number(score)}" for score in report.scores]
        if self.agreement is not None:
            lines += ["", f"{self.agreement.name}  {_number(self.agreement)}"]
        cost = "unknown" if self.cost is None else f"{self.cost:.4f} USD"
        traffic = ", ".join(f"{count} {name}" for name, count in self.requests.items())
        return "\n".join(
            [*lines, "", f"requests: {traffic}; cost: {cost}", *[score.signature for score in self.scores[:1]]]
        )


def _number(score: Score) -> str:
    return f"{with_interval(score.value, score.interval)}  n={score.n - score.n_failed}"

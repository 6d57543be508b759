"""What a changed benchmark says of a model (ChEF, arXiv 2311.02692): differences, kept choices, kept shares of a score.

ChEF's ratios divide by the distance from chance and explode or change their sign near it. Here the difference with its
paired interval comes first, and a ratio is given only where the base score is clear of chance.
"""

from dataclasses import asdict, dataclass
from typing import Any

from lamm_metrics.answers.kinds import answers_of
from lamm_metrics.comparison.paired import Comparison, compare_metrics
from lamm_metrics.errors import LammMetricsError
from lamm_metrics.metrics.base import Metric
from lamm_metrics.records.predictions import Prediction, PredictionSource, read_predictions
from lamm_metrics.records.tasks import References, ReferenceSource, pair, read_references
from lamm_metrics.records.truth import Reference, labels_of, letter
from lamm_metrics.results.score import Score
from lamm_metrics.scoring import gather, metrics_for
from lamm_metrics.statistics import wilson


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its interval."""

    value: float
    interval: tuple[float, float] | None
    n: int


@dataclass(frozen=True, slots=True)
class Variation:
    """How a model fares on a variant of a benchmark file, against the file itself.

    Attributes:
        task: Task key.
        base: Headline score on the records of the base file that the variant kept.
        variant: Headline score on the variant.
        comparison: The paired comparison, None where too few records allow none.
        why: Why there is no comparison; empty where there is one.
        same_choice: Share of records with the same option or class chosen as in the base file (ChEF's MR, of choices
            and not of letters); None for open tasks. Unread answers count as another choice.
    """

    task: str
    base: Score
    variant: Score
    comparison: Comparison | None
    why: str = ""
    same_choice: Share | None = None

    def retained(self, chance: Score) -> Share | None:
        """Return the share of the base score's distance from chance that the variant keeps (ChEF's RRM and RIAM).

        `(variant - chance) / (base - chance)`, its interval that of the difference on the same scale, the distance
        taken as it is. None unless the base score's whole interval lies on the good side of chance's.

        Args:
            chance: Chance's score on the base file.
        """
        if self.comparison is None or not clear_of_chance(self.base, chance):
            return None
        distance = float(self.base.value or 0.0) - float(chance.value or 0.0)
        interval = self.comparison.interval
        sides = None if interval is None else sorted(1 + side / distance for side in interval)
        return Share(
            1 + self.comparison.difference / distance, None if sides is None else (sides[0], sides[1]), self.base.n
        )

    def to_json(self) -> dict[str, Any]:
        """Return a plain dictionary that `json.dumps` accepts."""
        own = {
            "base": self.base.to_json(),
            "variant": self.variant.to_json(),
            "comparison": None if self.comparison is None else self.comparison.to_json(),
        }
        return {**asdict(self), **own}


def clear_of_chance(score: Score, chance: Score) -> bool:
    """Return whether a score's whole interval is better than chance's whole interval.

    >>> from lamm_metrics.results.score import Score
    >>> def made(low, value, high):
    ...     return Score("accuracy", value, (low, high), 100, 0, True, "")
    >>> clear_of_chance(made(0.6, 0.7, 0.8), made(0.2, 0.25, 0.3))
    True
    >>> clear_of_chance(made(0.2, 0.3, 0.4), made(0.2, 0.25, 0.3))
    False
    """
    if score.interval is None or chance.interval is None:
        return False
    if score.higher_is_better:
        return score.interval[0] > chance.interval[1]
    return score.interval[1] < chance.interval[0]


def vary(
    task: str,
    base: tuple[ReferenceSource, PredictionSource],
    variant: tuple[ReferenceSource, PredictionSource],
    protocol: str = "standard",
    *,
    seed: int = 0,
    draws: int = 2000,
    confidence: float = 0.95,
    **options: Any,
) -> Variation:
    """Compare a model's answers to a variant of a benchmark file with its answers to the file itself, record by record.

    Args:
        task: Task key.
        base: References and predictions of the base file.
        variant: Those of the variant, whose ids are some of the base file's.
        protocol: "standard" or "paper".
        seed: Seed of the resampling.
        draws: Draws of the bootstrap and of the test.
        confidence: Coverage of the intervals.
        options: Options of the metric, as for `score`.

    Raises:
        FileFaultsError: Faulty files.
        LammMetricsError: The variant holds records that the base file lacks.
    """
    changed = read_references(variant[0], task)
    whole = read_references(base[0], task)
    strange = changed.records.keys() - whole.records.keys()
    if strange:
        raise LammMetricsError(
            f"Expected a variant of {whole.source}, got records of other ids, {sorted(strange)[0]!r} first. "
            "Give the file that the variant was made from."
        )
    unchanged = References({key: whole.records[key] for key in changed.records}, whole.source, whole.dataset)
    plain = {key: answer for key, answer in pair(whole, read_predictions(base[1])).items() if key in unchanged.records}
    varied = pair(changed, read_predictions(variant[1]))
    metrics: list[Metric[Any]] = []
    for references, answers in ((unchanged, plain), (changed, varied)):
        # One closed label set for both: the variant's own might be smaller.
        metric = metrics_for(task, whole, protocol, **options)[0]
        gather([metric], references, answers)
        metrics.append(metric)
    scores = [metric.compute(seed=seed, draws=draws, confidence=confidence)[0] for metric in metrics]
    comparison, why = None, ""
    try:
        comparison = compare_metrics(task, metrics[0], metrics[1], seed=seed, draws=draws, confidence=confidence)
    except LammMetricsError as fault:
        why = str(fault)
    same = same_choices(task, (unchanged, plain), (changed, varied), confidence)
    return Variation(task, scores[0], scores[1], comparison, why, same)


def same_choices(
    task: str,
    base: tuple[References, dict[str, Prediction]],
    variant: tuple[References, dict[str, Prediction]],
    confidence: float = 0.95,
) -> Share | None:
    """Return the share of records with the same option or class chosen, with Wilson's interval; None for open tasks."""
    read = answers_of(task).read
    if read is None or not variant[0].records:
        return None
    labels = labels_of(list(base[0].records.values()))
    same = 0
    for key, record in variant[0].records.items():
        before = _chosen(base[0].records[key], read(base[0].records[key], base[1][key], labels).given)
        same += bool(before) and before == _chosen(record, read(record, variant[1][key], labels).given)
    count = len(variant[0].records)
    return Share(same / count, wilson(same, count, confidence), count)


def _chosen(record: Reference, given: str) -> str:
    """Return what was chosen: the option's text where its letter was read, which stands elsewhere in a variant."""
    options = record.get("gt_choices", ())
    return next((str(option) for index, option in enumerate(options) if letter(index) == given), given)

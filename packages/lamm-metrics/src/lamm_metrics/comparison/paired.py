"""Does one model score better than another? Paired tests on the same records, and how many records that would take."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.errors import LammMetricsError
from lamm_metrics.metrics.additive import AdditiveMetric
from lamm_metrics.metrics.base import Metric
from lamm_metrics.records.predictions import PredictionSource, read_predictions, run_names
from lamm_metrics.records.tasks import ReferenceSource, pair, read_references, task_of_references
from lamm_metrics.results.score import Score
from lamm_metrics.scoring import Progress, gather, metrics_for, remarks_of
from lamm_metrics.statistics import (
    bootstrap_p_value,
    detectable_difference,
    percentile_interval,
    permutation_p_value,
    swap_masks,
)
from lamm_metrics.tables import with_interval

POWER = 0.8
# Bootstrap intervals of fewer groups are known to be too narrow.
FEW = 20


@dataclass(frozen=True, slots=True)
class Comparison:
    """The difference between two models on the same records.

    Attributes:
        task: Task key.
        first: Headline score of the first model.
        second: Headline score of the second model.
        difference: Second minus first.
        interval: Interval of the difference, from a paired bootstrap over groups.
        p_value: Two-sided, of no difference.
        test: "permutation" swaps whole groups between the models; "bootstrap" inverts the interval of the difference,
            for metrics such as AP in which records cannot be swapped by sums.
        standard_error: Of the difference, from the bootstrap.
        detectable: Smallest true difference found with 80 % power by as many groups; None where the metric leaves no
            room for it, or nothing varies.
        groups: Number of groups.
        groups_needed: Groups with which a true difference as large as this one is found with 80 % power; None where
            there is no difference.
        confidence: Coverage of the interval.
        draws: Draws of the bootstrap and of the test.
        seed: Seed of both.
        names: What the two runs are called.
        note: What one must know before the scores are believed.
    """

    task: str
    first: Score
    second: Score
    difference: float
    interval: tuple[float, float] | None
    p_value: float
    test: str
    standard_error: float
    detectable: float | None
    groups: int
    groups_needed: int | None
    confidence: float
    draws: int
    seed: int
    names: tuple[str, str] = ("first", "second")
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return a plain dictionary that `json.dumps` accepts."""
        return {**asdict(self), "first": self.first.to_json(), "second": self.second.to_json()}

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote."""
        scores = {side: Score.from_json(written[side]) for side in ("first", "second")}
        low_high = written["interval"]
        interval = None if low_high is None else (float(low_high[0]), float(low_high[1]))
        first, second = written.get("names", ("first", "second"))
        return cls(**{**written, **scores, "interval": interval, "names": (first, second)})

    def __str__(self) -> str:
        return self.text()

    def text(self, *, verbose: bool = False) -> str:
        """Return the two scores, their difference and how much it says; the signatures too where `verbose`."""
        interval = "" if self.interval is None else f" [{self.interval[0]:+.4f}, {self.interval[1]:+.4f}]"
        better = "higher" if self.first.higher_is_better else "lower"
        power = f"{self.groups} groups find a difference of {self.detectable or 0:.4f} in {POWER:.0%} of cases"
        power = power if self.detectable else f"{self.groups} groups allow none to be stated"
        needed = "no number of" if self.groups_needed is None else f"about {self.groups_needed}"
        width = max(map(len, (*self.names, "difference"))) + 2
        scores = (self.first, self.second)
        rows = [
            f"{name:<{width}}{with_interval(score.value, score.interval)}  n={score.n} unread={score.failure_rate:.1%}"
            for name, score in zip(self.names, scores, strict=True)
        ]
        signatures = dict.fromkeys(score.signature for score in scores) if verbose else ()
        few = [f"{'caution':<{width}}{self.groups} groups are few: intervals are narrower than they should be"]
        return "\n".join(
            [
                f"{self.task} · {self.first.name} ({better} is better)",
                *rows,
                f"{'difference':<{width}}{self.difference:+.4f}{interval}  p = {self.p_value:.4g} "
                f"(paired {self.test}, {self.draws} draws)",
                f"{'power':<{width}}{power}; {needed} groups would find the one observed",
                *(few if self.groups < FEW else []),
                *([f"{'note':<{width}}{self.note}"] if self.note else []),
                *signatures,
            ]
        )


def _permuted(first: AdditiveMetric[Any], second: AdditiveMetric[Any], draws: int, seed: int) -> NDArray[np.float64]:
    """Return the differences of the headline after swapping random groups between the models, [draws]."""
    one, two = first.group_sums(), second.group_sums()
    change, sums = two - one, (one.sum(axis=0), two.sum(axis=0))
    found = []
    with np.errstate(divide="ignore", invalid="ignore"):
        for mask in swap_masks(len(one), draws, seed):
            moved = mask @ change
            found.append(second.values(sums[1] - moved)[:, 0] - first.values(sums[0] + moved)[:, 0])
    return np.concatenate(found)


def compare_metrics(
    task: str,
    first: Metric[Any],
    second: Metric[Any],
    *,
    seed: int = 0,
    draws: int = 10_000,
    confidence: float = 0.95,
) -> Comparison:
    """Compare two metrics of one kind that have read the same records; arguments as for `compare`.

    Raises:
        LammMetricsError: The records differ, there are fewer than two groups, or a score is undefined.
    """
    if first.entries.keys() != second.entries.keys():
        raise LammMetricsError(
            "Expected both models to answer the same records, got different ids. Score both on one file."
        )
    groups = len(first.groups())
    one, two = (metric.compute(seed=seed, draws=draws, confidence=confidence)[0] for metric in (first, second))
    if groups < 2 or one.value is None or two.value is None:
        raise LammMetricsError(
            f"Expected at least two groups and defined scores, got {groups} groups. Use more records."
        )
    # The same groups are drawn for both models.
    differences = second.drawn(seed, draws)[:, 0] - first.drawn(seed, draws)[:, 0]
    bootstrapped = differences[~np.isnan(differences)]
    difference = two.value - one.value
    if isinstance(first, AdditiveMetric) and isinstance(second, AdditiveMetric) and first.exchangeable:
        test, p_value = "permutation", permutation_p_value(difference, _permuted(first, second, draws, seed))
    else:
        test, p_value = "bootstrap", bootstrap_p_value(bootstrapped)
    error = float(bootstrapped.std(ddof=1))
    least = detectable_difference(error, confidence, POWER)
    # Two groups are the least that any test compares.
    needed = max(2, int(np.ceil(groups * (least / difference) ** 2))) if difference else None
    # No model can differ from the first by more than the metric leaves room for.
    room = max(one.value, first.specs()[0].limit - one.value)
    return Comparison(
        task=task,
        first=one,
        second=two,
        difference=difference,
        interval=percentile_interval(bootstrapped, confidence),
        p_value=p_value,
        test=test,
        standard_error=error,
        detectable=least if 0 < least <= room else None,
        groups=groups,
        groups_needed=needed,
        confidence=confidence,
        draws=draws,
        seed=seed,
    )


def _both(progress: Progress, at: int, done: int, total: int) -> None:
    """Count the answers of both models as one work."""
    progress(at * total + done, 2 * total)


def compare(
    task: str | None,
    references: ReferenceSource,
    first: PredictionSource,
    second: PredictionSource,
    protocol: str = "standard",
    *,
    seed: int = 0,
    draws: int = 10_000,
    confidence: float = 0.95,
    missing: str = "error",
    metrics: tuple[str, ...] = (),
    progress: Progress | None = None,
    **options: Any,
) -> Comparison:
    """Compare two models' answers to the same records by the task's headline score.

    Args:
        task: A task key; None where the records or their file's name tell it.
        references: Benchmark records, or the path of their file; see `read_references`.
        first: Answers of the first model, or the path of their file; see `read_predictions`.
        second: Answers of the second model.
        protocol: "standard" or "paper".
        seed: Seed of the resampling.
        draws: Draws of the bootstrap and of the test.
        confidence: Coverage of the interval of the difference.
        missing: "error" refuses records without an answer; "failed" counts them as answers that cannot be read.
        metrics: The metric to compare by, in place of the task's first.
        progress: Called with the answers read so far and their number, now and then.
        options: Options of the metric, as for `score`.

    Raises:
        LammMetricsError: Faulty files, or too little to compare.
    """
    truth = read_references(references, task)
    task = task or task_of_references(truth)
    found, runs, notes = [], [], []
    for at, (source, side) in enumerate(((first, "first"), (second, "second"))):
        metric = metrics_for(task, truth, protocol, metrics, **options)[0]
        answers = read_predictions(source)
        paired = pair(truth, answers, missing)
        gather([metric], truth, paired, partial(_both, progress, at) if progress else None)
        notes.append(remarks_of(metric, truth.records, paired))
        found.append(metric)
        runs.append(replace(answers, name=answers.name or side))
    one, other = run_names(runs)
    compared = compare_metrics(task, *found, seed=seed, draws=draws, confidence=confidence)
    remarks = (f"{name}: {remark}" for name, own in zip((one, other), notes, strict=True) for remark in own)
    return replace(compared, names=(one, other), note="; ".join(remarks))

"""Expected calibration error: do answers given with 80 % confidence turn out right 80 % of the time?"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.answers.kinds import reader_of
from lamm_metrics.errors import UsageError
from lamm_metrics.extraction import Status
from lamm_metrics.metrics.additive import AdditiveMetric
from lamm_metrics.metrics.base import OK, labels_setting
from lamm_metrics.metrics.registry import one_of
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import Reference
from lamm_metrics.results.score import ScoreSpec

Binning = Literal["width", "mass"]


class Belief(NamedTuple):
    """How sure an answer was, NaN where it did not say, and whether it was right."""

    confidence: float
    correct: bool


def equal_width_bins(confidence: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    """The bin of each confidence among equally wide, right-closed ones; 0 falls into the first (arXiv 1706.04599).

    Args:
        confidence: From 0 to 1, [N].
        bins: Number of bins.

    Returns:
        Indices of bins, [N].

    >>> equal_width_bins(np.array([0.0, 0.1, 0.11, 1.0]), 10).tolist()
    [0, 0, 1, 9]
    """
    edges = np.linspace(0, 1, bins + 1)[1:-1]
    return np.searchsorted(edges, confidence, side="left")


class CalibrationError(AdditiveMetric[Belief]):
    """ECE = sum over bins of (share of answers) * |mean confidence - accuracy|, and the Brier score of the top answer.

    "width" takes 15 equally wide right-closed bins (Guo et al. 2017); "mass" takes 10 bins that hold equally many
    answers, as ChEF does. Within "mass", answers of equal confidence are interchangeable: each counts with the mean
    outcome of them all, so that the order of the file cannot matter. Confidence is the largest of the prediction's
    `probabilities`; answers without it are failed and left out.

    >>> metric = CalibrationError("vqa")
    >>> record = {"id": 1, "gt_choice": 0, "gt_choices": ["red", "blue"]}
    >>> metric.update(record, Prediction("1", probabilities=[0.9, 0.1]))
    >>> round(metric.compute()[0].value, 9)
    0.1
    """

    name = "ece"
    higher_is_better = False

    def __init__(
        self,
        task: str = "vqa",
        labels: Sequence[str] = (),
        binning: Binning = "width",
        bins: int | None = None,
    ) -> None:
        """Choose a variant.

        Args:
            task: A task with closed answers.
            labels: The closed label set, for records that do not carry their own.
            binning: "width" or "mass".
            bins: Number of bins; 15 of equal width or 10 of equal mass if None.
        """
        super().__init__()
        one_of("binning", binning, Binning)
        if bins is not None and bins < 1:
            raise UsageError(f"Expected at least one bin, got {bins}. Choose a larger number.")
        self.task, self.labels, self.binning = task, list(labels), binning
        self.bins = (15 if binning == "width" else 10) if bins is None else bins
        self._read = reader_of(task)

    def settings(self) -> dict[str, object]:
        """The choices of the signature."""
        closed = "right" if self.binning == "width" else "ties_shared"
        bins = f"{self.bins}equal_{self.binning}"
        return {"task": self.task, "bins": bins, "closed": closed, "failed": "left_out", **labels_setting(self.labels)}

    def update(self, reference: Reference, prediction: Prediction) -> None:
        """Read one answer with its confidence."""
        answer = self._read(reference, prediction, self.labels)
        confident = answer.confidence is not None and answer.status == OK
        belief = Belief(float(answer.confidence or 0.0) if confident else float("nan"), answer.correct)
        why = answer.detail if answer.status != OK else "no probabilities are stated"
        self.keep(reference, answer.status if confident else Status.NONE, belief, why)

    @property
    def exchangeable(self) -> bool:
        """Return whether bins stand still; those of equal mass follow all answers of a model."""
        return self.binning == "width"

    def _bins(self, confidence: NDArray[np.float64]) -> NDArray[np.int64]:
        if self.binning == "width":
            return equal_width_bins(confidence, self.bins)
        rank = np.empty(len(confidence), np.int64)
        rank[np.argsort(confidence, kind="stable")] = np.arange(len(confidence))
        # As numpy.array_split does: the first bins take one more.
        sizes = [len(part) for part in np.array_split(np.arange(len(confidence)), self.bins)]
        return np.searchsorted(np.cumsum(sizes), rank, side="right")

    def rows(self, states: Sequence[Belief]) -> NDArray[np.float64]:
        """Return per record: its count, confidence and outcome in the columns of its bin; squared error and 1."""
        beliefs = np.array(states, np.float64).reshape(-1, 2)
        table = np.zeros((len(beliefs), 3 * self.bins + 2))
        known = np.flatnonzero(~np.isnan(beliefs[:, 0]))
        confidence, outcome = beliefs[known, 0], beliefs[known, 1]
        if self.binning == "mass":
            _, tied = np.unique(confidence, return_inverse=True)
            shared = np.bincount(tied, weights=outcome) / np.maximum(np.bincount(tied), 1)
            outcome = shared[tied]
        bins = self._bins(confidence)
        table[known, bins] = 1.0
        table[known, self.bins + bins] = confidence
        table[known, 2 * self.bins + bins] = outcome
        table[known, -2] = (confidence - beliefs[known, 1]) ** 2
        table[known, -1] = 1.0
        return table

    def values(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """ECE and the Brier score."""
        confidence, outcome = (sums[..., i * self.bins : (i + 1) * self.bins] for i in (1, 2))
        error = np.abs(confidence - outcome).sum(axis=-1)
        return np.stack([error, sums[..., -2]], axis=-1) / sums[..., -1:]

    def specs(self) -> Sequence[ScoreSpec]:
        """Return ECE first."""
        return [ScoreSpec(name, higher_is_better=False, most=1.0) for name in (f"ece_{self.binning}", "brier_top")]

    def sample_value(self, state: Belief) -> float | None:
        """The confidence."""
        return None if np.isnan(state.confidence) else state.confidence

    def shown(self, state: Belief) -> str:
        """Right or wrong."""
        return "right" if state.correct else "wrong"

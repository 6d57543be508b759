"""POPE's set of numbers for yes/no questions about objects (arXiv 2305.10355)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.answers.closed import read_yes_no
from lamm_metrics.errors import LammMetricsError
from lamm_metrics.metrics.additive import AdditiveMetric
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import YES_NO, Reference, record_id, truth_label
from lamm_metrics.results.score import ScoreSpec


class Verdict(NamedTuple):
    """The true answer and the given one, empty where it could not be read."""

    truth: str
    given: str


class YesNo(AdditiveMetric[Verdict]):
    """Accuracy, precision, recall and F1 of "yes", and the share of "yes".

    An answer that cannot be read is wrong and is no "yes"; precision and F1 are 0 where nothing was ever affirmed.

    >>> metric = YesNo()
    >>> metric.update({"id": 1, "label": "yes"}, Prediction("1", probabilities={"yes": 0.9, "no": 0.1}))
    >>> metric.compute()[0].value
    1.0
    """

    name = "yes_no"
    needs = ("label", "attr")

    def settings(self) -> dict[str, object]:
        """The choices of the signature."""
        return {"positive": "yes", "failed": "wrong"}

    def update(self, reference: Reference, prediction: Prediction) -> None:
        """Read one answer.

        Raises:
            LammMetricsError: The truth is neither yes nor no, or the record was read before.
        """
        truth = YES_NO.get(truth_label(reference).strip().lower())
        if truth is None:
            got = truth_label(reference)[:80]
            raise LammMetricsError(
                f"Expected yes or no as the truth of record {record_id(reference)!r}, got {got!r}. "
                "Choose a metric that fits the records."
            )
        answer = read_yes_no(reference, prediction, ())
        self.keep(reference, answer.status, Verdict(truth, answer.given), answer.detail)

    def row(self, state: Verdict) -> Sequence[float]:
        """Right answers, true positives, given positives, actual positives, answers."""
        right = float(state.truth == state.given)
        positive = float(state.truth == "yes")
        return right, right * positive, float(state.given == "yes"), positive, 1.0

    def row_if_right(self, state: Verdict) -> Sequence[float]:
        """Return the row of the true answer."""
        return self.row(state._replace(given=state.truth))

    def values(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """The five scores, in the order of `specs`."""
        right, hits, given, positive, n = np.moveaxis(sums, -1, 0)
        precision = np.where(given > 0, hits / np.maximum(given, 1), 0.0)
        f1 = np.where(given + positive > 0, 2 * hits / np.maximum(given + positive, 1), 0.0)
        return np.stack([right / n, precision, hits / positive, f1, given / n], axis=-1)

    def specs(self) -> Sequence[ScoreSpec]:
        """Return accuracy first; those that are shares of all records are proportions."""
        return [
            ScoreSpec(name, proportion=name in ("accuracy", "yes_rate"), share=True, bounded=name == "accuracy")
            for name in ("accuracy", "precision", "recall", "f1", "yes_rate")
        ]

    def sample_value(self, state: Verdict) -> float | None:
        """1 for a right answer, 0 for a wrong one."""
        return self.row(state)[0]

    def shown(self, state: Verdict) -> str:
        """What was read."""
        return state.given

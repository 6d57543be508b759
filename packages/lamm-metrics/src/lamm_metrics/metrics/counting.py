"""Counting: mean absolute and root mean squared error, with unread answers kept apart."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lamm_metrics import extraction
from lamm_metrics.extraction.result import Status
from lamm_metrics.metrics.additive import AdditiveMetric
from lamm_metrics.metrics.base import OK
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import LARGEST_COUNT, Reference
from lamm_metrics.results.score import ScoreSpec

# How unread answers enter each score.
FAILED: Mapping[str, str] = {
    "mae": "zero",
    "rmse": "zero",
    "mae_parsed": "left_out",
    "rmse_parsed": "left_out",
    "failure_rate": "counted",
}


class Count(NamedTuple):
    """The true count and the answered one, None where it could not be read."""

    truth: float
    given: float | None


class CountingError(AdditiveMetric[Count]):
    """MAE = sum |answer - truth| / N and RMSE = sqrt(sum (answer - truth)² / N), as in FamNet (arXiv 2104.08391).

    An answer that cannot be read counts as 0 in `mae` and `rmse`, and is left out in `mae_parsed` and `rmse_parsed`.
    Reading nothing must not pay, so the headline is the one in which failures count.

    >>> metric = CountingError()
    >>> metric.update({"id": 1, "num": 10}, Prediction("1", number=12))
    >>> metric.compute()[0].value
    2.0
    """

    name = "counting"
    needs = ("num",)
    higher_is_better = False

    def settings(self) -> dict[str, object]:
        """The choices of the signature."""
        return {"failed": "zero", "max": f"{LARGEST_COUNT:g}"}

    def update(self, reference: Reference, prediction: Prediction) -> None:
        """Read one count."""
        status, given, why = str(Status.OK), prediction.number, ""
        if given is None:
            found = extraction.extract_number(prediction.plain_text)
            status, given, why = found.status, found.value, found.detail
        if given is not None and not abs(given) <= LARGEST_COUNT:
            status, given, why = Status.MALFORMED, None, f"a count beyond {LARGEST_COUNT:g}"
        self.keep(reference, status, Count(float(reference["num"]), given if status == OK else None), why)

    def row(self, state: Count) -> Sequence[float]:
        """Absolute and squared error with failures as 0, records, the same over the readable, and their number."""
        error = abs((state.given or 0.0) - state.truth)
        read = float(state.given is not None)
        return error, error * error, 1.0, read * error, read * error * error, read

    def row_if_right(self, state: Count) -> Sequence[float]:
        """Return the row of the true count."""
        return self.row(state._replace(given=state.truth))

    def values(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """The five scores, in the order of `specs`."""
        mae, mse = sums[..., 0] / sums[..., 2], sums[..., 1] / sums[..., 2]
        mae_parsed, mse_parsed = sums[..., 3] / sums[..., 5], sums[..., 4] / sums[..., 5]
        failed = 1.0 - sums[..., 5] / sums[..., 2]
        return np.stack([mae, np.sqrt(mse), mae_parsed, np.sqrt(mse_parsed), failed], axis=-1)

    def specs(self) -> Sequence[ScoreSpec]:
        """Return errors with failures as 0 (no count is as wrong as can be), over readable answers, failures."""
        return [
            ScoreSpec(
                name,
                higher_is_better=False,
                proportion=name == "failure_rate",
                bounded=failed == "zero",
                settings={"failed": failed},
            )
            for name, failed in FAILED.items()
        ]

    def sample_value(self, state: Count) -> float | None:
        """The absolute error, with an unread answer as 0."""
        return self.row(state)[0]

    def shown(self, state: Count) -> str:
        """The number that was read."""
        return "" if state.given is None else f"{state.given:g}"

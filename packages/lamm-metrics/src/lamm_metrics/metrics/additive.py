"""Metrics that are functions of sums over records: accuracy, errors, BLEU, means of anything.

One row of numbers a record is all they need. A bootstrap draw is then a weighted sum of rows, so thousands of draws are
one matrix product.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.metrics.base import OK, Floats, Metric, StateT, derived


class AdditiveMetric(Metric[StateT]):
    """A metric whose scores are functions of the sums of rows of numbers, one row a record.

    A subclass gives the row of one record (`row`) or all of them at once (`rows`).
    """

    @property
    def exchangeable(self) -> bool:
        """Return whether the row of a record depends on no other answer, so that two models may swap theirs."""
        return True

    def row(self, state: StateT) -> Sequence[float]:
        """Return the summands of one record, always equally many."""
        raise NotImplementedError(f"{type(self).__name__} has neither `row` nor `rows`.")

    def rows(self, states: Sequence[StateT]) -> Floats:
        """Return the summands of records, [records, summands]."""
        return np.array([self.row(state) for state in states], dtype=np.float64)

    def row_if_right(self, state: StateT) -> Sequence[float]:
        """Return the summands of a record whose answer could not be read, had it been right."""
        raise NotImplementedError(f"{type(self).__name__} has a bounded score, but no `row_if_right`.")

    def values(self, sums: Floats) -> Floats:
        """Return the scores [..., scores] of summed rows [..., summands]; NaN where undefined.

        By default the last summand counts, and each other one is divided by it.
        """
        return sums[..., :-1] / sums[..., -1:]

    @derived
    def group_sums(self) -> Floats:
        """Return the summands added up per group of `groups()`, [groups, summands]."""
        columns = [np.bincount(self.group_codes(), weights=column) for column in self.table().T]
        return np.stack(columns, axis=1) if columns else np.zeros((0, 0))

    def table(self) -> Floats:
        """Return the summands of every record of `ordered()`, [records, summands]."""
        return self.rows([entry.state for _, entry in self.ordered()])

    def _table_if_right(self) -> Floats:
        """The summands of every record, with those of unread answers replaced."""
        table = self.table()
        for i, (_, entry) in enumerate(self.ordered()):
            if entry.status != OK:
                table[i] = self.row_if_right(entry.state)
        return table

    def resampled(self, weights: NDArray[np.int64]) -> Floats:
        """Return the values under group weights, see `Metric.resampled`."""
        return self._values_of(weights.astype(np.float64) @ self.group_sums())

    def values_if_right(self) -> Floats:
        """Return the values if every answer that could not be read were right, see `Metric.values_if_right`."""
        return self._values_of(self._table_if_right().sum(axis=0))

    def defined_groups(self) -> NDArray[np.int64]:
        """Return in how many groups each score is defined by itself, see `Metric.defined_groups`."""
        return np.asarray((~np.isnan(self._values_of(self.group_sums()))).sum(axis=0))

    def _values_of(self, sums: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return self.values(sums)

"""Metrics that are functions of sums over records: accuracy, errors, BLEU, means of anything.

One row of numbers a record is all they need. A bootstrap draw is then a weighted sum of rows, so thousands of draws are
one matrix product.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.metrics.base import Metric, StateT
from lamm_metrics.results.score import Score, signature
from lamm_metrics.statistics import wilson


class AdditiveMetric(Metric[StateT]):
    """A metric whose scores are functions of the sums of `row` over the records."""

    def __init__(self) -> None:
        super().__init__()
        self._sums: tuple[int, NDArray[np.float64]] = (-1, np.zeros((0, 0)))

    @abstractmethod
    def row(self, state: StateT) -> Sequence[float]:
        """The summands of one record, always equally many."""

    @abstractmethod
    def values(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """The scores [..., scores] of summed rows [..., summands]; NaN where undefined."""

    @property
    @abstractmethod
    def score_names(self) -> Sequence[str]:
        """The names of the scores, in the order of `values`; the first is the headline."""

    def rows(self) -> NDArray[np.float64]:
        """The summands of every record of `ordered()`, [records, summands]."""
        return np.array([self.row(entry.state) for _, entry in self.ordered()], dtype=np.float64)

    def group_sums(self) -> NDArray[np.float64]:
        """The summands added up per group of `groups()`, [groups, summands]."""
        # Entries are only ever added, so their number tells whether the sums are still those of all records.
        if self._sums[0] != len(self.entries):
            rows, codes = self.rows(), self.group_codes()
            columns = [np.bincount(codes, weights=column) for column in rows.T]
            self._sums = (len(self.entries), np.stack(columns, axis=1) if columns else np.zeros((0, 0)))
        return self._sums[1]

    def resampled(self, weights: NDArray[np.int64]) -> NDArray[np.float64]:
        """The values under group weights, see `Metric.resampled`."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return self.values(weights.astype(np.float64) @ self.group_sums())

    def point_values(self) -> list[float | None]:
        """The scores of all records, None where undefined."""
        if not self.entries:
            return [None] * len(self.score_names)
        values = self.resampled(np.ones((1, len(self.groups())), np.int64))[0]
        return [None if np.isnan(value) else float(value) for value in values]

    def is_proportion(self, name: str) -> bool:
        """Whether a score is a share of records, so that Wilson's interval applies to independent records."""
        return False

    def is_share(self, name: str) -> bool:
        """Whether a score runs from 0 to 1 and is 0 or 1 only where all groups are.

        Draws of groups that all agree have no width, so such a score then has Wilson's interval with the groups as
        trials, which is cautious.
        """
        return False

    def settings_of(self, name: str) -> dict[str, object]:
        """The choices in the signature of one score."""
        return self.settings()

    def is_better_when_higher(self, name: str) -> bool:
        """The direction of one score."""
        return self.higher_is_better

    def extra(self, name: str) -> Mapping[str, float]:
        """Further numbers about one score."""
        return {}

    def compute(self, seed: int = 0, draws: int = 1000, confidence: float = 0.95) -> list[Score]:
        """The scores, see `Metric.compute`; shares of independent records get Wilson's interval, others a bootstrap."""
        values = self.point_values()
        clustered = len(self.groups()) < len(self.entries)
        boot = clustered or not all(map(self.is_proportion, self.score_names))
        intervals = self.bootstrap(seed, draws, confidence) if boot and self.entries else [None] * len(values)
        scores = []
        for name, value, interval in zip(self.score_names, values, intervals, strict=True):
            kind = f"bootstrap{confidence * 100:g}"
            trials = self._trials(name, value, clustered)
            if value is not None and trials:
                interval, kind = wilson(value * trials, trials, confidence), f"wilson{confidence * 100:g}"
            scores.append(
                Score(
                    name=name,
                    value=value,
                    interval=interval if value is not None else None,
                    n=self.n_records,
                    n_failed=self.n_failed,
                    higher_is_better=self.is_better_when_higher(name),
                    signature=signature(name, **self.settings_of(name), ci=kind if interval else "none"),
                    extra=self.extra(name),
                )
            )
        return scores

    def _trials(self, name: str, value: float | None, clustered: bool) -> int:
        """The trials of Wilson's interval; 0 where a bootstrap is right."""
        if self.is_proportion(name) and not clustered:
            return self.n_records
        if value not in (0.0, 1.0):
            return 0
        if self.is_proportion(name):
            return min(len(self.groups()), self.n_records)
        if not self.is_share(name) or len(self.groups()) < 2:
            return 0
        with np.errstate(divide="ignore", invalid="ignore"):
            alone = self.values(self.group_sums())[:, list(self.score_names).index(name)]
        return int((~np.isnan(alone)).sum())

    @property
    def n_records(self) -> int:
        """What `n` of the scores counts: records, unless a subclass scores larger units."""
        return len(self.entries)

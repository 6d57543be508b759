"""Means with intervals over groups, for values that come several from a group."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.statistics import group_weights, percentile_interval, wilson

Interval = tuple[float, float] | None


@dataclass(frozen=True)
class Resampler:
    """The same bootstrap draws of groups for every number of a run.

    Attributes:
        groups: All groups of the run.
        seed: Seed of the draws.
        draws: Number of draws.
        confidence: Coverage.
    """

    groups: tuple[str, ...]
    seed: int
    draws: int
    confidence: float

    @cached_property
    def codes(self) -> dict[str, int]:
        """Number of each group."""
        return {group: number for number, group in enumerate(sorted(set(self.groups)))}

    def sums(self, groups: Sequence[str], values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sums of values [n, ...] by group, [groups, ...]."""
        result = np.zeros((len(self.codes), *values.shape[1:]))
        np.add.at(result, [self.codes[group] for group in groups], values)
        return result

    def drawn(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sums of each bootstrap draw, [draws, ...]."""
        flat = sums.reshape(len(sums), -1)
        drawn = [weights @ flat for weights in group_weights(len(self.codes), self.draws, self.seed)]
        return np.concatenate(drawn).reshape(-1, *sums.shape[1:])

    def mean(
        self, groups: Sequence[str], values: Sequence[float], low: float = 0.0, high: float = 1.0
    ) -> tuple[float | None, Interval]:
        """The mean of values with its interval.

        Args:
            groups: Group of each value.
            values: Values from low to high.
            low: Least possible value.
            high: Greatest possible value.

        Returns:
            Mean (None without values) and percentile interval of the bootstrap over groups. Where all values are equal
            the bootstrap would have no width; then it is Wilson's interval with the groups as trials, which is wide.
        """
        if not len(values):
            return None, None
        array = np.asarray(values, np.float64)
        mean, n_groups = float(array.mean()), len(set(groups))
        if n_groups < 2:
            return mean, None
        if array.min() == array.max():
            share = (mean - low) / (high - low)
            found = wilson(share * n_groups, n_groups, self.confidence)
            return mean, None if found is None else (low + found[0] * (high - low), low + found[1] * (high - low))
        sums = self.drawn(self.sums(groups, np.stack([array, np.ones_like(array)], axis=1)))
        with np.errstate(divide="ignore", invalid="ignore"):
            return mean, percentile_interval(sums[:, 0] / sums[:, 1], self.confidence)

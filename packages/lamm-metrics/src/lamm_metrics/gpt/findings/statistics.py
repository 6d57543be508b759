"""The statistics of verdicts: means with intervals over groups, Krippendorff's alpha, Bradley-Terry strengths."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.statistics import group_weights, percentile_interval, wilson

Interval = tuple[float, float] | None
Level = Literal["ordinal", "interval"]
# Of the search for strengths.
ROUNDS = 10_000
TOLERANCE = 1e-10


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
    ) -> tuple[float | None, Interval, str]:
        """The mean of values with its interval.

        Args:
            groups: Group of each value.
            values: Values from low to high.
            low: Least possible value.
            high: Greatest possible value.

        Returns:
            Mean (None without values), percentile interval of the bootstrap over groups, and the kind of the interval.
            Where all values are equal the bootstrap would have no width; then it is Wilson's interval with the groups
            as trials, which is wide.
        """
        if not len(values):
            return None, None, ""
        array = np.asarray(values, np.float64)
        mean, n_groups = float(array.mean()), len(set(groups))
        if n_groups < 2:
            return mean, None, ""
        if array.min() == array.max():
            share = (mean - low) / (high - low)
            found = wilson(share * n_groups, n_groups, self.confidence)
            ends = None if found is None else (low + found[0] * (high - low), low + found[1] * (high - low))
            return mean, ends, "wilson"
        sums = self.drawn(self.sums(groups, np.stack([array, np.ones_like(array)], axis=1)))
        with np.errstate(divide="ignore", invalid="ignore"):
            return mean, percentile_interval(sums[:, 0] / sums[:, 1], self.confidence), "bootstrap"


def coincidences(units: Sequence[Sequence[float]], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The coincidence matrix of every unit, [units, values, values].

    A unit with m ratings adds each of its ordered pairs with weight 1 / (m - 1); one rating alone adds nothing.
    """
    counts = np.array([[list(unit).count(value) for value in values] for unit in units], np.float64)
    ratings = counts.sum(axis=1)
    pairs = counts[:, :, None] * counts[:, None, :]
    diagonal = np.arange(len(values))
    pairs[:, diagonal, diagonal] -= counts
    return np.asarray(pairs / np.maximum(ratings - 1, 1)[:, None, None])


def _distances(values: NDArray[np.float64], marginals: NDArray[np.float64], level: Level) -> NDArray[np.float64]:
    """Squared differences of values, [values, values]."""
    if level == "interval":
        return np.square(values[:, None] - values[None, :])
    below = np.cumsum(marginals) - marginals / 2
    return np.square(below[:, None] - below[None, :])


def alpha_of(matrix: NDArray[np.float64], values: NDArray[np.float64], level: Level) -> float | None:
    """Alpha of a coincidence matrix [values, values]; None where the values do not vary."""
    marginals = matrix.sum(axis=0)
    total = marginals.sum()
    distances = _distances(values, marginals, level)
    expected = float((np.outer(marginals, marginals) * distances).sum())
    if total <= 1 or expected == 0:
        return None
    return 1.0 - (float(total) - 1) * float((matrix * distances).sum()) / expected


def krippendorff_alpha(units: Sequence[Sequence[float]], level: Level = "ordinal") -> float | None:
    """Krippendorff's alpha (Content Analysis, 2004, ch. 11).

    Args:
        units: For each judged thing the values that judges gave it; judges who gave none are left out.
        level: How values differ: by rank ("ordinal") or by size ("interval").

    Returns:
        1 for full agreement, 0 for chance, below 0 for worse; None where the values do not vary or no thing has two.

    >>> krippendorff_alpha([[1, 1], [2, 2], [1, 2]])
    0.4444444444444444
    """
    values = np.array(sorted({value for unit in units for value in unit}), np.float64)
    if not len(values):
        return None
    return alpha_of(coincidences(units, values).sum(axis=0), values, level)


def bradley_terry(wins: NDArray[np.float64], prior: float = 0.0) -> NDArray[np.float64]:
    """Maximum-likelihood strengths by Hunter's MM algorithm (Annals of Statistics 32, 2004).

    The chance that i beats j is `1 / (1 + exp(strength_j - strength_i))`; a tie is half a win for each.

    Args:
        wins: How often row beat column, [..., models, models]; leading axes are separate problems.
        prior: Ties added to every pair, so that strengths stay finite where a model always wins.

    Returns:
        Strengths with mean 0, [..., models]; NaN where no finite ones exist (models that always win or always lose, or
        that were never compared).

    >>> [round(float(x), 4) for x in bradley_terry(np.array([[0.0, 3.0], [1.0, 0.0]]))]
    [0.5493, -0.5493]
    """
    models = wins.shape[-1]
    apart = 1.0 - np.eye(models)
    won = (wins + prior / 2) * apart
    games = won + np.swapaxes(won, -1, -2)
    finite = _finite(won)
    total = np.where(finite[..., None], won.sum(axis=-1), 1.0)
    games = np.where(finite[..., None, None], games, apart)
    weights = np.ones(total.shape)
    for _ in range(ROUNDS):
        shares = (games / (weights[..., :, None] + weights[..., None, :])).sum(axis=-1)
        new = total / shares
        new /= np.exp(np.log(new).mean(axis=-1, keepdims=True))
        done = np.max(np.abs(np.log(new) - np.log(weights)), initial=0.0) < TOLERANCE
        weights = new
        if done:
            break
    return np.where(finite[..., None], np.log(weights), np.nan)


def _finite(won: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether every model can be reached from every other along wins (Ford 1957), [...]."""
    reach = (won > 0) | np.eye(won.shape[-1], dtype=bool)
    for _ in range(max(1, int(np.ceil(np.log2(max(2, won.shape[-1])))))):
        reach = (reach.astype(np.float64) @ reach.astype(np.float64)) > 0
    return np.asarray(reach.all(axis=(-1, -2)))

"""Intervals and tests: Wilson, bootstrap over groups, clustered standard error."""

from collections.abc import Iterator
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

# Weights held at once while bootstrapping: 4 Mi int64 are 32 MiB.
CHUNK = 4 << 20


def wilson(successes: float, n: float, confidence: float = 0.95) -> tuple[float, float] | None:
    """Wilson's score interval of a proportion (1927); unlike the normal one it has a width at 0 and 1.

    Args:
        successes: Number of successes.
        n: Number of trials, may be an effective number.
        confidence: Coverage.

    Returns:
        The interval, or None without trials.

    >>> low, high = wilson(0, 10)
    >>> low, round(high, 6)
    (0.0, 0.277533)
    """
    if n <= 0:
        return None
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    # At the ends the formula is exact only in exact arithmetic.
    return (0.0 if successes == 0 else max(0.0, centre - half), 1.0 if successes == n else min(1.0, centre + half))


def group_weights(n_groups: int, draws: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """How often each group is drawn in each bootstrap draw, in chunks of bounded memory.

    Args:
        n_groups: Number of groups, at least 1.
        draws: Number of draws in all.
        seed: Seed; the draws depend on nothing else.

    Yields:
        Weights [rows, n_groups]; every row sums to n_groups.
    """
    generator = np.random.default_rng(seed)
    rows = max(1, CHUNK // n_groups)
    for start in range(0, draws, rows):
        count = min(rows, draws - start)
        picks = generator.integers(0, n_groups, size=(count, n_groups))
        picks += np.arange(count, dtype=np.int64)[:, None] * n_groups
        yield np.bincount(picks.ravel(), minlength=count * n_groups).reshape(count, n_groups)


def percentile_interval(values: NDArray[np.float64], confidence: float = 0.95) -> tuple[float, float] | None:
    """The central interval of bootstrapped values [draws]; undefined draws (NaN) are left out."""
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    low, high = np.quantile(values, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return float(low), float(high)

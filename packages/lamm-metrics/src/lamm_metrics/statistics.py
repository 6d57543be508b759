"""Intervals and tests: Wilson, bootstrap over groups, clustered standard error."""

from collections.abc import Iterator, Sequence
from math import sqrt
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.errors import UsageError

# Weights held at once while bootstrapping: 4 Mi int64 are 32 MiB.
CHUNK = 4 << 20


def wrong_confidence(confidence: float) -> UsageError:
    """Return the error for a coverage that there cannot be."""
    return UsageError(f"Expected confidence as a share between 0 and 1, got {confidence:g}. Write 95 % as 0.95.")


def wilson(successes: float, n: float, confidence: float = 0.95) -> tuple[float, float] | None:
    """Wilson's score interval of a proportion (1927); unlike the normal one it has a width at 0 and 1.

    Args:
        successes: Number of successes.
        n: Number of trials, may be an effective number.
        confidence: Coverage.

    Returns:
        The interval, or None without trials.

    Raises:
        UsageError: The coverage is not between 0 and 1.

    >>> low, high = wilson(0, 10)
    >>> low, round(high, 6)
    (0.0, 0.277533)
    """
    if not 0 < confidence < 1:
        raise wrong_confidence(confidence)
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
    """The central interval of bootstrapped values; undefined draws (NaN) are left out.

    Args:
        values: One value a draw, [draws].
        confidence: Coverage; 0 gives the median twice.

    Returns:
        The interval, or None where every draw is undefined.

    Raises:
        UsageError: The coverage is not a share.

    >>> percentile_interval(np.arange(101.0), 0.5)
    (25.0, 75.0)
    """
    if not 0 <= confidence <= 1:
        raise wrong_confidence(confidence)
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    low, high = np.quantile(values, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return float(low), float(high)


def centred_interval(value: float, values: NDArray[np.float64], confidence: float = 0.95) -> tuple[float, float] | None:
    """The percentile interval of draws of a share, moved so that their median is the value itself.

    For areas under envelopes of maxima, such as AP: drawing groups twice makes the curve rougher and lifts its maxima,
    so that plain percentiles can lie above the value.

    Args:
        value: The share of the records themselves, 0 to 1.
        values: The share in each draw, [draws].
        confidence: Coverage.

    Returns:
        The interval, within 0 to 1; None where every draw is undefined.

    >>> centred_interval(0.5, np.array([0.5, 0.6, 0.7]), 1.0)
    (0.4, 0.6)
    """
    middle = percentile_interval(values, 0.0)
    moved = values if middle is None or np.isnan(value) else np.clip(values + (value - middle[0]), 0.0, 1.0)
    return percentile_interval(moved, confidence)


def clustered_standard_error(
    values: NDArray[np.float64], codes: NDArray[np.int64], formula: Literal["cr0", "cr1"] = "cr1"
) -> float | None:
    """Standard error of the mean of values that are dependent within groups.

    "cr0" is sqrt(sum over groups of (sum of deviations)²) / n, as in Miller (arXiv 2411.00640) and lmms-eval; "cr1"
    multiplies it by sqrt(C / (C - 1)) for C groups, as inspect_ai does.

    Args:
        values: One value a record, [n].
        codes: The group of each record, numbered from 0, [n].
        formula: Which of the two.

    Returns:
        The standard error, or None with fewer than two groups.

    Raises:
        UsageError: There is no such formula.

    >>> clustered_standard_error(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0, 0, 1, 1]), "cr0")
    0.3535533905932738
    """
    if formula not in ("cr0", "cr1"):
        raise UsageError(f"Expected the formula to be cr0 or cr1, got {formula!r}. Choose one of them.")
    groups = len(np.unique(codes))
    if groups < 2:
        return None
    deviations = np.bincount(codes, weights=values - values.mean())
    error = sqrt(float(np.square(deviations).sum())) / len(values)
    return error * sqrt(groups / (groups - 1)) if formula == "cr1" else error


def swap_masks(n_groups: int, draws: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """Fair coins for a paired permutation test: which groups change sides in each draw.

    Args:
        n_groups: Number of groups.
        draws: Number of draws in all.
        seed: Seed; the coins depend on nothing else.

    Yields:
        Zeros and ones, [rows, n_groups], in chunks of bounded memory.
    """
    generator = np.random.default_rng(seed)
    rows = max(1, CHUNK // max(1, n_groups))
    for start in range(0, draws, rows):
        yield generator.integers(0, 2, size=(min(rows, draws - start), n_groups)).astype(np.float64)


def permutation_p_value(observed: float, permuted: NDArray[np.float64]) -> float:
    """Two-sided p-value of a difference, counting the observed assignment as one of the draws.

    A difference that equals the observed one up to rounding counts as equal.

    Args:
        observed: The difference of the two models.
        permuted: The differences after random swaps, [draws]; NaN where undefined.

    >>> permutation_p_value(1.0, np.array([0.2, -1.0, 0.4]))
    0.5
    """
    permuted = permuted[~np.isnan(permuted)]
    as_large = np.abs(permuted) >= abs(observed) - 1e-12 * max(1.0, abs(observed))
    return float((1 + as_large.sum()) / (1 + len(permuted)))


def bootstrap_p_value(differences: NDArray[np.float64]) -> float:
    """Two-sided p-value of no difference: the smallest 1 - confidence at which the percentile interval leaves out 0.

    Args:
        differences: Bootstrapped differences, [draws].
    """
    least = min((differences <= 0).sum(), (differences >= 0).sum())
    return min(1.0, float(2 * (1 + least) / (1 + len(differences))))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values corrected for their number (Holm 1979), in the order of what was given.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    corrected, floor = [0.0] * len(order), 0.0
    for rank, index in enumerate(order):
        floor = max(floor, min(1.0, (len(order) - rank) * p_values[index]))
        corrected[index] = floor
    return corrected


def detectable_difference(standard_error: float, confidence: float = 0.95, power: float = 0.8) -> float:
    """The smallest true difference that a two-sided test at 1 - confidence finds with this power (normal theory).

    Args:
        standard_error: Of the difference, in its own unit.
        confidence: One minus the level of the test.
        power: Share of cases in which the difference is found.

    >>> round(detectable_difference(1.0), 4)
    2.8016
    """
    normal = NormalDist()
    return (normal.inv_cdf(0.5 + confidence / 2) + normal.inv_cdf(power)) * standard_error

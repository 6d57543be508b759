"""Krippendorff's alpha: how far several judges agree beyond chance, with missing verdicts allowed."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Level = Literal["nominal", "ordinal", "interval"]


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
    if level == "nominal":
        return 1.0 - np.eye(len(values))
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


def krippendorff_alpha(units: Sequence[Sequence[float]], level: Level = "nominal") -> float | None:
    """Krippendorff's alpha (Content Analysis, 2004, ch. 11).

    Args:
        units: For each judged thing the values that judges gave it; judges who gave none are left out.
        level: How values differ: all the same ("nominal"), by rank ("ordinal") or by size ("interval").

    Returns:
        1 for full agreement, 0 for chance, below 0 for worse; None where the values do not vary or no thing has two.

    >>> krippendorff_alpha([[1, 1], [2, 2], [1, 2]])
    0.4444444444444444
    """
    values = np.array(sorted({value for unit in units for value in unit}), np.float64)
    if not len(values):
        return None
    return alpha_of(coincidences(units, values).sum(axis=0), values, level)

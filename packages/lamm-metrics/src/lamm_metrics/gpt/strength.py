"""Bradley-Terry strengths: one number a model that explains all pairwise wins."""

import numpy as np
from numpy.typing import NDArray

ROUNDS = 10_000
TOLERANCE = 1e-10


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

"""The best assignment is scipy's, ties included."""

import numpy as np
import pytest

from lamm_metrics.average_precision.assignment import best_assignment


def both(values):
    optimize = pytest.importorskip("scipy.optimize")
    return best_assignment(values), optimize.linear_sum_assignment(values, maximize=True)


@pytest.mark.parametrize("levels", [0, 2, 4])
def test_any_matrix_is_assigned_as_scipy_does(levels):
    generator = np.random.default_rng(levels)
    for _ in range(400):
        shape = generator.integers(1, 9, 2)
        values = generator.random(shape)
        # Few distinct values make many ties.
        values = np.round(values * levels) / levels if levels else values
        ours, theirs = both(values)
        assert ours[0].tolist() == theirs[0].tolist()
        assert ours[1].tolist() == theirs[1].tolist(), values


def test_the_sum_is_the_largest_of_all_permutations():
    from itertools import permutations

    values = np.random.default_rng(1).random((5, 5))
    rows, columns = best_assignment(values)
    most = max(sum(values[i, p[i]] for i in range(5)) for p in permutations(range(5)))
    assert values[rows, columns].sum() == pytest.approx(most, abs=1e-12)


def test_nothing_is_assigned_where_there_is_nothing():
    assert [len(part) for part in best_assignment(np.zeros((0, 3)))] == [0, 0]


def test_a_large_matrix():
    values = np.random.default_rng(3).random((60, 150))
    ours, theirs = both(values)
    assert ours[1].tolist() == theirs[1].tolist()

"""Matching all at once gives what matching one by one gives."""

import numpy as np
import pytest

from lamm_metrics.average_precision.pairs import Pairs, assign, overlapping_pairs, rank_within, same_key_pairs


def one_by_one(overlap, crowd):
    """Every detection in turn takes its best free object; of equal overlaps, the first."""
    taken, result = set(), {}
    for detection, row in enumerate(overlap):
        for truth in np.argsort(-row, kind="stable"):
            if row[truth] > 0 and (truth not in taken or crowd[truth]):
                result[detection] = int(truth)
                taken.add(int(truth))
                break
    return result


@pytest.mark.parametrize("seed", range(10))
def test_assignment_equals_going_one_by_one(seed):
    generator = np.random.default_rng(seed)
    for _ in range(100):
        n, m = generator.integers(1, 9, 2)
        overlap = np.round(generator.random((n, m)), 1) * (generator.random((n, m)) < 0.7)
        crowd = generator.random(m) < 0.2
        detection, truth = np.nonzero(overlap)
        pairs = Pairs(detection, truth, overlap[detection, truth])
        pairs = pairs.where(np.lexsort([pairs.truth, -pairs.overlap, pairs.detection]))
        hits = pairs.where(assign(pairs, pairs.detection, m, crowd))
        assert dict(zip(hits.detection.tolist(), hits.truth.tolist(), strict=True)) == one_by_one(overlap, crowd)


def test_a_chain_of_refusals_is_followed_to_its_end():
    n = 300
    detection = np.repeat(np.arange(n), 2)[1:]
    truth = np.arange(2 * n - 1) // 2  # detection i wants object i - 1, then i; the first wants object 0
    pairs = Pairs(detection, truth, np.ones(2 * n - 1))
    hits = pairs.where(assign(pairs, detection, n))
    assert hits.detection.tolist() == hits.truth.tolist() == list(range(n))


@pytest.mark.parametrize("block", [1, 3, 1000])
def test_pairs_of_equal_key_in_blocks(block):
    generator = np.random.default_rng(0)
    first, second = generator.integers(0, 12, 50), generator.integers(0, 12, 40)
    chunks = list(same_key_pairs(first, second, block))
    got = [(int(d), int(g)) for part in chunks for d, g in zip(*part, strict=True)]
    assert got == [(d, g) for d in range(50) for g in range(40) if first[d] == second[g]]


def test_nothing_to_pair():
    nothing = np.empty(0, np.intp)
    pairs = overlapping_pairs(nothing, np.array([1]), lambda d, g: np.ones(len(d)), 0.5)
    assert [len(column) for column in pairs] == [0, 0, 0]
    assert len(assign(pairs, nothing, 1)) == 0
    assert rank_within(nothing).tolist() == []

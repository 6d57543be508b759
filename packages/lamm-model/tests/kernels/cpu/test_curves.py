"""Rows are put in order by key, stably, whatever the keys' bits and however they crowd."""

import numpy as np
import pytest

from lamm_model.kernels.cpu.curves import write_order

GENERATOR = np.random.default_rng(0)
CROWDS = {
    "spread over few bits": GENERATOR.integers(0, 9, 5_000),
    "spread over all bits": GENERATOR.integers(0, 1 << 33, 5_000),
    "large buckets": GENERATOR.integers(0, 3, 9_000) << 31 | GENERATOR.integers(0, 1 << 20, 9_000),
    "small buckets": GENERATOR.integers(0, 60, 9_000) << 27 | GENERATOR.integers(0, 1 << 20, 9_000),
    "tiny buckets, with twins": (GENERATOR.integers(0, 2_000, 9_000) << 22) + GENERATOR.integers(0, 2, 9_000),
    "all equal": np.full(3_000, 5),
    "more bits than a row's number leaves": GENERATOR.integers(0, 1 << 60, 5_000),
    "one": np.array([7]),
}


@pytest.mark.parametrize("crowd", CROWDS)
@pytest.mark.parametrize("begin", [0, 40])
def test_rows_are_put_in_order_as_a_stable_sort_does(crowd, begin):
    keys = CROWDS[crowd].astype(np.int64)
    order, inverse = np.empty_like(keys), np.empty_like(keys)
    write_order(keys, order, inverse, begin, int(keys.max()).bit_length())
    wanted = np.argsort(keys, kind="stable")
    assert (order - begin == wanted).all()
    assert (inverse[wanted] - begin == np.arange(len(keys))).all()

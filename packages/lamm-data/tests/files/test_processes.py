"""Work spread over processes and machines."""

import itertools
import operator
import os
from functools import partial

import pytest

from lamm_data import LammDataError, UsageError, in_parallel, parse_part


@pytest.mark.parametrize(("workers", "fork"), [(1, False), (2, False), (2, True)])
def test_results_come_in_order_from_pieces_without_end(workers, fork):
    results = in_parallel(partial(operator.add, 10), itertools.count(), workers, fork=fork)
    assert list(itertools.islice(results, 50)) == list(range(10, 60))
    results.close()


def test_a_worker_that_dies_is_named():
    with pytest.raises(LammDataError, match="2 worker processes to live"):
        list(in_parallel(os._exit, [1, 2, 3], 2))


def test_parts_are_numbered_from_one():
    assert [parse_part(text) for text in ("", "1/1", "2/8", "8/8")] == [(0, 1), (0, 1), (1, 8), (7, 8)]
    for text in ("0/2", "3/2", "2", "a/b", "1/2/3", "-1/2"):
        with pytest.raises(UsageError, match=f"a shard such as 2/8, got '{text}'"):
            parse_part(text, "shard")

"""Work spread over processes."""

import itertools
import operator
import os
from functools import partial

import pytest

from lamm_data import LammDataError, in_parallel


@pytest.mark.parametrize(("workers", "fork"), [(1, False), (2, False), (2, True)])
def test_results_come_in_order_from_pieces_without_end(workers, fork):
    results = in_parallel(partial(operator.add, 10), itertools.count(), workers, fork=fork)
    assert list(itertools.islice(results, 50)) == list(range(10, 60))
    results.close()


def test_a_worker_that_dies_is_named():
    with pytest.raises(LammDataError, match="2 worker processes to live"):
        list(in_parallel(os._exit, [1, 2, 3], 2))

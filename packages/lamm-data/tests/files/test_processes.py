"""Work spread over processes."""

import itertools
import operator
import os
import string
from functools import partial

import pytest

from lamm_data import LammDataError, in_parallel


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order_from_pieces_without_end(workers):
    results = in_parallel(partial(operator.add, 10), itertools.count(), workers)
    assert list(itertools.islice(results, 50)) == list(range(10, 60))
    results.close()


def test_a_worker_that_dies_is_named():
    with pytest.raises(LammDataError, match="2 worker processes to live"):
        list(in_parallel(os._exit, [1, 2, 3], 2))


def test_workers_are_started_anew_and_inherit_nothing(monkeypatch):
    """A forked process would hold whatever lock a thread of this one held."""
    monkeypatch.setattr(string, "mark_of_the_parent", True, raising=False)
    question = "hasattr(__import__('string'), 'mark_of_the_parent')"
    assert list(in_parallel(eval, [question] * 3, 1)) == [True] * 3
    assert list(in_parallel(eval, [question] * 3, 2)) == [False] * 3

"""Counting errors by hand and against scikit-learn; unreadable answers are kept apart."""

import numpy as np
import pytest

from lamm_metrics.metrics.counting import CountingError
from lamm_metrics.records.predictions import Prediction


def scores(pairs):
    metric = CountingError()
    for i, (truth, answer) in enumerate(pairs):
        given = {"number": answer} if isinstance(answer, int | float) else {"text": answer}
        metric.update({"id": i, "num": truth}, Prediction(str(i), **given))
    return {score.name: score for score in metric.compute(draws=5)}


def test_worked_by_hand_with_one_unreadable_answer():
    found = scores([(10, 12), (4, 1), (5, "I see nothing of the kind here.")])
    assert found["mae"].value == pytest.approx((2 + 3 + 5) / 3)
    assert found["rmse"].value == pytest.approx(((4 + 9 + 25) / 3) ** 0.5)
    assert found["mae_parsed"].value == pytest.approx(2.5)
    assert found["rmse_parsed"].value == pytest.approx(6.5**0.5)
    assert found["failure_rate"].value == pytest.approx(1 / 3)
    assert found["mae"].n_failed == 1
    assert found["mae"].extra == {"failures_wrong": pytest.approx(10 / 3), "failures_right": pytest.approx(5 / 3)}
    assert found["rmse"].extra["failures_right"] == pytest.approx((13 / 3) ** 0.5)
    assert not found["mae"].higher_is_better
    assert "failed:zero" in found["mae"].signature
    assert "failed:left_out" in found["mae_parsed"].signature


def test_nothing_readable_leaves_the_parsed_errors_undefined():
    found = scores([(3, ""), (4, "")])
    assert found["mae_parsed"].value is None
    assert found["mae_parsed"].interval is None
    assert found["mae"].value == 3.5


@pytest.mark.parametrize("absurd", [1e300, -1e10, float("inf")])
def test_absurd_number_is_malformed_and_drowns_nothing(absurd):
    found = scores([(3, absurd), (4, 4)])
    assert found["mae"].value == 1.5
    assert found["mae"].n_failed == 1


def test_equals_scikit_learn_on_random_cases():
    sklearn = pytest.importorskip("sklearn.metrics")
    generator = np.random.default_rng(0)
    for _ in range(1000):
        truth, answers = generator.integers(0, 50, 5), generator.integers(0, 50, 5)
        found = scores(list(zip(truth.tolist(), answers.tolist(), strict=True)))
        assert found["mae"].value == pytest.approx(sklearn.mean_absolute_error(truth, answers))
        assert found["rmse"].value == pytest.approx(sklearn.root_mean_squared_error(truth, answers))

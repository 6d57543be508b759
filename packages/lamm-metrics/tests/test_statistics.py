"""Intervals and tests against scipy, by hand, and by their coverage."""

import numpy as np
import pytest

from lamm_metrics import score
from lamm_metrics.comparison.paired import compare
from lamm_metrics.errors import LammMetricsError, UsageError
from lamm_metrics.statistics import (
    centred_interval,
    clustered_standard_error,
    detectable_difference,
    group_weights,
    percentile_interval,
    permutation_p_value,
    wilson,
)


def test_wilson_equals_scipy_on_random_cases():
    scipy = pytest.importorskip("scipy.stats")
    generator = np.random.default_rng(0)
    for _ in range(1000):
        n = int(generator.integers(1, 200))
        k = int(generator.integers(0, n + 1))
        confidence = float(generator.choice([0.8, 0.95, 0.99]))
        theirs = scipy.binomtest(k, n).proportion_ci(confidence, method="wilson")
        assert wilson(k, n, confidence) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_wilson_without_trials_is_none():
    assert wilson(0, 0) is None


def test_weights_draw_as_many_groups_as_there_are_and_depend_on_the_seed_alone():
    weights = np.concatenate(list(group_weights(7, 500, 3)))
    assert weights.shape == (500, 7)
    assert (weights.sum(axis=1) == 7).all()
    assert (weights == np.concatenate(list(group_weights(7, 500, 3)))).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(7), abs=0.15)


def test_weights_come_in_bounded_chunks():
    chunks = list(group_weights(2_000_000, 5, 0))
    assert [len(chunk) for chunk in chunks] == [2, 2, 1]


def test_bootstrap_interval_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(0)
    covered = 0
    for i in range(300):
        sample = generator.normal(1.0, 1.0, 60)
        weights = np.concatenate(list(group_weights(60, 400, i)))
        low, high = percentile_interval(weights @ sample / 60, 0.9)
        covered += low <= 1.0 <= high
    assert 0.84 <= covered / 300 <= 0.95


def test_clustered_error_equals_its_formulas():
    values, codes = np.array([1.0, 0.0, 1.0, 1.0, 0.0]), np.array([0, 0, 1, 1, 2])
    deviations = [1 - 0.6 + 0 - 0.6, 2 * (1 - 0.6), 0 - 0.6]
    cr0 = sum(d * d for d in deviations) ** 0.5 / 5
    assert clustered_standard_error(values, codes, "cr0") == pytest.approx(cr0)
    assert clustered_standard_error(values, codes, "cr1") == pytest.approx(cr0 * (3 / 2) ** 0.5)
    alone = clustered_standard_error(values, np.arange(5), "cr1")
    assert alone == pytest.approx(values.std(ddof=1) / 5**0.5)
    assert clustered_standard_error(values, np.zeros(5, int)) is None


@pytest.mark.parametrize(
    "state",
    [
        lambda confidence: wilson(1, 2, confidence),
        lambda confidence: centred_interval(0.5, np.array([0.1, 0.2]), confidence),
        lambda confidence: percentile_interval(np.array([0.1, 0.2]), confidence),
    ],
)
def test_per_cent_are_no_confidence(state):
    assert state(0.95)
    with pytest.raises(UsageError, match=r"share between 0 and 1, got 95\. Write 95 % as 0\.95"):
        state(95)


def test_unknown_formulas_are_refused():
    with pytest.raises(UsageError, match="cr0 or cr1, got 'cr2'"):
        clustered_standard_error(np.array([0.0, 1.0]), np.array([0, 1]), "cr2")


def test_p_value_counts_the_observed_assignment():
    assert permutation_p_value(1.0, np.zeros(99)) == 0.01
    assert permutation_p_value(0.0, np.zeros(99)) == 1.0


def test_detectable_difference_equals_the_textbook():
    assert detectable_difference(0.01, 0.95, 0.8) == pytest.approx(0.01 * (1.959964 + 0.841621), abs=1e-7)


RECORDS = [{"id": i, "gt_choice": 0, "gt_choices": ["a", "b"], "group": f"g{i // 2}"} for i in range(200)]


def answers(share, seed):
    generator = np.random.default_rng(seed)
    return [{"id": i, "choice": int(generator.random() > share)} for i in range(200)]


def test_equal_models_are_not_told_apart():
    p_values = [
        compare("vqa", RECORDS, answers(0.7, 2 * i), answers(0.7, 2 * i + 1), draws=200).p_value for i in range(40)
    ]
    assert sum(p < 0.1 for p in p_values) <= 10  # expected 4
    assert compare("vqa", RECORDS, answers(0.7, 1), answers(0.7, 1), draws=200).p_value == 1


def test_different_models_are_told_apart_with_the_interval_around_the_difference():
    found = compare("vqa", RECORDS, answers(0.5, 1), answers(0.9, 2), draws=1000)
    assert found.p_value < 0.01
    assert found.interval[0] < found.difference < found.interval[1]
    assert found.interval[0] > 0
    assert found.groups == 100
    assert found.groups_needed < 100
    assert found.test == "permutation"
    assert "p = " in str(found)


def test_swapping_the_models_mirrors_the_result():
    one, other = answers(0.6, 1), answers(0.8, 2)
    there, back = compare("vqa", RECORDS, one, other, draws=300), compare("vqa", RECORDS, other, one, draws=300)
    assert there.difference == -back.difference
    assert there.p_value == back.p_value
    assert there.interval == pytest.approx((-back.interval[1], -back.interval[0]))


def test_average_precision_is_compared_by_bootstrap():
    box = [0.1, 0.1, 0.5, 0.5]
    records = [{"id": i, "object": [{"label": "cat", "bbox": box}]} for i in range(30)]
    good = [{"id": i, "boxes": [{"label": "cat", "box": box}]} for i in range(30)]
    poor = [
        {"id": i, "boxes": [{"label": "cat", "box": box if i % 3 == 0 else [0.6, 0.6, 0.9, 0.9]}]} for i in range(30)
    ]
    found = compare("detection", records, poor, good, draws=200)
    assert found.test == "bootstrap"
    assert found.p_value < 0.05
    assert found.difference > 0.5


def test_one_group_is_too_little():
    records = [{**record, "group": "one"} for record in RECORDS]
    with pytest.raises(LammMetricsError, match="two groups"):
        compare("vqa", records, answers(0.5, 1), answers(0.6, 2))


def test_no_power_is_stated_that_the_metric_leaves_no_room_for():
    references = [{"id": i, "label": "cat"} for i in range(2)]
    right, half = ([{"id": 0, "text": "cat"}, {"id": 1, "text": text}] for text in ("cat", "dog"))
    found = compare("classification", references, right, half, draws=200)
    assert found.standard_error > 0.3
    assert found.detectable is None
    assert "allow none to be stated" in str(found)
    same = compare("classification", references, right, right, draws=200)
    assert (same.detectable, same.groups_needed) == (None, None)
    # An error has no end, so there is always room.
    counts = ([{"id": i, "number": 1 + 900 * (i % k == 0)} for i in range(9)] for k in (4, 3))
    assert compare("counting", [{"id": i, "num": 1} for i in range(9)], *counts, draws=200).detectable > 100


def test_the_scores_of_a_comparison_are_drawn_as_often_as_it_says():
    references = [{"id": i, "num": i * i % 17} for i in range(40)]
    first, second = ([{"id": i, "number": i * k % 13} for i in range(40)] for k in (3, 7))
    found = compare("counting", references, first, second, draws=300)
    assert found.first == score("counting", references, first, draws=300).headline
    assert found.second == score("counting", references, second, draws=300).headline
    assert found.second != score("counting", references, second, draws=1000).headline


@pytest.mark.parametrize(("binning", "test"), [("width", "permutation"), ("mass", "bootstrap")])
def test_answers_are_swapped_between_models_only_where_bins_stand_still(binning, test):
    references = [{"id": i, "gt_choice": 0, "gt_choices": ["a", "b"]} for i in range(30)]
    answers = [
        [{"id": i, "probabilities": [p := 0.01 + share * (i % 10) / 10, 1 - p]} for i in range(30)]
        for share in (1, 0.5)
    ]
    assert compare("vqa", references, *answers, metrics=("ece",), binning=binning, draws=100).test == test

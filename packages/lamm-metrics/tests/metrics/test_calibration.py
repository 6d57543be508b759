"""Calibration error by hand, at its edges, and against a plain loop over bins."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamm_metrics.errors import UsageError
from lamm_metrics.metrics.calibration import CalibrationError, equal_width_bins
from lamm_metrics.records.predictions import Prediction


def calibration(pairs, **options):
    metric = CalibrationError("vqa", **options)
    for i, (confidence, correct) in enumerate(pairs):
        reference = {"id": i, "gt_choice": 0 if correct else 1, "gt_choices": ["a", "b"]}
        metric.update(reference, Prediction(str(i), probabilities=[confidence, 0.0]))
    return {score.name: score for score in metric.compute(draws=10)}


def plain_ece(confidence, correct, edges):
    """Sum over right-closed bins of share * |accuracy - mean confidence|."""
    total = 0.0
    for i, (low, high) in enumerate(itertools.pairwise(edges)):
        inside = (confidence <= high) & ((confidence > low) | (i == 0))
        if inside.any():
            total += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    return total


def test_edges_fall_into_bins():
    assert equal_width_bins(np.array([0.0, 0.1, 0.1000001, 1.0]), 10).tolist() == [0, 0, 1, 9]


def test_equal_width_equals_a_plain_loop_on_random_cases():
    generator = np.random.default_rng(0)
    for _ in range(1000):
        confidence, correct = generator.random(20) * 0.999 + 0.001, generator.random(20) < 0.6
        found = calibration(list(zip(confidence.tolist(), correct.tolist(), strict=True)))
        assert found["ece_width"].value == pytest.approx(plain_ece(confidence, correct, np.linspace(0, 1, 16)))


def test_brier_equals_scikit_learn():
    sklearn = pytest.importorskip("sklearn.metrics")
    generator = np.random.default_rng(1)
    confidence, correct = generator.random(50) * 0.999 + 0.001, generator.random(50) < 0.6
    found = calibration(list(zip(confidence.tolist(), correct.tolist(), strict=True)))
    assert found["brier_top"].value == pytest.approx(sklearn.brier_score_loss(correct, confidence))


def test_equal_mass_by_hand():
    # Two bins of two: |0.3 - 0.5| and |0.8 - 0.5|, each half of the answers.
    pairs = [(0.2, True), (0.4, False), (0.7, True), (0.9, False)]
    found = calibration(pairs, binning="mass", bins=2)
    assert found["ece_mass"].value == pytest.approx(0.5 * 0.2 + 0.5 * 0.3)
    assert "2equal_mass" in found["ece_mass"].signature


@settings(max_examples=100, deadline=None)
@given(st.permutations([(0.5, True), (0.5, False), (0.5, True), (0.7, False), (0.7, True), (0.9, True), (0.9, False)]))
def test_equal_mass_does_not_depend_on_the_order_of_ties(pairs):
    expected = calibration(sorted(pairs), binning="mass", bins=3)["ece_mass"].value
    assert calibration(pairs, binning="mass", bins=3)["ece_mass"].value == pytest.approx(expected, abs=1e-12)


def test_answers_without_confidence_are_left_out_and_counted():
    metric = CalibrationError("vqa")
    metric.update({"id": 1, "gt_choice": 0, "gt_choices": ["a", "b"]}, Prediction("1", "A"))
    metric.update({"id": 2, "gt_choice": 0, "gt_choices": ["a", "b"]}, Prediction("2", probabilities=[1.0, 0.0]))
    score = metric.compute(draws=2)[0]
    assert (score.value, score.n, score.n_failed) == (0.0, 2, 1)


def test_unknown_binning_is_refused():
    with pytest.raises(UsageError, match="width or mass"):
        CalibrationError(binning="depth")

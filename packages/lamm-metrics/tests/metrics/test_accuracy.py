"""Accuracy of closed answers, CircularEval, and the bounds that unreadable answers leave open."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamm_metrics.answers.kinds import reader_of
from lamm_metrics.errors import UsageError
from lamm_metrics.metrics.accuracy import Accuracy, CircularAccuracy
from lamm_metrics.metrics.yes_no import YesNo
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import labels_of

CHOICES = {"gt_choice": 1, "gt_choices": ["red", "blue", "green"]}


def accuracy(task, pairs, labels=()):
    metric = Accuracy(task, labels)
    for i, (reference, answer) in enumerate(pairs):
        metric.update({"id": i, **reference}, Prediction(str(i), **answer))
    return metric.compute()[0]


def test_unreadable_answers_are_wrong_and_bound_the_score():
    score = accuracy("vqa", [(CHOICES, {"choice": 1}), (CHOICES, {"choice": 0}), (CHOICES, {"text": "Hm."})])
    assert score.value == pytest.approx(1 / 3)
    assert score.n_failed == 1
    assert score.extra["failures_wrong"] == pytest.approx(1 / 3)
    assert score.extra["failures_right"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("choice", "right"), [(1, 1), ("B", 1), ("b", 1), (0, 0), ("Z", 0), (7, 0), (-2, 0), ("BB", 0)]
)
def test_structured_choices(choice, right):
    score = accuracy("vqa", [(CHOICES, {"choice": choice, "text": "The answer is B."})])
    assert score.value == right
    assert score.n_failed == (choice in ("Z", 7, -2, "BB"))


def test_probabilities_decide_and_a_tie_is_ambiguous_not_a_guess():
    assert accuracy("vqa", [(CHOICES, {"probabilities": [0.1, 0.8, 0.1]})]).value == 1
    tied = accuracy("vqa", [(CHOICES, {"probabilities": [0.1, 0.45, 0.45]})])
    assert (tied.value, tied.n_failed) == (0, 1)
    by_label = accuracy(
        "classification", [({"label": "cat"}, {"probabilities": {"cat": 0.9, "dog": 0.1}})], ["cat", "dog"]
    )
    assert by_label.value == 1


def test_free_text_of_every_closed_task():
    assert accuracy("classification", [({"label": "cat"}, {"text": "This is a cat."})], ["cat", "dog"]).value == 1
    assert (
        accuracy("fine_grained_classification", [({"label": "river"}, {"text": "A river."})], ["river", "beach"]).value
        == 1
    )
    assert accuracy("facial_classification", [({"attr": "-1"}, {"text": "No, he is not smiling."})]).value == 1
    assert accuracy("facial_classification", [({"attr": "1"}, {"text": ""})]).value == 0
    assert accuracy("facial_classification", [({"attr": "black"}, {"text": "black"})], ["black", "blond"]).value == 1
    assert accuracy("vqa3d", [(CHOICES, {"text": "The answer is (B)."})]).value == 1


def test_open_tasks_have_no_closed_answers():
    with pytest.raises(UsageError, match="closed answers"):
        reader_of("caption")


def test_default_label_set_is_what_is_true_somewhere():
    records = [{"label": "dog"}, {"label": "cat"}, {"attr": "1"}, {"object": [{"label": "cup"}]}]
    assert labels_of(records) == ["1", "cat", "cup", "dog"]


def test_circular_counts_a_question_only_if_every_rotation_is_right():
    metric = CircularAccuracy("vqa")
    # Two questions of two rotations, numbered as MMBench does; the second fails once.
    for i, choice in ((7, 1), (1_000_007, 1), (8, 1), (1_000_008, 0)):
        metric.update({"id": i, **CHOICES}, Prediction(str(i), choice=choice))
    score = metric.compute()[0]
    assert (score.value, score.n) == (0.5, 2)
    assert score.extra["accuracy_per_rotation"] == 0.75


def test_circular_with_unreadable_answers_is_bounded():
    metric = CircularAccuracy("vqa")
    # The first question fails by an answer that cannot be read, the second by a wrong one, the third by both.
    right, wrong, none = "The answer is B", "The answer is A", "Hm."
    answers = {7: right, 1_000_007: none, 8: right, 1_000_008: wrong, 9: wrong, 1_000_009: none}
    for i, text in answers.items():
        metric.update({"id": i, **CHOICES}, Prediction(str(i), text))
    score = metric.compute()[0]
    assert (score.value, score.extra["failures_wrong"], score.extra["failures_right"]) == (0, 0, pytest.approx(1 / 3))


def test_yes_no_with_unreadable_answers_is_bounded():
    metric = YesNo()
    for i, text in enumerate(["Yes.", "No.", "A table."]):
        metric.update({"id": i, "label": "yes"}, Prediction(str(i), text))
    extra = metric.compute()[0].extra
    assert extra == {"failures_wrong": pytest.approx(1 / 3), "failures_right": pytest.approx(2 / 3)}


def test_wilson_for_independent_and_bootstrap_for_dependent_records():
    answers = [(CHOICES, {"choice": i % 2}) for i in range(10)]
    assert "ci:wilson95" in accuracy("vqa", answers).signature
    grouped = [({**CHOICES, "group": str(i // 2)}, {"choice": int(i < 5)}) for i in range(10)]
    score = accuracy("vqa", grouped)
    assert "ci:bootstrap95" in score.signature
    all_right = accuracy("vqa", [({**CHOICES, "group": str(i // 2)}, {"choice": 1}) for i in range(10)])
    assert "ci:wilson95" in all_right.signature
    assert all_right.interval[0] == pytest.approx(0.5655, abs=1e-4)  # Wilson for 5 of 5 groups


@settings(max_examples=50, deadline=None)
@given(st.permutations(range(12)), st.lists(st.integers(0, 2), min_size=12, max_size=12))
def test_order_and_renaming_of_records_change_nothing(order, answers):
    def run(ids, sequence):
        metric = Accuracy("vqa")
        for i in sequence:
            reference = {"id": ids[i], "group": f"g{i // 3}", **CHOICES}
            metric.update(reference, Prediction(ids[i], choice=answers[i]))
        return metric.compute(draws=20)[0]

    ids = [f"r{i:02}" for i in range(12)]
    assert run(ids, range(12)) == run(ids, order)
    renamed = run([f"r{i:02}" for i in order], range(12))
    assert renamed.value == run(ids, range(12)).value


def test_yes_no_equals_scikit_learn_on_random_cases():
    sklearn = pytest.importorskip("sklearn.metrics")
    generator = np.random.default_rng(0)
    for _ in range(1000):
        truth, given = (generator.choice(["yes", "no"], 8) for _ in range(2))
        metric = YesNo()
        for i, (label, answer) in enumerate(zip(truth, given, strict=True)):
            metric.update({"id": i, "label": str(label)}, Prediction(str(i), f"{answer}."))
        found = {score.name: score.value for score in metric.compute(draws=2)}
        precision, recall, f1, _ = sklearn.precision_recall_fscore_support(
            truth, given, pos_label="yes", average="binary", zero_division=0
        )
        assert found["accuracy"] == pytest.approx((truth == given).mean())
        assert found["precision"] == pytest.approx(precision)
        assert (found["recall"] or 0.0) == pytest.approx(recall)
        assert found["f1"] == pytest.approx(f1)
        assert found["yes_rate"] == pytest.approx((given == "yes").mean())

"""Spatial questions equal what four codes give, row by row and as a whole."""

import json
from pathlib import Path

import numpy as np
import pytest

from lamm_metrics import chance_predictions, make_metric, score
from lamm_metrics.metrics.spatial import relative_accuracy
from lamm_metrics.metrics.spatial_reading import read_letter, read_number
from lamm_metrics.records.predictions import Prediction

FOUND = json.loads((Path(__file__).parents[1] / "golden" / "vision3d" / "vsi.json").read_text("utf-8"))
CODES = ("official", "lmms_eval", "vlmevalkit", "torchmetrics_ext")
PROTOCOLS = dict(zip(CODES, ("vsi-official", "vsi-lmms", "vsi-vlmevalkit", "torchmetrics-ext"), strict=True))
NUMERIC = ("object_counting", "object_abs_distance", "object_size_estimation", "room_size_estimation")


def record(key, kind, truth):
    own = (
        {"num": float(truth)}
        if kind in NUMERIC
        else {"gt_choice": "ABCD".index(truth.upper()), "gt_choices": ["bed", "desk", "sofa", "lamp"]}
    )
    return {"id": key, "question_type": kind, **own}


def test_the_golden_file_is_whole():
    assert FOUND["columns"] == ["question_type", "prediction", "ground_truth", *CODES]
    assert len(FOUND["items"]) == 81


@pytest.mark.parametrize("code", CODES)
def test_every_row_equals_the_code(code):
    rows = [(f"{place:02d}", *row) for place, row in enumerate(FOUND["items"])]
    references = [record(key, kind, truth) for key, kind, _, truth, *_ in rows]
    answers = [{"id": key, "text": text} for key, _, text, *_ in rows]
    report = score("spatial_questions3d", references, answers, PROTOCOLS[code], draws=2)
    theirs = [row[4 + CODES.index(code)] for row in rows]
    assert [sample.value for sample in report.samples] == pytest.approx(theirs, rel=0, abs=1e-12)


@pytest.mark.parametrize("code", CODES)
def test_the_mean_is_over_tasks_and_direction_is_one(code):
    whole = FOUND["aggregate"]
    rows = list(enumerate(zip(whole["question_types"], whole["predictions"], whole["ground_truth"], strict=True)))
    references = [record(f"{place:02d}", kind, truth) for place, (kind, _, truth) in rows]
    answers = [{"id": f"{place:02d}", "text": text} for place, (_, text, _) in rows]
    report = score("spatial_questions3d", references, answers, PROTOCOLS[code], draws=50)
    found = {one.name: one.value for one in report.scores}
    assert 100 * found["mra"] == pytest.approx(whole["official_percent"]["overall"], rel=0, abs=1e-9)
    for name, value in whole["torchmetrics_ext_percent"].items():
        ours = found["mra" if name == "overall_acc" else f"mra/{name.removesuffix('_acc')}"]
        assert 100 * ours == pytest.approx(value, rel=0, abs=1e-9)
    assert report.headline.interval is not None
    first = score("spatial_questions3d", references[:3], answers[:3], PROTOCOLS[code], draws=2).headline.value
    assert 100 * first == pytest.approx(whole["first3_only"]["official_overall"], abs=1e-9)


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        ("A or B? <answer>B</answer> A", "B"),
        ("either A or C, so (b)</think>", "B"),
        ("A or B or C\nso my answer is b, not more", "B"),
        ("Option A: bed\nOption B: desk\nI take B.", "B"),
        ("B) desk", "B"),
        ("<think>A. bed</think>\nb", "B"),
        ("A and B", ""),
    ],
)
def test_a_letter_is_searched_for_from_strong_to_weak_evidence(text, stated):
    assert read_letter(Prediction("1", text), "vlmevalkit", ["bed", "desk", "sofa"]) == stated


@pytest.mark.parametrize(
    ("reading", "text", "number"),
    [
        ("vlmevalkit", "<answer>7</answer> or 8", 7),
        ("vlmevalkit", "<think>5</think> it is six of 9", 9),
        ("vlmevalkit", "<think>5", 5),
        ("lmms", "two of 9", 9),
        ("lmms", "there are two", 2),
        ("official", "1_000", 1000),
        ("torchmetrics", " 4 m", 4),
        ("official", " 4 m", None),
    ],
)
def test_numbers_are_read_by_rule(reading, text, number):
    assert read_number(Prediction("1", text), reading) == number


def test_bounds_are_rounded_as_in_each_code():
    """4 of 5 is off by exactly 20 %, which torch's bound admits and numpy's does not."""
    found = {}
    for reading in ("official", "torchmetrics"):
        metric = make_metric("mra", "spatial_questions3d", reading=reading)
        metric.update(record("1", "object_counting", "5"), Prediction("1", "4"))
        found[reading] = metric.compute(draws=2)[0].value
    assert found == {"official": 0.6, "torchmetrics": 0.7}


def test_a_true_zero_is_compared_as_it_is():
    assert relative_accuracy(0, 0) == 1
    assert relative_accuracy(0.5, 0) == 0.1


def test_records_without_types_are_one_task():
    references = [{"id": 1, "num": 4}, {"id": 2, "num": 2}]
    answers = [{"id": 1, "number": 4}, {"id": 2, "text": "no idea"}]
    report = score("spatial_questions3d", references, answers)
    assert [(one.name, one.value) for one in report.scores] == [("mra", 0.5)]
    assert report.headline.n_failed == 1
    assert report.headline.extra["failures_right"] == 1


def test_structured_answers_are_taken_as_they_are():
    metric = make_metric("mra", "spatial_questions3d", reading="official")
    metric.update(record("1", "object_rel_distance", "B"), Prediction("1", choice=1))
    metric.update(record("2", "object_counting", "3"), Prediction("2", number=3.0))
    assert metric.compute(draws=2)[0].value == 1


def test_chance_draws_options_and_the_numbers_of_others():
    references = [record(str(i), "object_counting", str(i + 1)) for i in range(30)]
    references += [record(str(i), "object_rel_distance", "A") for i in range(30, 430)]
    guesses = chance_predictions("spatial_questions3d", references, seed=1)
    assert [guess.id for guess in guesses] == [one["id"] for one in references]
    numbers = [guess.number for guess in guesses[:30]]
    assert all(number != i + 1 and number in range(1, 31) for i, number in enumerate(numbers))
    picks = [guess.choice for guess in guesses[30:]]
    assert np.bincount(picks) / 400 == pytest.approx([0.25] * 4, abs=0.08)
    (lone,) = chance_predictions("spatial_questions3d", references[:1])
    assert lone.number is None


def test_hostile_answers_are_read_in_linear_time():
    for text in (
        "<answer" * 20000,
        "(" * 100000,
        "answer" + " " * 100000,
        "<think>" * 20000,
        "9" * 100000,
        "A " * 50000,
    ):
        metric = make_metric("mra", "spatial_questions3d", reading="vlmevalkit")
        metric.update(record("1", "object_rel_distance", "A"), Prediction("1", text))
        metric.update(record("2", "object_counting", "3"), Prediction("2", text))

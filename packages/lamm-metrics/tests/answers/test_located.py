"""Structured boxes and points: in the convention that they name, else in the metric's; faults keep their place."""

import numpy as np
import pytest

import lamm_metrics as m
from lamm_metrics.answers.located import boxes_2d, boxes_3d, points_2d
from lamm_metrics.extraction import BoxConvention
from lamm_metrics.geometry.boxes import BoxFault
from lamm_metrics.records.predictions import Prediction, read_predictions

RECORD = {"id": 1, "image_size": [200, 100]}
CONVENTIONS = ("normalised-xyxy", "thousand-xyxy", "pixels-xywh", "percent-cxcywh", "normalised-yxyx")


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_structured_answers_that_name_their_convention_do_not_depend_on_the_metrics(convention):
    prediction = Prediction(
        "1", boxes=[{"box": [0.1, 0.2, 0.3, 0.4]}], points=[{"point": [0.1, 0.2]}], convention="normalised-xyxy"
    )
    assert boxes_2d(RECORD, prediction, None, convention).boxes[0].box == (0.1, 0.2, 0.3, 0.4)
    assert points_2d(RECORD, prediction, None, BoxConvention.parse(convention)).points[0].point == (0.1, 0.2)


def test_structured_answers_without_one_are_in_the_declared_convention():
    prediction = Prediction("1", boxes=[{"box": [20, 20, 40, 20]}])
    assert boxes_2d(RECORD, prediction, None, "pixels-xywh").boxes[0].box == pytest.approx((0.1, 0.2, 0.3, 0.4))
    assert points_2d(RECORD, prediction, None, "pixels-xywh").points[0].point == pytest.approx((0.2, 0.3))


def test_faulty_boxes_keep_their_place_as_nan():
    boxes = [{"box": [0.1, 0.2, 0.3]}, {"box": [0.3, 0.2, 0.1, 0.4]}, {"box": ["x"]}, {"box": [0, 0, float("nan"), 1]}]
    answer = boxes_2d(RECORD, Prediction("1", boxes=boxes), None, "normalised")
    assert [bool(np.isnan(box.box).all()) for box in answer.boxes] == [True, False, True, True]
    assert answer.faults == [BoxFault.WRONG_LENGTH, BoxFault.REVERSED, BoxFault.WRONG_LENGTH, BoxFault.NOT_FINITE]
    sized = boxes_2d(RECORD, Prediction("1", boxes=[{"box": [0.5, 0.5, -0.1, 0.1]}]), None, "normalised-xywh")
    assert sized.faults == [BoxFault.NEGATIVE_SIZE]


def test_boxes_in_space_get_the_angles_that_are_asked_for():
    boxes = [{"box": [1, 2, 3, 4, 5, 6]}, {"box": [1, 2, 3, 4, 5, 6, 0.5]}, {"box": [1, 2, 3, 4]}]
    answer = boxes_3d(Prediction("1", boxes=boxes), None, 7)
    assert [len(box.box) for box in answer.boxes] == [7, 7, 7]
    assert (answer.boxes[0].box[6], answer.boxes[1].box[6]) == (0, 0.5)
    assert answer.faults == [BoxFault.WRONG_LENGTH]


@pytest.mark.parametrize("task", ["detection", "locating", "keypoint_detection"])
def test_chance_scores_the_same_under_every_convention(task):
    generator = np.random.default_rng(3)
    if task == "keypoint_detection":
        joints = generator.uniform(1, 99, (8, 14, 2)).tolist()
        records = [
            {"id": i, "image": f"{i}.jpg", "image_size": [100, 100], "gt_joints": pose} for i, pose in enumerate(joints)
        ]
    else:
        corners = generator.uniform(0, 0.4, (8, 2)).tolist()
        records = [
            {
                "id": i,
                "image": f"{i}.jpg",
                "image_size": [100, 100],
                "object": [{"label": "cat", "bbox": [x, y, x + 0.5, y + 0.5]}],
            }
            for i, (x, y) in enumerate(corners)
        ]
    guesses = m.chance_predictions(task, records)
    scored = {m.score(task, records, guesses, convention=name, draws=2).headline.value for name in CONVENTIONS}
    assert len(scored) == 1
    assert scored != {0.0}


def test_a_file_may_name_the_convention_of_its_boxes(tmp_path):
    path = tmp_path / "answers.jsonl"
    path.write_text('{"id": 1, "boxes": [{"box": [1, 2, 3, 4]}], "convention": "percent-xyxy"}\n')
    assert read_predictions(path).records["1"].convention == "percent-xyxy"
    path.write_text('{"id": 1, "boxes": [{"box": [1, 2, 3, 4]}], "convention": "inches"}\n')
    with pytest.raises(m.LammMetricsError, match="a frame and a layout"):
        read_predictions(path)
    path.write_text('{"id": 1, "text": "dog"}\n{"id": 2, "convention": "percent-xyxy"}\n')
    with pytest.raises(m.LammMetricsError, match="got neither"):
        read_predictions(path)

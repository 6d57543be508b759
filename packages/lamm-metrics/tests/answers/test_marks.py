"""What a report draws: boxes, points, clouds."""

import base64

import numpy as np
import pytest

from lamm_metrics import Prediction, read_reports, score
from lamm_metrics.answers.marks import MOST, marks_of
from lamm_metrics.report.media import cloud_for_page


def test_boxes_of_truth_and_answer_are_shares_of_the_image():
    record = {"id": 1, "object": [{"label": "cat", "bbox": [0.5, 0.5, 0.1, 0.1]}]}
    marks = marks_of("detection", record, Prediction("1", "a cat [0.2, 0.2, 0.4, 0.4]"), ["cat"])
    assert [(mark.kind, mark.true) for mark in marks] == [("box", True), ("box", False)]
    assert marks[0].numbers == (0.1, 0.1, 0.5, 0.5)
    assert marks[1].numbers == pytest.approx((0.2, 0.2, 0.4, 0.4))


def test_joints_are_divided_by_the_size_and_hidden_ones_left_out():
    record = {"id": 1, "gt_joints": [[50, 20, 1], [9, 9, 0]], "joints": ["neck", "head top"], "image_size": [100, 200]}
    marks = marks_of("keypoint_detection", record, Prediction("1", {"neck": "at [0.5, 0.2]"}))
    assert [(mark.numbers, mark.label, mark.true) for mark in marks] == [
        ((0.5, 0.1), "neck", True),
        ((0.5, 0.2), "neck", False),
    ]


def test_boxes_in_space_keep_their_angles():
    record = {"id": 1, "object": [{"label": "bed", "bbox": [0, 0, 0, 1, 1, 1, 0.5]}]}
    answer = Prediction("1", boxes=[{"label": "bed", "box": [0, 0, 0, 1, 1, 1]}])
    true, read = marks_of("detection3d", record, answer)
    assert len(true.numbers) == 7
    assert read.numbers == (0, 0, 0, 1, 1, 1, 0, 0, 0)


def test_unusable_numbers_and_the_thousandth_box_are_not_drawn():
    boxes = [{"label": "cat", "box": [float("nan"), 0, 1, 1]}, *[{"label": "cat", "box": [0, 0, 1, 1]}] * (MOST + 5)]
    marks = marks_of("detection", {"id": 1, "object": []}, Prediction("1", boxes=boxes))
    assert len(marks) == MOST


def test_tasks_without_places_have_no_marks():
    assert marks_of("counting", {"id": 1, "num": 3}, Prediction("1", "3")) == ()


def test_marks_and_confidence_survive_the_file(tmp_path):
    import json

    record = {"id": 1, "object": [{"label": "cat", "bbox": [0.1, 0.1, 0.5, 0.5]}]}
    report = score("detection", [record], [{"id": 1, "text": "cat [0.1, 0.1, 0.5, 0.5]"}], draws=2)
    path = tmp_path / "r.json"
    path.write_text(json.dumps(report.to_json(samples=True)))
    assert read_reports(path)[0].samples == report.samples
    chosen = {"id": 1, "gt_choice": 0, "gt_choices": ["a", "b"]}
    report = score("vqa", [chosen], [{"id": 1, "text": "", "probabilities": [0.7, 0.3]}], draws=2)
    assert report.samples[0].confidence == 0.7


def test_a_cloud_is_packed_within_half_a_step(tmp_path):
    cloud = np.random.default_rng(0).uniform(-3, 5, (9000, 6)).astype(np.float32)
    cloud[:, 3:] = np.random.default_rng(1).uniform(0, 1, (9000, 3))
    np.save(tmp_path / "room.npy", cloud)
    packed = cloud_for_page(tmp_path / "room.npy", 100)
    low, high = np.array(packed["low"]), np.array(packed["high"])
    xyz = np.frombuffer(base64.b64decode(packed["xyz"]), "<u2").reshape(-1, 3) / 65535 * (high - low) + low
    nearest = np.linalg.norm(cloud[None, :, :3] - xyz[:, None], axis=2).min(axis=1)
    assert (packed["n"], len(xyz)) == (100, 100)
    assert nearest.max() < 8 / 65535
    assert len(base64.b64decode(packed["rgb"])) == 300
    assert cloud_for_page(tmp_path / "room.npy", 100) == packed


@pytest.mark.parametrize("bad", [b"", b"not numpy", np.array([{"a": 1}], dtype=object)])
def test_what_is_no_cloud_is_left_out(tmp_path, bad):
    path = tmp_path / "x.npy"
    if isinstance(bad, bytes):
        path.write_bytes(bad)
    else:
        np.save(path, bad, allow_pickle=True)
    assert cloud_for_page(path) is None

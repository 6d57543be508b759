"""What a report draws is what was scored: boxes and points of the metric's own state."""

import json

import numpy as np
import pytest

from lamm_metrics import Prediction, make_metric, read_reports, score
from lamm_metrics.results.score import MOST


def marks_of(name, record, prediction, task="detection", labels=(), **options):
    metric = make_metric(name, task, labels, **options)
    metric.update(record, prediction)
    return next(metric.per_sample()).marks


def test_boxes_of_truth_and_answer_are_shares_of_the_image():
    record = {"id": 1, "object": [{"label": "cat", "bbox": [0.5, 0.5, 0.1, 0.1]}]}
    marks = marks_of("detection_ap", record, Prediction("1", "a cat [0.2, 0.2, 0.4, 0.4]"), labels=["cat"])
    assert [(mark.kind, mark.true) for mark in marks] == [("box", True), ("box", False)]
    assert marks[0].numbers == (0.1, 0.1, 0.5, 0.5)
    assert marks[1].numbers == pytest.approx((0.2, 0.2, 0.4, 0.4))


def test_joints_are_divided_by_the_size_and_hidden_ones_left_out():
    record = {"id": 1, "gt_joints": [[50, 20, 1], [9, 9, 0]], "joints": ["neck", "head top"], "image_size": [100, 200]}
    marks = marks_of("pck", record, Prediction("1", {"neck": "at [0.5, 0.2]"}))
    assert [(mark.numbers, mark.label, mark.true) for mark in marks] == [
        ((0.5, 0.1), "neck", True),
        ((0.5, 0.2), "neck", False),
    ]


def test_boxes_in_space_keep_their_angles():
    record = {"id": 1, "object": [{"label": "bed", "bbox": [0, 0, 0, 1, 1, 1, 0.5]}]}
    answer = Prediction("1", boxes=[{"label": "bed", "box": [0, 0, 0, 1, 1, 1]}])
    true, read = marks_of("detection_ap_3d", record, answer, rotation="yaw")
    assert len(true.numbers) == 7
    assert read.numbers == (0, 0, 0, 1, 1, 1, 0)


def test_unusable_numbers_and_the_thousandth_box_are_not_drawn():
    boxes = [{"label": "cat", "box": [float("nan"), 0, 1, 1]}, *[{"label": "cat", "box": [0, 0, 1, 1]}] * (MOST + 5)]
    marks = marks_of("detection_ap", {"id": 1, "object": []}, Prediction("1", boxes=boxes))
    assert len(marks) == MOST


def test_tasks_without_places_have_no_marks():
    assert marks_of("counting", {"id": 1, "num": 3}, Prediction("1", "3")) == ()


def test_marks_and_confidence_survive_the_file(tmp_path):
    record = {"id": 1, "object": [{"label": "cat", "bbox": [0.1, 0.1, 0.5, 0.5]}]}
    report = score("detection", [record], [{"id": 1, "text": "cat [0.1, 0.1, 0.5, 0.5]"}], draws=2)
    path = tmp_path / "r.json"
    path.write_text(json.dumps(report.to_json(samples=True)))
    assert read_reports(path)[0].samples == report.samples
    chosen = {"id": 1, "gt_choice": 0, "gt_choices": ["a", "b"]}
    report = score("vqa", [chosen], [{"id": 1, "text": "", "probabilities": [0.7, 0.3]}], draws=2)
    assert report.samples[0].confidence == 0.7


CAT, DOG = [0.1, 0.1, 0.5, 0.5], [0.6, 0.6, 0.9, 0.9]


def flags(marks):
    return [(mark.label, mark.true, mark.matched) for mark in marks]


def test_the_report_draws_the_boxes_that_were_scored():
    """Names outside the record's labels and another convention once made the page read the answer another way."""
    record = {"id": 1, "object": [{"label": "sofa", "bbox": CAT}], "labels": ["sofa", "dining table"]}
    text = "A couch at [100, 100, 500, 500] and a wide dining table at [600, 600, 900, 900]."
    for metrics in ([], ["binary_locating"]):
        report = score("detection", [record], [{"id": 1, "text": text}], convention="thousand-xyxy", metrics=metrics)
        marks = report.samples[0].marks
        assert marks[0] == ("box", tuple(CAT), "sofa", True, report.headline.value == 1)
        numbers = json.loads(f"[{report.samples[0].extracted.replace(';', ',')}]") if metrics else None
        assert numbers is None or [list(mark.numbers) for mark in marks[1:]] == numbers
    turned = {"id": 1, "gt_bbox": [0, 0, 0, 4, 1, 1, 1.57079]}
    boxes = [{"box": [9, 9, 9, 1, 1, 1, 0], "score": 0.1}, {"box": [0, 0, 0, 1, 4, 1, 0], "score": 0.9}]
    report = score("visual_grounding3d", [turned], [{"id": 1, "boxes": boxes}], rotation="yaw")
    # The second extraction drew both boxes without angles; one box counts, the best scored.
    assert [(mark.numbers, mark.matched) for mark in report.samples[0].marks] == [
        ((0, 0, 0, 4, 1, 1, 1.57079), True),
        ((0, 0, 0, 1, 4, 1, 0), True),
    ]


def test_matches_are_those_of_the_first_threshold():
    records = [
        {"id": 1, "object": [{"label": "cat", "bbox": CAT}, {"label": "dog", "bbox": DOG}]},
        {"id": 2, "object": [{"label": "dog", "bbox": DOG}]},
    ]
    boxes = [{"label": "dog", "box": CAT}, {"label": "cat", "box": CAT}, {"label": "cat", "box": DOG}]
    report = score("detection", records, [{"id": 1, "boxes": boxes}, {"id": 2, "boxes": boxes[:1]}])
    assert flags(report.samples[0].marks) == [
        ("cat", True, True), ("dog", True, False), ("dog", False, False), ("cat", False, True), ("cat", False, False),
    ]  # fmt: skip
    assert not any(mark.matched for mark in report.samples[1].marks)
    located = score("locating", records, [{"id": 1, "text": "dog [0.7, 0.7], cat [0.9, 0.1]"}, {"id": 2, "text": ""}])
    assert flags(located.samples[0].marks) == [
        ("cat", True, False), ("dog", True, True), ("dog", False, True), ("cat", False, False),
    ]  # fmt: skip


def test_a_person_and_marked_objects_are_drawn_as_they_are_compared():
    person = {"id": 1, "gt_joints": [[20, 10, 1], [60, 90, 1]], "image_size": [100, 100]}
    marks = marks_of("binary_locating", person, Prediction("1", points=[{"point": [0.3, 0.3]}, {"point": [0.9, 0.9]}]))
    assert [(mark.kind, mark.matched) for mark in marks] == [("box", True), ("point", True), ("point", False)]
    assert marks[0].numbers == pytest.approx((0.2, 0.1, 0.6, 0.9))
    marked = {"id": 1, "points": [[10, 10], [90, 90]], "image_size": [100, 100]}
    marks = marks_of("binary_locating", marked, Prediction("1", points=[{"point": [0.1, 0.15]}]))
    assert [(mark.kind, mark.matched) for mark in marks] == [("point", True), ("point", False), ("point", True)]


@pytest.mark.parametrize("failed", [False, True])
def test_every_match_is_computed_once(monkeypatch, failed):
    """Ten thresholds are matched ten times, whatever is reported; overlaps are taken once for all of them."""
    from lamm_metrics.average_precision import matching

    calls = {"greedy": 0, "overlapping_pairs": 0}

    def counted(name):
        original = getattr(matching, name)

        def called(*arguments):
            calls[name] += 1
            return original(*arguments)

        monkeypatch.setattr(matching, name, called)

    for name in calls:
        counted(name)
    generator = np.random.default_rng(0)
    records = [{"id": i, "object": [{"label": "cat", "bbox": CAT}, {"label": "dog", "bbox": DOG}]} for i in range(20)]
    boxes = [[{"label": "cat", "box": (np.array(CAT) + generator.normal(0, 0.03, 4)).tolist()}] for _ in records]
    answers = [{"id": i, "boxes": found} for i, found in enumerate(boxes)]
    if failed:
        answers[3] = {"id": 3, "text": "I do not know."}
    report = score("detection", records, answers, draws=50)
    assert len(report.samples) == 20
    assert 0 < report.headline.extra["failures_right"] <= 1
    # With unreadable answers their images, and only those, are matched once more at the first threshold.
    assert calls == {"greedy": 10 + failed, "overlapping_pairs": 1 + failed}


def test_the_paper_protocol_draws_what_the_published_code_reads():
    record = {"id": 1, "object": [{"label": "cat", "bbox": CAT}]}
    (sample,) = score("detection", [record], [{"id": 1, "text": "a cat [0.1, 0.1, 0.5, 0.5, 0.2]"}], "paper").samples
    assert [(mark.kind, mark.numbers, mark.true) for mark in sample.marks] == [
        ("box", tuple(CAT), True),
        ("box", tuple(CAT), False),
    ]
    person = {"id": 1, "gt_joints": [[50, 50, 1]], "joints": ["neck"], "image_size": [100, 100]}
    (sample,) = score("keypoint_detection", [person], [{"id": 1, "text": {"neck": "[0.5, 0.4]"}}], "paper").samples
    assert flags(sample.marks) == [("neck", True, False), ("neck", False, False)]
    room = {"id": 1, "gt_bbox": [0, 0, 0, 1, 1, 1]}
    text = "[0, 0, 0, 1, 1, 1] or [1, 1, 1, 2, 2, 2]"
    (sample,) = score("visual_grounding3d", [room], [{"id": 1, "text": text}], "paper").samples
    assert [mark.kind for mark in sample.marks] == ["box3d", "box3d"]

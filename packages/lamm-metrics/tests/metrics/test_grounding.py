"""3D visual grounding: one answer a description, two thresholds, two splits."""

import pytest

from lamm_metrics.errors import LammMetricsError, UsageError
from lamm_metrics.metrics.grounding import GroundingAccuracy, ReferringAccuracy
from lamm_metrics.records.predictions import Prediction

UNIT = [0, 0, 0, 1, 1, 1]


def grounded(cases, **options):
    metric = GroundingAccuracy(**options)
    for i, (reference, boxes) in enumerate(cases):
        metric.update({"id": i, **reference}, Prediction(str(i), boxes=[{"box": box} for box in boxes]))
    return {score.name: score.value for score in metric.compute()}, metric


@pytest.mark.parametrize(
    ("boxes", "half", "quarter"),
    [
        ([UNIT], 1, 1),
        ([[0.3, 0, 0, 1, 1, 1]], 1, 1),  # 0.7 / 1.3
        ([[0.25, 0, 0, 0.5, 1, 1]], 1, 1),  # exactly 0.5: at least, not above
        ([[0.4, 0, 0, 1, 1, 1]], 0, 1),
        ([[0.7, 0, 0, 1, 1, 1]], 0, 0),
        ([[5, 5, 5, 1, 1, 1], UNIT], 0, 0),  # only the first counts
        ([], 0, 0),
        ([[0, 0, 0, 1, 1, float("nan")]], 0, 0),
    ],
)
def test_one_description(boxes, half, quarter):
    scores, _ = grounded([({"gt_bbox": UNIT}, boxes)])
    assert scores["grounding_accuracy@0.5"] == half
    assert scores["grounding_accuracy@0.25"] == quarter


def test_the_best_scored_box_counts():
    metric = GroundingAccuracy()
    boxes = [{"box": [5, 5, 5, 1, 1, 1], "score": 0.1}, {"box": UNIT, "score": 0.9}]
    metric.update({"id": 1, "gt_bbox": UNIT}, Prediction("1", boxes=boxes))
    assert metric.compute()[0].value == 1


def test_splits_follow_the_records():
    cases = [
        ({"gt_bbox": UNIT, "unique": True}, [UNIT]),
        ({"gt_bbox": UNIT, "unique": False}, [UNIT]),
        ({"gt_bbox": UNIT, "split": "multiple"}, []),
    ]
    scores, metric = grounded(cases)
    assert scores["grounding_accuracy@0.5"] == pytest.approx(2 / 3)
    assert scores["grounding_accuracy/unique@0.5"] == 1
    assert scores["grounding_accuracy/multiple@0.5"] == 0.5
    assert metric.compute()[0].extra["mean_iou"] == pytest.approx(2 / 3)
    assert [result.value for result in metric.per_sample()] == [1, 1, 0]


def test_any_of_several_true_boxes():
    objects = [{"label": "chair", "bbox": [9, 9, 9, 1, 1, 1]}, {"label": "chair", "bbox": UNIT}]
    scores, _ = grounded([({"object": objects}, [UNIT])])
    assert scores["grounding_accuracy@0.5"] == 1


def test_turned_boxes():
    cases = [({"gt_bbox": [0, 0, 0, 4, 1, 1, 1.5707963267948966]}, [[0, 0, 0, 1, 4, 1, 0]])]
    assert grounded(cases, rotation="yaw")[0]["grounding_accuracy@0.5"] == 1


def test_faulty_records_are_refused():
    with pytest.raises(LammMetricsError, match="gt_bbox"):
        grounded([({}, [UNIT])])
    with pytest.raises(LammMetricsError, match="sides of at least 0"):
        grounded([({"gt_bbox": [0, 0, 0, -1, 1, 1]}, [UNIT])])
    with pytest.raises(UsageError, match="overlaps"):
        GroundingAccuracy(thresholds=(2,))


OBJECTS = [{"id": i, "bbox": [3 * i, 0, 0, 1, 1, 1]} for i in range(4)]


def named(text, **options):
    metric = GroundingAccuracy(**options)
    metric.update({"id": "q", "gt_bbox": OBJECTS[2]["bbox"], "proposals": OBJECTS}, Prediction("q", text))
    return metric.compute()[0], metric


def test_an_answer_may_name_a_numbered_object():
    assert named("It is <OBJ002>.")[0].value == 1
    assert named("<OBJ001>, then <OBJ002>")[0].value == 0
    score, metric = named("<OBJ150>")
    assert (score.value, score.n_failed) == (0, 0)
    assert metric.remarks() == ["ids of objects that are not in the scene in the answers to 'q' (150)"]
    score, metric = named("the chair by the door")
    assert (score.n_failed, next(metric.per_sample()).detail) == (1, "it names no box and no object")


def test_no_usable_id_means_object_0_by_one_rule_only():
    metric = GroundingAccuracy(ids="chatscene")
    for i, text in enumerate(["I do not know.", "<OBJ150>", "<OBJ002>"]):
        metric.update({"id": i, "gt_bbox": OBJECTS[0]["bbox"], "proposals": OBJECTS}, Prediction(str(i), text))
    assert [result.value for result in metric.per_sample()] == [1, 1, 0]
    assert "ids:chatscene" in metric.compute()[0].signature


def test_a_record_without_the_objects_of_its_scene_is_named():
    with pytest.raises(LammMetricsError, match="numbered objects of the scene of record 'q' under `proposals`"):
        GroundingAccuracy().update({"id": "q", "gt_bbox": UNIT}, Prediction("q", "<OBJ002>"))


def test_exactly_half_depends_on_the_rule():
    half = [0.25, 0, 0, 0.5, 1, 1]
    found = {}
    for overlap in ("exact", "scanrefer", "m3dref"):
        scores, _ = grounded([({"gt_bbox": [0.5, 0, 0, 2, 1, 1]}, [[0, 0, 0, 1, 1, 1]])], overlap=overlap)
        found[overlap] = scores["grounding_accuracy@0.5"]
    assert found == {"exact": 1, "scanrefer": 0, "m3dref": 1}
    assert grounded([({"gt_bbox": UNIT}, [half])], bound="exceed")[0]["grounding_accuracy@0.5"] == 0
    with pytest.raises(UsageError, match="rotation none for the overlap of m3dref"):
        GroundingAccuracy("yaw", overlap="m3dref")


def test_easy_and_view_dependent_parts():
    cases = [
        ({"gt_bbox": UNIT, "easy": True, "view_dependent": False}, [UNIT]),
        ({"gt_bbox": UNIT, "easy": False, "view_dependent": False}, []),
    ]
    scores, _ = grounded(cases)
    parts = ("easy", "hard", "view_independent")
    assert [scores[f"grounding_accuracy/{part}@0.5"] for part in parts] == [1, 0, 0.5]
    assert "grounding_accuracy/view_dependent@0.5" not in scores


def test_records_without_an_answer_are_wrong_or_left_out():
    for missing, value, n in (("wrong", 0.5, 2), ("skip", 1.0, 1)):
        metric = GroundingAccuracy(missing=missing)
        metric.update({"id": 1, "gt_bbox": UNIT}, Prediction("1", boxes=[{"box": UNIT}]))
        metric.update({"id": 2, "gt_bbox": UNIT}, Prediction("2", absent=True))
        score = metric.compute()[0]
        assert (score.value, score.n) == (value, n)


def test_expressions_in_images():
    metric = ReferringAccuracy("thousand-xyxy")
    record = {"id": 1, "gt_bbox": [0.1, 0.1, 0.5, 0.5], "image_size": [640, 480]}
    metric.update(record, Prediction("1", "It is at (100,100),(500,400)."))
    assert metric.compute()[0].value == 1
    assert [(mark.kind, mark.true) for mark in next(metric.per_sample()).marks] == [("box", True), ("box", False)]
    metric.update({**record, "id": 2}, Prediction("2", "The left one."))
    assert metric.compute()[0].n_failed == 1
    with pytest.raises(LammMetricsError, match="four finite numbers"):
        metric.update({"id": 3, "gt_bbox": [0, 0, 1]}, Prediction("3", ""))

"""3D visual grounding: one answer a description, two thresholds, two splits."""

import pytest

from lamm_metrics.errors import LammMetricsError, UsageError
from lamm_metrics.metrics.grounding import GroundingAccuracy
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

"""What is drawn over an image or into a point cloud: boxes and points of the truth, and those read from the answer."""

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import Any

from lamm_metrics.answers.located import boxes_2d, boxes_3d, closed_set, points_2d, size_of
from lamm_metrics.geometry.boxes import repaired
from lamm_metrics.geometry.conventions import NORMALISED_XYXY, BoxConvention
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.tasks import task_named
from lamm_metrics.results.score import BOX, BOX_3D, POINT, Mark

# More are not drawn: nobody could tell them apart.
MOST = 200


def marks_of(
    task: str,
    record: Mapping[str, Any],
    prediction: Prediction,
    labels: Sequence[str] = (),
    convention: BoxConvention = NORMALISED_XYXY,
) -> tuple[Mark, ...]:
    """The boxes and points of a record and of its answer, as far as the task has any.

    Args:
        task: A task key.
        record: The benchmark record.
        prediction: The answer.
        labels: Closed set of classes, for records that do not carry their own.
        convention: How the model writes coordinates.

    >>> record = {"id": 1, "object": [{"label": "cat", "bbox": [0, 0, 0.5, 0.5]}]}
    >>> [mark.true for mark in marks_of("detection", record, Prediction("1", "cat [0.1, 0.1, 0.4, 0.4]"))]
    [True, False]
    """
    draw = {"2D boxes": _boxes, "points": _points, "3D boxes": _boxes_3d}.get(task_named(task).extractor)
    if draw is None:
        return ()
    found = [mark for mark in draw(record, prediction, labels, convention) if all(map(isfinite, mark.numbers))]
    true = [mark for mark in found if mark.true]
    answered = [mark for mark in found if not mark.true]
    return (*true[:MOST], *answered[:MOST])


def _boxes(
    record: Mapping[str, Any], prediction: Prediction, labels: Sequence[str], convention: BoxConvention
) -> Iterator[Mark]:
    for item in record.get("object") or ():
        yield Mark(BOX, tuple(float(number) for number in repaired(item["bbox"])), str(item["label"]), True)
    for box in boxes_2d(record, prediction, closed_set(record, labels), convention).boxes:
        yield Mark(BOX, tuple(map(float, box.box)), box.label or "", False)


def _boxes_3d(
    record: Mapping[str, Any], prediction: Prediction, labels: Sequence[str], convention: BoxConvention
) -> Iterator[Mark]:
    single = [{"label": "", "bbox": record["gt_bbox"]}] if "gt_bbox" in record else []
    for item in single or record.get("object") or ():
        yield Mark(BOX_3D, tuple(map(float, item["bbox"])), str(item["label"]), True)
    for box in boxes_3d(prediction, closed_set(record, labels), 9 if _rotated(record) else 6).boxes:
        yield Mark(BOX_3D, tuple(map(float, box.box)), box.label or "", False)


def _rotated(record: Mapping[str, Any]) -> bool:
    return any(len(item["bbox"]) > 6 for item in record.get("object") or ())


def _points(
    record: Mapping[str, Any], prediction: Prediction, labels: Sequence[str], convention: BoxConvention
) -> Iterator[Mark]:
    if "object" in record:
        yield from (mark for mark in _boxes(record, Prediction(prediction.id), labels, convention) if mark.true)
    size = size_of(record)
    joints = record.get("joints") or ()
    for number, place in enumerate(record.get("gt_joints") or record.get("points") or ()):
        seen = len(place) < 3 or place[2] > 0
        if seen and size is not None:
            name = str(joints[number]) if number < len(joints) else ""
            yield Mark(POINT, (float(place[0]) / size[0], float(place[1]) / size[1]), name, True)
    yield from _answered_points(record, prediction, convention)


def _answered_points(record: Mapping[str, Any], prediction: Prediction, convention: BoxConvention) -> Iterator[Mark]:
    """The points of the answer; a keypoint answer holds one text a joint, of which the first point counts."""
    if isinstance(prediction.text, Mapping):
        for joint, text in prediction.text.items():
            for point in points_2d(record, Prediction(prediction.id, text), None, convention).points[:1]:
                yield Mark(POINT, tuple(map(float, point.point)), str(joint), False)
        return
    for point in points_2d(record, prediction, None, convention).points:
        yield Mark(POINT, tuple(map(float, point.point)), point.label or "", False)

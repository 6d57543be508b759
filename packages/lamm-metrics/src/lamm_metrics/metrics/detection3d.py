"""Detection in point clouds, scored by average precision."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from lamm_metrics.answers.located import AnsweredBoxes, NumberCount, boxes_3d
from lamm_metrics.average_precision.matching import SCORE_FREE, PairedIoU
from lamm_metrics.errors import LammMetricsError, UsageError
from lamm_metrics.geometry import boxes3d
from lamm_metrics.geometry.boxes import Floats
from lamm_metrics.geometry.rotated import paired_iou_rotated
from lamm_metrics.metrics.box_ap import BoxAP, bad_truth
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import Reference, record_id

Rotation = Literal["none", "yaw", "full"]
ROTATIONS: Mapping[str, tuple[NumberCount, PairedIoU]] = {
    "none": (6, boxes3d.paired_iou_axis_aligned),
    "yaw": (7, boxes3d.paired_iou_yaw),
    "full": (9, paired_iou_rotated),
}


class DetectionAP3D(BoxAP):
    """Average precision of 3D boxes that need no confidences, at overlaps of 0.5 and 0.25.

    >>> metric = DetectionAP3D()
    >>> record = {"id": "scene0011_00", "object": [{"label": "chair", "bbox": [1, 2, 0.5, 1, 1, 1]}]}
    >>> metric.update(record, Prediction("scene0011_00", boxes=[{"label": "chair", "box": [1, 2, 0.75, 1, 1, 1]}]))
    >>> [score.value for score in metric.compute()[:2]]
    [1.0, 1.0]
    """

    name = "detection_ap_3d"
    dimensions = 9

    def __init__(
        self,
        labels: Sequence[str] = (),
        rotation: Rotation = "none",
        thresholds: Sequence[float] = (0.5, 0.25),
        class_agnostic: bool = False,
    ) -> None:
        """Choose how answers are read and when they are right.

        Args:
            labels: The closed set of classes, for records that do not carry their own.
            rotation: Which angles count: none (6 numbers), yaw (7) or full (9).
            thresholds: Overlaps to report; the first is the headline.
            class_agnostic: Whether to disregard the names.
        """
        self.numbers, iou = rotation_of(rotation)
        super().__init__(iou, thresholds, labels, class_agnostic)
        self.rotation = rotation

    def settings(self) -> dict[str, object]:
        """The choices of the signature."""
        return {
            "iou": ">=" + ",".join(f"{threshold:g}" for threshold in self.thresholds),
            "interp": SCORE_FREE.interpolation,
            "ties": "grouped",
            "rotation": self.rotation,
            "classes": "one" if self.class_agnostic else "macro",
        }

    def read(self, reference: Reference, prediction: Prediction, labels: Sequence[str] | None) -> AnsweredBoxes:
        """The boxes of the answer, with 9 numbers each."""
        answer = boxes_3d(prediction, labels, self.numbers)
        return answer._replace(boxes=[replace(box, box=padded(box.box)) for box in answer.boxes])

    def truth(self, reference: Reference, boxes: Sequence[Sequence[float]]) -> Floats:
        """The true boxes with 9 numbers each."""
        return np.array([true_box_3d(reference, box, self.numbers) for box in boxes], np.float64).reshape(-1, 9)


def rotation_of(rotation: str) -> tuple[NumberCount, PairedIoU]:
    """How many numbers a box has and how boxes overlap under a choice of rotation.

    Raises:
        UsageError: There is no such choice.
    """
    if rotation not in ROTATIONS:
        raise UsageError(f"Expected rotation to be {', '.join(ROTATIONS)}, got {rotation!r}. Choose one of them.")
    return ROTATIONS[rotation]


def padded(box: Sequence[float]) -> tuple[float, ...]:
    """A 3D box with angles of 0 added up to 9 numbers; NaN boxes stay NaN."""
    return (*box, *(0.0,) * (9 - len(box)))


def true_box_3d(reference: Reference, box: Sequence[float], numbers: NumberCount) -> tuple[float, ...]:
    """A true 3D box with 9 numbers.

    Raises:
        LammMetricsError: It is not finite, has a negative side, or an angle that the chosen rotation would drop.
    """
    values = padded(tuple(float(number) for number in box))
    usable = len(values) == 9 and np.isfinite(values).all() and min(values[3:6]) >= 0
    if not usable:
        raise bad_truth(reference, box, "6, 7 or 9 finite numbers with sides of at least 0")
    if any(values[numbers:]):
        raise LammMetricsError(
            f"Expected boxes without angles in record {record_id(reference)!r}, got {list(values[numbers:])}, which "
            "would be dropped. Choose rotation yaw or full."
        )
    return values

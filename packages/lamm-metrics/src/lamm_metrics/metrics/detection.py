"""Detection in images and in point clouds, scored by average precision."""

from collections.abc import Sequence
from dataclasses import replace
from math import isfinite

import numpy as np

from lamm_metrics.answers.located import AnsweredBoxes, bad_truth, boxes_2d, boxes_3d, padded, true_box_3d
from lamm_metrics.geometry.boxes import BoxFault, Floats, find_fault, ordered_corners, paired_iou
from lamm_metrics.geometry.conventions import NORMALISED_XYXY, BoxConvention
from lamm_metrics.geometry.rotated import ROTATIONS, NumberCount, Rotation
from lamm_metrics.metrics.box_ap import BoxAP
from lamm_metrics.metrics.registry import one_of
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import Reference
from lamm_metrics.results.score import BOX, BOX_3D

COCO_THRESHOLDS = tuple(float(threshold) for threshold in np.linspace(0.5, 0.95, 10))


class DetectionAP(BoxAP):
    """Average precision of 2D boxes that need no confidences.

    All detections of a class with equal score form one operating point (see `average_precision.matching`); an
    overlap of at least the threshold finds an object, each object is found once, and classes with objects are averaged.
    The published LAMM formula of the same name is a recall; it is `paper/recall@0.5`.

    >>> metric = DetectionAP()
    >>> record = {"id": 1, "object": [{"label": "cat", "bbox": [0.1, 0.1, 0.5, 0.5]}]}
    >>> metric.update(record, Prediction("1", boxes=[{"label": "cat", "box": [0.1, 0.1, 0.5, 0.45]}]))
    >>> metric.compute()[0].name, metric.compute()[0].value
    ('detection_ap@0.5', 1.0)
    """

    name = "detection_ap"
    mean_over = COCO_THRESHOLDS
    dimensions = numbers = 4
    mark = BOX

    def __init__(
        self,
        labels: Sequence[str] = (),
        convention: BoxConvention = NORMALISED_XYXY,
        thresholds: Sequence[float] = (0.5, 0.75),
        class_agnostic: bool = False,
    ) -> None:
        """Choose how answers are read and when they are right.

        Args:
            labels: The closed set of classes, for records that do not carry their own.
            convention: How the model writes coordinates.
            thresholds: Overlaps to report; the first is the headline.
            class_agnostic: Whether to disregard the names.
        """
        super().__init__(paired_iou, thresholds, labels, class_agnostic)
        self.convention = BoxConvention.of(convention)

    def own_settings(self) -> dict[str, object]:
        """Return the choices of images."""
        classes = "one" if self.class_agnostic else "macro"
        return {"area": "continuous", "classes": classes, "coords": self.convention}

    def read(self, reference: Reference, prediction: Prediction, labels: Sequence[str] | None) -> AnsweredBoxes:
        """The boxes of the answer, as shares of the image."""
        return boxes_2d(reference, prediction, labels, self.convention)

    def is_reversed(self, box: Sequence[float]) -> bool:
        """Whether a true box has its corners in the wrong order."""
        return find_fault(box) is BoxFault.REVERSED

    def truth(self, reference: Reference, boxes: Sequence[Sequence[float]]) -> Floats:
        """The true boxes; reversed corners are put in order."""
        for box in boxes:
            if len(box) != 4 or not all(map(isfinite, box)):
                raise bad_truth(reference, box, "four finite numbers")
        return ordered_corners(boxes)


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
    mark = BOX_3D
    numbers: NumberCount

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
        one_of("rotation", rotation, Rotation)
        self.numbers, iou = ROTATIONS[rotation]
        super().__init__(iou, thresholds, labels, class_agnostic)
        self.rotation = rotation

    def own_settings(self) -> dict[str, object]:
        """Return the choices of point clouds."""
        return {"rotation": self.rotation, "classes": "one" if self.class_agnostic else "macro"}

    def read(self, reference: Reference, prediction: Prediction, labels: Sequence[str] | None) -> AnsweredBoxes:
        """The boxes of the answer, with 9 numbers each."""
        answer = boxes_3d(prediction, labels, self.numbers, reference.get("cloud_corner"))
        return answer._replace(boxes=[replace(box, box=padded(box.box)) for box in answer.boxes])

    def truth(self, reference: Reference, boxes: Sequence[Sequence[float]]) -> Floats:
        """The true boxes with 9 numbers each."""
        return np.array([true_box_3d(reference, box, self.numbers) for box in boxes], np.float64).reshape(-1, 9)

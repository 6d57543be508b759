"""Detection in images, scored by average precision."""

from collections.abc import Sequence
from math import isfinite

import numpy as np

from lamm_metrics.answers.located import AnsweredBoxes, boxes_2d
from lamm_metrics.average_precision.matching import SCORE_FREE
from lamm_metrics.geometry.boxes import BoxFault, Floats, find_fault, paired_iou
from lamm_metrics.geometry.conventions import NORMALISED_XYXY, BoxConvention
from lamm_metrics.metrics.box_ap import BoxAP, bad_truth
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import Reference

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
    dimensions = 4

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
        self.convention = convention

    def settings(self) -> dict[str, object]:
        """The choices of the signature."""
        return {
            "iou": ">=" + ",".join(f"{threshold:g}" for threshold in self.thresholds),
            "interp": SCORE_FREE.interpolation,
            "ties": "grouped",
            "area": "continuous",
            "classes": "one" if self.class_agnostic else "macro",
            "coords": self.convention,
        }

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
        given = np.array(boxes, np.float64).reshape(-1, 2, 2)
        return np.concatenate([given.min(axis=1), given.max(axis=1)], axis=1)

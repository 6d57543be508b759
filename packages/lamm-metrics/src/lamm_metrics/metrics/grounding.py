"""Visual grounding: is the box that an answer names for a description the described object's?"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np

from lamm_metrics.answers.located import AnsweredBoxes, bad_truth, boxes_2d, faults_in_words, padded, true_box_3d
from lamm_metrics.answers.object_ids import Ids, Named, named_boxes, unknown_in_words
from lamm_metrics.errors import LammMetricsError, UsageError
from lamm_metrics.geometry.boxes import ordered_corners, paired_iou
from lamm_metrics.geometry.conventions import NORMALISED_XYXY, BoxConvention
from lamm_metrics.geometry.overlap_rules import Overlap, iou_under
from lamm_metrics.geometry.rotated import ROTATIONS, NumberCount, PairedIoU, Rotation
from lamm_metrics.metrics.base import UNSCORED, Floats, overlaps
from lamm_metrics.metrics.parted import Missing, PartedMetric
from lamm_metrics.metrics.registry import one_of
from lamm_metrics.records.parts import parts_of
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import Reference, record_id
from lamm_metrics.results.score import BOX, BOX_3D, Mark, ScoreSpec

Bound = Literal["reach", "exceed"]


class Grounded(NamedTuple):
    """The overlap of one answer, its record's parts, its true boxes, the box read, its faults and unknown ids."""

    iou: float
    parts: tuple[str, ...]
    truth: Floats
    box: tuple[float, ...]
    faults: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    counted: bool = True


def iou_named(overlap: Overlap, rotation: Rotation) -> tuple[NumberCount, PairedIoU]:
    """Return the numbers of a box and the overlap of corresponding boxes under a rule.

    Raises:
        UsageError: There is no such rule or rotation, or a published rule is asked for with angles, which it lacks.
    """
    one_of("overlap", overlap, Overlap)
    one_of("rotation", rotation, Rotation)
    numbers, iou = ROTATIONS[rotation]
    if overlap == "exact":
        return numbers, iou
    if rotation != "none":
        raise UsageError(
            f"Expected rotation none for the overlap of {overlap}, which knows no angles, got {rotation}. "
            "Choose overlap exact, or leave rotation out."
        )
    return numbers, iou_under(overlap)


def bound_text(bound: Bound, thresholds: Sequence[float]) -> str:
    """Return thresholds as the signature writes them.

    >>> bound_text("reach", (0.5, 0.25)), bound_text("exceed", (0.5,))
    ('>=0.5,0.25', '>0.5')
    """
    return f"{'>=' if bound == 'reach' else '>'}{','.join(f'{threshold:g}' for threshold in thresholds)}"


class _Grounding(PartedMetric[Grounded]):
    """Share of descriptions whose answered box overlaps the object's by at least each of some thresholds."""

    mark: str
    numbers: int
    _iou: PairedIoU

    def __init__(self, thresholds: Sequence[float], bound: Bound, missing: Missing) -> None:
        super().__init__()
        one_of("bound", bound, Bound)
        one_of("missing", missing, Missing)
        self.thresholds = overlaps(thresholds)
        self.bound, self.missing = bound, missing

    def settings(self) -> dict[str, object]:
        """The choices of the signature."""
        bound = bound_text(self.bound, self.thresholds)
        absent = {"missing": self.missing} if self.missing != "wrong" else {}
        return {"iou": bound, **self.own_settings(), "box": "best-or-first", "failed": "wrong", **absent}

    @abstractmethod
    def own_settings(self) -> dict[str, object]:
        """Return the choices of images, or of point clouds."""

    @abstractmethod
    def read(self, reference: Reference, prediction: Prediction) -> Named:
        """Return the boxes of the answer."""

    @abstractmethod
    def truth(self, reference: Reference) -> Floats:
        """Return the true boxes, [N, numbers]."""

    def update(self, reference: Reference, prediction: Prediction) -> None:
        """Read one description's answer.

        Raises:
            LammMetricsError: A true box cannot be used, or the record was read before.
        """
        truth = self.truth(reference)
        answer, unknown = self.read(reference, prediction)
        chosen = max(answer.boxes, key=lambda box: UNSCORED if box.score is None else box.score, default=None)
        box = chosen.box if chosen else ()
        iou = float(self._iou(np.tile(box, (len(truth), 1)), truth).max()) if box else 0.0
        faults = tuple(str(fault) for fault in answer.faults)
        counted = self.missing != "skip" or not prediction.absent
        state = Grounded(iou, parts_of(reference), truth, box, faults, unknown, counted)
        self.keep(reference, answer.status, state, answer.detail)

    def hits(self, iou: float) -> list[bool]:
        """Return for each threshold whether an overlap is enough."""
        if self.bound == "exceed":
            return [iou > threshold for threshold in self.thresholds]
        return [iou >= threshold for threshold in self.thresholds]

    def outcome(self, state: Grounded) -> Sequence[float]:
        """Return hits per threshold and one for the record."""
        return [*map(float, self.hits(state.iou)), 1.0]

    def if_right(self, state: Grounded) -> Grounded:
        """Return an overlap that is enough at every threshold."""
        return state._replace(iou=np.inf)

    def whole(self) -> Sequence[ScoreSpec]:
        """Return the thresholds, the first as headline."""
        names = [f"{self.name}@{threshold:g}" for threshold in self.thresholds]
        return [ScoreSpec(name, proportion=True, share=True, bounded=name == names[0]) for name in names]

    def extra(self, name: str) -> Mapping[str, float]:
        """Return the mean overlap, beside the headline."""
        values = [entry.state.iou for _, entry in self.ordered() if entry.state.counted]
        if not values or name != f"{self.name}@{self.thresholds[0]:g}":
            return {}
        return {"mean_iou": float(np.mean(values))}

    def remarks(self) -> list[str]:
        """Return the first ten records with faulty boxes or unknown ids, and how many there are."""
        states = {key: entry.state for key, entry in self.ordered()}
        faults = faults_in_words({key: state.faults for key, state in states.items()})
        return [*faults, *unknown_in_words({key: state.unknown for key, state in states.items()}), *self.left_out()]

    def sample_value(self, state: Grounded) -> float | None:
        """The overlap."""
        return state.iou if state.counted else None

    def marks(self, state: Grounded) -> list[Mark]:
        """Return the true boxes and the one box that counts."""
        hit = self.hits(state.iou)[0]
        marks = [Mark(self.mark, tuple(box[: self.numbers]), "", True, hit) for box in state.truth.tolist()]
        return [*marks, Mark(self.mark, state.box[: self.numbers], "", False, hit)] if state.box else marks

    def shown(self, state: Grounded) -> str:
        """The box that was read."""
        return f"[{', '.join(f'{number:.4g}' for number in state.box)}]" if state.box else ""


class GroundingAccuracy(_Grounding):
    """Share of descriptions whose answered box overlaps the object's by at least 0.5, and by at least 0.25.

    Acc@IoU of ScanRefer (arXiv 1912.08830). An answer counts with its best-scored box, or its first where scores are
    absent; a record with several true boxes is found with any of them. An answer may name an object by its number in
    the record's `proposals` instead (`<OBJ012>`). Where records say `unique` or `split`, `easy` or `view_dependent`,
    the scores of these parts follow.

    >>> metric = GroundingAccuracy()
    >>> record = {"id": 7, "gt_bbox": [0, 0, 0, 1, 1, 1]}
    >>> metric.update(record, Prediction("7", boxes=[{"box": [0.4, 0, 0, 1, 1, 1]}]))
    >>> [(score.name, score.value) for score in metric.compute()[:2]]
    [('grounding_accuracy@0.5', 0.0), ('grounding_accuracy@0.25', 1.0)]
    """

    name = "grounding_accuracy"
    mark = BOX_3D
    numbers: NumberCount

    def __init__(
        self,
        rotation: Rotation = "none",
        thresholds: Sequence[float] = (0.5, 0.25),
        overlap: Overlap = "exact",
        bound: Bound = "reach",
        ids: Ids = "strict",
        missing: Missing = "wrong",
    ) -> None:
        """Choose how answers are read and when they are right.

        Args:
            rotation: Which angles count: none (6 numbers), yaw (7) or full (9).
            thresholds: Overlaps to report, the first as headline.
            overlap: "exact", or the published rule "scanrefer", "scanrefer-float32" or "m3dref".
            bound: Whether an overlap must "reach" a threshold or "exceed" it.
            ids: How answers that name objects are read: "strict", "chatscene" (no usable id means object 0) or
                "gpt4scene" (bare whole numbers are ids).
            missing: Whether a record without an answer is "wrong" or is left out ("skip").
        """
        self.numbers, self._iou = iou_named(overlap, rotation)
        one_of("ids", ids, Ids)
        super().__init__(thresholds, bound, missing)
        self.rotation, self.overlap, self.ids = rotation, overlap, ids

    def own_settings(self) -> dict[str, object]:
        """Return the choices of point clouds."""
        return {"rotation": self.rotation, "overlap": self.overlap, "ids": self.ids}

    def read(self, reference: Reference, prediction: Prediction) -> Named:
        """Return the boxes of the answer with 9 numbers each."""
        answer, unknown = named_boxes(reference, prediction, self.numbers, self.ids, single=True)
        return Named(answer._replace(boxes=[replace(box, box=padded(box.box)) for box in answer.boxes]), unknown)

    def truth(self, reference: Reference) -> Floats:
        """Return the true boxes with 9 numbers each."""
        return np.array([true_box_3d(reference, box, self.numbers) for box in _true_boxes(reference)])


class ReferringAccuracy(_Grounding):
    """Share of referring expressions whose answered 2D box overlaps the object's by at least 0.5.

    Acc@0.5 of RefCOCO, RefCOCO+ and RefCOCOg (arXiv 1608.00272). An answer counts with its best-scored box, or its
    first where scores are absent. True boxes are shares of the image, as everywhere.

    >>> metric = ReferringAccuracy()
    >>> record = {"id": 7, "gt_bbox": [0.1, 0.1, 0.5, 0.5]}
    >>> metric.update(record, Prediction("7", "It is at [0.1, 0.1, 0.5, 0.4]."))
    >>> metric.compute()[0].name, metric.compute()[0].value
    ('referring_accuracy@0.5', 1.0)
    """

    name = "referring_accuracy"
    mark = BOX
    numbers = 4

    def __init__(
        self,
        convention: BoxConvention = NORMALISED_XYXY,
        thresholds: Sequence[float] = (0.5,),
        bound: Bound = "reach",
        missing: Missing = "wrong",
    ) -> None:
        """Choose how answers are read and when they are right.

        Args:
            convention: How the model writes coordinates.
            thresholds: Overlaps to report, the first as headline.
            bound: Whether an overlap must "reach" a threshold or "exceed" it.
            missing: Whether a record without an answer is "wrong" or is left out ("skip").
        """
        super().__init__(thresholds, bound, missing)
        self.convention = BoxConvention.of(convention)
        self._iou = paired_iou

    def own_settings(self) -> dict[str, object]:
        """Return the choices of images."""
        return {"coords": self.convention}

    def read(self, reference: Reference, prediction: Prediction) -> Named:
        """Return the boxes of the answer as shares of the image."""
        answer: AnsweredBoxes = boxes_2d(reference, prediction, None, self.convention)
        return Named(answer)

    def truth(self, reference: Reference) -> Floats:
        """Return the true boxes, reversed corners put in order."""
        boxes = _true_boxes(reference)
        for box in boxes:
            if len(box) != 4 or not np.isfinite(box).all():
                raise bad_truth(reference, box, "four finite numbers")
        return ordered_corners(boxes)


def _true_boxes(reference: Reference) -> Sequence[Sequence[float]]:
    boxes = [reference["gt_bbox"]] if "gt_bbox" in reference else [item["bbox"] for item in reference.get("object", ())]
    if not boxes:
        raise LammMetricsError(
            f"Expected `gt_bbox` or at least one box in `object` in record {record_id(reference)!r}, got none. "
            "Mend the record."
        )
    return boxes

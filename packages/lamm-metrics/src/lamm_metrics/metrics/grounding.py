"""3D visual grounding: is the box that an answer names for a description the described object's?"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.answers.located import boxes_3d, faults_in_words, padded, true_box_3d
from lamm_metrics.errors import LammMetricsError
from lamm_metrics.geometry.rotated import ROTATIONS, Rotation
from lamm_metrics.metrics.additive import AdditiveMetric
from lamm_metrics.metrics.base import UNSCORED, Floats, derived, overlaps
from lamm_metrics.metrics.registry import one_of
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import Reference, mark_of, record_id
from lamm_metrics.results.score import BOX_3D, Mark, ScoreSpec

SPLITS = ("unique", "multiple")


class Grounded(NamedTuple):
    """The overlap of one answer, its record's split (empty where unknown) and true boxes, the box read, its faults."""

    iou: float
    split: str
    truth: Floats
    box: tuple[float, ...]
    faults: tuple[str, ...] = ()


class GroundingAccuracy(AdditiveMetric[Grounded]):
    """Share of descriptions whose answered box overlaps the object's by at least 0.5, and by at least 0.25.

    Acc@IoU of ScanRefer (arXiv 1912.08830). An answer counts with its best-scored box, or its first where scores are
    absent; a record with several true boxes is found with any of them. Where records say `unique` (true or false) or
    `split` ("unique" or "multiple"), the scores of both parts follow.

    >>> metric = GroundingAccuracy()
    >>> record = {"id": 7, "gt_bbox": [0, 0, 0, 1, 1, 1]}
    >>> metric.update(record, Prediction("7", boxes=[{"box": [0.4, 0, 0, 1, 1, 1]}]))
    >>> [(score.name, score.value) for score in metric.compute()[:2]]
    [('grounding_accuracy@0.5', 0.0), ('grounding_accuracy@0.25', 1.0)]
    """

    name = "grounding_accuracy"

    def __init__(self, rotation: Rotation = "none", thresholds: Sequence[float] = (0.5, 0.25)) -> None:
        """Choose which angles count and the overlaps to report, the first as headline."""
        super().__init__()
        one_of("rotation", rotation, Rotation)
        self.numbers, self._iou = ROTATIONS[rotation]
        self.rotation = rotation
        self.thresholds = overlaps(thresholds)

    def settings(self) -> dict[str, object]:
        """The choices of the signature."""
        listed = ",".join(f"{threshold:g}" for threshold in self.thresholds)
        return {"iou": f">={listed}", "rotation": self.rotation, "box": "best-or-first", "failed": "wrong"}

    def update(self, reference: Reference, prediction: Prediction) -> None:
        """Read one description's answer.

        Raises:
            LammMetricsError: A true box cannot be used, or the record was read before.
        """
        truth = np.array([true_box_3d(reference, box, self.numbers) for box in _true_boxes(reference)])
        answer = boxes_3d(prediction, None, self.numbers)
        chosen = max(answer.boxes, key=lambda box: UNSCORED if box.score is None else box.score, default=None)
        box = padded(chosen.box) if chosen else ()
        iou = float(self._iou(np.tile(box, (len(truth), 1)), truth).max()) if box else 0.0
        faults = tuple(str(fault) for fault in answer.faults)
        self.keep(reference, answer.status, Grounded(iou, _split(reference), truth, box, faults), answer.detail)

    def rows(self, states: Sequence[Grounded]) -> Floats:
        """Return hits per threshold and one for the record, thrice: all, unique, multiple."""
        iou = np.array([state.iou for state in states], np.float64).reshape(-1, 1)
        return self._thrice(np.hstack([iou >= np.array(self.thresholds), np.ones((len(states), 1))]), states)

    def row_if_right(self, state: Grounded) -> Sequence[float]:
        """Return hits at every threshold."""
        row: list[float] = self._thrice(np.ones((1, len(self.thresholds) + 1)), [state])[0].tolist()
        return row

    @staticmethod
    def _thrice(outcome: Floats, states: Sequence[Grounded]) -> Floats:
        own = (np.array([[state.split == split] for state in states]).reshape(-1, 1) for split in SPLITS)
        return np.hstack([outcome, *(outcome * is_own for is_own in own)])

    def values(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Hits over records of each part; the parts that no record belongs to are left out."""
        parts = sums.reshape(*sums.shape[:-1], 1 + len(SPLITS), len(self.thresholds) + 1)
        parts = parts[..., [0, *(1 + SPLITS.index(split) for split in self._splits())], :]
        shares = parts[..., :-1] / parts[..., -1:]
        return np.asarray(shares.reshape(*sums.shape[:-1], -1))

    @derived
    def _splits(self) -> list[str]:
        present = {entry.state.split for entry in self.entries.values()}
        return [split for split in SPLITS if split in present]

    def specs(self) -> Sequence[ScoreSpec]:
        """Return the thresholds over all records, then over each part that occurs, which has fewer records."""
        parts = ["", *(f"/{split}" for split in self._splits())]
        names = [f"{self.name}{part}@{threshold:g}" for part in parts for threshold in self.thresholds]
        return [ScoreSpec(name, proportion="/" not in name, share=True, bounded=name == names[0]) for name in names]

    def extra(self, name: str) -> Mapping[str, float]:
        """Return the mean overlap, beside the headline."""
        if not self.entries or name != f"{self.name}@{self.thresholds[0]:g}":
            return {}
        return {"mean_iou": float(np.mean([entry.state.iou for _, entry in self.ordered()]))}

    def remarks(self) -> list[str]:
        """The first ten records with faulty boxes, and how many there are."""
        return faults_in_words({key: entry.state.faults for key, entry in self.ordered()})

    def sample_value(self, state: Grounded) -> float | None:
        """The overlap."""
        return state.iou

    def marks(self, state: Grounded) -> list[Mark]:
        """Return the true boxes and the one box that counts."""
        hit = state.iou >= self.thresholds[0]
        marks = [Mark(BOX_3D, tuple(box[: self.numbers]), "", True, hit) for box in state.truth.tolist()]
        return [*marks, Mark(BOX_3D, state.box[: self.numbers], "", False, hit)] if state.box else marks

    def shown(self, state: Grounded) -> str:
        """The box that was read."""
        return f"[{', '.join(f'{number:.4g}' for number in state.box)}]" if state.box else ""


def _true_boxes(reference: Reference) -> Sequence[Sequence[float]]:
    boxes = [reference["gt_bbox"]] if "gt_bbox" in reference else [item["bbox"] for item in reference.get("object", ())]
    if not boxes:
        raise LammMetricsError(
            f"Expected `gt_bbox` or at least one box in `object` in record {record_id(reference)!r}, got none. "
            "Mend the record."
        )
    return boxes


def _split(reference: Reference) -> str:
    if "split" in reference:
        return str(reference["split"]).lower()
    if "unique" in reference:
        return SPLITS[0] if mark_of(reference["unique"]) else SPLITS[1]
    return ""

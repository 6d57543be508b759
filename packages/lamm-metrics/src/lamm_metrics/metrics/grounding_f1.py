"""3D grounding of descriptions that mean one object, several or none: F1 of the answered boxes."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from lamm_metrics.answers.located import faults_in_words, padded, true_box_3d
from lamm_metrics.answers.object_ids import Ids, named_boxes, unknown_in_words
from lamm_metrics.average_precision.assignment import best_assignment
from lamm_metrics.average_precision.pairs import Indices
from lamm_metrics.errors import LammMetricsError
from lamm_metrics.geometry.overlap_rules import Overlap
from lamm_metrics.geometry.rotated import NumberCount, Rotation
from lamm_metrics.metrics.base import OK, Floats, overlaps
from lamm_metrics.metrics.grounding import bound_text, iou_named
from lamm_metrics.metrics.parted import Missing, PartedMetric
from lamm_metrics.metrics.registry import one_of
from lamm_metrics.records.parts import TARGETS, parts_of
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import Reference, record_id
from lamm_metrics.results.score import BOX_3D, Mark, ScoreSpec


class Targets(NamedTuple):
    """F1 at each threshold, the record's parts, its marks, faults of boxes, unknown ids, and whether it counts."""

    f1: tuple[float, ...]
    parts: tuple[str, ...]
    marks: tuple[Mark, ...]
    faults: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    counted: bool = True


class GroundingF1(PartedMetric[Targets]):
    """Mean F1 of the boxes that answers name for descriptions of any number of objects, at overlaps 0.5 and 0.25.

    Multi3DRefer (arXiv 2309.05251). Boxes are paired once so that their overlaps add up to the most, whatever the
    threshold; a pair is a hit where it reaches the threshold. A description of nothing is 1 where no box is answered,
    else 0; an answer that cannot be read is 0 there too. Parts follow: the record's `eval_type` (zero, single, several
    targets, without and with distractors of the class), else `zt`, `st` and `mt` by the number of true boxes.

    >>> metric = GroundingF1()
    >>> chairs = [{"label": "chair", "bbox": [x, 0, 0, 1, 1, 1]} for x in (0, 2)]
    >>> metric.update({"id": 7, "object": chairs}, Prediction("7", boxes=[{"box": [0, 0, 0, 1, 1, 1]}]))
    >>> metric.update({"id": 8, "object": []}, Prediction("8", "There is no such object."))
    >>> [(score.name, round(score.value, 4)) for score in metric.compute()[:2]]
    [('grounding_f1@0.5', 0.8333), ('grounding_f1@0.25', 0.8333)]
    """

    name = "grounding_f1"
    needs = ("object",)

    def __init__(
        self,
        rotation: Rotation = "none",
        thresholds: Sequence[float] = (0.5, 0.25),
        overlap: Overlap = "exact",
        ids: Ids = "strict",
        missing: Missing = "wrong",
    ) -> None:
        """Choose how answers are read and when they are right.

        Args:
            rotation: Which angles count: none (6 numbers), yaw (7) or full (9).
            thresholds: Overlaps to report, the first as headline.
            overlap: "exact", or the published rule "scanrefer", "scanrefer-float32" or "m3dref".
            ids: How answers that name objects are read: "strict", "chatscene" (ids without an object are left out) or
                "gpt4scene" (bare whole numbers are ids, each once).
            missing: Whether a record without an answer is "wrong" or is left out ("skip").
        """
        super().__init__()
        self.numbers: NumberCount
        self.numbers, self._iou = iou_named(overlap, rotation)
        one_of("ids", ids, Ids)
        one_of("missing", missing, Missing)
        self.rotation, self.overlap, self.ids, self.missing = rotation, overlap, ids, missing
        self.thresholds = overlaps(thresholds)

    def settings(self) -> dict[str, object]:
        """The choices of the signature."""
        return {
            "iou": bound_text("reach", self.thresholds),
            "rotation": self.rotation,
            "overlap": self.overlap,
            "ids": self.ids,
            "pairs": "most-overlap",
            "failed": "wrong",
            "missing": self.missing,
        }

    def update(self, reference: Reference, prediction: Prediction) -> None:
        """Read one description's answer.

        Raises:
            LammMetricsError: A true box cannot be used, the record's `eval_type` contradicts its boxes, or the record
                was read before.
        """
        listed = [true_box_3d(reference, item["bbox"], self.numbers) for item in reference["object"]]
        truth = np.array(listed, np.float64).reshape(-1, 9)
        answer, unknown = named_boxes(reference, prediction, self.numbers, self.ids, single=False)
        boxes = np.array([padded(box.box) for box in answer.boxes], np.float64).reshape(-1, 9)
        rows, columns, found = self._paired(boxes, truth)
        f1 = tuple(self._f1(found, threshold, len(boxes), len(truth), answer.status) for threshold in self.thresholds)
        marks = self._marks(boxes, truth, rows, columns, found)
        faults = tuple(str(fault) for fault in answer.faults)
        counted = self.missing != "skip" or not prediction.absent
        state = Targets(f1, _parts(reference, len(truth)), marks, faults, unknown, counted)
        self.keep(reference, answer.status, state, answer.detail)

    def _paired(self, boxes: Floats, truth: Floats) -> tuple[Indices, Indices, Floats]:
        """Return the answered and the true box of each pair, and how much they overlap."""
        p, g = len(boxes), len(truth)
        values = np.zeros((max(p, g), max(p, g)))
        if p and g:
            values[:p, :g] = self._iou(np.repeat(boxes, g, axis=0), np.tile(truth, (p, 1))).reshape(p, g)
        rows, columns = best_assignment(values)
        real = (rows < p) & (columns < g)
        rows, columns = rows[real], columns[real]
        return rows, columns, values[rows, columns]

    @staticmethod
    def _f1(found: Floats, threshold: float, answered: int, true: int, status: str) -> float:
        if not true:
            return float(not answered and status == OK)
        return 2.0 * float((found >= threshold).sum()) / (answered + true)

    def _marks(self, boxes: Floats, truth: Floats, rows: Indices, columns: Indices, found: Floats) -> tuple[Mark, ...]:
        """Return the true and the answered boxes, with those that found each other at the first threshold."""
        hit = found >= self.thresholds[0]
        found_truth, right = set(columns[hit].tolist()), set(rows[hit].tolist())
        true = (
            Mark(BOX_3D, tuple(b[: self.numbers]), "", True, i in found_truth) for i, b in enumerate(truth.tolist())
        )
        said = (Mark(BOX_3D, tuple(b[: self.numbers]), "", False, i in right) for i, b in enumerate(boxes.tolist()))
        return (*true, *said)

    def outcome(self, state: Targets) -> Sequence[float]:
        """Return F1 per threshold and one for the record."""
        return [*state.f1, 1.0]

    def if_right(self, state: Targets) -> Targets:
        """Return an F1 of 1 at every threshold."""
        return state._replace(f1=(1.0,) * len(self.thresholds))

    def whole(self) -> Sequence[ScoreSpec]:
        """Return the thresholds, the first as headline."""
        names = [f"{self.name}@{threshold:g}" for threshold in self.thresholds]
        return [ScoreSpec(name, share=True, bounded=name == names[0]) for name in names]

    def extra(self, name: str) -> Mapping[str, float]:
        """Return how many boxes were answered and how many are true, beside the headline."""
        if not self.entries or name != f"{self.name}@{self.thresholds[0]:g}":
            return {}
        marks = [mark.true for entry in self.entries.values() if entry.state.counted for mark in entry.state.marks]
        return {"answered_boxes": marks.count(False), "true_boxes": marks.count(True)}

    def remarks(self) -> list[str]:
        """Return the first ten records with faulty boxes or unknown ids, and how many there are."""
        states = {key: entry.state for key, entry in self.ordered()}
        faults = faults_in_words({key: state.faults for key, state in states.items()})
        return [*faults, *unknown_in_words({key: state.unknown for key, state in states.items()}), *self.left_out()]

    def sample_value(self, state: Targets) -> float | None:
        """F1 at the first threshold."""
        return state.f1[0] if state.counted else None

    def marks(self, state: Targets) -> Sequence[Mark]:
        """Return the true and the answered boxes."""
        return state.marks

    def shown(self, state: Targets) -> str:
        """Return the boxes that were read."""
        read = (mark.numbers for mark in state.marks if not mark.true)
        return "; ".join(f"[{', '.join(f'{number:.4g}' for number in numbers)}]" for numbers in read)


def _parts(reference: Reference, true: int) -> tuple[str, ...]:
    """Return the parts of a record; its own `eval_type` must fit the number of its boxes."""
    stated = parts_of(reference)
    counted = TARGETS[min(true, 2)]
    typed = [part for part in stated if part.startswith(TARGETS)]
    if typed and not typed[0].startswith(counted):
        raise LammMetricsError(
            f"Expected an `eval_type` of {counted} in record {record_id(reference)!r}, which has {true} true boxes, "
            f"got {typed[0]!r}. Mend the record."
        )
    return stated if typed else (*stated, counted)

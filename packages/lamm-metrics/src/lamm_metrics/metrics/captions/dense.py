"""Dense captioning of point clouds: what is said of each object, where a box of the answer finds it (Scan2Cap)."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from lamm_metrics.answers.captioned import captioned_boxes
from lamm_metrics.answers.located import AnsweredBoxes, faults_in_words, padded, true_box_3d
from lamm_metrics.average_precision.assignment import best_assignment
from lamm_metrics.average_precision.pairs import Flags, Indices
from lamm_metrics.extraction.result import LabelledBox, Status
from lamm_metrics.geometry.overlap_rules import Overlap, scan2cap_giou
from lamm_metrics.metrics.additive import AdditiveMetric
from lamm_metrics.metrics.base import Floats, overlaps
from lamm_metrics.metrics.captions.bleu import bleu_counts, bleu_of_counts
from lamm_metrics.metrics.captions.cider import Words, cider_d, hashed
from lamm_metrics.metrics.captions.dense_texts import DENSE_TEXTS, DenseTextName
from lamm_metrics.metrics.captions.meteor import (
    Written,
    best_statistics,
    meteor_of_statistics,
    summed_statistics,
    tables_setting,
)
from lamm_metrics.metrics.captions.meteor_tables import tables_folder
from lamm_metrics.metrics.captions.rouge import rouge_l
from lamm_metrics.metrics.grounding import Bound, bound_text, iou_named
from lamm_metrics.metrics.registry import one_of
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import Reference
from lamm_metrics.results.score import BOX_3D, Mark, ScoreSpec

Chosen = Literal["oracle", "assigned", "last"]
BoxSource = Literal["answered", "true"]
_COUNTS = 10
_STAGES = 4


class Worded(NamedTuple):
    """A caption held against its references: what BLEU and METEOR count, ROUGE-L, words of both for CIDEr-D."""

    counts: tuple[float, ...]
    written: Written
    rouge: float
    words: Words


class Described(NamedTuple):
    """One object: the overlap of the box that speaks for it, its caption, and the caption of a missed object."""

    iou: float
    found: Worded
    missed: Worded


class Scene(NamedTuple):
    """The objects of one record, how many boxes were answered, the marks and the faults of boxes."""

    objects: tuple[Described, ...]
    answered: int
    marks: tuple[Mark, ...]
    faults: tuple[str, ...] = ()


class _DenseCaptions(AdditiveMetric[Scene]):
    """What both forms share: reading, pairing, and captions held against references."""

    def __init__(
        self, thresholds: Sequence[float], bound: Bound, overlap: Overlap, text: DenseTextName, meteor: bool
    ) -> None:
        super().__init__()
        one_of("bound", bound, Bound)
        one_of("text", text, DenseTextName)
        self.thresholds = overlaps(thresholds)
        _, self._iou = iou_named(overlap, "none")
        self.bound, self.overlap, self.text = bound, overlap, text
        self._tables = tables_folder("pycocoevalcap") if meteor else None
        self.measures = ("cider_d", "bleu_4", *["meteor"] * meteor, "rouge_l")
        self.boxes: BoxSource = "answered"

    def settings(self) -> dict[str, object]:
        """The choices of the signature."""
        bound = bound_text(self.bound, self.thresholds)
        meteor = {"meteor": tables_setting(self._tables)} if self._tables else {}
        shared = {"iou": bound, "overlap": self.overlap, "text": self.text, "smooth": "coco", **meteor}
        return {**shared, **self.own_settings()}

    @abstractmethod
    def own_settings(self) -> dict[str, object]:
        """Return the choices of one form."""

    @abstractmethod
    def chosen(self, boxes: Floats, truth: Floats, iou: Floats) -> Indices:
        """Return the answered box that speaks for each object, -1 for none, [objects].

        Args:
            boxes: Answered boxes, [P, 9].
            truth: True boxes, [G, 9].
            iou: How much they overlap, [P, G].
        """

    def update(self, reference: Reference, prediction: Prediction) -> None:
        """Read one scene's answer, or the answer about one object.

        Raises:
            LammMetricsError: A true box cannot be used, or the record was read before.
        """
        objects = _objects(reference)
        truth = np.array([true_box_3d(reference, item["bbox"], 6) for item in objects]).reshape(-1, 9)
        answer = self._read(reference, prediction)
        boxes = np.array([padded(box.box) for box in answer.boxes], np.float64).reshape(-1, 9)
        p, g = len(boxes), len(truth)
        iou = self._iou(np.repeat(boxes, g, axis=0), np.tile(truth, (p, 1))).reshape(p, g)
        chosen = self.chosen(boxes, truth, iou)
        described = []
        for number, (item, place) in enumerate(zip(objects, chosen.tolist(), strict=True)):
            caption = answer.boxes[place].label or "" if place >= 0 else None
            overlap = float(iou[place, number]) if place >= 0 else 0.0
            described.append(self._described(overlap, caption, item["sentences"]))
        near = [bool(self._near(np.array(one.iou))[0]) for one in described]
        right = {place for place, hit in zip(chosen.tolist(), near, strict=True) if hit}
        marks = [
            *(Mark(BOX_3D, tuple(map(float, item["bbox"][:6])), str(item.get("label", "")), True, hit)
              for item, hit in zip(objects, near, strict=True)),
            *(Mark(BOX_3D, box.box, "", False, place in right) for place, box in enumerate(answer.boxes)),
        ]  # fmt: skip
        scene = Scene(tuple(described), p, tuple(marks), tuple(map(str, answer.faults)))
        self.keep(reference, answer.status, scene, answer.detail)

    def _read(self, reference: Reference, prediction: Prediction) -> AnsweredBoxes:
        """Return the captioned boxes of an answer; a caption alone belongs to the box that the record asked about."""
        if "object" in reference or (prediction.boxes is None and not prediction.plain_text.strip()):
            return captioned_boxes(prediction)
        text = prediction.plain_text
        if prediction.boxes is not None:
            answer = captioned_boxes(prediction)
            return answer._replace(boxes=[LabelledBox(box.label or text, box.box) for box in answer.boxes])
        asked = reference["gt_bbox"] if self.boxes == "true" else reference.get("proposal_bbox")
        if asked is None:
            return captioned_boxes(prediction)
        return AnsweredBoxes(Status.OK, [LabelledBox(text, tuple(map(float, asked[:6])))], ())

    def _described(self, iou: float, caption: str | None, sentences: Sequence[str]) -> Described:
        rule = DENSE_TEXTS[self.text]
        references = [rule.reference(sentence) for sentence in sentences]
        truth = [rule.words(reference) for reference in references]
        rouge = [rule.rouge(reference) for reference in references]

        def worded(text: str) -> Worded:
            words = rule.words(text)
            counts, lcs = bleu_counts(words, truth), rouge_l(rule.rouge(text), rouge)
            return Worded(counts, Written.of(words, truth), lcs, hashed([words, *truth]))

        missed = worded(rule.missed)
        return Described(iou, missed if caption is None else worded(rule.answer(caption)), missed)

    def _near(self, iou: Floats) -> Flags:
        """Return which overlaps are enough at each threshold, [thresholds, ...]."""
        bounds = np.array(self.thresholds).reshape(-1, *(1,) * iou.ndim)
        return np.asarray(iou > bounds if self.bound == "exceed" else iou >= bounds)

    def remarks(self) -> list[str]:
        """Return the first ten records with faulty boxes, and how many there are."""
        return faults_in_words({key: entry.state.faults for key, entry in self.ordered()})

    def marks(self, state: Scene) -> Sequence[Mark]:
        """Return the true and the answered boxes, matched at the first threshold."""
        return state.marks

    def shown(self, state: Scene) -> str:
        """Return how many objects a box of the answer found."""
        found = sum(mark.matched for mark in state.marks if mark.true)
        return f"{found} of {len(state.objects)} objects found, {state.answered} boxes answered"


class DenseCaptions(_DenseCaptions):
    """CIDEr-D, BLEU-4 and ROUGE-L of captions at overlaps of 0.5 and 0.25: the m@kIoU that 3D language models report.

    Scan2Cap (arXiv 2012.02206) in its recall form: every object counts. Where the box that speaks for it overlaps it
    enough, its caption counts, else a caption of `sos eos`, which is not worth nothing; further boxes cost nothing.
    The benchmark's precision is not in this form. Scores of one record are the mean ROUGE-L of its objects.

    >>> metric = DenseCaptions()
    >>> chair = {"label": "chair", "bbox": [0, 0, 0, 1, 1, 1], "sentences": ["A brown chair at the desk."]}
    >>> metric.update({"id": 1, "object": [chair]}, Prediction("1", "A brown chair at the desk: [0, 0, 0, 1, 1, 1]"))
    >>> round(metric.compute()[2].value, 6)
    1.0
    """

    name = "dense_captions"

    def __init__(
        self,
        thresholds: Sequence[float] = (0.5, 0.25),
        bound: Bound = "reach",
        overlap: Overlap = "scanrefer",
        chosen: Chosen = "oracle",
        text: DenseTextName = "chatscene",
        boxes: BoxSource = "answered",
        meteor: bool = False,
    ) -> None:
        """Choose which box speaks for an object and how captions are written.

        Args:
            thresholds: Overlaps to report, the first as headline.
            bound: Whether an overlap must "reach" a threshold or "exceed" it.
            overlap: "exact", or the published rule "scanrefer", "scanrefer-float32" or "m3dref".
            chosen: "oracle" takes for each object the box that overlaps it most, be it another object's too;
                "assigned" gives each box to the object that it overlaps most, and an object the best of its boxes;
                "last" gives each box to the object with the nearest centre, and an object the last of its boxes.
            text: How captions are written before they are compared, as Scan2Cap ("scan2cap"), LL3DA, LEO, Chat-Scene
                (Penn Treebank words) or Video-3D-LLM do.
            boxes: Whether boxes are "answered" (or the record's `proposal_bbox`), or the "true" one is handed out.
            meteor: Also METEOR, whose tables an installed pycocoevalcap brings.

        Raises:
            UsageError: METEOR's tables are not there.
        """
        super().__init__(thresholds, bound, overlap, text, meteor)
        one_of("chosen", chosen, Chosen)
        one_of("boxes", boxes, BoxSource)
        self.rule, self.boxes = chosen, boxes

    def own_settings(self) -> dict[str, object]:
        """The choices of this form."""
        return {"chosen": self.rule, "boxes": self.boxes, "missed": "sos-eos", "failed": "missed"}

    def chosen(self, boxes: Floats, truth: Floats, iou: Floats) -> Indices:
        """Return the box with the largest overlap, of all or of those that overlap no other object more."""
        if not len(boxes) or not len(truth):
            return np.full(len(truth), -1, np.intp)
        if self.rule == "last":
            speaking = np.full(len(truth), -1, np.intp)
            apart = np.linalg.norm(boxes[:, None, :3] - truth[None, :, :3], axis=2)
            for place, number in enumerate(np.where(np.isnan(apart), np.inf, apart).argmin(axis=1).tolist()):
                speaking[number] = place
            return speaking
        if self.rule == "assigned":
            own = iou.argmax(axis=1)[:, None] == np.arange(len(truth))
            iou = np.where(own, iou, -1.0)
        best = iou.argmax(axis=0)
        return np.where(iou.max(axis=0) >= 0, best, -1)

    def rows(self, states: Sequence[Scene]) -> Floats:
        """Return per threshold the columns of a record's objects, see `_columns`, and how many objects there are."""
        objects = [one for state in states for one in state.objects]
        record = np.repeat(np.arange(len(states)), [len(state.objects) for state in states])
        near = self._near(np.array([one.iou for one in objects], np.float64))
        speaking = [[one.found if hit else one.missed for one, hit in zip(objects, hits, strict=True)]
                    for hits in near.tolist()]  # fmt: skip
        columns = [_columns(captions, self._tables) for captions in speaking]
        table = np.hstack([*columns, np.ones((len(objects), 1))])
        sums = [np.bincount(record, weights=column, minlength=len(states)) for column in table.T]
        return np.stack(sums, axis=1)

    def values(self, sums: Floats) -> Floats:
        """Return the measures at each threshold."""
        split = sums[..., :-1].reshape(*sums.shape[:-1], len(self.thresholds), -1)
        n = sums[..., -1:]
        corpus = [bleu_of_counts(split[..., :_COUNTS], "coco")[..., 3]]
        corpus += [meteor_of_statistics(split[..., _COUNTS:-2])] if self._tables else []
        scores = [split[..., -1] / n, *(np.where(n > 0, score, np.nan) for score in corpus), split[..., -2] / n]
        return np.stack(scores, axis=-1).reshape(*sums.shape[:-1], -1)

    def specs(self) -> Sequence[ScoreSpec]:
        """Return the measures at each threshold, CIDEr-D first."""
        names = [f"{self.name}/{measure}@{threshold:g}" for threshold in self.thresholds for measure in self.measures]
        return [ScoreSpec(name, share="rouge" in name or "meteor" in name) for name in names]

    def sample_value(self, state: Scene) -> float | None:
        """The mean ROUGE-L of the record's objects at the first threshold."""
        near = [bool(self._near(np.array(one.iou))[0]) for one in state.objects]
        values = [(one.found if hit else one.missed).rouge for one, hit in zip(state.objects, near, strict=True)]
        return float(np.mean(values)) if values else None


class DenseCaptionF1(_DenseCaptions):
    """F1 of captions at overlaps of 0.5 and 0.25, as the hidden test of Scan2Cap is scored.

    Per scene, boxes and objects are paired by the largest sum of what the benchmark's code takes for generalised IoU;
    an object without a partner is spoken for by the answer's first box, as there. The captions of pairs that overlap
    enough are worth their own CIDEr-D, BLEU-4, METEOR or ROUGE-L, others nothing; precision divides the sum by boxes
    answered, recall by the objects. Where nothing is right, all three are 0. The benchmark's mean AP is not computed.

    >>> metric = DenseCaptionF1()
    >>> chair = {"label": "chair", "bbox": [0, 0, 0, 1, 1, 1], "sentences": ["A brown chair at the desk."]}
    >>> boxes = [{"label": "A brown chair at the desk.", "box": [x, 0, 0, 1, 1, 1]} for x in (0, 9)]
    >>> metric.update({"id": 1, "object": [chair]}, Prediction("1", boxes=boxes))
    >>> {score.name: round(score.value, 3) for score in metric.compute()}["dense_caption_f1/rouge_l@0.5"]
    0.667
    """

    name = "dense_caption_f1"
    needs = ("object",)

    def __init__(
        self,
        thresholds: Sequence[float] = (0.5, 0.25),
        bound: Bound = "reach",
        overlap: Overlap = "scanrefer-float32",
        text: DenseTextName = "scan2cap",
        meteor: bool = False,
    ) -> None:
        """Choose how overlaps and captions are taken; see `DenseCaptions` for the options."""
        super().__init__(thresholds, bound, overlap, text, meteor)

    def own_settings(self) -> dict[str, object]:
        """The choices of this form."""
        return {"pairs": "scan2cap-giou", "unpaired": "first-box", "failed": "missed"}

    def chosen(self, boxes: Floats, truth: Floats, iou: Floats) -> Indices:
        """Return the partner of each object, the first box where it has none."""
        partner = np.full(len(truth), 0 if len(boxes) else -1, np.intp)
        rows, columns = best_assignment(scan2cap_giou(boxes, truth))
        partner[columns] = rows
        return partner

    def rows(self, states: Sequence[Scene]) -> Floats:
        """Return per threshold what the captions of a record are worth, then the boxes answered and the objects."""
        objects = [one for state in states for one in state.objects]
        record = np.repeat(np.arange(len(states)), [len(state.objects) for state in states])
        columns = _columns([one.found for one in objects], None)
        bleu = bleu_of_counts(columns[:, :_COUNTS], "coco")[:, 3] if len(objects) else np.zeros(0)
        worth = np.stack([columns[:, -1], bleu, *self._meteor(objects), columns[:, -2]])
        near = self._near(np.array([one.iou for one in objects], np.float64))
        table = (near[:, None] * worth[None]).reshape(-1, len(objects))
        sums = [np.bincount(record, weights=column, minlength=len(states)) for column in table]
        counts = np.array([(state.answered, len(state.objects)) for state in states], np.float64).reshape(-1, 2)
        return np.hstack([np.stack(sums, axis=1), counts])

    def _meteor(self, objects: Sequence[Described]) -> list[Floats]:
        written = [one.found.written for one in objects]
        return [meteor_of_statistics(best_statistics(written, _STAGES, self._tables))] if self._tables else []

    def values(self, sums: Floats) -> Floats:
        """Return F1, precision and recall of each measure at each threshold."""
        worth, answered, objects = sums[..., :-2], sums[..., -2:-1], sums[..., -1:]
        precision = np.where(answered > 0, worth / np.maximum(answered, 1), 0.0)
        recall = worth / objects
        both = precision + recall
        f1 = np.where(both > 0, 2 * precision * recall / np.where(both > 0, both, 1), both)
        return np.asarray(np.stack([f1, precision, recall], axis=-1).reshape(*sums.shape[:-1], -1))

    def specs(self) -> Sequence[ScoreSpec]:
        """Return F1, precision and recall of each measure at each threshold, CIDEr-D first."""
        at_each = [(measure, threshold) for threshold in self.thresholds for measure in self.measures]
        names = [(f"{self.name}/{measure}", f"@{threshold:g}") for measure, threshold in at_each]
        return [ScoreSpec(f"{head}{part}{at}") for head, at in names for part in ("", "/precision", "/recall")]

    def sample_value(self, state: Scene) -> float | None:
        """The share of the record's objects that a box found at the first threshold."""
        found = [mark.matched for mark in state.marks if mark.true]
        return float(np.mean(found)) if found else None


def _columns(captions: Sequence[Worded], tables: Path | None) -> Floats:
    """Return what BLEU and METEOR count, ROUGE-L and CIDEr-D, a row a caption; CIDEr-D needs them all at once.

    Returns:
        Columns [captions, 12], with those of METEOR [captions, 35].
    """
    counts = np.array([one.counts for one in captions], np.float64).reshape(-1, _COUNTS)
    rouge = np.array([one.rouge for one in captions], np.float64)
    cider = cider_d([one.words for one in captions])
    written = [one.written for one in captions]
    statistics = [summed_statistics(best_statistics(written, _STAGES, tables))] if tables else []
    return np.column_stack([counts, *statistics, rouge, cider])


def _objects(reference: Reference) -> Sequence[Reference]:
    if "object" in reference:
        objects: Sequence[Reference] = reference["object"]
        return objects
    return [{"bbox": reference["gt_bbox"], "sentences": reference["sentences"]}]

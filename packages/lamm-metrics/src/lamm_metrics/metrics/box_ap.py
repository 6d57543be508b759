"""What detection in images and in point clouds share: the state of a record, matching, curves."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.answers.located import AnsweredBoxes, class_of, closed_set, faults_in_words, strange_names
from lamm_metrics.average_precision.curves import Curve, Matched
from lamm_metrics.average_precision.matching import SCORE_FREE, Found, Matches, PairedIoU, Truth, bounds_of, candidates
from lamm_metrics.average_precision.pairs import Flags
from lamm_metrics.metrics.base import OK, UNSCORED, Floats, Metric, derived, labels_setting, overlaps
from lamm_metrics.records.files import first_ten
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import Reference, mark_of
from lamm_metrics.results.score import Mark, SampleResult, ScoreSpec, drawn

# Marks of objects that need not be found.
IGNORED = ("difficult", "iscrowd")


class Scene(NamedTuple):
    """What is kept of one record: its boxes and those of the answer, as columns.

    Labels are what was compared, names what was written. `faults` says what was wrong with the answer's boxes, `mended`
    how many true boxes had their corners put in order.
    """

    truth_label: tuple[str, ...]
    truth_name: tuple[str, ...]
    truth_box: Floats
    ignored: Flags
    found_label: tuple[str, ...]
    found_name: tuple[str, ...]
    found_box: Floats
    found_score: Floats
    scored: bool
    faults: tuple[str, ...]
    mended: int


class BoxAP(Metric[Scene]):
    """What 2D and 3D detection share: state, matching, curves, intervals."""

    # Overlaps averaged into a score of their own, if any.
    mean_over: ClassVar[Sequence[float]] = ()
    dimensions: ClassVar[int]
    # What a box is called where it is drawn, and how many of its numbers are.
    mark: ClassVar[str]
    numbers: int
    needs = ("object",)
    centred = True

    def __init__(
        self, iou: PairedIoU, thresholds: Sequence[float], labels: Sequence[str], class_agnostic: bool
    ) -> None:
        super().__init__()
        self.thresholds = overlaps(thresholds)
        self.labels = tuple(labels)
        self.class_agnostic = class_agnostic
        self.iou = iou

    @abstractmethod
    def read(self, reference: Reference, prediction: Prediction, labels: Sequence[str] | None) -> AnsweredBoxes:
        """The boxes of the answer."""

    @abstractmethod
    def truth(self, reference: Reference, boxes: Sequence[Sequence[float]]) -> Floats:
        """The true boxes of a record, checked, [objects, dimensions]."""

    def is_reversed(self, box: Sequence[float]) -> bool:
        """Whether a true box has its corners in the wrong order; boxes in space have none."""
        return False

    def update(self, reference: Reference, prediction: Prediction) -> None:
        """Read one image or scene and its answer.

        Raises:
            LammMetricsError: A true box cannot be used, or the record was read before.
        """
        labels = closed_set(reference, self.labels)
        objects: Sequence[Mapping[str, Any]] = reference.get("object") or ()
        answer = self.read(reference, prediction, labels)

        def naming(name: str | None) -> str:
            return "object" if self.class_agnostic else class_of(name, labels) or ""

        scene = Scene(
            truth_label=tuple(naming(str(item["label"])) for item in objects),
            truth_name=tuple(str(item["label"]) for item in objects),
            truth_box=self.truth(reference, [item["bbox"] for item in objects]),
            ignored=np.array([any(mark_of(item.get(key)) for key in IGNORED) for item in objects], np.bool_),
            found_label=tuple(naming(box.label) for box in answer.boxes),
            found_name=tuple(box.label or "" for box in answer.boxes),
            found_box=np.array([box.box for box in answer.boxes], np.float64).reshape(-1, self.dimensions),
            found_score=np.array([UNSCORED if box.score is None else box.score for box in answer.boxes], np.float64),
            scored=any(box.score is not None for box in answer.boxes),
            faults=tuple(str(fault) for fault in answer.faults),
            mended=sum(self.is_reversed(item["bbox"]) for item in objects),
        )
        self.keep(reference, answer.status, scene, answer.detail)

    def settings(self) -> dict[str, object]:
        """Return the choices of the signature."""
        return {
            "iou": ">=" + ",".join(f"{threshold:g}" for threshold in self.thresholds),
            "interp": SCORE_FREE.interpolation,
            "ties": "grouped",
            **self.own_settings(),
            **labels_setting(self.labels),
        }

    @abstractmethod
    def own_settings(self) -> dict[str, object]:
        """Return the choices that detection in images and in point clouds do not share."""

    @derived
    def specs(self) -> list[ScoreSpec]:
        """Return AP at each threshold, their mean over `mean_over`, then precision, recall and F1 at the first."""
        names = [f"{self.name}@{threshold:g}" for threshold in self.thresholds]
        if self.mean_over:
            names.append(f"{self.name}@{self.mean_over[0]:g}:{self.mean_over[-1]:g}")
        names += [f"{self.name}/{rate}@{self.thresholds[0]:g}" for rate in ("precision", "recall", "f1")]
        scored = {entry.state.scored for entry in self.entries.values() if entry.state.found_label}
        kind = {"scores": "some" if len(scored) > 1 else "given" if True in scored else "none"}
        return [ScoreSpec(name, share=True, bounded=name == names[0], settings=kind) for name in names]

    def faults(self) -> dict[str, tuple[str, ...]]:
        """What was wrong with predicted boxes, by record id; records without fault are left out.

        Boxes that are not finite or of the wrong length count as false alarms, so do those without or with negative
        size; the corners of a reversed 2D box are put in order.
        """
        return {key: entry.state.faults for key, entry in self.ordered() if entry.state.faults}

    def remarks(self) -> list[str]:
        """Return that no name is a true one, and the first ten records with faulty boxes, answered or true."""
        mended = [key for key, entry in self.ordered() if entry.state.mended]
        truth = [f"reversed corners of true boxes put in order in {first_ten(mended)}"] if mended else []
        scenes = [entry.state for _, entry in self.ordered()]
        answered = (pair for scene in scenes for pair in zip(scene.found_label, scene.found_name, strict=True))
        true = (pair for scene in scenes for pair in zip(scene.truth_label, scene.truth_name, strict=True))
        strange = strange_names(answered, true, "box") if self.n_failed < len(scenes) else []
        return strange + faults_in_words(self.faults()) + truth

    @derived
    def columns(self) -> tuple[Found, Truth, list[str]]:
        """Return all detections, all objects and the class names; the images are the positions in `ordered()`."""
        scenes = [entry.state for _, entry in self.ordered()]
        names = sorted({name for scene in scenes for name in scene.truth_label + scene.found_label})
        return (*_columns(scenes, {name: i for i, name in enumerate(names)}, self.dimensions), names)

    @derived
    def matches(self) -> dict[float, Matches]:
        """Return which detection finds which object at each threshold; overlaps are taken once for all of them."""
        found, truth, _ = self.columns()
        thresholds = dict.fromkeys((*self.thresholds, *self.mean_over))
        pairs = candidates(found, truth, self.iou, min(thresholds), SCORE_FREE)
        return {threshold: pairs.at(threshold) for threshold in thresholds}

    @derived
    def curves(self) -> dict[float, Curve]:
        """Return the curves of each threshold, with groups as images."""
        codes = self.group_codes()
        return {threshold: self._curve(matches.matched, codes) for threshold, matches in self.matches().items()}

    def _curve(self, matched: Matched, codes: NDArray[np.int64]) -> Curve:
        matched = replace(matched, image=codes[matched.image], truth_image=codes[matched.truth_image])
        return Curve(matched, len(self.columns()[2]), SCORE_FREE.interpolation, grouped=True)

    @derived
    def rates(self) -> Floats:
        """Return hits, detections and objects at the first threshold in each group, [groups, 3]."""
        counts, codes, groups = self._counts(), self.group_codes(), len(self.groups())
        return np.stack([np.bincount(codes, column, groups) for column in counts.T], axis=1)

    def _counts(self) -> Floats:
        """Hits, detections and objects at the first threshold in each record of `ordered()`, [records, 3]."""
        matched = self.matches()[self.thresholds[0]].matched
        images = (matched.image[matched.correct], matched.image, matched.truth_image)
        return np.stack([np.bincount(image, minlength=len(self.entries)) for image in images], axis=1).astype(float)

    def resampled(self, weights: NDArray[np.int64]) -> Floats:
        """Return the scores under group weights, see `Metric.resampled`."""
        values = {threshold: curve.mean(weights) for threshold, curve in self.curves().items()}
        columns = [values[threshold] for threshold in self.thresholds]
        if self.mean_over:
            columns.append(np.mean([values[threshold] for threshold in self.mean_over], axis=0))
        hits, shown, present = (weights @ self.rates()).T
        with np.errstate(invalid="ignore", divide="ignore"):
            columns += [hits / shown, hits / present, 2 * hits / (shown + present)]
        return np.stack(columns, axis=1)

    def defined_groups(self) -> list[int]:
        """Return in how many groups each score is defined: with objects, for precision with detections."""
        objects, detections = (
            {entry.group for entry in self.entries.values() if shows(entry.state)}
            for shows in (lambda scene: (~scene.ignored).any(), lambda scene: bool(scene.found_label))
        )
        rates = [len(detections), len(objects), len(objects | detections)]
        return [len(objects)] * (len(self.specs()) - len(rates)) + rates

    def extra(self, name: str) -> dict[str, float]:
        """Return beside the headline its bounds over all orders of tied detections, counts of boxes, AP by class."""
        if name != f"{self.name}@{self.thresholds[0]:g}":
            return {}
        scenes = [entry.state for entry in self.entries.values()]
        counts: dict[str, float] = {
            "objects": sum(len(scene.truth_label) - int(scene.ignored.sum()) for scene in scenes),
            "detections": sum(len(scene.found_label) for scene in scenes),
            "unnamed_detections": sum(scene.found_label.count("") for scene in scenes),
            "faulty_detections": sum(len(scene.faults) for scene in scenes),
        }
        value = float(self.point_values()[0])
        if np.isnan(value):
            return counts
        names = self.columns()[2]
        low, high = bounds_of(self.matches()[self.thresholds[0]], len(names))
        own = self.curves()[self.thresholds[0]].per_label(np.ones((1, len(self.groups())), np.int64))[0].tolist()
        classes = {f"ap/{name}": ap for name, ap in zip(names, own, strict=True) if ap == ap}
        # Rounding must not put the value outside.
        return {"pessimistic": min(low, value), "optimistic": max(high, value), **counts, **classes}

    def values_if_right(self) -> list[float]:
        """Return the headline if every answer that could not be read had named all objects, as surely as any did."""
        given = (float(entry.state.found_score.max(initial=UNSCORED)) for entry in self.entries.values())
        surest = max(given, default=UNSCORED)
        entries = [entry for _, entry in self.ordered()]
        failed = np.array([entry.status != OK for entry in entries], np.bool_)
        scenes = [_perfect(entry.state, surest) for entry in entries if entry.status != OK]
        code = {name: i for i, name in enumerate(self.columns()[2])}
        threshold = self.thresholds[0]
        # Images are matched one by one, so those of the other answers stay as they are.
        again = candidates(*_columns(scenes, code, self.dimensions), self.iou, threshold, SCORE_FREE)
        new, old = again.at(threshold).matched, self.matches()[threshold].matched
        rest = ~failed[old.image]
        image = np.concatenate([old.image[rest], np.flatnonzero(failed)[new.image]])
        label, score, correct = (
            np.concatenate([getattr(old, name)[rest], getattr(new, name)]) for name in ("label", "score", "correct")
        )
        order = np.lexsort([-score, label])
        curve = self._curve(
            replace(old, image=image[order], label=label[order], score=score[order], correct=correct[order]),
            self.group_codes(),
        )
        right = float(curve.mean(np.ones((1, len(self.groups())), np.int64))[0])
        return [right, *[np.nan] * (len(self.specs()) - 1)]

    def per_sample(self) -> Iterator[SampleResult]:
        """Yield how each record was scored, sorted by id: its F1 at the first threshold, all matched at once."""
        counts = self._counts()
        total = counts[:, 1] + counts[:, 2]
        # A record with neither object nor detection has no value of its own.
        values = np.divide(2 * counts[:, 0], total, out=np.full(len(total), np.nan), where=total > 0)
        found, truth = self.matches()[self.thresholds[0]].in_input()
        start_found = start_truth = 0
        for (key, entry), value in zip(self.ordered(), values.tolist(), strict=True):
            scene = entry.state
            stop_found, stop_truth = start_found + len(scene.found_label), start_truth + len(scene.truth_label)
            marks = self.marks(scene, found[start_found:stop_found], truth[start_truth:stop_truth])
            start_found, start_truth = stop_found, stop_truth
            shown, own = self.shown(scene), value if value == value else None
            yield SampleResult(key, entry.group, entry.status, own, shown, entry.detail, drawn(marks))

    def marks(self, state: Scene, found: Flags | None = None, truth: Flags | None = None) -> list[Mark]:
        """Return the true and the answered boxes, with those that found each other at the first threshold where given.

        Args:
            state: A record's boxes.
            found: Which of the answered boxes found an object.
            truth: Which of the objects were found.
        """
        sides = []
        for boxes, names, hits, true in (
            (state.truth_box, state.truth_name, truth, True),
            (state.found_box, state.found_name, found, False),
        ):
            flags = [False] * len(names) if hits is None else hits.tolist()
            rows = zip(boxes[:, : self.numbers].tolist(), names, flags, strict=True)
            sides.append([Mark(self.mark, tuple(box), name, true, hit) for box, name, hit in rows])
        return sides[0] + sides[1]

    def shown(self, state: Scene) -> str:
        """The boxes that were read, and their faults."""
        read = "; ".join(
            f"{name or 'unnamed'} [{', '.join(f'{number:.4g}' for number in box)}]"
            for name, box in zip(state.found_label, state.found_box, strict=True)
        )
        return read + (f" ({', '.join(state.faults)})" if state.faults else "")


def _perfect(scene: Scene, score: float) -> Scene:
    """The scene with its objects as the answer."""
    scores = np.full(len(scene.truth_label), score)
    return scene._replace(found_label=scene.truth_label, found_box=scene.truth_box, found_score=scores)


def _columns(scenes: Sequence[Scene], code: Mapping[str, int], dimensions: int) -> tuple[Found, Truth]:
    """All detections and all objects as columns, the scenes' positions as images."""
    found_count = [len(scene.found_label) for scene in scenes]
    truth_count = [len(scene.truth_label) for scene in scenes]
    position = np.arange(len(scenes))
    empty = np.empty((0, dimensions))
    found = Found(
        np.repeat(position, found_count),
        np.array([code[name] for scene in scenes for name in scene.found_label], np.intp),
        np.concatenate([np.empty(0), *(scene.found_score for scene in scenes)]),
        np.concatenate([empty, *(scene.found_box for scene in scenes)]),
    )
    truth = Truth(
        np.repeat(position, truth_count),
        np.array([code[name] for scene in scenes for name in scene.truth_label], np.intp),
        np.concatenate([empty, *(scene.truth_box for scene in scenes)]),
        np.concatenate([np.empty(0, np.bool_), *(scene.ignored for scene in scenes)]),
    )
    return found, truth

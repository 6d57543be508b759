"""What detection in images and in point clouds share: the state of a record, matching, curves and intervals."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.answers.located import AnsweredBoxes, class_of, closed_set, faults_in_words
from lamm_metrics.average_precision.curves import Curve, Matched
from lamm_metrics.average_precision.matching import SCORE_FREE, Found, PairedIoU, Truth, match
from lamm_metrics.average_precision.tie_bounds import order_bounds
from lamm_metrics.errors import UsageError
from lamm_metrics.metrics.base import OK, Metric
from lamm_metrics.records.files import first_ten
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import Reference
from lamm_metrics.results.score import SampleResult, Score, signature
from lamm_metrics.statistics import centred_interval, group_weights, wilson

Floats = NDArray[np.float64]


class Scene(NamedTuple):
    """What is kept of one record: its boxes and those of the answer, as columns.

    `faults` says what was wrong with the answer's boxes, `mended` how many true boxes had their corners put in order.
    """

    truth_label: tuple[str, ...]
    truth_box: Floats
    ignored: NDArray[np.bool_]
    found_label: tuple[str, ...]
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
    needs = ("object",)

    def __init__(
        self, iou: PairedIoU, thresholds: Sequence[float], labels: Sequence[str], class_agnostic: bool
    ) -> None:
        super().__init__()
        if not thresholds or not all(0 < threshold <= 1 for threshold in thresholds):
            raise UsageError(f"Expected overlap thresholds above 0 and up to 1, got {list(thresholds)}. Change them.")
        self.thresholds = tuple(thresholds)
        self.labels = tuple(labels)
        self.class_agnostic = class_agnostic
        self.iou = iou
        # Entries are only ever added, so their number tells whether what was derived from them still holds.
        self._prepared: tuple[int, list[Curve], Matched | None] = (-1, [], None)
        self._gathered: tuple[int, tuple[Found, Truth, list[str]] | None] = (-1, None)

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
        naming: Callable[[str | None], str] = self._one_class if self.class_agnostic else partial(_named, labels=labels)
        scene = Scene(
            truth_label=tuple(naming(str(item["label"])) for item in objects),
            truth_box=self.truth(reference, [item["bbox"] for item in objects]),
            ignored=np.array([bool(item.get("difficult") or item.get("iscrowd")) for item in objects], np.bool_),
            found_label=tuple(naming(box.label) for box in answer.boxes),
            found_box=np.array([box.box for box in answer.boxes], np.float64).reshape(-1, self.dimensions),
            found_score=np.array([1.0 if box.score is None else box.score for box in answer.boxes], np.float64),
            scored=any(box.score is not None for box in answer.boxes),
            faults=tuple(str(fault) for fault in answer.faults),
            mended=sum(self.is_reversed(item["bbox"]) for item in objects),
        )
        self.keep(reference, answer.status, scene, answer.detail)

    @staticmethod
    def _one_class(name: str | None) -> str:
        return "object"

    @property
    def score_names(self) -> list[str]:
        """Names of the scores; the first is the headline."""
        single = [f"{self.name}@{threshold:g}" for threshold in self.thresholds]
        mean = [f"{self.name}@{self.mean_over[0]:g}:{self.mean_over[-1]:g}"] if self.mean_over else []
        rates = [f"{self.name}/{rate}@{self.thresholds[0]:g}" for rate in ("precision", "recall", "f1")]
        return [*single, *mean, *rates]

    def faults(self) -> dict[str, tuple[str, ...]]:
        """What was wrong with predicted boxes, by record id; records without fault are left out.

        Boxes that are not finite or of the wrong length count as false alarms, so do those without or with negative
        size; the corners of a reversed 2D box are put in order.
        """
        return {key: entry.state.faults for key, entry in self.ordered() if entry.state.faults}

    def remarks(self) -> list[str]:
        """The first ten records with faulty boxes, and how many there are; the same of the truth."""
        mended = [key for key, entry in self.ordered() if entry.state.mended]
        truth = [f"reversed corners of true boxes put in order in {first_ten(mended)}"] if mended else []
        return faults_in_words(self.faults()) + truth

    def matched(self, threshold: float) -> tuple[Matched, list[str]]:
        """Which detections are correct, with records in the order of `ordered()` as images, and the class names."""
        found, truth, names = self.columns()
        return match(found, truth, self.iou, threshold, SCORE_FREE), names

    def columns(self) -> tuple[Found, Truth, list[str]]:
        """All detections, all objects and the class names; the images are the positions in `ordered()`."""
        count, gathered = self._gathered
        if gathered is None or count != len(self.entries):
            scenes = [entry.state for _, entry in self.ordered()]
            names = sorted({name for scene in scenes for name in scene.truth_label + scene.found_label})
            gathered = (*_columns(scenes, {name: i for i, name in enumerate(names)}, self.dimensions), names)
            self._gathered = (len(self.entries), gathered)
        return gathered

    def per_class(self, threshold: float) -> dict[str, float]:
        """Average precision of each class that has objects."""
        matched, names = self.matched(threshold)
        curve = Curve(matched, len(names), SCORE_FREE.interpolation, grouped=True)
        values = curve.per_label(np.ones((1, len(self.entries)), np.int64))[0] if self.entries else np.empty(0)
        return {name: float(value) for name, value in zip(names, values, strict=True) if not np.isnan(value)}

    def _curves(self) -> tuple[list[Curve], Matched | None]:
        """Curves of all thresholds, groups as images, and the matches of the first; cached until records are added."""
        if self._prepared[0] != len(self.entries):
            codes, curves, headline = self.group_codes(), [], None
            for threshold in dict.fromkeys((*self.thresholds, *self.mean_over)):
                matched, names = self.matched(threshold)
                matched = replace(matched, image=codes[matched.image], truth_image=codes[matched.truth_image])
                headline = headline or matched
                curves.append(Curve(matched, len(names), SCORE_FREE.interpolation, grouped=True))
            self._prepared = (len(self.entries), curves, headline)
        return self._prepared[1], self._prepared[2]

    def resampled(self, weights: NDArray[np.int64]) -> Floats:
        """The scores under group weights, see `Metric.resampled`."""
        curves, matched = self._curves()
        distinct = dict.fromkeys((*self.thresholds, *self.mean_over))
        value = dict(zip(distinct, (curve.mean(weights) for curve in curves), strict=True))
        single = [value[threshold] for threshold in self.thresholds]
        mean = [np.mean([value[threshold] for threshold in self.mean_over], axis=0)] if self.mean_over else []
        return np.stack([*single, *mean, *_rates(matched, weights)], axis=1)

    def bootstrap(self, seed: int, draws: int, confidence: float) -> list[tuple[float, float] | None]:
        """Intervals from drawing whole groups, see `Metric.bootstrap`, moved by the bias of the draws' median.

        AP is the area under an envelope of maxima. Drawing groups twice makes the curve rougher and lifts its maxima,
        so that plain percentiles can lie above the value itself.
        """
        n_groups = len(self.groups())
        if n_groups < 2 or draws < 2:
            return [None] * len(self.score_names)
        point = self.resampled(np.ones((1, n_groups), np.int64))[0]
        values = np.concatenate([self.resampled(weights) for weights in group_weights(n_groups, draws, seed)])
        return [centred_interval(value, column, confidence) for value, column in zip(point, values.T, strict=True)]

    def compute(self, seed: int = 0, draws: int = 1000, confidence: float = 0.95) -> list[Score]:
        """The scores, see `Metric.compute`. `extra` of the headline bounds it over all orders of tied detections."""
        names = self.score_names
        values: list[float | None] = [None] * len(names)
        intervals: list[tuple[float, float] | None] = [None] * len(names)
        if self.entries:
            point = self.resampled(np.ones((1, len(self.groups())), np.int64))[0]
            values = [None if np.isnan(value) else float(value) for value in point]
            intervals = self.bootstrap(seed, draws, confidence)
        choices = {**self.settings(), "scores": self._score_kind()}
        kinds = [f"centred-bootstrap{confidence * 100:g}"] * len(names)
        for i, trials in enumerate(self._trials()):
            if values[i] in (0.0, 1.0) and intervals[i] is not None:
                # Draws of groups that all agree have no width; Wilson's interval with the groups as trials does.
                intervals[i] = wilson((values[i] or 0.0) * trials, trials, confidence)
                kinds[i] = f"wilson{confidence * 100:g}"
        return [
            Score(
                name=name,
                value=value,
                interval=interval if value is not None else None,
                n=len(self.entries),
                n_failed=self.n_failed,
                higher_is_better=True,
                signature=signature(name, **choices, ci=kind if interval else "none"),
                extra=self._extra(value) if name == names[0] else {},
            )
            for name, value, interval, kind in zip(names, values, intervals, kinds, strict=True)
        ]

    def _trials(self) -> list[int]:
        """The number of groups that each score rests on: with objects, for precision with detections."""
        objects, detections = (
            {entry.group for entry in self.entries.values() if shows(entry.state)}
            for shows in (lambda scene: (~scene.ignored).any(), lambda scene: bool(scene.found_label))
        )
        rates = [len(detections), len(objects), len(objects | detections)]
        return [len(objects)] * (len(self.score_names) - len(rates)) + rates

    def _score_kind(self) -> str:
        scored = {entry.state.scored for entry in self.entries.values() if entry.state.found_label}
        return "some" if len(scored) > 1 else "given" if True in scored else "none"

    def _extra(self, value: float | None) -> dict[str, float]:
        scenes = [entry.state for entry in self.entries.values()]
        counts: dict[str, float] = {
            "objects": sum(len(scene.truth_label) - int(scene.ignored.sum()) for scene in scenes),
            "detections": sum(len(scene.found_label) for scene in scenes),
            "unnamed_detections": sum(scene.found_label.count("") for scene in scenes),
            "faulty_detections": sum(len(scene.faults) for scene in scenes),
        }
        if value is None:
            return counts
        found, truth, names = self.columns()
        low, high = order_bounds(found, truth, self.iou, self.thresholds[0], SCORE_FREE, len(names))
        bounds = {"failures_wrong": value, "failures_right": self._if_failures_were_right()}
        # Rounding must not put the value outside.
        return {"pessimistic": min(low, value), "optimistic": max(high, value), **bounds, **counts}

    def _if_failures_were_right(self) -> float:
        """The headline if every answer that could not be read had named all objects, as surely as any answer did."""
        other = copy(self)
        surest = max((float(entry.state.found_score.max(initial=0.0)) for entry in self.entries.values()), default=0.0)
        other.entries = {
            key: entry if entry.status == OK else entry._replace(state=_perfect(entry.state, surest))
            for key, entry in self.entries.items()
        }
        other._gathered = (-1, None)
        matched, names = other.matched(self.thresholds[0])
        curve = Curve(matched, len(names), SCORE_FREE.interpolation, grouped=True)
        return float(curve.mean(np.ones((1, len(self.entries)), np.int64))[0])

    def per_sample(self) -> Iterator[SampleResult]:
        """How each record was scored, sorted by id: its F1 at the first threshold, all matched at once."""
        matched, _ = self.matched(self.thresholds[0])
        n = len(self.entries)
        hits = np.bincount(matched.image[matched.correct], minlength=n)
        total = np.bincount(matched.image, minlength=n) + np.bincount(matched.truth_image, minlength=n)
        for (key, entry), right, both in zip(self.ordered(), hits.tolist(), total.tolist(), strict=True):
            # A record with neither object nor detection has no value of its own.
            value = 2 * right / both if both else None
            yield SampleResult(key, entry.group, entry.status, value, self.shown(entry.state), entry.detail)

    def shown(self, state: Scene) -> str:
        """The boxes that were read, and their faults."""
        read = "; ".join(
            f"{name or 'unnamed'} [{', '.join(f'{number:.4g}' for number in box)}]"
            for name, box in zip(state.found_label, state.found_box, strict=True)
        )
        return read + (f" ({', '.join(state.faults)})" if state.faults else "")


def _named(name: str | None, labels: Sequence[str] | None) -> str:
    return class_of(name, labels) or ""


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


def _rates(matched: Matched | None, weights: NDArray[np.int64]) -> list[Floats]:
    """Precision, recall and F1 over all classes under weights [draws, images], [draws] each; NaN where undefined."""
    if matched is None:
        return [np.full(len(weights), np.nan)] * 3
    images = weights.shape[1]
    per_image = np.stack(
        [
            np.bincount(matched.image[matched.correct], minlength=images),
            np.bincount(matched.image, minlength=images),
            np.bincount(matched.truth_image, minlength=images),
        ],
        axis=1,
    ).astype(np.float64)
    hits, shown, present = (weights @ per_image).T
    with np.errstate(invalid="ignore", divide="ignore"):
        return [hits / shown, hits / present, 2 * hits / (shown + present)]

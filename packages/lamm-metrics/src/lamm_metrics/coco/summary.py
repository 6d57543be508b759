"""COCO's summary numbers: boxes and masks (twelve), keypoints (ten), equal to pycocotools and much faster.

Detections of all images and classes are matched together, see `average_precision.pairs`; area ranges and thresholds
differ only in which of the few overlapping pairs they admit. Equal scores keep the order of the image ids, then of the
file, as in pycocotools: use `lamm_metrics.metrics.detection` where a model gives no scores.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from lamm_metrics.average_precision.curves import Interpolation, area_under, changes
from lamm_metrics.average_precision.pairs import (
    Flags,
    Floats,
    Indices,
    Pairs,
    assign,
    overlapping_pairs,
    rank_within,
)
from lamm_metrics.coco.overlaps import BOXES, OVERLAPS, IouType, OverlapMaker, Protocol, box_overlap
from lamm_metrics.coco.records import CocoFound, CocoTruth, read_coco_found, read_coco_truth

# As the original writes them: np.linspace, so that comparisons round alike.
THRESHOLDS: Floats = np.linspace(0.5, 0.95, 10)
# The largest overlap a threshold asks for, so that 1.0 can be reached.
ALMOST_ONE = 1 - 1e-10
AREAS: Mapping[str, tuple[float, float]] = {
    "all": (0.0, 1e10),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}


@dataclass(frozen=True, slots=True)
class CocoSummary:
    """Summary numbers by name, in COCO's order; NaN where nothing defines one (pycocotools prints -1).

    Attributes:
        numbers: AP, AP50, AP75, AP by area, AR by detections kept, AR by area.
        per_class: AP averaged over the thresholds, by category name; classes without objects are left out.
    """

    numbers: Mapping[str, float]
    per_class: Mapping[str, float] = field(default_factory=dict)


def coco_summary(
    ground_truth: Mapping[str, Any], detections: Sequence[Mapping[str, Any]], iou_type: IouType = "bbox"
) -> CocoSummary:
    """Return COCO's numbers for detections of an instances or keypoints file.

    Args:
        ground_truth: The content of a COCO annotation file.
        detections: The content of a COCO results file.
        iou_type: "bbox", "segm" (needs the extra `coco`) or "keypoints".

    Raises:
        LammMetricsError: A detection names an unknown image or category, lacks what `iou_type` needs or is not finite.

    >>> image, kind = {"id": 1, "height": 9, "width": 9}, {"id": 1, "name": "cat"}
    >>> cat = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 4, 4], "area": 16, "iscrowd": 0}
    >>> truth = {"images": [image], "categories": [kind], "annotations": [cat]}
    >>> summary = coco_summary(truth, [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 4, 3], "score": 0.5}])
    >>> round(summary.numbers["AP"], 6), round(summary.numbers["AP50"], 6)
    (0.6, 1.0)
    """
    truth = read_coco_truth(ground_truth, iou_type)
    found = read_coco_found(detections, truth, iou_type)
    maker, protocol = OVERLAPS[iou_type]
    return summarise_coco(found, truth, maker, protocol)


@dataclass(frozen=True, slots=True)
class Ranked:
    """Detections that are kept, by class, then falling score; `rank` counts them within image and class."""

    rows: Indices
    key: Indices
    label: Indices
    rank: Indices
    bounds: Indices


class Judged(NamedTuple):
    """What came of matching in one area range at one threshold.

    Attributes:
        area: Index of the area range.
        threshold: Index of the threshold.
        ranked: The detections that are kept, D in number.
        counted: Whether a detection counts, rightly or wrongly: it neither found an ignored object nor lies outside the
            area range without finding one, [D].
        correct: Indices into `ranked` of those that found an object that counts, rising.
        ignored: Objects that do not count, [G].
    """

    area: int
    threshold: int
    ranked: Ranked
    counted: Flags
    correct: Indices
    ignored: Flags


def _ranked(found: CocoFound, n_labels: int, limit: int) -> Ranked:
    key = found.image * n_labels + found.label
    order = np.argsort(-found.score, kind="stable")
    order = order[np.argsort(key[order], kind="stable")]
    rank = rank_within(key[order])
    kept = np.flatnonzero(rank < limit)
    order, rank = order[kept], rank[kept]
    by_score = np.argsort(-found.score[order], kind="stable")
    label = found.label[order[by_score]].astype(np.int16 if n_labels < 2**15 else np.intp)
    by_label = by_score[np.argsort(label, kind="stable")]  # radix sort for 16 bits
    rows = order[by_label]
    label = found.label[rows]
    return Ranked(rows, key[rows], label, rank[by_label], np.searchsorted(label, np.arange(n_labels + 1)))


def summarise_coco(
    found: CocoFound, truth: CocoTruth, maker: OverlapMaker = box_overlap, protocol: Protocol = BOXES
) -> CocoSummary:
    """Return COCO's numbers for columns of detections and objects; `coco_summary` reads them from files' contents.

    Args:
        found: Detections.
        truth: Objects.
        maker: Makes the overlap function.
        protocol: Area ranges and limits.
    """
    n_labels = len(truth.names)
    shape = (len(protocol.areas), len(THRESHOLDS), n_labels)
    precision, recall = np.full(shape, np.nan), np.full((len(protocol.max_detections), *shape), np.nan)
    for judged in judge(found, truth, maker, protocol):
        at = judged.area, judged.threshold
        positives = np.bincount(truth.label[~judged.ignored], minlength=n_labels)
        precision[at] = _average_precision(judged.correct, judged.counted, judged.ranked, positives)
        for place, limit in enumerate(protocol.max_detections):
            recall[place, *at] = _recall(judged.correct, limit, judged.ranked, positives)
    numbers = summary_numbers(precision[..., None], recall[..., None], protocol)
    with_objects = [i for i in range(n_labels) if not np.isnan(precision[0, 0, i])]
    per_class = {truth.names[i]: float(precision[0, :, i].mean()) for i in with_objects}
    return CocoSummary({name: float(value[0]) for name, value in numbers.items()}, per_class)


def judge(found: CocoFound, truth: CocoTruth, maker: OverlapMaker, protocol: Protocol) -> Iterator[Judged]:
    """Match in every area range (outer loop) at every threshold (inner loop); overlaps are taken once."""
    n_labels = len(truth.names)
    ranked = _ranked(found, n_labels, protocol.max_detections[-1])
    kept = found.take(ranked.rows)
    pairs = overlapping_pairs(ranked.key, truth.image * n_labels + truth.label, maker(kept, truth), THRESHOLDS[0])
    for row, name in enumerate(protocol.areas):
        low, high = AREAS[name]
        ignored = truth.ignored | (truth.area < low) | (truth.area > high)
        outside = (kept.area < low) | (kept.area > high)
        ordered = _preferred(pairs, ignored)
        for column, threshold in enumerate(THRESHOLDS):
            near = ordered.where(ordered.overlap >= min(threshold, ALMOST_ONE))
            hits = near.where(assign(near, near.detection, len(ignored), truth.crowd))
            counted = ~outside
            counted[hits.detection] = ~ignored[hits.truth]
            correct = np.sort(hits.detection[~ignored[hits.truth]])
            yield Judged(row, column, ranked, counted, correct, ignored)


def _preferred(pairs: Pairs, ignored: Flags) -> Pairs:
    """Return the pairs in the order in which COCO tries objects: those that count, by overlap, the later one first."""
    contested = np.flatnonzero(pairs.detection[1:] == pairs.detection[:-1])
    if not len(contested):
        return pairs
    # Most detections overlap a single object: only the others need sorting.
    several = np.zeros(len(pairs.detection), np.bool_)
    several[contested] = several[contested + 1] = True
    rows = np.flatnonzero(several)
    part = pairs.where(rows)
    order = np.arange(len(several))
    order[rows] = rows[np.lexsort([-part.truth, -part.overlap, ignored[part.truth], part.detection])]
    return pairs.where(order)


def _average_precision(correct: Indices, counted: Flags, ranked: Ranked, positives: Indices) -> Floats:
    """Return the average precision of each class, [labels]; NaN without objects that count."""
    result = np.where(positives > 0, 0.0, np.nan)
    if len(correct):
        label = ranked.label[correct]
        shown = np.zeros(len(counted) + 1, np.int64)
        np.cumsum(counted, out=shown[1:])
        total = shown[correct + 1] - shown[ranked.bounds[label]]
        starts = np.flatnonzero(changes(label))
        hits = np.arange(1, len(correct) + 1) - np.repeat(starts, np.diff(np.append(starts, len(correct))))
        area = area_under((hits / total)[None], (hits / positives[label])[None], starts, Interpolation.POINTS_101)
        result[label[starts]] = area[0]
    return result


def _recall(correct: Indices, limit: int, ranked: Ranked, positives: Indices) -> Floats:
    """Return the recall of each class where an image and class keep `limit` found, [labels]; NaN without objects."""
    hits = np.bincount(ranked.label[correct[ranked.rank[correct] < limit]], minlength=len(positives))
    return np.where(positives > 0, hits / np.maximum(positives, 1), np.nan)


def _mean(values: Floats) -> Floats:
    """Return the mean of what is defined over all axes but the last; NaN where nothing is."""
    flat = values.reshape(-1, values.shape[-1])
    defined = ~np.isnan(flat)
    count = defined.sum(axis=0)
    total = np.where(defined, flat, 0.0).sum(axis=0)
    means: Floats = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
    return means


def summary_numbers(precision: Floats, recall: Floats, protocol: Protocol) -> dict[str, Floats]:
    """Return COCO's numbers by name, in its order, [draws] each.

    Args:
        precision: Average precision, [areas, thresholds, labels, draws], NaN where there is no object.
        recall: Recall, [limits, areas, thresholds, labels, draws].
        protocol: Area ranges and limits.
    """
    numbers = {"AP": _mean(precision[0]), "AP50": _mean(precision[0, 0]), "AP75": _mean(precision[0, 5])}
    numbers |= {f"AP_{name}": _mean(precision[row]) for row, name in enumerate(protocol.areas) if row}
    if len(protocol.max_detections) > 1:
        numbers |= {f"AR_{limit}": _mean(recall[at, 0]) for at, limit in enumerate(protocol.max_detections)}
    else:
        numbers |= {"AR": _mean(recall[0, 0]), "AR50": _mean(recall[0, 0, 0]), "AR75": _mean(recall[0, 0, 5])}
    return numbers | {f"AR_{name}": _mean(recall[-1, row]) for row, name in enumerate(protocol.areas) if row}

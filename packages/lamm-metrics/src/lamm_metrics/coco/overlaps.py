"""What COCO compares and how much of it overlaps: boxes, masks, and poses by object keypoint similarity (OKS)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lamm_metrics.average_precision.pairs import Floats, Indices, Overlap
from lamm_metrics.coco.masks import coco_masks, encoded
from lamm_metrics.coco.records import CocoFound, CocoTruth
from lamm_metrics.errors import LammMetricsError
from lamm_metrics.records.files import shown
from lamm_metrics.records.truth import is_number

IouType = Literal["bbox", "segm", "keypoints"]
OverlapMaker = Callable[[CocoFound, CocoTruth], Overlap]
# Spread of each of COCO's 17 keypoints between annotators, in units of the object's scale (COCO keypoint challenge).
_SPREADS = (26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89)
SIGMAS: Floats = np.array(_SPREADS, np.float64) / 1000


@dataclass(frozen=True, slots=True)
class Protocol:
    """What differs between boxes and keypoints: area ranges and how many detections an image and class keep."""

    areas: tuple[str, ...] = ("all", "small", "medium", "large")
    max_detections: tuple[int, ...] = (1, 10, 100)


BOXES = Protocol()
KEYPOINTS = Protocol(areas=("all", "medium", "large"), max_detections=(20,))


def box_overlap(found: CocoFound, truth: CocoTruth) -> Overlap:
    """Return the intersection over union of boxes; with a crowd, over the detection's area."""
    detected, objects = found.corners, truth.corners
    detected_area, object_area = found.box_area, truth.box_area

    def overlap(detection: Indices, target: Indices) -> Floats:
        a, b = detected[detection], objects[target]
        with np.errstate(invalid="ignore", divide="ignore"):
            width = np.minimum(a[:, 2], b[:, 2]) - np.maximum(a[:, 0], b[:, 0])
            height = np.minimum(a[:, 3], b[:, 3]) - np.maximum(a[:, 1], b[:, 1])
            shared = width * height
            own = detected_area[detection]
            union = np.where(truth.crowd[target], own, own + object_area[target] - shared)
            return np.where((width > 0) & (height > 0), shared / union, 0.0)

    return overlap


def mask_overlap(found: CocoFound, truth: CocoTruth) -> Overlap:
    """Return the intersection over union of masks (over the detection's area with a crowd) for `summarise_coco`."""
    coco = coco_masks()
    detected = encoded(found.records, truth.sizes[found.image])
    objects = encoded(truth.records, truth.sizes[truth.image])

    def overlap(detection: Indices, target: Indices) -> Floats:
        result = np.zeros(len(detection))
        # One call a detection: its objects are contiguous.
        starts = np.flatnonzero(np.diff(detection, prepend=-1))
        for start, stop in zip(starts, np.append(starts[1:], len(detection)), strict=True):
            targets = target[start:stop]
            crowd = truth.crowd[targets].astype(np.uint8)
            result[start:stop] = coco.iou([detected[detection[start]]], [objects[i] for i in targets], crowd)[0]
        return result

    return overlap


def paired_oks(found: Floats, truth: Floats, area: Floats, box: Floats, sigmas: Floats = SIGMAS) -> Floats:
    """Return the similarity of corresponding poses.

    Args:
        found: Detected keypoints `(x, y, anything)`, [P, K, 3], in pixels.
        truth: True keypoints `(x, y, visibility)`, [P, K, 3]; visibility 0 is not labelled.
        area: Areas of the true objects in square pixels, [P].
        box: Boxes `[x1, y1, x2, y2]` of the true objects, [P, 4].
        sigmas: Spread of each keypoint, [K].

    Returns:
        Similarity in 0..1, [P]. Where an object has no labelled keypoint, keypoints within its box, widened by its own
        size on every side, are at distance 0, and the others at their distance from it, as COCO does.

    >>> pose = np.array([[[10.0, 10.0, 2.0]] * 17])
    >>> float(paired_oks(pose, pose, np.array([100.0]), np.array([[0.0, 0.0, 20.0, 20.0]]))[0])
    1.0
    """
    labelled = np.asarray(truth[..., 2] > 0)
    any_labelled = np.asarray(labelled.any(axis=1))
    offset = found[..., :2] - truth[..., :2]
    size = box[:, 2:] - box[:, :2]
    low, high = (box[:, :2] - size)[:, None], (box[:, 2:] + size)[:, None]
    outside = np.maximum(low - found[..., :2], 0.0) + np.maximum(found[..., :2] - high, 0.0)
    distance = np.where(any_labelled[:, None, None], offset, outside)
    spread = (2 * sigmas) ** 2
    exponent = (distance**2).sum(axis=2) / spread / (area[:, None] + np.spacing(1)) / 2
    counted = labelled | ~any_labelled[:, None]
    total = np.where(counted, np.exp(-exponent), 0.0).sum(axis=1)
    return np.asarray(total / counted.sum(axis=1))


def keypoint_overlap(found: CocoFound, truth: CocoTruth) -> Overlap:
    """Return OKS as an overlap function for `summarise_coco`.

    Raises:
        LammMetricsError: A pose does not have 17 keypoints.
    """
    detected, true = (_poses(part) for part in (found, truth))

    def overlap(detection: Indices, target: Indices) -> Floats:
        return paired_oks(detected[detection], true[target], truth.area[target], truth.corners[target])

    return overlap


def _poses(columns: CocoFound | CocoTruth) -> Floats:
    wanted = 3 * len(SIGMAS)
    for row, record in enumerate(columns.records):
        found = record.get("keypoints")
        numbers = [one for one in found if is_number(one)] if isinstance(found, list | tuple) else []
        if len(numbers) != wanted or len(numbers) != len(found or ()):
            raise LammMetricsError(
                f"Expected {wanted} numbers in `keypoints`, got {shown(found)} in row {row}. "
                "Give the 17 COCO keypoints as x, y, visibility."
            )
    poses = np.array([record["keypoints"] for record in columns.records], np.float64)
    return poses.reshape(-1, len(SIGMAS), 3)


OVERLAPS: Mapping[str, tuple[OverlapMaker, Protocol]] = {
    "bbox": (box_overlap, BOXES),
    "segm": (mask_overlap, BOXES),
    "keypoints": (keypoint_overlap, KEYPOINTS),
}
"""How detections and objects overlap, and the area ranges and limits that go with it."""

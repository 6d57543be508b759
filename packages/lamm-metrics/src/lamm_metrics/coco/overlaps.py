"""Object keypoint similarity (OKS), the overlap of poses that COCO's keypoint AP is built on."""

import numpy as np

from lamm_metrics.average_precision.pairs import Floats, Indices, Overlap
from lamm_metrics.coco.records import CocoFound, CocoTruth
from lamm_metrics.errors import LammMetricsError

# Spread of each of COCO's 17 keypoints between annotators, in units of the object's scale (COCO keypoint challenge).
_SPREADS = (26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89)
SIGMAS: Floats = np.array(_SPREADS, np.float64) / 1000


def paired_oks(found: Floats, truth: Floats, area: Floats, box: Floats, sigmas: Floats = SIGMAS) -> Floats:
    """Similarity of corresponding poses.

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
    """OKS as an overlap function for `lamm_metrics.coco.summary.summarise`.

    Raises:
        LammMetricsError: A pose does not have 17 keypoints.
    """
    detected, true = (_poses(part) for part in (found, truth))

    def overlap(detection: Indices, thing: Indices) -> Floats:
        return paired_oks(detected[detection], true[thing], truth.area[thing], truth.corners[thing])

    return overlap


def _poses(columns: CocoFound | CocoTruth) -> Floats:
    wanted = 3 * len(SIGMAS)
    for row, record in enumerate(columns.records):
        if len(record.get("keypoints", ())) != wanted:
            raise LammMetricsError(
                f"Expected {wanted} numbers in `keypoints`, got {len(record.get('keypoints', ()))} in row {row}. "
                "Give the 17 COCO keypoints as x, y, visibility."
            )
    poses = np.array([record["keypoints"] for record in columns.records], np.float64)
    return poses.reshape(-1, len(SIGMAS), 3)

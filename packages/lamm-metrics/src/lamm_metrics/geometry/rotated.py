"""Exact overlap of fully rotated 3D boxes.

In the frame of the second box, that box is |x| <= p, |y| <= q, |z| <= r. The volume shared with a convex body is then
the sum over the body's faces of the integral of clamp(z, -r, r) over the face's shadow on the x-y plane, taken with the
sign of the shadow's orientation and cut to |x| <= p, |y| <= q. Only the faces of the first box are clipped, by four
planes, and each step is continuous in the corners: touching, equal and parallel faces need no special case.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.geometry.boxes import Floats, over_union
from lamm_metrics.geometry.boxes3d import (
    corners,
    paired_iou_axis_aligned,
    paired_iou_yaw,
    rotations,
    to_nine,
    volume,
)

NumberCount = Literal[6, 7, 9]
Rotation = Literal["none", "yaw", "full"]
PairedIoU = Callable[[Floats, Floats], Floats]

# Corner numbers of the six faces, counter-clockwise seen from outside.
FACES = np.array([[0, 3, 2, 1], [4, 5, 6, 7], [0, 1, 5, 4], [2, 3, 7, 6], [1, 2, 6, 5], [0, 4, 7, 3]])
# Pairs handled at once; six faces of up to ten corners each keep within a few MiB.
BLOCK = 1024


def paired_iou_rotated(first: Floats, second: Floats) -> Floats:
    """Return the exact intersection over union of corresponding boxes of any rotation.

    Args:
        first: Boxes of 6, 7 or 9 numbers, [N, 6 | 7 | 9].
        second: Boxes [N, 6 | 7 | 9].

    Returns:
        Overlap [N]; 0 for boxes without volume or with numbers that are not finite, never NaN.

    >>> unit = np.array([[0., 0, 0, 1, 1, 1, 0, 0, 0]])
    >>> turned = unit + [[0, 0, 0, 0, 0, 0, 0, 0, np.pi / 4]]
    >>> round(float(paired_iou_rotated(unit, turned)[0]), 12)
    0.707106781187
    """
    a, b = to_nine(first), to_nine(second)
    result = np.zeros(len(a))
    sizes = np.concatenate([a[:, 3:6], b[:, 3:6]], axis=1)
    finite = np.isfinite(a).all(axis=1) & np.isfinite(b).all(axis=1)
    with np.errstate(over="ignore", invalid="ignore"):
        # Boxes whose circumscribed spheres are apart share nothing.
        apart = np.linalg.norm(a[:, :3] - b[:, :3], axis=1) * 2
        reach = np.linalg.norm(a[:, 3:6], axis=1) + np.linalg.norm(b[:, 3:6], axis=1)
        near = np.flatnonzero(finite & (sizes > 0).all(axis=1) & (apart < reach))
        for start in range(0, len(near), BLOCK):
            rows = near[start : start + BLOCK]
            shared = _shared_volume(a[rows], b[rows])
            result[rows] = over_union(shared, volume(a[rows]) + volume(b[rows]) - shared)
    return result


def _shared_volume(a: Floats, b: Floats) -> Floats:
    half = b[:, 3:6] / 2
    local = np.einsum("nji,nkj->nki", rotations(b[:, 6:9]), corners(a) - b[:, None, :3])
    faces = local[:, FACES].reshape(-1, 4, 3)
    limit = np.repeat(half, len(FACES), axis=0)
    count = np.full(len(faces), 4)
    for axis in (0, 1):
        for side in (-1.0, 1.0):
            faces, count = _clip(faces, count, side * faces[..., axis], limit[:, axis])
    total = _clamped_under(faces, count, limit[:, 2])
    return np.asarray(np.maximum(total.reshape(-1, len(FACES)).sum(axis=1), 0.0))


def _clip(polygons: Floats, count: NDArray[np.intp], height: Floats, limit: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """Cut convex polygons by the half-space height <= limit (Sutherland and Hodgman 1974, all at once).

    Args:
        polygons: Corners [N, M, 3]; the first `count` of each row are used.
        count: Corners in use, [N].
        height: Height of each corner, [N, M], linear in the corner.
        limit: Height of the plane, [N].

    Returns:
        Polygons [N, M', 3] and their number of corners, [N].
    """
    n, m, _ = polygons.shape
    slot = np.arange(m)
    used = slot < count[:, None]
    following = np.where(slot + 1 < count[:, None], slot + 1, 0)
    depth = limit[:, None] - height
    next_depth = np.take_along_axis(depth, following, axis=1)
    next_corner = np.take_along_axis(polygons, following[..., None], axis=1)
    inside = used & (depth >= 0)
    crossing = used & ((depth >= 0) != (next_depth >= 0))
    share = np.divide(depth, depth - next_depth, out=np.zeros_like(depth), where=crossing)
    cut = polygons + share[..., None] * (next_corner - polygons)
    candidates = np.stack([polygons, cut], axis=2).reshape(n, 2 * m, 3)
    kept = np.stack([inside, crossing], axis=2).reshape(n, 2 * m)
    rows, columns = np.nonzero(kept)
    position = (np.cumsum(kept, axis=1) - 1)[rows, columns]
    kept_count = kept.sum(axis=1)
    # One corner more at most in exact arithmetic; corners on the plane may cross it several times by rounding.
    result = np.zeros((n, max(3, int(kept_count.max(initial=0))), 3))
    result[rows, position] = candidates[rows, columns]
    return result, kept_count


def _clamped_under(polygons: Floats, count: NDArray[np.intp], limit: Floats) -> Floats:
    """Return the integral of clamp(z, -limit, limit) over the signed shadow of each polygon on the x-y plane, [N]."""
    apex = polygons[:, :1]
    second, third = polygons[:, 1:-1], polygons[:, 2:]
    u, v = second - apex, third - apex
    area = (u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]) / 2
    area *= np.arange(2, polygons.shape[1]) < count[:, None]
    z = np.sort(np.stack([np.broadcast_to(apex[..., 2], area.shape), second[..., 2], third[..., 2]]), axis=0)
    r = limit[:, None]
    mean = z.mean(axis=0) - _mean_excess(*(z - r)) + _mean_excess(*(-z[::-1] - r))
    return np.asarray((area * mean).sum(axis=1))


def _mean_excess(low: Floats, middle: Floats, high: Floats) -> Floats:
    """Return the mean of max(z, 0) over a triangle on which z is linear, from its rising values at the corners."""
    span_high, span_low = high - low, middle - low
    # One corner above: a small similar triangle at it. One corner below: the whole mean, and the same at that corner.
    tip = high * _share(high, span_high) * _share(high, high - middle) / 3
    dip = low * _share(low, span_high) * _share(low, span_low) / 3
    mean = (low + middle + high) / 3
    return np.where(high <= 0, 0.0, np.where(middle <= 0, tip, np.where(low < 0, mean - dip, mean)))


def _share(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole != 0)


ROTATIONS: Mapping[Rotation, tuple[NumberCount, PairedIoU]] = {
    "none": (6, paired_iou_axis_aligned),
    "yaw": (7, paired_iou_yaw),
    "full": (9, paired_iou_rotated),
}
"""How many numbers a box has and how boxes overlap under a choice of rotation."""

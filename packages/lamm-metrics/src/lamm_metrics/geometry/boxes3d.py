"""3D boxes: the ways of writing them, faults, and the overlap of axis-aligned and of upright boxes.

Lengths are metres, z points up, angles are radians. A box is one of

* 6 numbers `[cx, cy, cz, dx, dy, dz]`: centre and full side lengths, axis-aligned;
* 7 numbers: the same and `yaw`, a turn about z, counter-clockwise seen from above;
* 9 numbers: the same and `pitch` and `roll`; the rotation is Rz(yaw) Ry(pitch) Rx(roll), so that 7 numbers followed by
  two zeros are the same box;
* 8 corners [8, 3], in the order of `CORNER_SIGNS`.

`lamm_metrics.geometry.rotated` overlaps fully rotated boxes.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from lamm_metrics.errors import LammMetricsError
from lamm_metrics.geometry.boxes import BoxFault, Floats, over_union

# Side of the centre on which corner i lies, along the box's own x, y and z.
CORNER_SIGNS: Floats = np.array(
    [[-1, -1, -1], [1, -1, -1], [1, 1, -1], [-1, 1, -1], [-1, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]], np.float64
)
# Pairs handled at once: keeps the temporaries of one step in the second-level cache.
BLOCK = 16384
# How many times as far as its scene a box reaches that is in another unit of length.
_FACTOR = 10.0
# By how much numbers are too large in another unit, with room on both sides.
_UNITS = ((30.0, 300.0, "centimetres"), (300.0, 3000.0, "millimetres"))


def rotations(angles: ArrayLike) -> Floats:
    """Return rotation matrices Rz(yaw) Ry(pitch) Rx(roll).

    Args:
        angles: Yaw, pitch and roll in radians, [N, 3].

    Returns:
        Matrices [N, 3, 3] whose columns are the box's own axes.

    >>> bool(np.allclose(rotations([[np.pi / 2, 0, 0]])[0, :, 0], [0, 1, 0]))
    True
    """
    angle = np.asarray(angles, np.float64).reshape(-1, 3)
    (cz, cy, cx), (sz, sy, sx) = np.cos(angle).T, np.sin(angle).T
    rows = [
        [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
        [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
        [-sy, cy * sx, cy * cx],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def to_nine(boxes: ArrayLike) -> Floats:
    """Write boxes of 6 or 7 numbers with 9, adding angles of 0; [N, 9].

    Raises:
        LammMetricsError: The boxes have another number of columns.
    """
    box = np.atleast_2d(np.asarray(boxes, np.float64))
    if box.ndim != 2 or box.shape[1] not in (6, 7, 9):
        raise LammMetricsError(f"Expected 3D boxes of 6, 7 or 9 numbers, got shape {box.shape}. Mend the boxes.")
    return np.concatenate([box, np.zeros((len(box), 9 - box.shape[1]))], axis=1)


def corners(boxes: ArrayLike) -> Floats:
    """Return the eight corners [N, 8, 3] of boxes of 6, 7 or 9 numbers, in the order of `CORNER_SIGNS`."""
    box = to_nine(boxes)
    offsets = CORNER_SIGNS[None] * (box[:, None, 3:6] / 2)
    return np.asarray(box[:, None, :3] + np.einsum("nij,nkj->nki", rotations(box[:, 6:9]), offsets))


def volume(boxes: Floats) -> Floats:
    """Return the volume in cubic metres, [N], of boxes [N, 6 or more]; 0 where a side is negative."""
    return np.asarray(np.maximum(boxes[:, 3:6], 0.0).prod(axis=1))


def paired_iou_axis_aligned(first: Floats, second: Floats) -> Floats:
    """Return the intersection over union of corresponding boxes, angles ignored.

    Args:
        first: Boxes [N, 6 or more].
        second: Boxes [N, 6 or more].

    Returns:
        Overlap [N]; 0 for boxes without volume or with numbers that are not finite, never NaN.

    >>> unit = np.array([[0., 0, 0, 1, 1, 1]])
    >>> paired_iou_axis_aligned(unit, unit + [[0.5, 0, 0, 0, 0, 0]])
    array([0.33333333])
    """
    result = np.zeros(len(first))
    for block in _blocks(len(first)):
        a, b = first[block], second[block]
        with np.errstate(invalid="ignore", over="ignore"):
            shared = np.ones(len(a))
            for axis in range(3):
                shared *= _extent(a, b, axis)
            result[block] = over_union(shared, volume(a) + volume(b) - shared)
    return result


def paired_iou_yaw(first: Floats, second: Floats) -> Floats:
    """Return the exact intersection over union of corresponding upright boxes that are turned about z.

    Args:
        first: Boxes [N, 7 or more]; further angles are ignored.
        second: Boxes [N, 7 or more].

    Returns:
        Overlap [N]; 0 for boxes without volume or with numbers that are not finite, never NaN.

    >>> unit = np.array([[0., 0, 0, 1, 1, 1, 0]])
    >>> turned = unit + [[0, 0, 0, 0, 0, 0, np.pi / 4]]
    >>> round(float(paired_iou_yaw(unit, turned)[0]), 12)
    0.707106781187
    """
    result = np.zeros(len(first))
    for block in _blocks(len(first)):
        a, b = first[block], second[block]
        with np.errstate(invalid="ignore", over="ignore"):
            shared = _shared_footprint(a, b) * _extent(a, b, 2)
            result[block] = over_union(shared, volume(a) + volume(b) - shared)
    return result


def _blocks(n: int) -> list[slice]:
    return [slice(start, start + BLOCK) for start in range(0, n, BLOCK)]


def _extent(a: Floats, b: Floats, axis: int) -> Floats:
    """Return the length of the overlap along one axis, [N]; boxes of negative or no size have none."""
    high = np.minimum(a[:, axis] + a[:, axis + 3] / 2, b[:, axis] + b[:, axis + 3] / 2)
    low = np.maximum(a[:, axis] - a[:, axis + 3] / 2, b[:, axis] - b[:, axis + 3] / 2)
    positive = (a[:, axis + 3] > 0) & (b[:, axis + 3] > 0)
    return np.where(positive, np.maximum(high - low, 0.0), 0.0)


def _shared_footprint(a: Floats, b: Floats) -> Floats:
    """Return the area shared by the two rectangles seen from above, [N].

    In the frame of b, b is the strip product |x| <= w, |y| <= h, and the area is the boundary integral of clamp(y)
    over the part of a's four edges with |x| <= w. Nothing is intersected explicitly, so touching, equal and parallel
    edges need no special case and rounding moves the area by rounding only.
    """
    cos_b, sin_b = np.cos(b[:, 6]), np.sin(b[:, 6])
    dx, dy = a[:, 0] - b[:, 0], a[:, 1] - b[:, 1]
    x, y = cos_b * dx + sin_b * dy, cos_b * dy - sin_b * dx
    cos, sin = np.cos(a[:, 6] - b[:, 6]) / 2, np.sin(a[:, 6] - b[:, 6]) / 2
    ux, uy = cos * a[:, 3], sin * a[:, 3]
    vx, vy = -sin * a[:, 4], cos * a[:, 4]
    xs = [x - ux - vx, x + ux - vx, x + ux + vx, x - ux + vx]
    ys = [y - uy - vy, y + uy - vy, y + uy + vy, y - uy + vy]
    w, h = b[:, 3] / 2, b[:, 4] / 2
    area = np.zeros(len(a))
    for i, j in ((0, 1), (1, 2), (2, 3), (3, 0)):
        area -= _edge_integral(xs[i], ys[i], xs[j], ys[j], w, h)
    positive = (a[:, 3] > 0) & (a[:, 4] > 0) & (b[:, 3] > 0) & (b[:, 4] > 0)
    return np.where(positive, np.maximum(area, 0.0), 0.0)


def _edge_integral(x0: Floats, y0: Floats, x1: Floats, y1: Floats, w: Floats, h: Floats) -> Floats:
    """Return the integral of clamp(y, -h, h) dx along the segment from (x0, y0) to (x1, y1) within |x| <= w, [N]."""
    start, end = np.clip(x0, -w, w), np.clip(x1, -w, w)
    run = x1 - x0
    slope = np.divide(y1 - y0, run, out=np.zeros_like(run), where=run != 0)
    # Measured from the nearer end, so that an unclipped end keeps its y exactly.
    ya, yb = y0 + slope * (start - x0), y1 + slope * (end - x1)
    low, high = np.clip(ya, -h, h), np.clip(yb, -h, h)
    rise = yb - ya
    # Shares of the segment between the clamps and beyond the one at its end.
    safe = np.where(rise != 0, rise, 1.0)
    between, beyond = (high - low) / safe, (yb - high) / safe
    return np.asarray((end - start) * (low + (high - low) * (between / 2 + beyond)))


def find_fault(box: Sequence[float]) -> BoxFault | None:
    """Return what is wrong with one 3D box of 6, 7 or 9 numbers, or None.

    >>> find_fault([0, 0, 0, 1, -1, 1])
    <BoxFault.NEGATIVE_SIZE: 'negative_size'>
    """
    if len(box) not in (6, 7, 9):
        return BoxFault.WRONG_LENGTH
    values = np.asarray(box, np.float64)
    if not np.isfinite(values).all():
        return BoxFault.NOT_FINITE
    if (values[3:6] < 0).any():
        return BoxFault.NEGATIVE_SIZE
    return BoxFault.EMPTY if (values[3:6] == 0).any() else None


def misplaced_3d(answered: Sequence[Sequence[float]], extents: Sequence[float]) -> str:
    """Say that most answered 3D boxes lie far beyond their scenes, and in which unit of length they may be written.

    Args:
        answered: Boxes of all answers, centre and size first.
        extents: The largest coordinate or size of the true objects of each one's scene, in metres.

    Returns:
        One sentence; empty where they lie as they should.

    >>> misplaced_3d([(120, 250, 50, 60, 60, 90)], [3.0]).partition(", ")[2]
    'as if they were in centimetres: boxes are read in metres'
    """
    reach = np.array(extents, np.float64)
    boxes = np.array([box[:6] for box in answered], np.float64).reshape(-1, 6)
    usable = np.isfinite(boxes).all(axis=1) & (reach > 0)
    if not usable.any():
        return ""
    boxes = np.abs(boxes[usable])
    ratios = boxes.max(axis=1) / reach[usable]
    beyond = float((ratios > _FACTOR).mean())
    if beyond <= 0.5:
        return ""
    typical = float(np.median(ratios))
    unit = next((name for low, high, name in _UNITS if low <= typical < high), "")
    guess = f", as if they were in {unit}" if unit else ""
    return (
        f"{beyond:.1%} of {len(boxes)} answered boxes reach more than {_FACTOR:g} times as far as their scenes{guess}: "
        "boxes are read in metres"
    )

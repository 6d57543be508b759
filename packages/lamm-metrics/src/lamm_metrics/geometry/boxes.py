"""2D boxes: what may be wrong with them, the frame they may be in, their area and overlap.

Everywhere in this package a 2D box is `[x1, y1, x2, y2]`: two opposite corners, x to the right, y down. Nothing below
cares for the unit; benchmark records use shares of the image's width and height (0 to 1), COCO uses pixels.
"""

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lamm_metrics.geometry.conventions import BoxConvention, Frame

Floats = NDArray[np.float64]
# How far beyond the image, in shares of it, still counts as inside.
_MARGIN = 0.01
# From this share on, a frame brings the answers inside.
_ENOUGH = 0.95


class BoxFault(StrEnum):
    """What is wrong with a box. The faults are disjoint: the first that applies, in this order, is reported."""

    WRONG_LENGTH = "wrong_length"
    NOT_FINITE = "not_finite"
    REVERSED = "reversed"
    NEGATIVE_SIZE = "negative_size"
    EMPTY = "empty"


def box_area(boxes: ArrayLike, plus: float = 0.0) -> Floats:
    """Return the area of boxes, [N], in the square of their unit; 0 for reversed boxes.

    Args:
        boxes: Boxes `[x1, y1, x2, y2]`, [N, 4].
        plus: 1 where corners are inclusive pixels (VOC), else 0.
    """
    box = np.asarray(boxes, np.float64).reshape(-1, 4)
    size = np.maximum(box[:, 2:] - box[:, :2] + plus, 0.0)
    return np.asarray(size[:, 0] * size[:, 1])


def paired_iou(
    first: Floats,
    second: Floats,
    first_area: Floats | None = None,
    second_area: Floats | None = None,
    plus: float = 0.0,
) -> Floats:
    """Return the intersection over union of corresponding boxes.

    Args:
        first: Boxes [N, 4].
        second: Boxes [N, 4].
        first_area: Areas [N] where they are known more exactly than from the corners.
        second_area: The same for `second`.
        plus: 1 for VOC's inclusive pixel corners, else 0.

    Returns:
        Overlap [N] in 0..1. Boxes without area and boxes that are not finite overlap nothing: 0, never NaN.

    >>> paired_iou(np.array([[0., 0., 2., 2.]]), np.array([[1., 0., 3., 2.]]))
    array([0.33333333])
    """
    with np.errstate(invalid="ignore", over="ignore"):
        area1 = box_area(first, plus) if first_area is None else first_area
        area2 = box_area(second, plus) if second_area is None else second_area
        width = np.minimum(first[:, 2], second[:, 2]) - np.maximum(first[:, 0], second[:, 0]) + plus
        height = np.minimum(first[:, 3], second[:, 3]) - np.maximum(first[:, 1], second[:, 1]) + plus
        intersection = np.where((width > 0) & (height > 0), width * height, 0.0)
        return over_union(intersection, area1 + area2 - intersection)


def over_union(intersection: Floats, union: Floats) -> Floats:
    """Divide, giving 0 where nothing intersects or a number is not finite."""
    usable = (intersection > 0) & np.isfinite(union) & np.isfinite(intersection)
    return np.divide(intersection, union, out=np.zeros_like(intersection, np.float64), where=usable)


def find_fault(box: Sequence[float]) -> BoxFault | None:
    """Return what is wrong with one 2D box, or None.

    >>> find_fault([0.5, 0.1, 0.2, 0.9])
    <BoxFault.REVERSED: 'reversed'>
    """
    if len(box) != 4:
        return BoxFault.WRONG_LENGTH
    values = np.asarray(box, np.float64)
    if not np.isfinite(values).all():
        return BoxFault.NOT_FINITE
    size = values[2:] - values[:2]
    if (size < 0).any():
        return BoxFault.REVERSED
    return BoxFault.EMPTY if (size == 0).any() else None


def ordered_corners(boxes: ArrayLike) -> Floats:
    """Return boxes [N, 4] with reversed corners put in order: two opposite corners tell the rectangle either way.

    >>> ordered_corners([[1, 0, 0, 1]])
    array([[0., 0., 1., 1.]])
    """
    return np.sort(np.asarray(boxes, np.float64).reshape(-1, 2, 2), axis=1).reshape(-1, 4)


def _inside(corners: Floats) -> float:
    """Return the share of rows [N, 2 or 4] that lie within the unit square."""
    return float(((corners >= -_MARGIN) & (corners <= 1 + _MARGIN)).all(axis=1).mean())


def likely_frame(written: Floats, sizes: Floats | None) -> Frame | None:
    """Return the narrowest frame in which nearly all written coordinates lie inside their images.

    Args:
        written: Corners of boxes or points as they are written, x and y in turn, [N, 2 or 4].
        sizes: Width and height of each one's image in pixels, [N, 2]; None where they are not known.

    >>> str(likely_frame(np.array([[120.0, 40, 510, 470], [3, 4, 600, 300]]), np.array([[640.0, 480], [640, 480]])))
    'pixels'
    """
    spans: dict[Frame, Floats] = {} if sizes is None else {Frame.PIXELS: sizes}
    for frame in (Frame.NORMALISED, Frame.PERCENT, Frame.THOUSAND):
        spans[frame] = np.array([BoxConvention(frame).spans(None)])
    fitting = {frame: span for frame, span in spans.items() if _inside(written / _twice(span, written)) >= _ENOUGH}
    return min(fitting, key=lambda frame: float(fitting[frame].mean()), default=None)


def _twice(span: Floats, corners: Floats) -> Floats:
    """Return width and height [1 or N, 2] for every pair of columns of corners."""
    return np.tile(span, corners.shape[1] // 2)


def misplaced_2d(
    placed: Sequence[Sequence[float]], sizes: Sequence[tuple[float, float] | None], declared: BoxConvention, what: str
) -> tuple[str, BoxConvention | None]:
    """Say that most answered boxes or points lie outside their image, or all in its very corner, and which frame fits.

    Args:
        placed: Boxes `[x1, y1, x2, y2]` or points `[x, y]` of all answers as shares of their images, read as declared.
        sizes: Width and height in pixels of each one's image, where known.
        declared: The convention that they were read in.
        what: What they are called, "boxes" or "points".

    Returns:
        What is wrong in words, empty where they lie as they should, and the convention that would bring them inside.

    >>> said, better = misplaced_2d([(100, 200, 300, 400)], [None], BoxConvention(), "boxes")
    >>> said, str(better)
    ('100.0% of 1 answered boxes lie outside their images in normalised-xyxy', 'thousand-xyxy')
    """
    if not placed:
        return "", None
    corners = np.array(placed, np.float64)
    usable = np.isfinite(corners).all(axis=1)
    pixels = None if None in sizes else np.array(sizes, np.float64)[usable]
    counted, corners = declared.frame is Frame.PIXELS, corners[usable]
    if not len(corners) or (pixels is None and counted):
        return "", None
    written = corners * _twice(np.array([declared.spans(None)]) if pixels is None or not counted else pixels, corners)
    outside = 1 - _inside(corners)
    # Fractions of the image in a frame of larger numbers: all of them within the first unit.
    squeezed = declared.frame is not Frame.NORMALISED and _inside(written) == 1 and bool((written % 1 != 0).any())
    if outside <= 0.5 and not squeezed:
        return "", None
    where = "within one unit of the corner of" if squeezed else "outside"
    said = f"{1 if squeezed else outside:.1%} of {len(corners)} answered {what} lie {where} their images in {declared}"
    frame = likely_frame(written, pixels)
    return said, None if frame in (None, declared.frame) else BoxConvention(frame, declared.layout)

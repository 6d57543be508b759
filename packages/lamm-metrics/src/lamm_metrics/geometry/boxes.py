"""2D boxes: what may be wrong with them, their area and overlap.

Everywhere in this package a 2D box is `[x1, y1, x2, y2]`: two opposite corners, x to the right, y down. Nothing below
cares for the unit; benchmark records use shares of the image's width and height (0 to 1), COCO uses pixels.
"""

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


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

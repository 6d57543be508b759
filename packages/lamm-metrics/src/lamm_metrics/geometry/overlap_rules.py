"""Published rules for the overlap of upright 3D boxes: the same two boxes, another number in the last digits.

They matter where an overlap is exactly a threshold, and for tiny boxes. Written from what the projects' code computes:
ScanRefer's `box3d_iou` (in float64, and in float32 as Scan2Cap's benchmark runs it) and M3DRef-CLIP's pairwise overlap.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from lamm_metrics.geometry.boxes import Floats

Overlap = Literal["exact", "scanrefer", "scanrefer-float32", "m3dref"]
PublishedOverlap = Literal["scanrefer", "scanrefer-float32", "m3dref"]


class Rule(NamedTuple):
    """In which numbers a rule computes, what it adds to the union, and whether it puts swapped corners in order."""

    number: type[np.floating[Any]]
    added: float
    ordered: bool


RULES: Mapping[str, Rule] = {
    "scanrefer": Rule(np.float64, 1e-8, True),
    "scanrefer-float32": Rule(np.float32, 1e-8, True),
    "m3dref": Rule(np.float32, float(np.finfo(np.float32).eps), False),
}


def extents(boxes: ArrayLike) -> Floats:
    """Return the lowest and the highest corner of upright boxes, [N, 6].

    Args:
        boxes: Centre and size in metres, [N, 6 or more]; angles are ignored.

    >>> extents([[0.5, 0.5, 0.5, 1, 1, 1]])
    array([[0., 0., 0., 1., 1., 1.]])
    """
    box = np.asarray(boxes, np.float64)
    half = box[:, 3:6] / 2
    return np.concatenate([box[:, :3] - half, box[:, :3] + half], axis=1)


def iou_of_extents(first: ArrayLike, second: ArrayLike, rule: PublishedOverlap) -> Floats:
    """Return the intersection over union of corresponding boxes under a rule, [N]; 0 where a number is not finite.

    Args:
        first: Two opposite corners each, in metres, [N, 6].
        second: The same, [N, 6].
        rule: A key of `RULES`.

    >>> low, high = [[0, 0, 0, 1, 1, 1]], [[0, 0, 0, 1, 1, 2]]
    >>> [float(iou_of_extents(low, high, rule)[0]) for rule in ("scanrefer", "m3dref")]
    [0.4999999975, 0.5]
    """
    number, added, ordered = RULES[rule]
    a, b = (np.asarray(corners, np.float64).astype(number).reshape(-1, 2, 3) for corners in (first, second))
    if ordered:
        a, b = np.sort(a, axis=1), np.sort(b, axis=1)
    with np.errstate(invalid="ignore", over="ignore"):
        shared = _product(np.maximum(np.minimum(a[:, 1], b[:, 1]) - np.maximum(a[:, 0], b[:, 0]), number(0)))
        union = _product(a[:, 1] - a[:, 0]) + _product(b[:, 1] - b[:, 0]) - shared
        found = shared / (union + number(added))
    return np.where(np.isfinite(found), found, 0.0).astype(np.float64)


def _product(sides: Any) -> Any:
    """Return the product of three sides from left to right, as the rules' code multiplies, [N]."""
    return sides[:, 0] * sides[:, 1] * sides[:, 2]


def iou_under(rule: PublishedOverlap) -> Callable[[Floats, Floats], Floats]:
    """Return the overlap of corresponding boxes of centre and size, [N, 6 or more] each, under a rule."""

    def paired(first: Floats, second: Floats) -> Floats:
        return iou_of_extents(extents(first), extents(second), rule)

    return paired


def scan2cap_giou(first: Floats, second: Floats) -> Floats:
    """Return what Scan2Cap's benchmark calls generalised IoU of every two boxes, [N, M].

    Its code takes x and z for the two axes of the floor, whereby no two boxes ever share any floor: what is left is
    the sum of both volumes over that of the box around both, less 1. It is the generalised IoU only of boxes that
    differ along one axis or lie in each other.

    Args:
        first: Centre and size in metres, [N, 6 or more].
        second: The same, [M, 6 or more].

    >>> cube = np.array([[1.0, 1, 1, 2, 2, 2]])
    >>> round(float(scan2cap_giou(cube, cube + [[1, 1, 1, 0, 0, 0]])[0, 0]), 6)
    -0.407407
    """
    a, b = extents(first)[:, None], extents(second)[None]
    around = (np.maximum(a[..., 3:], b[..., 3:]) - np.minimum(a[..., :3], b[..., :3])).prod(axis=2)
    both = (a[..., 3:] - a[..., :3]).prod(axis=2) + (b[..., 3:] - b[..., :3]).prod(axis=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = both / around - 1
    # Below any number of real boxes, which lie above -1.
    return np.where(np.isfinite(found), found, -2.0)

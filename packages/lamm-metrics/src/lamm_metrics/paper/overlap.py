"""Intersection over union as the published protocol computes it (LAMM v1)."""

from collections.abc import Sequence


def iou_2d(first: Sequence[float], second: Sequence[float]) -> float:
    """Plain intersection over union of two corner boxes; 0 where the published code would divide by zero.

    Args:
        first: (x1, y1, x2, y2).
        second: (x1, y1, x2, y2), in the same units.

    Example:
        >>> iou_2d((0, 0, 2, 2), (1, 0, 3, 2))
        0.3333333333333333
    """
    width = max(0.0, min(first[2], second[2]) - max(first[0], second[0]))
    height = max(0.0, min(first[3], second[3]) - max(first[1], second[1]))
    shared = width * height
    union = (first[2] - first[0]) * (first[3] - first[1]) + (second[2] - second[0]) * (second[3] - second[1]) - shared
    return shared / union if union else 0.0


def _corners(box: Sequence[float]) -> tuple[list[float], list[float]]:
    """Lower and upper corner of a centre-and-size box, rounded to millimetres; a negative size counts as positive."""
    low = [_rounded(centre - abs(size) / 2) for centre, size in zip(box[:3], box[3:6], strict=True)]
    high = [_rounded(centre + abs(size) / 2) for centre, size in zip(box[:3], box[3:6], strict=True)]
    return low, high


def _rounded(value: float) -> float:
    return round(value, 3)


def iou_3d(first: Sequence[float], second: Sequence[float]) -> float:
    """Intersection over union of two axis-aligned boxes, the published fault included.

    The differences of the three axes are multiplied without a lower bound of zero, so two boxes that miss each other
    along two axes get a positive "intersection". Only values below 0 or above 1 are set to 0.

    Args:
        first: (cx, cy, cz, dx, dy, dz) in metres; numbers beyond the sixth are ignored.
        second: The same.

    Example:
        >>> iou_3d((0, 0, 0, 1, 1, 1), (0, 0, 0, 1, 1, 1)), iou_3d((0, 0, 0, 1, 1, 1), (1.4, 1.4, 0, 1, 1, 1)) > 0
        (1.0, True)
    """
    (low_a, high_a), (low_b, high_b) = _corners(first), _corners(second)
    shared = volume_a = volume_b = 1.0
    for axis in range(3):
        shared *= min(high_a[axis], high_b[axis]) - max(low_a[axis], low_b[axis])
        volume_a *= high_a[axis] - low_a[axis]
        volume_b *= high_b[axis] - low_b[axis]
    union = volume_a + volume_b - shared
    value = shared / union if union else 0.0
    return value if 0 <= value <= 1 else 0.0

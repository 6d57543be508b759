"""2D boxes: how they are written, what may be wrong with them, their area and overlap.

Everywhere in this package a 2D box is `[x1, y1, x2, y2]`: two opposite corners, x to the right, y down, in benchmark
records in shares of the image's width and height (0 to 1), in COCO in pixels. The convention of a model's answers is
declared by whoever runs the scoring, never guessed from the size of the numbers and never chosen by looking at the
truth: either would let a wrong answer pick the reading that suits it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lamm_metrics.errors import UsageError

Floats = NDArray[np.float64]
Box2D = tuple[float, float, float, float]
NumberT = TypeVar("NumberT", float, Floats)


class Frame(StrEnum):
    """The units that coordinates are written in; the origin is always the upper left corner of the image."""

    NORMALISED = "normalised"  # 0..1 of the image's width and height
    PERCENT = "percent"  # 0..100
    THOUSAND = "thousand"  # 0..1000
    PIXELS = "pixels"  # pixels of the image; needs the image's size


class Layout(StrEnum):
    """The order of a box's four numbers."""

    XYXY = "xyxy"  # left, top, right, bottom
    XYWH = "xywh"  # left, top, width, height
    CXCYWH = "cxcywh"  # centre, width, height
    YXYX = "yxyx"  # top, left, bottom, right


def corners_of(numbers: Sequence[NumberT], layout: Layout) -> tuple[NumberT, NumberT, NumberT, NumberT]:
    """Return x1, y1, x2, y2 of the four numbers of a box as they are written, or of columns of them.

    >>> corners_of((10, 20, 30, 40), Layout.XYWH)
    (10, 20, 40, 60)
    """
    a, b, c, d = numbers
    match layout:
        case Layout.YXYX:
            return b, a, d, c
        case Layout.XYWH:
            return a, b, a + c, b + d
        case Layout.CXCYWH:
            return a - c / 2, b - d / 2, a + c / 2, b + d / 2
        case Layout.XYXY:
            return a, b, c, d


_SPAN = {Frame.NORMALISED: 1.0, Frame.PERCENT: 100.0, Frame.THOUSAND: 1000.0}


@dataclass(frozen=True, slots=True)
class BoxConvention:
    """How the boxes and points of one model's answers are written.

    Attributes:
        frame: The units of the coordinates.
        layout: The order of a box's numbers. Points are x, y (y, x under `yxyx`).

    >>> BoxConvention(Frame.THOUSAND, Layout.XYWH).to_normalised((100, 200, 300, 400))
    (0.1, 0.2, 0.4, 0.6)
    """

    frame: Frame = Frame.NORMALISED
    layout: Layout = Layout.XYXY

    @classmethod
    def parse(cls, text: str) -> "BoxConvention":
        """Read a convention from `frame`, `frame-layout` or `layout`, as a command line or a file header writes it.

        Args:
            text: For example `thousand-xywh`, `pixels` or `cxcywh`.

        Raises:
            UsageError: A part is neither a frame nor a layout.

        >>> BoxConvention.parse("thousand-xyxy").frame.value
        'thousand'
        """
        frame, layout = Frame.NORMALISED, Layout.XYXY
        for part in text.strip().lower().replace("_", "-").split("-"):
            if part in Frame.__members__.values():
                frame = Frame(part)
            elif part in Layout.__members__.values():
                layout = Layout(part)
            else:
                known = ", ".join([*Frame, *Layout])
                raise UsageError(
                    f"Expected a box convention made of {known}, got {text!r}. Write one like thousand-xyxy."
                )
        return cls(frame, layout)

    def __str__(self) -> str:
        """Return the form that `parse` reads."""
        return f"{self.frame}-{self.layout}"

    def spans(self, image_size: tuple[float, float] | None) -> tuple[float, float]:
        """Return the numbers that stand for the image's full width and height.

        Args:
            image_size: Width and height in pixels; only the pixel frame needs it.

        Raises:
            UsageError: The frame is pixels and the size is missing or not positive.
        """
        if self.frame is not Frame.PIXELS:
            return _SPAN[self.frame], _SPAN[self.frame]
        if image_size is None or not (image_size[0] > 0 and image_size[1] > 0):
            raise UsageError(
                f"Expected the image size for coordinates in pixels, got {image_size}. "
                "Give `image_size` [width, height] in the benchmark record."
            )
        return float(image_size[0]), float(image_size[1])

    def to_normalised(self, numbers: tuple[float, ...], image_size: tuple[float, float] | None = None) -> Box2D:
        """Convert four written numbers into (x1, y1, x2, y2) as fractions of the image, corners put in order.

        Args:
            numbers: Four finite numbers in this convention.
            image_size: Width and height in pixels, for the pixel frame.
        """
        a, b, c, d = corners_of(numbers, self.layout)
        width, height = self.spans(image_size)
        left, right = sorted((a / width, c / width))
        top, bottom = sorted((b / height, d / height))
        return left, top, right, bottom

    def point_to_normalised(
        self, numbers: tuple[float, ...], image_size: tuple[float, float] | None = None
    ) -> tuple[float, float]:
        """Convert a written point into (x, y) as fractions of the image.

        Args:
            numbers: Two finite numbers in this convention.
            image_size: Width and height in pixels, for the pixel frame.
        """
        x, y = numbers
        if self.layout is Layout.YXYX:
            x, y = y, x
        width, height = self.spans(image_size)
        return x / width, y / height


NORMALISED_XYXY = BoxConvention()


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

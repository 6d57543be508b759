"""Declared coordinate conventions and the conversion into the one frame that everything is scored in.

A convention belongs to a model or a prompt and is declared by whoever runs the scoring. It is never guessed from the
size of the numbers and never chosen by looking at the ground truth: either would let a wrong answer pick the reading
that suits it. Extraction needs this file without numpy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from lamm_metrics.errors import UsageError

Box2D = tuple[float, float, float, float]
NumberT = TypeVar("NumberT", float, Any)


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

    @classmethod
    def of(cls, convention: "BoxConvention | str") -> "BoxConvention":
        """Return a convention that may be written as text.

        Raises:
            UsageError: The text names none.

        >>> BoxConvention.of("percent") == BoxConvention.of(BoxConvention(Frame.PERCENT))
        True
        """
        return cls.parse(convention) if isinstance(convention, str) else convention

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

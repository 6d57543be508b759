"""Which boxes can be answered with, and how coordinates are written: the paper's way or that of other models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, isfinite

from lamm_data.errors import UsageError
from lamm_data.files.settings import did_you_mean
from lamm_data.records.annotations import Annotated, Box, Box3D

Size = tuple[int, int]
METRE_DECIMALS = 3  # of 3D boxes, unless told otherwise
BEYOND = 1.0
"""Pixels a box may leave the image by before it is reported: annotators' tools round."""

Corners = tuple[float, float, float, float]


@lru_cache(maxsize=8192)
def _decimal(value: float) -> str:
    return repr(value + 0.0)


def fractions(values: Iterable[float], decimals: int = 2) -> str:
    """Write fractions of image size as the LAMM-Dataset does: rounded, trailing zeros dropped.

    >>> fractions([0.1234, 0.5, 1.0])
    '[0.12, 0.5, 1.0]'
    """
    return "[" + ", ".join([_decimal(round(float(value), decimals)) for value in values]) + "]"


def metres(values: Iterable[float], decimals: int = METRE_DECIMALS) -> str:
    """Write metres with a fixed number of decimals.

    >>> metres([0.07, -3.6321])
    '[0.070, -3.632]'
    """
    return "[" + ", ".join([f"{round(float(value), decimals) + 0.0:.{decimals}f}" for value in values]) + "]"


@dataclass(frozen=True, slots=True)
class NumberStyle:
    """How 2D boxes and points are written. 3D ones are metres in every style but `LAYOUT`.

    Attributes:
        name: Name on the command line.
        convention: What lamm-metrics has to be told to read it (`--convention`); location tokens need no telling.
        span: Numbers run from 0 to this; 0 for pixels of the image.
        decimals: Decimals kept.
        y_first: Top, left, bottom, right instead of left, top, right, bottom.
        box_pattern: Text of a box, with four `%s`.
        point_pattern: Text of a point, with two `%s`; empty when the style has no points.
        sentences: Whether boxes may stand inside sentences: readers of PaliGemma's take what follows for the name.
    """

    name: str
    convention: str
    span: int = 1
    decimals: int = 0
    y_first: bool = False
    box_pattern: str = "[%s, %s, %s, %s]"
    point_pattern: str = "[%s, %s]"
    sentences: bool = True

    def _numbers(self, fractions_: Sequence[float], size: Size) -> list[float]:
        if self.span == 1:
            return [round(value, self.decimals) for value in fractions_]
        scales = (self.span, self.span) if self.span else size
        return [round(value * scales[k % 2], self.decimals) for k, value in enumerate(fractions_)]

    def box(self, corners: Sequence[float], size: Size) -> str:
        """Write a box.

        Args:
            corners: `(x1, y1, x2, y2)` as fractions of the image.
            size: Width and height of the image in pixels.

        Returns:
            The text; empty when the box has no area left once its numbers are rounded.
        """
        x1, y1, x2, y2 = numbers = self._numbers(corners, size)
        if not (x1 < x2 and y1 < y2):
            return ""
        if self.y_first:
            numbers = [y1, x1, y2, x2]
        show = _decimal if self.decimals else int
        return self.box_pattern % tuple([show(number) for number in numbers])

    def point(self, xy: Sequence[float], size: Size) -> str:
        """Write a point given as fractions `(x, y)` of the image.

        Raises:
            UsageError: The style has no points.
        """
        if not self.point_pattern:
            raise UsageError(f"Expected a number style with points, got {self.name!r}, which has boxes only.")
        x, y = self._numbers(xy, size)
        show = _decimal if self.decimals else int
        return self.point_pattern % ((show(y), show(x)) if self.y_first else (show(x), show(y)))


@dataclass(frozen=True, slots=True)
class BinStyle(NumberStyle):
    """Location tokens: each number is a bin of the image's width or height, one token each."""

    def _numbers(self, fractions_: Sequence[float], size: Size) -> list[float]:
        return [min(int(value * self.span), self.span - 1) for value in fractions_]


@dataclass(frozen=True, slots=True)
class PatchStyle(NumberStyle):
    """Kosmos-2's tokens: the image is a grid of `span` x `span` patches, a box is its first and last patch."""

    def _patch(self, column: float, row: float) -> int:
        last = self.span - 1
        return int(min(max(row, 0), last) * self.span + min(max(column, 0), last))

    def box(self, corners: Sequence[float], size: Size) -> str:
        """Write the first and the last patch that the box covers; see `NumberStyle.box`."""
        x1, y1, x2, y2 = (value * self.span for value in corners)
        if not (x1 < x2 and y1 < y2):
            return ""
        return self.box_pattern % (self._patch(int(x1), int(y1)), self._patch(ceil(x2) - 1, ceil(y2) - 1))

    def point(self, xy: Sequence[float], size: Size) -> str:
        """Write the patch that the point lies in, as a box of one patch."""
        patch = self._patch(int(xy[0] * self.span), int(xy[1] * self.span))
        return self.box_pattern % (patch, patch)


NUMBER_STYLES: dict[str, NumberStyle] = {
    style.name: style
    for style in (
        NumberStyle("paper", "normalised-xyxy", decimals=2),
        NumberStyle("fraction3", "normalised-xyxy", decimals=3),
        NumberStyle("thousand", "thousand-xyxy", 1000),
        NumberStyle("thousand_yx", "thousand-yxyx", 1000, y_first=True),
        NumberStyle("pixels", "pixels-xyxy", 0),
        NumberStyle(
            "percent",
            "percent-xyxy",
            100,
            box_pattern="{<%s><%s><%s><%s>}",
            point_pattern="{<%s><%s>}",
        ),
        NumberStyle(
            "qwen",
            "thousand-xyxy",
            1000,
            box_pattern="<|box_start|>(%s,%s),(%s,%s)<|box_end|>",
            point_pattern="<|box_start|>(%s,%s)<|box_end|>",
        ),
        PatchStyle("kosmos", "", 32, box_pattern="<patch_index_%04d><patch_index_%04d>"),
        BinStyle(
            "paligemma",
            "",
            1024,
            y_first=True,
            box_pattern="<loc%04d><loc%04d><loc%04d><loc%04d>",
            point_pattern="",
            sentences=False,
        ),
        BinStyle("florence", "", 1000, box_pattern="<loc_%s><loc_%s><loc_%s><loc_%s>", point_pattern=""),
    )
}
"""Number styles by name; the documentation of `lamm data convert` says which models are taught to write like which."""

PAPER = NUMBER_STYLES["paper"]
LAYOUT = NumberStyle("layout", "")
"""Of 3D detections alone: SpatialLM's layout text (`lamm_data.writing.layout_text`) in place of sentences."""


def number_style(name: str) -> NumberStyle:
    """Look a number style up.

    Raises:
        UsageError: There is none of this name.
    """
    styles = NUMBER_STYLES | {LAYOUT.name: LAYOUT}
    if name not in styles:
        raise UsageError(f"Expected a number style, got {name!r}. {did_you_mean(name, styles)}")
    return styles[name]


def inside_boxes(item: Annotated, left_out: Counter[str], noted: Counter[str]) -> Iterator[tuple[Box, Corners]]:
    """Yield boxes with their corners as fractions of the image, clipped to it.

    Left out, each with its reason: objects without a name; crowd regions, which stand for many objects; difficult
    objects, which VOC's protocol excludes; boxes without area or wholly outside the image; the same box of the same
    name a second time. They are counted in `left_out` by reason, and boxes that were cut at the image's edge in
    `noted`.
    """
    width, height, seen = item.width, item.height, set[tuple[str, Corners]]()
    for box in item.boxes:
        reason = _unusable(box, width, height)
        if not reason:
            # Ids do not tell: one may name several boxes (Flickr30k Entities), and two may name one object.
            key = (box.label, box.xyxy)
            reason = "duplicate annotation" if key in seen else ""
            seen.add(key)
        if reason:
            left_out[reason] += 1
            continue
        x1, y1, x2, y2 = box.xyxy
        if x1 < -BEYOND or y1 < -BEYOND or x2 > width + BEYOND or y2 > height + BEYOND:
            if not all(map(isfinite, box.xyxy)):
                left_out["box that is not finite"] += 1
                continue
            noted["box cut at the edge of the image"] += 1
        yield box, box.normalised(width, height)


def _unusable(box: Box, width: int, height: int) -> str:
    """Say why a box cannot be answered with; an empty string when it can."""
    if not box.label:
        return "object without a name"
    if box.crowd:
        return "crowd region"
    if box.difficult:
        return "difficult object"
    if not (width and height):
        return "image size unknown"
    x1, y1, x2, y2 = box.xyxy
    # Written so that a corner that is not a number fails it.
    if not (x1 < x2 and y1 < y2):
        return "box without area"
    if x2 <= 0 or y2 <= 0 or x1 >= width or y1 >= height:
        return "box outside the image"
    return ""


def labels_there(item: Annotated) -> set[str]:
    """Return the classes that an item's boxes prove to be there: crowds count, doubtful boxes do not.

    A difficult object may or may not be recognised, and a box without area or outside the image shows nothing.
    """
    if item.modality == "pcl":
        return {box.label for box in solid_boxes(item, Counter())}
    reasons = ("", "crowd region", "image size unknown")
    return {box.label for box in item.boxes if _unusable(box, item.width, item.height) in reasons}


def solid_boxes(item: Annotated, left_out: Counter[str], decimals: int = METRE_DECIMALS) -> Iterator[Box3D]:
    """Yield the 3D boxes of a scene that have a name, and a volume once written with so many decimals, each once."""
    seen = set[tuple[object, ...]]()
    for box in item.boxes3d:
        key = (box.label, box.centre, box.size, box.yaw, box.axes)
        if not box.label:
            left_out["object without a name"] += 1
        elif key in seen:
            left_out["duplicate annotation"] += 1
        elif not all(map(isfinite, box.values)):
            left_out["box that is not finite"] += 1
        elif min(box.size) <= 0:
            left_out["box without volume"] += 1
        elif round(min(box.size), decimals) <= 0:
            left_out["box empty after rounding"] += 1
        else:
            seen.add(key)
            yield box


def written_boxes(
    item: Annotated, numbers: NumberStyle, left_out: Counter[str], noted: Counter[str]
) -> Iterator[tuple[Box, Corners, str]]:
    """Yield what `inside_boxes` does with its text; a box that is empty after rounding is left out, too."""
    size = (item.width, item.height)
    for box, corners in inside_boxes(item, left_out, noted):
        if text := numbers.box(corners, size):
            yield box, corners, text
        else:
            left_out["box empty after rounding"] += 1


def usable_boxes(item: Annotated, left_out: Counter[str]) -> Iterator[tuple[Box, Corners]]:
    """Yield boxes that can be written in the paper's style, with their corners as fractions of the image."""
    return ((box, corners) for box, corners, _ in written_boxes(item, PAPER, left_out, Counter()))

"""Say where answered boxes and points lie in another frame than the declared one. Nothing is converted or guessed."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.geometry.conventions import BoxConvention, Frame

Floats = NDArray[np.float64]
# How far beyond the image, in shares of it, still counts as inside.
_MARGIN = 0.01
# From this share on, a frame brings the answers inside.
_ENOUGH = 0.95
_FACTOR = 10.0
# By how much numbers are too large in another unit of length, with room on both sides.
_UNITS = ((30.0, 300.0, "centimetres"), (300.0, 3000.0, "millimetres"))


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

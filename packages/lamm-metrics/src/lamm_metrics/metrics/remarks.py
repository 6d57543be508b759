"""What one must know before a score is believed: that no answer could be right, in which frame or unit they may be.

Nothing is converted or guessed.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from lamm_metrics.answers.located import size_of
from lamm_metrics.geometry.conventions import NORMALISED_XYXY, BoxConvention, Frame
from lamm_metrics.metrics.base import Floats, Metric
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import Reference
from lamm_metrics.results.score import BOX, BOX_3D, POINT, SampleResult

NAMES = {BOX: "boxes", POINT: "points"}
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


def _silence(metric: Metric[Any], answers: Mapping[str, Prediction]) -> list[str]:
    """Say that no answer could be read, so that the score tells nothing of how good they are; empty where one could."""
    if not answers or metric.n_failed < len(answers):
        return []
    texts = [one.plain_text.strip() for one in answers.values()]
    first = next(filter(None, texts), "")
    if not first:
        return [f"all {len(answers)} answers are empty"]
    labels = ", ".join(map(repr, list(getattr(metric, "labels", ()))[:5]))
    expected = f"; expected names such as {labels}" if labels else ""
    return [f"none of {len(answers)} answers could be read, the first of which begins {first[:60]!r}{expected}"]


def _misplaced(metric: Metric[Any], results: Iterable[SampleResult], records: Mapping[str, Reference]) -> list[str]:
    """Say that most answered boxes or points lie outside their images or scenes; empty otherwise."""
    answered: dict[str, list[tuple[tuple[float, ...], str]]] = {}
    reach: dict[str, float] = {}
    for result in results:
        for mark in result.marks:
            if mark.true:
                reach[result.id] = max(reach.get(result.id, 0.0), *map(abs, mark.numbers[:6]))
            else:
                answered.setdefault(mark.kind, []).append((mark.numbers, result.id))
    remarks = []
    for kind, placed in answered.items():
        numbers, keys = [where for where, _ in placed], [key for _, key in placed]
        if kind == BOX_3D:
            remarks.append(misplaced_3d(numbers, [reach.get(key, 0.0) for key in keys]))
        elif kind in NAMES:
            remarks.append(_in_images(metric, numbers, [size_of(records[key]) for key in keys], NAMES[kind]))
    return [remark for remark in remarks if remark]


def _in_images(
    metric: Metric[Any], numbers: list[tuple[float, ...]], sizes: list[tuple[float, float] | None], what: str
) -> str:
    declared = getattr(metric, "convention", None)
    said, better = misplaced_2d(numbers, sizes, declared or NORMALISED_XYXY, what)
    if not said:
        return ""
    if declared is None:
        return f"{said}, the only convention of these formulas"
    if better is None:
        return f"{said}, and no known frame brings them inside"
    return f"{said}; nearly all lie inside in {better}: if the model writes so, set convention={better}"


def strange_names(answered: Iterable[tuple[str, str]], true: Iterable[tuple[str, str]], what: str) -> list[str]:
    """Say that no answered name is a true one, so that no answer can be right; empty where one is or nothing is there.

    Args:
        answered: What is compared, and what was written, of each answered box or point; empty where it has no name.
        true: The same of the truth.
        what: What is named.

    >>> strange_names([("katze", "Katze"), ("", "")], [("cat", "cat")], "box")
    ["no answered box has a name of the truth: got 'Katze', expected 'cat'; have answers use the benchmark's names"]
    """
    listed, expected = dict(answered), dict(true)
    if not expected or not listed.keys().isdisjoint(expected):
        return []
    if not listed:
        return [f"no answer holds a {what}"]
    got, wanted = (", ".join(map(repr, sorted(filter(None, names.values()))[:3])) for names in (listed, expected))
    return [
        f"no answered {what} has a name of the truth: got {got or 'none'}, expected {wanted}; have answers use the "
        "benchmark's names"
    ]


def remarks_of(
    metric: Metric[Any],
    records: Mapping[str, Reference],
    answers: Mapping[str, Prediction],
    results: Iterable[SampleResult] | None = None,
) -> list[str]:
    """Return every remark on the score of a metric, a sentence each.

    Args:
        metric: What read the answers; it declares their convention, if it has any.
        records: The records by id.
        answers: The answer to each of them.
        results: How each record was scored, with the boxes and points that were compared; None to ask the metric.
    """
    if results is None:
        results = metric.per_sample() if type(metric).marks is not Metric.marks else ()
    return [*_silence(metric, answers), *_misplaced(metric, results, records), *metric.remarks()]

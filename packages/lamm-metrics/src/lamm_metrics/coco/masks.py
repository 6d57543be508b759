"""Masks as polygons or run lengths, compared through pycocotools (extra `coco`)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.errors import LammMetricsError, UsageError
from lamm_metrics.records.files import shown
from lamm_metrics.records.truth import are_numbers

# pycocotools counts pixels in 32 bits, and makes room for five points a pixel of an outline.
MOST_PIXELS, LONGEST_OUTLINE = 2**32 - 1, 1e7


def coco_masks() -> Any:
    """Return pycocotools' functions of masks.

    Raises:
        UsageError: It is not installed.
    """
    try:
        from pycocotools import mask
    except ImportError as error:
        message = "Expected pycocotools for masks, got none. Install it: pip install 'lamm-metrics[coco]'."
        raise UsageError(message) from error
    return mask


def run_lengths(segmentation: Any, height: int, width: int) -> Mapping[str, Any]:
    """Return a mask in COCO's compressed run-length form.

    Args:
        segmentation: Polygons `[[x1, y1, x2, y2, …], …]` in pixels, or run lengths `{"size", "counts"}`, compressed or
            not.
        height: Height of the image in pixels, for polygons.
        width: Width of the image in pixels, for polygons.

    Raises:
        LammMetricsError: It is neither, or polygons come without the size of the image.
        UsageError: pycocotools is not installed.
    """
    coco = coco_masks()
    if _are_runs(segmentation, height, width):
        if isinstance(segmentation["counts"], list):
            return dict(coco.frPyObjects(segmentation, *segmentation["size"]))
        return dict(segmentation)
    polygons = isinstance(segmentation, list) and segmentation and all(map(_is_polygon, segmentation))
    if not polygons or not height > 0 or not width > 0 or height * width > MOST_PIXELS:
        raise LammMetricsError(
            f"Expected polygons of at least three points with the image's size, or run lengths of that size, got "
            f"{shown(segmentation)} at {width} x {height}. Mend the record."
        )
    return dict(coco.merge(coco.frPyObjects(segmentation, height, width)))


def _is_polygon(points: object) -> bool:
    if not isinstance(points, list) or len(points) < 6 or len(points) % 2 or not are_numbers(points):
        return False
    places = np.array(points, np.float64).reshape(-1, 2)
    with np.errstate(over="ignore"):
        sides = np.abs(np.diff(places, axis=0, append=places[:1])).max(axis=1).sum()
    return bool(np.abs(places).max() + sides <= LONGEST_OUTLINE)


def _are_runs(segmentation: object, height: int, width: int) -> bool:
    """Return whether these are run lengths of a mask of the image's size, where that is known."""
    if not isinstance(segmentation, Mapping) or not {"size", "counts"} <= segmentation.keys():
        return False
    size, counts = segmentation["size"], segmentation["counts"]
    if not isinstance(size, list | tuple) or len(size) != 2 or not all(type(side) is int for side in size):
        return False
    pixels = size[0] * size[1]
    if min(size) < 1 or pixels > MOST_PIXELS or (height > 0 and width > 0 and tuple(size) != (height, width)):
        return False
    if isinstance(counts, list):
        return all(type(run) is int and run >= 0 for run in counts) and sum(counts) == pixels
    return isinstance(counts, str | bytes)


def _covered(texts: Sequence[bytes]) -> NDArray[np.int64]:
    """Return how many pixels compressed run lengths cover; -1 where they are none.

    A character holds five bits of a number, whether it goes on, and in its last one its sign; from the fourth run on
    numbers are differences from the run before the last.

    >>> _covered([b"52", b"52o", b"5"]).tolist()
    [7, -1, 5]
    """
    covered = np.full(len(texts), -1, np.int64)
    whole = [at for at, text in enumerate(texts) if text and not (text[-1] - 48) & 32]
    if not whole:
        return covered
    codes = np.frombuffer(b"".join(texts[at] for at in whole), np.uint8).astype(np.int64) - 48
    lengths = np.array([len(texts[at]) for at in whole])
    places = np.cumsum(lengths) - lengths
    last = (codes & 32) == 0
    counts = np.add.reduceat(last.astype(np.int64), places)
    first, ends = np.cumsum(counts) - counts, np.flatnonzero(last)
    starts = np.append(0, ends[:-1] + 1)
    step = np.arange(len(codes)) - np.repeat(starts, ends - starts + 1)
    bits = 5 * np.minimum(step, 6)
    runs = np.add.reduceat((codes & 31) << bits, starts) - (((codes[ends] & 16) > 0) << bits[ends] + 5)
    index = np.arange(len(runs)) - np.repeat(first, counts)
    for chosen in (index % 2 == 1, (index % 2 == 0) & (index > 0)):
        summed = np.cumsum(np.where(chosen, runs, 0))
        before = np.repeat(summed[first] - np.where(chosen, runs, 0)[first], counts)
        runs = np.where(chosen, summed - before, runs)
    good = (np.minimum.reduceat(runs, first) >= 0) & (np.maximum.reduceat(step, places) <= 6)
    good &= (np.minimum.reduceat(codes, places) >= 0) & (np.maximum.reduceat(codes, places) < 64)
    covered[whole] = np.where(good, np.add.reduceat(runs, first), -1)
    return covered


def encoded(records: Sequence[Mapping[str, Any]], sizes: NDArray[np.int64]) -> list[Mapping[str, Any]]:
    """Return the masks of records in COCO's compressed run-length form.

    Args:
        records: With `segmentation`.
        sizes: Height and width of each record's image in pixels, [records, 2]; 0 where unknown.

    Raises:
        LammMetricsError: Some record has no mask of its image.
    """
    masks = [
        run_lengths(record.get("segmentation"), int(height), int(width))
        for record, (height, width) in zip(records, sizes, strict=True)
    ]
    for start in range(0, len(masks), 256):
        part = masks[start : start + 256]
        texts = [mask["counts"] for mask in part]
        covered = _covered([text.encode("utf-8", "replace") if isinstance(text, str) else text for text in texts])
        # pycocotools compares masks without an end where runs stop before the last pixel.
        for at in np.flatnonzero(covered != [mask["size"][0] * mask["size"][1] for mask in part])[:1]:
            raise LammMetricsError(
                f"Expected run lengths that cover {' x '.join(map(str, part[at]['size']))} pixels, got "
                f"{shown(texts[at])}. Mend the record."
            )
    return masks


def mask_areas(records: Sequence[Mapping[str, Any]], sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the areas of masks in pixels, [records]; arguments as for `encoded`."""
    # One by one: pycocotools counts the masks of one call in eight bits.
    return np.array([coco_masks().area(mask) for mask in encoded(records, sizes)], np.float64)

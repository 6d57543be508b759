"""Masks as polygons or run lengths, compared through pycocotools (extra `coco`)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.errors import LammMetricsError, UsageError
from lamm_metrics.records.files import shown
from lamm_metrics.records.truth import are_numbers


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
    if not polygons or not height > 0 or not width > 0:
        raise LammMetricsError(
            f"Expected polygons of at least three points with the image's size, or run lengths of that size, got "
            f"{shown(segmentation)} at {width} x {height}. Mend the record."
        )
    return dict(coco.merge(coco.frPyObjects(segmentation, height, width)))


def _is_polygon(points: object) -> bool:
    return isinstance(points, list) and len(points) >= 6 and len(points) % 2 == 0 and are_numbers(points)


def _are_runs(segmentation: object, height: int, width: int) -> bool:
    """Return whether these are run lengths of a mask of the image's size, where that is known."""
    if not isinstance(segmentation, Mapping) or not {"size", "counts"} <= segmentation.keys():
        return False
    size, counts = segmentation["size"], segmentation["counts"]
    if not isinstance(size, list | tuple) or len(size) != 2 or not all(isinstance(side, int) for side in size):
        return False
    if min(size) < 1 or (height > 0 and width > 0 and tuple(size) != (height, width)):
        return False
    if isinstance(counts, list):
        whole = all(isinstance(run, int) and run >= 0 for run in counts)
        return whole and sum(counts) == size[0] * size[1]
    return isinstance(counts, str | bytes)


def encoded(records: Sequence[Mapping[str, Any]], sizes: NDArray[np.int64]) -> list[Mapping[str, Any]]:
    """Return the masks of records in COCO's compressed run-length form.

    Args:
        records: With `segmentation`.
        sizes: Height and width of each record's image in pixels, [records, 2]; 0 where unknown.
    """
    return [
        run_lengths(record.get("segmentation"), int(height), int(width))
        for record, (height, width) in zip(records, sizes, strict=True)
    ]


def mask_areas(records: Sequence[Mapping[str, Any]], sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the areas of masks in pixels, [records]; arguments as for `encoded`."""
    # One by one: pycocotools counts the masks of one call in eight bits.
    return np.array([coco_masks().area(mask) for mask in encoded(records, sizes)], np.float64)

"""Masks as polygons or run lengths, compared through pycocotools (extra `coco`)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lamm_metrics.average_precision.pairs import Floats, Indices, Overlap
from lamm_metrics.coco.records import CocoFound, CocoTruth
from lamm_metrics.errors import LammMetricsError, UsageError
from lamm_metrics.records.files import are_numbers, shown


def _coco_masks() -> Any:
    try:
        from pycocotools import mask
    except ImportError as error:
        message = "Expected pycocotools for masks, got none. Install it: pip install 'lamm-metrics[coco]'."
        raise UsageError(message) from error
    return mask


def run_lengths(segmentation: Any, height: int, width: int) -> Mapping[str, Any]:
    """A mask in COCO's compressed run-length form.

    Args:
        segmentation: Polygons `[[x1, y1, x2, y2, …], …]` in pixels, or run lengths `{"size", "counts"}`, compressed or
            not.
        height: Height of the image in pixels, for polygons.
        width: Width of the image in pixels, for polygons.

    Raises:
        LammMetricsError: It is neither, or polygons come without the size of the image.
        UsageError: pycocotools is not installed.
    """
    coco = _coco_masks()
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
    """Whether these are run lengths of a mask of the image's size, where that is known."""
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


def _encoded(records: Sequence[Mapping[str, Any]], image: Indices, truth: CocoTruth) -> list[Mapping[str, Any]]:
    sizes = np.zeros((len(truth.image_ids), 2), np.int64) if truth.sizes is None else truth.sizes
    return [
        run_lengths(record["segmentation"], int(sizes[place, 0]), int(sizes[place, 1]))
        for record, place in zip(records, image, strict=True)
    ]


def mask_areas(detections: Sequence[Mapping[str, Any]], truth: CocoTruth) -> Floats:
    """Areas of detected masks in pixels, [D]."""
    place = {key: i for i, key in enumerate(truth.image_ids)}
    image = np.array([place.get(record["image_id"], 0) for record in detections], np.intp)
    encoded = _encoded(detections, image, truth)
    return np.asarray(_coco_masks().area(encoded) if encoded else [], np.float64)


def mask_overlap(found: CocoFound, truth: CocoTruth) -> Overlap:
    """Intersection over union of masks (over the detection's area with a crowd) for `summarise`."""
    coco = _coco_masks()
    detected = _encoded(found.records, found.image, truth)
    objects = _encoded(truth.records, truth.image, truth)

    def overlap(detection: Indices, thing: Indices) -> Floats:
        result = np.zeros(len(detection))
        # One call a detection: its objects are contiguous.
        starts = np.flatnonzero(np.diff(detection, prepend=-1))
        for start, stop in zip(starts, np.append(starts[1:], len(detection)), strict=True):
            things = thing[start:stop]
            crowd = truth.crowd[things].astype(np.uint8)
            result[start:stop] = coco.iou([detected[detection[start]]], [objects[i] for i in things], crowd)[0]
        return result

    return overlap

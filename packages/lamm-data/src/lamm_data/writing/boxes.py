"""Which boxes of an item can be answered with, and why the others cannot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import isfinite

from lamm_data.records.annotations import Annotated, Box, Box3D

BEYOND = 1.0
"""Pixels a box may leave the image by before it is reported: annotators' tools round."""

Corners = tuple[float, float, float, float]


def inside_boxes(item: Annotated, left_out: Counter[str], noted: Counter[str]) -> Iterator[tuple[Box, Corners]]:
    """Yield boxes with their corners as fractions of the image, clipped to it.

    Left out, each with its reason: crowd regions, which stand for many objects; difficult objects, which VOC's protocol
    excludes; boxes without area or wholly outside the image; the same annotation a second time.

    Args:
        item: An image with boxes.
        left_out: Takes the counts of what is left out, by reason.
        noted: Takes the count of boxes that were cut at the image's edge.
    """
    width, height, seen = item.width, item.height, set[tuple[str, Corners]]()
    for box in item.boxes:
        reason = _unusable(box, width, height)
        if not reason and box.id:
            # One id may name several boxes (Flickr30k Entities): only the same box again is a duplicate.
            key = (box.id, box.xyxy)
            reason = "duplicate annotation" if key in seen else ""
            seen.add(key)
        if reason:
            left_out[reason] += 1
            continue
        x1, y1, x2, y2 = box.xyxy
        if x1 < -BEYOND or y1 < -BEYOND or x2 > width + BEYOND or y2 > height + BEYOND:
            noted["box cut at the edge of the image"] += 1
        yield box, box.normalised(width, height)


def _unusable(box: Box, width: int, height: int) -> str:
    """Say why a box cannot be answered with; an empty string when it can."""
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


def solid_boxes(item: Annotated, left_out: Counter[str]) -> Iterator[Box3D]:
    """Yield the 3D boxes of a scene that have a volume once written with three decimals; others are counted."""
    for box in item.boxes3d:
        if not all(map(isfinite, box.values)):
            left_out["box that is not finite"] += 1
        elif min(box.size) <= 0:
            left_out["box without volume"] += 1
        elif round(min(box.size), 3) <= 0:
            left_out["box empty after rounding"] += 1
        else:
            yield box

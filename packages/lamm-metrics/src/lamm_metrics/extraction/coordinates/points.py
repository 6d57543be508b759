"""Read points: keypoints and object locations."""

import math
import re
from collections.abc import Sequence
from dataclasses import replace

from lamm_metrics.extraction.coordinates.boxes import CORNER_GAP, PARTS_2D, boxed, in_image, merge_groups, prepared
from lamm_metrics.extraction.coordinates.groups import SETS, Group, ends_inside, find_groups
from lamm_metrics.extraction.coordinates.pairing import pair_names
from lamm_metrics.extraction.result import Extraction, LabelledPoint, Status
from lamm_metrics.extraction.text.answer import overlong
from lamm_metrics.extraction.text.refusal import is_refusal
from lamm_metrics.geometry.conventions import NORMALISED_XYXY, BoxConvention, Layout

_POINTS_TAG = re.compile(r"<points?\b(?P<attributes>[^<>]{1,4000}+)>(?P<name>[^<>]{0,80}+)", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"\b([xy])(\d{0,3})\s?=\s?[\"']?\s?(-?\d{1,9}(?:\.\d{1,9})?)(?![\d.])\s?[\"']?")
_ALT = re.compile(r"\balt\s?=\s?(?:\"([^\"]{1,80})\"|'([^']{1,80})')")
_BOX_TAG = re.compile(r"<\|?(?:box|bbox|bndbox|det|quad|bounding_box)(?:_start)?\|?>", re.IGNORECASE)
_NOWHERE = re.compile(
    r"\b(?:not visible|there (?:is|are) no|occluded|no such|not present|cannot be seen|out of frame|none)\b",
    re.IGNORECASE,
)


def _molmo(text: str) -> tuple[list[Group], str]:
    """Return the points of `<point>` and `<points>` elements with attributes, and the text without those elements."""
    groups: list[Group] = []
    if "<" not in text:
        return groups, text
    for element in _POINTS_TAG.finditer(text):
        pairs: dict[str, dict[str, float]] = {}
        for axis, number, value in _ATTRIBUTE.findall(element["attributes"]):
            pairs.setdefault(number, {})[axis.lower()] = float(value)
        alt = _ALT.search(element["attributes"])
        name = (alt.group(1) or alt.group(2)) if alt is not None else element["name"].strip(" \n]") or None
        groups.extend(
            Group(element.start(), element.end(), (pair["x"], pair["y"]), name)
            for pair in pairs.values()
            if {"x", "y"} <= pair.keys()
        )
    return groups, _POINTS_TAG.sub(
        lambda found: " " * len(found.group()) if _ATTRIBUTE.search(found.group()) else found.group(), text
    )


def _point(group: Group, convention: BoxConvention, size: tuple[float, float] | None) -> tuple[float, float] | None:
    """Return the normalised point of a group of two numbers, or the centre of one of four."""
    if not all(map(math.isfinite, group.numbers)):
        return None
    if len(group.numbers) == 2:
        named = replace(convention, layout=Layout.XYXY) if group.keys else convention
        return named.point_to_normalised(group.numbers, size)
    if len(group.numbers) != 4:
        return None
    left, top, right, bottom = in_image(group, convention, size)
    return (left + right) / 2, (top + bottom) / 2


def extract_points(
    text: str,
    convention: BoxConvention | str = NORMALISED_XYXY,
    image_size: tuple[float, float] | None = None,
    labels: Sequence[str] | None = None,
) -> Extraction[list[LabelledPoint]]:
    """Find all points of an answer; a box stands for its centre.

    Args:
        text: A free-form answer.
        convention: How the answer's model writes coordinates, also as text; declared, never guessed.
        image_size: Width and height in pixels, for the pixel frame.
        labels: A closed set of object or joint names; labels are then returned spelled as in it.

    Returns:
        Points (x, y) as fractions of the image, in the order of the text.

    Raises:
        UsageError: The frame is pixels and the image size is missing.

    Example:
        >>> extract_points("The left ankle is at [0.25, 0.75].").value
        [LabelledPoint(label='left ankle', point=(0.25, 0.75))]
    """
    convention = BoxConvention.of(convention)
    convention.spans(image_size)
    fault = overlong(text)
    if fault:
        return Extraction([], Status.MALFORMED, fault)
    plain = prepared(text)
    elements, rest = _molmo(plain)
    found = find_groups(rest, points=True)
    if _BOX_TAG.search(text):  # two or four corners in a box's tag are no points
        found = [boxed(group) for group in merge_groups(rest, found, PARTS_2D, CORNER_GAP)]
    written = [group for group in found if len(group.numbers) > 1 and (not group.keys or group.keys in SETS)]
    groups = sorted([*elements, *written], key=lambda group: group.start)
    points, faults = [], []
    for group, (name, _) in zip(groups, pair_names(plain, groups, labels), strict=True):
        point = _point(group, convention, image_size)
        if point is None:
            faults.append(plain[group.start : min(group.end, group.start + 60)])
        else:
            points.append(LabelledPoint(name, point))
    if ends_inside(plain):
        faults.append("the answer breaks off inside a point")
    if faults:
        return Extraction(points, Status.MALFORMED, f"{len(faults)} unread: {faults[0]}")
    if points:
        return Extraction(points, Status.OK)
    if is_refusal(plain):
        return Extraction(points, Status.REFUSED)
    return Extraction(points, Status.OK if _NOWHERE.search(plain) else Status.NONE)

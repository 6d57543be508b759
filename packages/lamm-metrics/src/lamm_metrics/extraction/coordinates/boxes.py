"""Read 2D and 3D boxes."""

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Literal

from lamm_metrics.extraction.coordinates.groups import NUMBER, Group, ends_inside, find_groups, mark_brackets
from lamm_metrics.extraction.coordinates.pairing import pair_names
from lamm_metrics.extraction.result import Extraction, LabelledBox, Status
from lamm_metrics.extraction.text.answer import answer_part, fold, overlong
from lamm_metrics.extraction.text.refusal import is_refusal
from lamm_metrics.geometry.conventions import NORMALISED_XYXY, BoxConvention, Layout

_MARKS = re.compile(r"\*\*|`{1,3}(?:json|xml|python|text)?")
_CORNER_GAP = re.compile(
    r"(?:[\s,;:-]|\bto\b|\band\b|\bthrough\b|->|\b(?:top|bottom|upper|lower)[ -](?:left|right)(?: corner)?\b|"
    r"\([xX]\w{0,3}, ?[yY]\w{0,3}\)|=|"
    r"\bcorner\b|\bat\b|\bis\b|\bthe\b){0,10}",
    re.IGNORECASE,
)
_SIZE_GAP = re.compile(
    r"[\s,;:\"'=]*+(?:(?:with|and|of|a|an|the|its|has|is|size|sizes|dimensions?|extents?|lengths?|lwh|"
    r"measur\w{1,4}|rotation|rotated|yaw|heading|orientation|euler|angles?|by|dims?|"
    r"box_size|scale|dx|dy|dz)[\s,;:\"'=]{0,3}){0,8}",
    re.IGNORECASE,
)
_NONE_FOUND = re.compile(
    r"\b(?:there (?:are|is) no|no (?:\w+ ){0,3}(?:objects?|instances?|boxes|detections?|found|detected|visible)|"
    r"not (?:any|detect|find|present)|none)\b|^\W*(?:\[\s?\]|\{\s?\}|none|null|no)\W*$",
    re.IGNORECASE,
)
_LAYOUT_OF_KEYS: dict[tuple[str, ...], Layout] = {
    ("x1", "y1", "x2", "y2"): Layout.XYXY,
    ("x1", "y1", "w", "h"): Layout.XYWH,
    ("x", "y", "w", "h"): Layout.XYWH,
    ("cx", "cy", "w", "h"): Layout.CXCYWH,
}


def prepared(text: str) -> str:
    """Return the answering part of an output in plain characters, tags that enclose numbers written as brackets."""
    return mark_brackets(fold(_MARKS.sub("", fold(answer_part(text)))))


def merge_groups(
    text: str, groups: Sequence[Group], parts: Sequence[tuple[int, ...]], gap: re.Pattern[str]
) -> list[Group]:
    """Join neighbouring groups that are parts of one box.

    Args:
        text: The text the groups were found in.
        groups: Groups from left to right.
        parts: Allowed part lengths, for example `(2, 2)` for two corners.
        gap: What may stand between two parts.
    """
    merged: list[Group] = []
    place = 0
    while place < len(groups):
        for lengths in parts:
            run = groups[place : place + len(lengths)]
            fits = tuple(len(group.numbers) for group in run) == lengths and not any(
                group.keys or group.frame for group in run
            )
            if fits and all(_near(text, left, right, gap) for left, right in pairwise(run)):
                numbers = tuple(number for group in run for number in group.numbers)
                merged.append(replace(run[0], end=run[-1].end, numbers=numbers))
                place += len(run)
                break
        else:
            merged.append(groups[place])
            place += 1
    return merged


def _near(text: str, left: Group, right: Group, gap: re.Pattern[str]) -> bool:
    return right.start - left.end <= 60 and gap.fullmatch(text, left.end, right.start) is not None


def _box_2d(group: Group, convention: BoxConvention, size: tuple[float, float] | None) -> tuple[float, ...] | None:
    """Return the normalised box of a group, or `None` where it does not make one."""
    if len(group.numbers) != 4 or not all(map(math.isfinite, group.numbers)):
        return None
    if group.frame == "unit":
        return BoxConvention().to_normalised(group.numbers)
    if group.keys:
        layout = _LAYOUT_OF_KEYS.get(group.keys)
        return None if layout is None else replace(convention, layout=layout).to_normalised(group.numbers, size)
    if convention.layout in {Layout.XYWH, Layout.CXCYWH} and (group.numbers[2] < 0 or group.numbers[3] < 0):
        return None
    return convention.to_normalised(group.numbers, size)


def finish(boxes: list[LabelledBox], faults: list[str], text: str) -> Extraction[list[LabelledBox]]:
    """Give a list of boxes its status."""
    if faults:
        return Extraction(boxes, Status.MALFORMED, f"{len(faults)} unreadable: {faults[0]}")
    if boxes:
        return Extraction(boxes, Status.OK)
    if _NONE_FOUND.search(text) and not is_refusal(text):
        return Extraction(boxes, Status.OK, "no objects stated")
    return Extraction(boxes, Status.REFUSED if is_refusal(text) else Status.NONE)


def extract_boxes_2d(
    text: str,
    convention: BoxConvention = NORMALISED_XYXY,
    image_size: tuple[float, float] | None = None,
    labels: Sequence[str] | None = None,
) -> Extraction[list[LabelledBox]]:
    """Find all 2D boxes of an answer, with their labels and scores where they are written.

    Reversed corners are put in order. Coordinates beyond the image are kept as they are: such a box counts as a
    prediction that misses. A group of three or five numbers, a number that is not finite, or an answer that breaks off
    inside a box makes the status `malformed`; the readable boxes are still returned. Where the answer names its
    coordinates (`xmin`, `width`) the names fix the order of the numbers; the units are always the declared ones.
    Location tokens (Kosmos-2, PaliGemma, Florence-2) carry their own grid.

    Args:
        text: A free-form answer.
        convention: How the answer's model writes boxes; declared, never guessed.
        image_size: Width and height in pixels, for the pixel frame.
        labels: A closed label set; labels are then returned spelled as in it, and a name outside it becomes `None`.

    Returns:
        Boxes (x1, y1, x2, y2) as fractions of the image, in the order of the text; an empty list with status `ok`
        where the answer says that there is nothing.

    Raises:
        UsageError: The frame is pixels and the image size is missing.

    Example:
        >>> found = extract_boxes_2d("A dog [100, 200, 300, 400]", BoxConvention.parse("thousand-xyxy"))
        >>> found.value
        [LabelledBox(label='dog', box=(0.1, 0.2, 0.3, 0.4), score=None)]
    """
    convention.spans(image_size)
    fault = overlong(text)
    if fault:
        return Extraction([], Status.MALFORMED, fault)
    plain = prepared(text)
    groups = merge_groups(plain, find_groups(plain), [(2, 2)], _CORNER_GAP)
    candidates = [group for group in groups if len(group.numbers) > 1]
    boxes, faults = [], []
    for group, (name, score) in zip(candidates, pair_names(plain, candidates, labels), strict=True):
        box = _box_2d(group, convention, image_size)
        if box is None:
            faults.append(plain[group.start : min(group.end, group.start + 60)])
        else:
            boxes.append(LabelledBox(name, box, score))
    if ends_inside(plain):
        faults.append("the answer breaks off inside a box")
    return finish(boxes, faults, plain)


_YAW = re.compile(
    rf"[\s,;\"'()\]]{{0,4}}(?:(?:with|and|a|its) ){{0,3}}(?:yaw|heading|rotation|rotated|rot_z|rz|theta|angle|"
    rf"orientation)(?:[\s\"':=(]|\bis\b|\bof\b|\bby\b|\bangle\b){{0,8}}({NUMBER})",
    re.IGNORECASE,
)


def _with_yaw(text: str, group: Group) -> Group:
    """Return a group of six numbers together with the yaw that is written behind it under its own name."""
    found = _YAW.match(text, group.end) if len(group.numbers) == 6 else None
    if found is None:
        return group
    return replace(group, end=found.end(), numbers=(*group.numbers, float(found.group(1))))


_PARTS_3D: dict[int, list[tuple[int, ...]]] = {
    6: [(3, 3)],
    7: [(3, 3, 1), (6, 1), (3, 4), (3, 3)],
    9: [(3, 3, 3), (6, 3)],
}


def extract_boxes_3d(
    text: str, numbers: Literal[6, 7, 9] = 6, labels: Sequence[str] | None = None
) -> Extraction[list[LabelledBox]]:
    """Find all 3D boxes of an answer.

    Groups of exactly `numbers` numbers are boxes; centre, size and rotation may also stand in brackets of their own.
    Negative sizes and numbers that are not finite make the status `malformed`.

    Args:
        text: A free-form answer.
        numbers: How many numbers make a box: centre and size in metres (6), with yaw (7) or Euler angles (9).
        labels: A closed label set; labels are then returned spelled as in it, and a name outside it becomes `None`.

    Returns:
        The boxes in the order of the text.

    Example:
        >>> extract_boxes_3d("a chair at [1.0, -0.5, 0.4, 0.6, 0.6, 0.9]").value[0].box
        (1.0, -0.5, 0.4, 0.6, 0.6, 0.9)
    """
    fault = overlong(text)
    if fault:
        return Extraction([], Status.MALFORMED, fault)
    plain = prepared(text)
    groups = merge_groups(plain, find_groups(plain), _PARTS_3D[numbers], _SIZE_GAP)
    if numbers == 7:
        groups = [_with_yaw(plain, group) for group in groups]
    candidates = [group for group in groups if len(group.numbers) > 2]
    boxes, faults = [], []
    for group, (name, score) in zip(candidates, pair_names(plain, candidates, labels), strict=True):
        readable = len(group.numbers) == numbers and all(map(math.isfinite, group.numbers))
        if readable and group.frame is None and min(group.numbers[3:6]) >= 0:
            boxes.append(LabelledBox(name, group.numbers, score))
        else:
            faults.append(plain[group.start : min(group.end, group.start + 60)])
    if ends_inside(plain):
        faults.append("the answer breaks off inside a box")
    return finish(boxes, faults, plain)

"""Read 2D and 3D boxes."""

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Literal

from lamm_metrics.extraction.coordinates.groups import NUMBER, Group, ends_inside, find_groups, mark_brackets
from lamm_metrics.extraction.coordinates.layout_text import layout_groups
from lamm_metrics.extraction.coordinates.pairing import pair_names
from lamm_metrics.extraction.result import Extraction, LabelledBox, Status
from lamm_metrics.extraction.text.answer import answer_part, fold, overlong
from lamm_metrics.extraction.text.refusal import is_refusal
from lamm_metrics.geometry.conventions import NORMALISED_XYXY, BoxConvention, Layout

_MARKS = re.compile(r"\*\*|`{1,3}(?:json|xml|python|text)?")
# What may stand between the corners of one box.
CORNER_GAP = re.compile(
    r"(?:[\s,;:\"'-]|\bto\b|\band\b|\bthrough\b|->|→|\b(?:tl|tr|bl|br)\b|\b(?:top|bottom|upper|lower)[ _-]?(?:left|"
    r"right)(?: corner)?\b|\([xX]\w{0,3}, ?[yY]\w{0,3}\)|=|"
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
_CORNERS = 4
PARTS_2D: list[tuple[int, ...]] = [(2,) * _CORNERS, (2, 2)]
_LAYOUT_OF_KEYS: dict[tuple[str, ...], Layout] = {
    ("x1", "y1", "x2", "y2"): Layout.XYXY,
    ("x1", "y1", "w", "h"): Layout.XYWH,
    ("x", "y", "w", "h"): Layout.XYWH,
    ("cx", "cy", "w", "h"): Layout.CXCYWH,
}


def prepared(text: str) -> str:
    """Return the answering part of an output in plain characters, tags that enclose numbers written as brackets."""
    text = fold(answer_part(text))
    if "*" in text or "`" in text:
        text = fold(_MARKS.sub("", text))
    return mark_brackets(text)


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
                if len(lengths) == _CORNERS and not is_quadrilateral(numbers):
                    continue
                merged.append(replace(run[0], end=run[-1].end, numbers=numbers))
                place += len(run)
                break
        else:
            merged.append(groups[place])
            place += 1
    return merged


def _near(text: str, left: Group, right: Group, gap: re.Pattern[str]) -> bool:
    return right.start - left.end <= 60 and gap.fullmatch(text, left.end, right.start) is not None


def is_quadrilateral(numbers: Sequence[float]) -> bool:
    """Return whether eight numbers are the corners of one box, and not two boxes of two corners each.

    They are where they go round it, or in any order where its sides are upright.

    Example:
        >>> is_quadrilateral([1, 1, 3, 1, 3, 2, 1, 2]), is_quadrilateral([1, 1, 3, 2, 4, 1, 6, 2])
        (True, False)
    """
    if not all(map(math.isfinite, numbers)):
        return False
    corners = [*zip(numbers[::2], numbers[1::2], strict=True)]
    if all(left[0] < right[0] and left[1] < right[1] for left, right in (corners[:2], corners[2:])):
        return False
    if len(set(corners)) == _CORNERS and len(set(numbers[::2])) == 2 == len(set(numbers[1::2])):
        return True
    sides = [(right[0] - left[0], right[1] - left[1]) for left, right in pairwise([*corners, corners[0]])]
    turns = [a[0] * b[1] - a[1] * b[0] for a, b in pairwise([*sides, sides[0]])]
    return all(turn > 0 for turn in turns) or all(turn < 0 for turn in turns)


def boxed(group: Group) -> Group:
    """Return a group of four corners as the two corners of the box around them; any other as it is."""
    numbers = group.numbers
    if len(numbers) != 2 * _CORNERS or group.keys or group.frame or not is_quadrilateral(numbers):
        return group
    first, second = numbers[::2], numbers[1::2]
    return replace(group, numbers=(min(first), min(second), max(first), max(second)), frame="corners")


def in_image(
    group: Group, convention: BoxConvention, size: tuple[float, float] | None
) -> tuple[float, float, float, float]:
    """Return the box of a group of four finite numbers as fractions of the image, corners in order.

    Args:
        group: Four numbers.
        convention: How the answer's model writes boxes.
        size: Width and height in pixels, for the pixel frame.
    """
    if group.frame == "unit":
        return NORMALISED_XYXY.to_normalised(group.numbers)
    layout = convention.layout
    if group.keys:
        layout = _LAYOUT_OF_KEYS[group.keys]
    elif group.frame == "corners" and layout is not Layout.YXYX:
        layout = Layout.XYXY
    return replace(convention, layout=layout).to_normalised(group.numbers, size)


def _box_2d(group: Group, convention: BoxConvention, size: tuple[float, float] | None) -> tuple[float, ...] | None:
    """Return the normalised box of a group, or `None` where it does not make one."""
    if len(group.numbers) != 4 or not all(map(math.isfinite, group.numbers)):
        return None
    if group.keys and group.keys not in _LAYOUT_OF_KEYS:
        return None
    sized = not group.keys and group.frame is None and convention.layout in {Layout.XYWH, Layout.CXCYWH}
    if sized and min(group.numbers[2:]) < 0:
        return None
    return in_image(group, convention, size)


def finish(boxes: list[LabelledBox], faults: list[str], text: str) -> Extraction[list[LabelledBox]]:
    """Give a list of boxes its status."""
    if faults:
        return Extraction(boxes, Status.MALFORMED, f"{len(faults)} unread: {faults[0]}")
    if boxes:
        return Extraction(boxes, Status.OK)
    if _NONE_FOUND.search(text) and not is_refusal(text):
        return Extraction(boxes, Status.OK, "no objects stated")
    return Extraction(boxes, Status.REFUSED if is_refusal(text) else Status.NONE)


def extract_boxes_2d(
    text: str,
    convention: BoxConvention | str = NORMALISED_XYXY,
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
        convention: How the answer's model writes boxes, also as text ("thousand-xyxy"); declared, never guessed.
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
    convention = BoxConvention.of(convention)
    convention.spans(image_size)
    fault = overlong(text)
    if fault:
        return Extraction([], Status.MALFORMED, fault)
    plain = prepared(text)
    groups = merge_groups(plain, find_groups(plain), PARTS_2D, CORNER_GAP)
    candidates = [boxed(group) for group in groups if len(group.numbers) > 1]
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


def _box_3d(group: Group, numbers: int) -> tuple[float, ...] | None:
    """Return the box of a group with as many numbers as asked for; `None` where it does not make one.

    Angles that are left out, or that are written and 0, are no difference.
    """
    box = group.numbers
    if len(box) not in (6, 7, 9) or not all(map(math.isfinite, box)) or group.frame is not None:
        return None
    if min(box[3:6]) < 0 or any(box[numbers:]):
        return None
    return (box + (0.0,) * numbers)[:numbers]


_PARTS_3D: dict[int, list[tuple[int, ...]]] = {
    6: [(3, 3, 3), (3, 3)],
    7: [(3, 3, 3), (3, 3, 1), (6, 1), (3, 4), (3, 3)],
    9: [(3, 3, 3), (6, 3), (3, 3, 1), (3, 3)],
}


def extract_boxes_3d(
    text: str,
    numbers: Literal[6, 7, 9] = 6,
    labels: Sequence[str] | None = None,
    corner: Sequence[float] | None = None,
) -> Extraction[list[LabelledBox]]:
    """Find all 3D boxes of an answer.

    Groups of 6, 7 or 9 numbers are boxes; centre, size and rotation may also stand in brackets of their own. Angles
    that are left out are 0; an angle other than 0 that `numbers` has no room for, negative sizes, other lengths and
    numbers that are not finite make the status `malformed`. SpatialLM's layout text brings its own units: its walls,
    doors and windows are boxes of these names, at least 0.1 m thick.

    Args:
        text: A free-form answer.
        numbers: How many numbers make a box: centre and size in metres (6), with yaw (7) or Euler angles (9).
        labels: A closed label set; labels are then returned spelled as in it, and a name outside it becomes `None`.
        corner: The cloud's lowest x, y and z in metres; layout text in steps counts from it, and is not read without.

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
    candidates, faults = layout_groups(plain, corner)
    if not candidates and not faults:
        groups = merge_groups(plain, find_groups(plain), _PARTS_3D[numbers], _SIZE_GAP)
        groups = [_with_yaw(plain, group) for group in groups] if numbers > 6 else groups
        candidates = [group for group in groups if len(group.numbers) > 2]
        faults = ["the answer breaks off inside a box"] if ends_inside(plain) else []
    boxes = []
    for group, (name, score) in zip(candidates, pair_names(plain, candidates, labels), strict=True):
        box = _box_3d(group, numbers)
        if box is not None:
            boxes.append(LabelledBox(name, box, score))
        else:
            faults.append(plain[group.start : min(group.end, group.start + 60)])
    return finish(boxes, faults, plain)

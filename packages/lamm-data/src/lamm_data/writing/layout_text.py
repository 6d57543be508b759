"""SpatialLM's layout text: a room's walls, doors, windows and boxes as lines of code, and in metres.

    wall_0=Wall(0,0,0,160,0,0,128,4)
    door_0=Door(wall_0,40,0,40,50,100)
    bbox_0=Bbox(chair,80,60,18,640,32,32,57)

A whole number is a share of its range in 1,280 steps: of 32 m for coordinates, 25.6 m for heights, widths and
thicknesses, 20 m for sizes of boxes, and of -2 pi to 2 pi for angles; coordinates count from the cloud's lowest x, y
and z. So models answer. Files of data sets have the same lines in metres and radians, every number with a decimal
point, in the cloud's own frame. lamm-metrics reads answers in it by the same rules.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lamm_data.errors import LammDataError
from lamm_data.records.annotations import Annotated, Box3D
from lamm_data.writing.coordinates import solid_boxes

THIN = 0.1
"""Metres that a wall, a door or a window is thick at least: many have none, and would overlap nothing."""
_STEPS = 1280
_WORLD, _LENGTH, _SIZE, _ANGLE = (0.0, 32.0), (0.0, 25.6), (0.0, 20.0), (-2 * math.pi, 2 * math.pi)
_RANGES = {
    "Wall": (_WORLD,) * 6 + (_LENGTH, _LENGTH),
    "Door": (_WORLD,) * 3 + (_LENGTH, _LENGTH),
    "Window": (_WORLD,) * 3 + (_LENGTH, _LENGTH),
    "Bbox": (_WORLD,) * 3 + (_ANGLE,) + (_SIZE,) * 3,
}  # fmt: skip
_LINE = re.compile(r"\s*(\w+)\s*=\s*(Wall|Door|Window|Bbox)\(([^()]*)\)\s*")
_WHOLE = re.compile(r"[-+]?\d{1,9}")
_DECIMAL = re.compile(r"[-+]?\d{1,9}(?:\.\d{0,30})?(?:e(?:-\d{1,3}|\+?\d{1,2}))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class LayoutPart:
    """A wall, a door, a window or a box of a room, in metres and radians.

    Attributes:
        kind: `Wall`, `Door`, `Window` or `Bbox`.
        name: Of its line, such as `wall_0`.
        about: The wall that a door or window is in, or what a box holds; empty for a wall.
        values: Of a wall two ends x, y, z, height and thickness; of a door or window centre x, y, z, width and height;
            of a box centre x, y, z, yaw and full sizes.
    """

    kind: str
    name: str
    about: str
    values: tuple[float, ...]


def read_layout(text: str, corner: Sequence[float] = (0.0, 0.0, 0.0)) -> list[LayoutPart]:
    """Read layout text; lines that are no part of a layout (markers, words around it) are passed over.

    Args:
        text: What a model answered (whole numbers), or a data set's file (metres).
        corner: Lowest x, y and z of the cloud in metres, from which whole numbers count.

    Returns:
        The parts in order.

    Raises:
        LammDataError: A line of a part has other values than its kind, or only some parts are in whole numbers.
    """
    parts, units = [], set[bool]()
    for number, line in enumerate(re.sub(r"<\|[^|]*\|>", "\n", text).splitlines(), start=1):
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        name, kind, inside = match.groups()
        words = [word.strip() for word in inside.split(",")]
        about = "" if kind == "Wall" else words.pop(0)
        ranges, steps = _RANGES[kind], all(map(_WHOLE.fullmatch, words))
        if len(words) != len(ranges) or not all(map(_DECIMAL.fullmatch, words)):
            raise LammDataError(
                f"Expected {len(ranges)} whole numbers, or metres,{' after a name' if about else ''} in a {kind}, got "
                f"{line.strip()[:80]!r} (line {number}). Read the model's answer again, or cut it there."
            )
        units.add(steps)
        if len(units) > 1:
            raise LammDataError(
                f"Expected whole numbers (steps) in all parts or decimals (metres) in all, got {line.strip()[:80]!r} "
                f"(line {number}) after others. Write metres with a decimal point."
            )
        values = [float(word) for word in words]
        if steps:
            values = [low + value / _STEPS * (high - low) for value, (low, high) in zip(values, ranges, strict=True)]
            values = _moved(values, ranges, corner, 1)
        parts.append(LayoutPart(kind, name, about, tuple(values)))
    return parts


def write_layout(parts: Sequence[LayoutPart], corner: Sequence[float] = (0.0, 0.0, 0.0)) -> str:
    """Write layout text in whole numbers, one line a part; values beyond their range are cut to it.

    Args:
        parts: In metres.
        corner: Lowest x, y and z of the cloud in metres, which is subtracted from coordinates.
    """
    lines = []
    for part in parts:
        ranges = _RANGES[part.kind]
        values = _moved(part.values, ranges, corner, -1)
        steps = [
            str(min(max(int((value - low) / (high - low) * _STEPS), 0), _STEPS - 1))
            for value, (low, high) in zip(values, ranges, strict=True)
        ]
        lines.append(f"{part.name}={part.kind}({','.join([part.about] * bool(part.about) + steps)})")
    return "\n".join(lines)


def layout_boxes(parts: Sequence[LayoutPart]) -> list[Box3D]:
    """Return a layout as 3D boxes: walls, doors and windows under these names, the others under their classes.

    Walls and what is in them are at least 0.1 m thick; a door or window is turned and as thick as its wall. A quarter
    turn is none, with the sizes exchanged. Underscores of class names become spaces.

    Raises:
        LammDataError: No wall has the name that a door or window is in, or two have.
    """
    boxes = []
    for part in parts:
        if part.kind == "Bbox":
            x, y, z, yaw, *sizes = part.values
            boxes.append(_upright(part.about.replace("_", " "), (x, y, z), sizes, yaw, part.name))
            continue
        wall = _wall_of(part, parts)
        if wall is None:
            raise LammDataError(
                f"Expected one wall of the name {part.about!r}, that {part.name!r} is in, got none or two. "
                "Leave that line out, or name its wall."
            )
        ax, ay, az, bx, by, bz, height, thickness = wall.values
        centre = ((ax + bx) / 2, (ay + by) / 2, (az + bz + height) / 2)
        sizes = [math.hypot(bx - ax, by - ay), max(thickness, THIN), height]
        if part.kind != "Wall":
            x, y, z, width, tall = part.values
            centre, sizes = (x, y, z), [width, sizes[1], tall]
        boxes.append(_upright(part.kind.lower(), centre, sizes, math.atan2(by - ay, bx - ax), part.name))
    return boxes


def sound_parts(parts: Sequence[LayoutPart], left_out: Counter[str]) -> list[LayoutPart]:
    """Return the parts that can be answered with; others are counted: no one wall for an opening, or an unknown box."""
    sound = []
    for part in parts:
        if part.kind == "Bbox" and part.about in ("", "unknown"):
            left_out["object without a name"] += 1
        elif part.kind != "Bbox" and _wall_of(part, parts) is None:
            left_out["door or window of a wall that is not there"] += 1
        else:
            sound.append(part)
    return sound


def _wall_of(part: LayoutPart, parts: Sequence[LayoutPart]) -> LayoutPart | None:
    """Return the wall that a door or window is in, or the wall itself; None where no wall has the name, or two have."""
    walls = [part] if part.kind == "Wall" else [one for one in parts if (one.kind, one.name) == ("Wall", part.about)]
    return walls[0] if len(walls) == 1 else None


def _upright(label: str, centre: tuple[float, float, float], sizes: Sequence[float], yaw: float, key: str) -> Box3D:
    quarters = round(yaw / (math.pi / 2))
    rest = yaw - quarters * (math.pi / 2)
    dx, dy, dz = sizes
    size = (dy, dx, dz) if quarters % 2 else (dx, dy, dz)
    return Box3D(label, centre, size, rest if abs(rest) > 1e-6 else 0.0, id=key)


def layout_answer(item: Annotated, left_out: Counter[str]) -> str:
    """Write a scene as layout text in whole numbers: its own layout where the source has one, else its boxes.

    Args:
        item: A scene whose cloud's `corner` is known.
        left_out: Counts of what cannot be written, by reason.

    Returns:
        The text; empty where there is nothing to write or the scene is larger than the text's 32 m.
    """
    own = sound_parts(read_layout(item.layout), Counter()) if item.layout else None  # its reader counted
    parts = own or list(_parts(solid_boxes(item, left_out)))
    far = max(
        (value for part in parts for value in _moved(part.values, _RANGES[part.kind], item.corner, -1)), default=0
    )
    if far >= _WORLD[1]:
        left_out["scene beyond the 32 m of layout text"] += 1
        return ""
    return write_layout(parts, item.corner)


def _parts(boxes: Iterable[Box3D]) -> Iterable[LayoutPart]:
    for number, box in enumerate(boxes):
        x, y, z, dx, dy, dz, *yaw = box.values
        name = re.sub(r"[^\w-]+", "_", box.label)
        yield LayoutPart("Bbox", f"bbox_{number}", name, (x, y, z, yaw[0] if yaw else 0.0, dx, dy, dz))


def _moved(
    values: Sequence[float], ranges: Sequence[tuple[float, float]], corner: Sequence[float], sign: int
) -> list[float]:
    """Move the coordinates among the values along the cloud's corner."""
    return [
        value + sign * corner[place % 3] if span is _WORLD else value
        for place, (value, span) in enumerate(zip(values, ranges, strict=True))
    ]

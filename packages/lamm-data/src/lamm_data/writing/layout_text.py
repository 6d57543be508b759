"""SpatialLM's layout text: a room's walls, doors, windows and boxes as lines of code with whole numbers, and in metres.

    wall_0=Wall(0,0,0,160,0,0,128,4)
    door_0=Door(wall_0,40,0,40,50,100)
    bbox_0=Bbox(chair,80,60,18,640,32,32,57)

A number is a share of its range in 1,280 steps: of 32 m for coordinates, 25.6 m for heights, widths and thicknesses,
20 m for sizes of boxes, and of -2 pi to 2 pi for angles. Coordinates count from the cloud's lowest x, y and z.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from lamm_data.errors import LammDataError

_STEPS = 1280
_WORLD, _LENGTH, _SIZE, _ANGLE = (0.0, 32.0), (0.0, 25.6), (0.0, 20.0), (-2 * math.pi, 2 * math.pi)
_RANGES = {
    "Wall": (_WORLD,) * 6 + (_LENGTH, _LENGTH),
    "Door": (_WORLD,) * 3 + (_LENGTH, _LENGTH),
    "Window": (_WORLD,) * 3 + (_LENGTH, _LENGTH),
    "Bbox": (_WORLD,) * 3 + (_ANGLE,) + (_SIZE,) * 3,
}  # fmt: skip
_LINE = re.compile(r"\s*(\w+)\s*=\s*(Wall|Door|Window|Bbox)\(([^()]*)\)\s*")


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

    def box(self) -> list[float]:
        """Return a `Bbox` as records have boxes: centre, full sizes, yaw."""
        x, y, z, yaw, *sizes = self.values
        return [x, y, z, *sizes, yaw]


def read_layout(text: str, origin: Sequence[float] = (0.0, 0.0, 0.0)) -> list[LayoutPart]:
    """Read layout text; lines that are no part of a layout (markers, words around it) are passed over.

    Args:
        text: What a model answered.
        origin: Lowest x, y and z of the cloud in metres, which is added to coordinates.

    Returns:
        The parts in order.

    Raises:
        LammDataError: A line of a part has other values than its kind.
    """
    parts = []
    for number, line in enumerate(re.sub(r"<\|[^|]*\|>", "\n", text).splitlines(), start=1):
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        name, kind, inside = match.groups()
        words = [word.strip() for word in inside.split(",")]
        about = "" if kind == "Wall" else words.pop(0)
        ranges = _RANGES[kind]
        if len(words) != len(ranges) or not all(re.fullmatch(r"-?\d{1,9}", word) for word in words):
            raise LammDataError(
                f"Expected {len(ranges)} whole numbers{' after a name' if about else ''} in a {kind}, got "
                f"{line.strip()[:80]!r} (line {number}). Read the model's answer again, or cut it there."
            )
        values = [low + int(word) / _STEPS * (high - low) for word, (low, high) in zip(words, ranges, strict=True)]
        parts.append(LayoutPart(kind, name, about, tuple(_moved(values, ranges, origin, 1))))
    return parts


def write_layout(parts: Sequence[LayoutPart], origin: Sequence[float] = (0.0, 0.0, 0.0)) -> str:
    """Write layout text, one line a part; values beyond their range are cut to it.

    Args:
        parts: In metres.
        origin: Lowest x, y and z of the cloud in metres, which is subtracted from coordinates.
    """
    lines = []
    for part in parts:
        ranges = _RANGES[part.kind]
        values = _moved(part.values, ranges, origin, -1)
        steps = [
            str(min(max(int((value - low) / (high - low) * _STEPS), 0), _STEPS - 1))
            for value, (low, high) in zip(values, ranges, strict=True)
        ]
        lines.append(f"{part.name}={part.kind}({','.join([part.about] * bool(part.about) + steps)})")
    return "\n".join(lines)


def _moved(
    values: Sequence[float], ranges: Sequence[tuple[float, float]], origin: Sequence[float], sign: int
) -> list[float]:
    """Move the coordinates among the values along the cloud's origin."""
    return [
        value + sign * origin[axis % 3] if span is _WORLD else value
        for axis, (value, span) in enumerate(zip(values, ranges, strict=True))
    ]

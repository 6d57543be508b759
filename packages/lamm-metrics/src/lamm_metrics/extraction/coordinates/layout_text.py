"""Read SpatialLM's layout text: a room's walls, doors, windows and boxes as lines of code.

    wall_0=Wall(0,0,0,160,0,0,128,4)
    door_0=Door(wall_0,40,0,40,50,100)
    bbox_0=Bbox(chair,80,60,18,640,32,32,57)

A wall has two ends x, y, z, its height and thickness; a door or window its wall, centre, width and height; a box its
class, centre, yaw and full sizes. Whole numbers are steps, 1,280 in a range: of 32 m from the cloud's lowest corner for
coordinates, 25.6 m for heights, widths and thicknesses, 20 m for sizes of boxes, and of -2 pi to 2 pi for angles.
Numbers with decimals are metres and radians in the cloud's own frame. lamm-data writes it and reads files of it.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lamm_metrics.extraction.coordinates.groups import NUMBER, Group

THIN = 0.1
"""Metres that a wall, a door or a window is thick at least: many have none, and would overlap nothing."""
_STEPS = 1280
_WORLD, _LENGTH, _SIZE, _ANGLE = (0.0, 32.0), (0.0, 25.6), (0.0, 20.0), (-2 * math.pi, 4 * math.pi)
_OPENING = (_WORLD,) * 3 + (_LENGTH,) * 2
_RANGES = {
    "Wall": (_WORLD,) * 6 + (_LENGTH,) * 2,
    "Door": _OPENING,
    "Window": _OPENING,
    "Bbox": (_WORLD,) * 3 + (_ANGLE,) + (_SIZE,) * 3,
}
"""Where the range of each number begins, and how long it is."""
_BEGIN = r"\b(\w{1,40}) ?= ?(Wall|Door|Window|Bbox)"
_PART = re.compile(rf"{_BEGIN}\(([^()]{{0,300}})\)")
_OPEN_END = re.compile(rf"{_BEGIN}(?:\([^()]{{0,300}})?$")
_WHOLE = re.compile(r"[-+]?\d{1,18}")
_SHOWN = 60


class _Part(NamedTuple):
    """One line: where it stands, its name, what it is, its class or wall, and its numbers as they are written."""

    start: int
    end: int
    name: str
    kind: str
    about: str
    words: list[str]

    @property
    def whole(self) -> bool:
        """Whether all numbers are whole ones, which are steps."""
        return all(_WHOLE.fullmatch(word) for word in self.words)

    def values(self, steps: bool, corner: Sequence[float]) -> list[float]:
        """Return the numbers in metres and radians."""
        numbers, ranges = [float(word) for word in self.words], _RANGES[self.kind]
        if not steps:
            return numbers
        scaled = [low + number / _STEPS * span for number, (low, span) in zip(numbers, ranges, strict=True)]
        return [value + corner[place % 3] if ranges[place] is _WORLD else value for place, value in enumerate(scaled)]


def layout_groups(text: str, corner: Sequence[float] | None) -> tuple[list[Group], list[str]]:
    """Return a group of x, y, z, sizes and yaw for each line of layout text, and what could not be read.

    Args:
        text: A plain answer.
        corner: The cloud's lowest x, y and z in metres, where the scene's frame has them; None where nobody stated
            them, which leaves steps unread.
    """
    parts, faults = _parts(text)
    kinds = {part.whole for part in parts}
    if len(kinds) > 1:
        return [], ["layout text in whole numbers (steps) and in decimals (metres) at once", *faults]
    if kinds == {True} and corner is None:
        return [], [
            "layout text in steps counts from the cloud's corner, and the record has no `cloud_corner`",
            *faults,
        ]
    placed = [(part, part.values(part.whole, corner or ())) for part in parts]
    walls = {part.name: values for part, values in placed if part.kind == "Wall"}
    twice = {name for name, count in Counter(part.name for part in parts if part.kind == "Wall").items() if count > 1}
    groups = []
    for part, values in placed:
        if part.kind in ("Door", "Window") and (part.about not in walls or part.about in twice):
            faults.append(f"{'two walls have' if part.about in twice else 'no wall has'} the name {part.about[:40]!r}")
            continue
        name = part.about if part.kind == "Bbox" else part.kind.lower()
        groups.append(Group(part.start, part.end, _box(part, values, walls), name))
    return groups, faults


def _parts(text: str) -> tuple[list[_Part], list[str]]:
    """Return the lines that have the numbers of their kind, and the others in words."""
    parts, faults = [], []
    for found in _PART.finditer(text):
        name, kind, inside = found.groups()
        words = [word.strip() for word in inside.split(",")]
        about = "" if kind == "Wall" else words.pop(0).strip("\"'")
        usable = all(re.fullmatch(NUMBER, word) and abs(float(word)) < 1e15 for word in words)
        if usable and len(words) == len(_RANGES[kind]):
            parts.append(_Part(found.start(), found.end(), name, kind, about, words))
        else:
            faults.append(f"{found.group()[:_SHOWN]} is no {kind} of {len(_RANGES[kind])} numbers")
    if _OPEN_END.search(text[-400:]):
        faults.append("the answer breaks off inside a part of the layout")
    return parts, faults


def _box(part: _Part, values: Sequence[float], walls: Mapping[str, Sequence[float]]) -> tuple[float, ...]:
    """Return a part as centre, full sizes and yaw; a quarter turn is none, with the sizes exchanged."""
    if part.kind == "Bbox":
        x, y, z, yaw, *sizes = values
        return _upright(x, y, z, sizes, yaw)
    ax, ay, az, bx, by, bz, height, thickness = values if part.kind == "Wall" else walls[part.about]
    along, thick = math.atan2(by - ay, bx - ax), max(thickness, THIN)
    if part.kind == "Wall":
        sizes = [math.hypot(bx - ax, by - ay), thick, height]
        return _upright((ax + bx) / 2, (ay + by) / 2, (az + bz + height) / 2, sizes, along)
    x, y, z, width, tall = values
    return _upright(x, y, z, [width, thick, tall], along)


def _upright(x: float, y: float, z: float, sizes: Sequence[float], yaw: float) -> tuple[float, ...]:
    quarters = round(yaw / (math.pi / 2))
    rest = yaw - quarters * (math.pi / 2)
    dx, dy, dz = sizes
    if quarters % 2:
        dx, dy = dy, dx
    return (x, y, z, dx, dy, dz, rest if abs(rest) > 1e-6 else 0.0)

"""Where answers point: boxes and points read back from the numbers in brackets, counted on a grid."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

GRID = 20
EDGE = 8.0
"""Metres from the origin that the 3D grid reaches: nearly all rooms of ScanNet fit."""
AREA_STEPS = 20
_BRACKETS = re.compile(r"\[\s*((?:[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?\s*,\s*)+[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?)\s*,?\s*\]")


def number_groups(text: str) -> Iterator[tuple[float, ...]]:
    """Yield the numbers of each bracket that holds nothing but numbers.

    >>> list(number_groups("A dog at [0.1, 0.2, 0.5, 1.0] and [x]."))
    [(0.1, 0.2, 0.5, 1.0)]
    """
    for match in _BRACKETS.finditer(text):
        yield tuple(float(part) for part in match[1].split(","))


def _grid() -> list[list[int]]:
    return [[0] * GRID for _ in range(GRID)]


def _cell(part: float) -> int:
    return min(max(int(part * GRID), 0), GRID - 1)


@dataclass(slots=True)
class Geometry:
    """Counts of boxes and points.

    Attributes:
        boxes: 2D boxes.
        points: 2D points.
        boxes3d: 3D boxes.
        centres: `[GRID][GRID]` counts of 2D box centres and points, from the image's top left corner.
        areas: Counts of 2D box areas over twenty equal steps from 0 to 1 (fraction of the image).
        centres3d: `[GRID][GRID]` counts of 3D centres seen from above, -8 m to 8 m, y upwards.
    """

    boxes: int = 0
    points: int = 0
    boxes3d: int = 0
    centres: list[list[int]] = field(default_factory=_grid)
    areas: list[int] = field(default_factory=lambda: [0] * AREA_STEPS)
    centres3d: list[list[int]] = field(default_factory=_grid)

    def add(self, numbers: tuple[float, ...] | list[float], modality: str) -> None:
        """Count the numbers of one bracket; those that are neither box nor point are none of ours."""
        if modality == "pcl":
            if len(numbers) in (6, 7, 9):
                self.boxes3d += 1
                x, y = (0.5 + value / (2 * EDGE) for value in numbers[:2])
                self.centres3d[GRID - 1 - _cell(y)][_cell(x)] += 1
        elif len(numbers) in (2, 4) and all(0 <= value <= 1 for value in numbers):
            x1, y1, x2, y2 = (*numbers, *numbers) if len(numbers) == 2 else numbers
            self.centres[_cell((y1 + y2) / 2)][_cell((x1 + x2) / 2)] += 1
            if len(numbers) == 2:
                self.points += 1
            else:
                self.boxes += 1
                self.areas[min(int(abs(x2 - x1) * abs(y2 - y1) * AREA_STEPS), AREA_STEPS - 1)] += 1

    def summary(self) -> dict[str, object]:
        """Return counts and grids as plain values; grids of what does not occur are left out."""
        out: dict[str, object] = {"boxes": self.boxes, "points": self.points, "boxes3d": self.boxes3d}
        if self.boxes or self.points:
            out["centres"] = self.centres
        if self.boxes:
            out["areas"] = self.areas
        if self.boxes3d:
            out["centres3d"] = self.centres3d
        return out

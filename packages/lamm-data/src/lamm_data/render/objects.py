"""Which points belong to which object, and how much of each object a picture shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lamm_data.clouds.frames import box_axes
from lamm_data.render.splatting import NOTHING, Discs, Splat, paint, shrinkage

_LOOSE = 1.04
"""Boxes are taken this much larger: points scatter about the surface."""
_LEAST_PIXELS = 2e-4
"""Share of a picture below which an object is too small to be seen."""
SEEN = 0.1
"""Share of an object's own outline that has to be in sight for it to be seen."""


class Sight(NamedTuple):
    """One object in one picture.

    Attributes:
        share: Part of the object that is not hidden by others, 0 to 1.
        at: Column and row of a pixel in the middle of what is seen of it.
        pixels: How many pixels show it.
    """

    share: float
    at: tuple[int, int]
    pixels: int


def owners(points: NDArray[Any], boxes: Sequence[Sequence[float]]) -> NDArray[np.int16]:
    """Return the number of the object that each point belongs to, from 1; 0 for none.

    Args:
        points: `[N, 3]`.
        boxes: Centre, size and turn of each object: 6, 7 or 9 numbers; empty for an object without a box. A point in
            several boxes belongs to the smallest.
    """
    owner = np.zeros(len(points), np.int16)
    sized = [number for number, box in enumerate(boxes, start=1) if box]
    for number in sorted(sized, key=lambda n: -float(np.prod(boxes[n - 1][3:6]))):
        box = boxes[number - 1]
        local = points - np.asarray(box[:3], np.float32)
        if len(box) > 6:
            local = local @ box_axes(box).astype(np.float32)
        half = np.asarray(box[3:6], np.float32) * np.float32(_LOOSE / 2)
        owner[(np.abs(local) <= half).all(axis=1)] = number
    return owner


def in_sight(seen: Splat, discs: Discs, owner: NDArray[np.int16]) -> Mapping[int, Sight]:
    """Find the objects that a picture shows, by depth.

    An object's outline is drawn once more without the others; where the picture shows another point there, the object
    is hidden.

    Args:
        seen: The picture.
        discs: What it was drawn from.
        owner: `[N]` of `owners`.

    Returns:
        By the object's number, those of which at least a tenth is in sight.
    """
    size = len(seen.index)
    shown = np.where(seen.index >= 0, owner[seen.index], 0)
    counts = np.bincount(shown.reshape(-1), minlength=2)
    mine = owner[(discs.keys & np.uint64(0xFFFFFFFF)).astype(np.int64)]
    shrink, sights = shrinkage(discs), dict[int, Sight]()
    for number in np.flatnonzero(counts[1:] >= max(_LEAST_PIXELS * size * size, 4)) + 1:
        share = min(float(counts[number]) / max(_outline(discs.pick(mine == number), size, shrink), 1), 1.0)
        if share >= SEEN:
            sights[int(number)] = Sight(share, _middle(shown == number), int(counts[number]))
    return sights


def _outline(discs: Discs, size: int, shrink: int) -> int:
    """Count the pixels that discs cover when nothing else is there."""
    reach = int(discs.radii.max()) + 1
    left, top = max(int(discs.columns.min()) - reach, 0), max(int(discs.rows.min()) - reach, 0)
    width = min(int(discs.columns.max()) + reach + 1, size) - left
    height = min(int(discs.rows.max()) + reach + 1, size) - top
    window = replace(discs, columns=discs.columns - left, rows=discs.rows - top)
    return int(np.count_nonzero(paint(window, height, width, shrink) != NOTHING))


def _middle(shown: NDArray[np.bool_]) -> tuple[int, int]:
    """Return column and row of the pixel that is nearest to the middle of those that are true."""
    rows, columns = np.nonzero(shown)
    far = (rows - np.median(rows)) ** 2 + (columns - np.median(columns)) ** 2
    nearest = int(np.argmin(far))
    return int(columns[nearest]), int(rows[nearest])

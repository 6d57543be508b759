"""Splatting: every point becomes a disc as wide as points lie apart there, and the nearest disc of a pixel is seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamm_data.render.cameras import Camera

NOTHING = np.uint64(0xFFFFFFFFFFFFFFFF)
_BROAD = 1.4
"""Radius of a disc, in distances between neighbours: discs of a surface close up."""
_SHRUNK = 0.6
"""Share of the smallest radii by which outlines are drawn in again."""


@dataclass(frozen=True)
class Splat:
    """What a camera sees.

    Attributes:
        index: `[H, W]` int32, the point that each pixel shows; -1 for none.
        depth: `[H, W]` float32, its depth in the cloud's unit; infinite for none.
    """

    index: NDArray[np.int32]
    depth: NDArray[np.float32]


@dataclass(frozen=True)
class Discs:
    """Points as a camera sees them: columns, rows and radii (int, pixels), and `keys` of depth and number (uint64)."""

    columns: NDArray[np.int32]
    rows: NDArray[np.int32]
    radii: NDArray[np.int32]
    keys: NDArray[np.uint64]

    def pick(self, chosen: NDArray[Any]) -> Discs:
        """Return some of the discs."""
        return Discs(self.columns[chosen], self.rows[chosen], self.radii[chosen], self.keys[chosen])


def spacing(points: NDArray[Any]) -> NDArray[np.float32]:
    """Estimate how far apart points of a surface lie at each point: `[N]`, in the cloud's unit.

    Points are counted in cubes of a side that holds about ten; n points on a piece of surface through a cube of side h
    lie about h / sqrt(n) apart.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    side = max(float((high - low).max()), 1e-6) / 8
    counts = cells = np.zeros(len(points), np.int64)
    for _ in range(6):
        corner = ((points - low) / side).astype(np.int64)
        wide = corner.max(axis=0) + 1
        _, cells, counts = np.unique(
            (corner[:, 0] * wide[1] + corner[:, 1]) * wide[2] + corner[:, 2], return_inverse=True, return_counts=True
        )
        if np.median(counts[cells]) <= 12:
            break
        side /= 1.6
    apart = side / np.sqrt(counts[cells])
    middle = np.median(apart)
    return np.clip(apart, 0.4 * middle, 2.5 * middle).astype(np.float32)


def place(camera: Camera, points: NDArray[Any], apart: NDArray[np.float32], shown: NDArray[np.bool_] | None) -> Discs:
    """Put points into a camera's picture; those behind it, outside the picture or not shown are left out."""
    columns, rows, depth = camera.project(points)
    inside = (columns >= 0) & (columns < camera.size) & (rows >= 0) & (rows < camera.size) & (depth > 1e-6)
    number = np.flatnonzero(inside if shown is None else inside & shown)
    depth = depth[number]
    # Positive floats are ordered as their bits are: depth above, number below.
    keys = (depth.view(np.uint32).astype(np.uint64) << np.uint64(32)) | number.astype(np.uint64)
    radii = np.clip(_BROAD * apart[number] * camera.focal / depth + 0.5, 1, max(camera.size // 16, 1))
    return Discs(columns[number].astype(np.int32), rows[number].astype(np.int32), radii.astype(np.int32), keys)


def paint(discs: Discs, height: int, width: int, shrink: int = 0) -> NDArray[np.uint64]:
    """Draw discs; the nearest of a pixel wins.

    The largest are put down first as single pixels; each step widens all that lies there by one pixel and adds those
    that are one smaller. Drawing outlines in afterwards leaves gaps closed that were closed (a closing of the depth).

    Args:
        discs: What to draw.
        height: Rows.
        width: Columns.
        shrink: Pixels by which outlines are drawn in at the end.

    Returns:
        `[height, width]` keys of what is seen; `NOTHING` where there is nothing.
    """
    canvas = np.full((height, width), NOTHING)
    flat = canvas.reshape(-1)
    spots = discs.rows.astype(np.int64) * width + discs.columns
    for radius in range(int(discs.radii.max(initial=0)), -1, -1):
        here = discs.radii == radius
        np.minimum.at(flat, spots[here], discs.keys[here])
        if radius:
            _spread(np.minimum, canvas, square=radius % 3 == 1)
    for step in range(shrink):
        _spread(np.maximum, canvas, square=step % 3 == 1)
    return canvas


def shrinkage(discs: Discs) -> int:
    """Return by how many pixels outlines can be drawn in without losing a point."""
    return int(np.percentile(discs.radii, 5) * _SHRUNK) if len(discs.radii) else 0


def _spread(choose: np.ufunc, canvas: NDArray[np.uint64], *, square: bool) -> None:
    """Give every pixel the least or the greatest of itself and four neighbours, or of the square of nine around it."""
    before = canvas.copy()
    choose(canvas[1:], before[:-1], out=canvas[1:])
    choose(canvas[:-1], before[1:], out=canvas[:-1])
    across = canvas.copy() if square else before
    choose(canvas[:, 1:], across[:, :-1], out=canvas[:, 1:])
    choose(canvas[:, :-1], across[:, 1:], out=canvas[:, :-1])


def splat(camera: Camera, discs: Discs) -> Splat:
    """Draw discs into a camera's picture, and read the canvas."""
    canvas = paint(discs, camera.size, camera.size, shrinkage(discs))
    index = canvas.astype(np.uint32).view(np.int32)
    depth = (canvas >> np.uint64(32)).astype(np.uint32)
    np.copyto(depth, np.float32(np.inf).view(np.uint32), where=index < 0)
    return Splat(index, depth.view(np.float32))

"""Cameras around a cloud: one from above, the others obliquely around it."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, radians, sin, tan
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
MOST_VIEWS = 8
FIELD = radians(40)
"""Angle of view, across the whole picture."""
ELEVATION = radians(38)
"""Height of the oblique cameras over the horizon: low enough to show sides, high enough to look over furniture."""
FIRST = radians(-60)
"""Direction of the first oblique camera from the centre, counter-clockwise from the x axis."""
_ROOM = 2.0
"""Length and width, in metres, from which a cloud may be a room."""
_SIDES = ((0, -1), (0, 1), (1, -1), (1, 1), (2, -1), (2, 1))
_CELLS = 12
_WALL = 0.55
"""Share of a side that points must cover to be a wall."""


@dataclass(frozen=True)
class Camera:
    """A pinhole camera that takes square pictures.

    Attributes:
        name: What people call the view.
        eye: `[3]` position, in the cloud's unit.
        axes: `[3, 3]`, rows: unit vectors to the right, downwards and forwards in the picture.
        focal: Focal length in pixels.
        size: Side of the picture in pixels.
    """

    name: str
    eye: NDArray[np.float64]
    axes: NDArray[np.float64]
    focal: float
    size: int

    def project(self, points: NDArray[Any]) -> tuple[Array, Array, Array]:
        """Return column and row (pixels, origin at the top-left corner) and depth (the cloud's unit) of points."""
        x, y, z = (points[:, k] - np.float32(self.eye[k]) for k in range(3))
        # Products are added one by one: a library's matrix product differs between processors in the last bit.
        right, down, depth = (x * a + y * b + z * c for a, b, c in self.axes.astype(np.float32))
        scale = np.float32(self.focal) / np.maximum(depth, np.float32(1e-6))
        half = np.float32(self.size / 2)
        return right * scale + half, down * scale + half, depth


def bounds(points: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lowest and highest coordinates `[3]` of a cloud, a few stray points of a large one left out."""
    step = max(len(points) // 20_000, 1)
    stray = 0.5 if len(points) > 2000 else 0.0
    low, high = np.percentile(points[::step, :3], (stray, 100 - stray), axis=0)
    return low, high


def cameras_around(points: NDArray[Any], count: int, size: int) -> list[Camera]:
    """Place cameras that see all of a cloud.

    Args:
        points: `[N, 3]`, z up.
        count: 1 to 8; a single one looks obliquely, of several the first looks from above.
        size: Side of the pictures in pixels.
    """
    low, high = bounds(points)
    oblique = count if count == 1 else count - 1
    # Discs of a sparse cloud are broad, and stand over its outermost points.
    edge = 1.04 + min(2.5 / len(points) ** 0.5, 0.1)
    made = [_aim("from above", (low, high), pi / 2, -pi / 2, size, edge)] if count > 1 else []
    turns = [FIRST + 2 * pi * number / oblique for number in range(oblique)]
    return made + [
        _aim(f"oblique {number}", (low, high), ELEVATION, turn, size, edge)
        for number, turn in enumerate(turns, start=1)
    ]


def _aim(name: str, box: tuple[Any, Any], elevation: float, azimuth: float, size: int, edge: float) -> Camera:
    """Look at the middle of a box from a direction, from as near as shows all of it, with some edge around."""
    low, high = box
    back = np.array((cos(elevation) * cos(azimuth), cos(elevation) * sin(azimuth), sin(elevation)))
    right = np.array((-sin(azimuth), cos(azimuth), 0.0))
    axes = np.stack((right, -np.cross(back, right), -back))
    corners = np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])
    middle = (low + high) / 2
    local = (corners - middle) @ axes.T
    slope = tan(FIELD / 2)
    # The picture's middle is the middle of what it shows, which in perspective is not the middle of the box.
    distance = 0.0
    for _ in range(3):
        near = float(np.max(np.abs(local[:, :2]).max(axis=1) * edge / slope - local[:, 2]))
        distance = max(near, 1e-3)
        seen = local[:, :2] / (local[:, 2:] + distance)
        shift = (seen.min(axis=0) + seen.max(axis=0)) / 2 * distance
        local[:, :2] -= shift
        middle = middle + shift @ axes[:2]
    return Camera(name, np.round(middle + back * distance, 5), np.round(axes, 7), size / 2 / slope, size)


def opened(points: NDArray[Any], camera: Camera) -> NDArray[np.bool_]:
    """Tell which points of a room do not stand between a camera outside and what is in the room.

    A side of the cloud that faces the camera is taken away where points fill it as a wall or a ceiling does. Only
    clouds of two metres and more with a floor are taken for rooms: the top of a table is no ceiling.

    Returns:
        `[N]`, true for points to show.
    """
    low, high = bounds(points)
    shown = np.ones(len(points), bool)
    thick = 0.025 * (high - low).max()
    if (high - low)[:2].min() < _ROOM or high[2] - low[2] < 4 * thick:
        return shown
    sides = {(axis, side): _slab(points, axis, side, low, high, thick) for axis, side in _SIDES}
    floor, floor_fills = sides[2, -1]
    for (axis, side), (slab, fills) in sides.items() if floor_fills else ():
        edge = high[axis] if side > 0 else low[axis]
        if fills and side * (camera.eye[axis] - edge) > 0:
            shown &= ~slab | floor
    return shown


def _slab(
    points: NDArray[Any], axis: int, side: int, low: NDArray[Any], high: NDArray[Any], thick: float
) -> tuple[NDArray[np.bool_], bool]:
    """Return which points lie at a side of the cloud, and whether they fill it as a wall does."""
    slab = side * (points[:, axis] - (high if side > 0 else low)[axis]) > -thick
    across = [k for k in range(3) if k != axis]
    cells = ((points[slab][:, across] - low[across]) / (high - low)[across] * _CELLS).astype(int)
    inside = cells[((cells >= 0) & (cells < _CELLS)).all(axis=1)]
    return slab, len(np.unique(inside @ (_CELLS, 1))) > _WALL * _CELLS**2

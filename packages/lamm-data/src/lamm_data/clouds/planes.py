"""Planes of a scan: the floor, which tells what is up, and walls and flat sides, which tell the main directions."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
MOST_POINTS = 8192
"""Points that are looked at; of larger clouds a seeded draw."""
_SEEDS = 300
_TRIED = 150
_NEIGHBOURS = 16
_OUTSIDE = 0.01
"""Share of the points that may lie behind a plane that bounds the scan."""
_PLATE = 0.04
"""Height, as a share of the longest side, below which a scan is a plate, whose two faces are not told apart."""
_CELLS = 32
"""Cells of the grid in which planes are measured, along the longest side of the scan."""


class Plane(NamedTuple):
    """A plane `normal @ point = level`.

    Attributes:
        normal: `[3]` of length 1, to the side on which most points lie.
        level: Distance from the origin along the normal.
        inside: `[N]` which points lie in it.
        noise: Standard deviation of their distances to it.
        area: Cells of the grid that they cover.
    """

    normal: Array
    level: float
    inside: NDArray[np.bool_]
    noise: float
    area: int


def draw_points(points: NDArray[Any]) -> Array:
    """Draw the points that are looked at: `[at most MOST_POINTS, 3]` float64."""
    if len(points) > MOST_POINTS:
        chosen = np.random.default_rng(0).choice(len(points), MOST_POINTS, replace=False)
        points = points[chosen]
    return np.asarray(points, np.float64)


def find_planes(points: Array) -> list[Plane]:
    """Find planes, the largest first.

    Args:
        points: `[N, 3]`, as `draw_points` gives them.

    Returns:
        Planes with at least one point in a hundred; near-equal ones once.
    """
    size = float(np.ptp(points, axis=0).max())
    if len(points) < 4 * _NEIGHBOURS or not size > 0:
        return []
    normals, levels = _local_planes(points)
    near = np.abs(points @ normals.T - levels) < 0.01 * size
    found: list[Plane] = []
    for k in np.argsort(-near.sum(axis=0), kind="stable")[:_TRIED]:
        if any(_same(plane, normals[k], levels[k], size) for plane in found):
            continue
        plane = _refined(points, near[:, k], size)
        if plane is not None and not any(_same(other, plane.normal, plane.level, size / 4) for other in found):
            found.append(plane)
    return sorted(found, key=lambda plane: -plane.area)


def _local_planes(points: Array) -> tuple[Array, Array]:
    """Fit a plane to the neighbours of each of some points: normals `[K, 3]` and levels `[K]`."""
    chosen = np.random.default_rng(1).permutation(len(points))[:_SEEDS]
    squares = (points**2).sum(axis=1)
    distances = squares[chosen, None] + squares[None] - 2 * points[chosen] @ points.T
    around = points[np.argpartition(distances, _NEIGHBOURS, axis=1)[:, :_NEIGHBOURS]]
    centres = around.mean(axis=1)
    _, _, turns = np.linalg.svd(around - centres[:, None], full_matrices=False)
    normals = turns[:, 2]
    return normals, (normals * centres).sum(axis=1)


def _same(plane: Plane, normal: Array, level: float, size: float) -> bool:
    cosine = float(plane.normal @ normal)
    return abs(cosine) > 0.98 and abs(plane.level - np.sign(cosine) * level) < 0.03 * size


def _refined(points: Array, inside: NDArray[np.bool_], size: float) -> Plane | None:
    """Fit a plane to the points near it, with a band that narrows to their noise."""
    width = 0.01 * size
    normal, level, noise = np.zeros(3), 0.0, 0.0
    for turn in range(9):
        if inside.sum() < max(0.01 * len(points), 24):
            return None
        normal, level = _fitted(points[inside])
        offsets = points @ normal - level
        inside = np.abs(offsets) < width
        if not inside.any():
            return None
        # Half of normally distributed offsets lie within 0.6745 standard deviations.
        noise = max(float(np.median(np.abs(offsets[inside]))) / 0.6745, 1e-5 * size)
        if turn > 2:  # By then the plane has swung to where most points are.
            width = min(width, max(0.6 * width if turn < 7 else 0.0, 3 * noise, 1e-4 * size))
    if np.median(points @ normal) < level:
        normal, level = -normal, -level
    return Plane(normal, level, inside, noise, covered_cells(within_plane(points[inside], normal), size / _CELLS))


def _fitted(points: Array) -> tuple[Array, float]:
    centre = points.mean(axis=0)
    centred = points - centre
    _, turns = np.linalg.eigh(centred.T @ centred)
    return turns[:, 0], float(turns[:, 0] @ centre)


def within_plane(points: Array, normal: Array) -> Array:
    """Return coordinates within a plane, `[N, 2]`."""
    across = np.cross(normal, np.eye(3)[np.abs(normal).argmin()])
    across /= np.linalg.norm(across)
    flat: Array = points @ np.stack([across, np.cross(normal, across)], axis=1)
    return flat


def covered_cells(flat: Array, side: float) -> int:
    """Count the cells of a square grid with a point of `[N, 2]` in them."""
    return len(np.unique(np.floor((flat - flat.min(axis=0)) / side).astype(np.int64), axis=0))


def largest_patch(flat: Array, side: float) -> NDArray[np.bool_]:
    """Return which points `[N, 2]` belong to the largest patch of neighbouring cells of that side."""
    cells = np.floor((flat - flat.min(axis=0)) / side).astype(np.int64)
    keys, which = np.unique(cells, axis=0, return_inverse=True)
    which = which.reshape(-1)
    places = {tuple(key): k for k, key in enumerate(keys.tolist())}
    labels = np.full(len(keys), -1)
    for first in range(len(keys)):
        if labels[first] >= 0:
            continue
        labels[first], waiting = first, [first]
        while waiting:
            x, y = keys[waiting.pop()].tolist()
            for near in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
                k = places.get(near, -1)
                if k >= 0 and labels[k] < 0:
                    labels[k] = first
                    waiting.append(k)
    counts = np.bincount(labels[which], minlength=len(keys))
    return np.asarray(labels[which] == counts.argmax())


class Floor(NamedTuple):
    """The floor, or why it cannot be told."""

    plane: Plane | None
    evidence: str


def _settled(points: Array, floor: Plane) -> Plane:
    """Fit the floor anew to the points near it, with the noise of those below: above, what stands on it joins in."""
    normal, level, noise, inside = floor.normal, floor.level, floor.noise, floor.inside
    for _ in range(10):
        offsets = points @ normal - level
        below = -offsets[(offsets < 0) & (offsets > -6 * floor.noise)]
        if len(below) < 12:
            break
        noise = max(float(np.median(below)) / 0.6745, 0.01 * floor.noise)
        inside = np.abs(offsets) < 2.5 * noise
        if inside.sum() < 24:
            return floor
        turned, level = _fitted(points[inside])
        sign = 1.0 if turned @ normal > 0 else -1.0
        normal, level = sign * turned, sign * level
    return floor._replace(normal=normal, level=level, noise=noise, inside=inside)


def find_floor(points: Array, planes: list[Plane], *, upright: bool = False) -> Floor:
    """Find the floor: the widest plane that bounds the scan, with what stands on it on one side.

    Args:
        points: `[N, 3]` of the scan.
        planes: All planes of it, the largest first.
        upright: z is known to be up: the floor is then the widest level plane in the lowest third.
    """
    if upright:
        return _lowest(points, planes)
    bounding = [plane for plane in planes if (points @ plane.normal < plane.level - 4 * plane.noise).mean() < _OUTSIDE]
    if not bounding:
        return Floor(None, "no plane has all points on one side")
    best = bounding[0]
    if best.area < 0.15 * _CELLS**2 / 4:
        return Floor(None, "the planes that bound it are small")
    others = [plane for plane in bounding[1:] if abs(plane.normal @ best.normal) < 0.9]
    if others and others[0].area > 0.8 * best.area:
        return Floor(None, "two planes across each other bound it and are as wide")
    opposite = next((plane for plane in bounding[1:] if plane.normal @ best.normal < -0.98), None)
    share = f"{best.inside.mean():.0%} of the points lie in a plane, all others on one side of it"
    if opposite is None or opposite.area < 0.3 * best.area:
        return Floor(_settled(points, best), share)
    return _lower_of(points, best, opposite)


def _lowest(points: Array, planes: list[Plane]) -> Floor:
    low, high = np.percentile(points[:, 2], (0.5, 99.5))
    for plane in planes:
        height = float(points[plane.inside, 2].mean()) if plane.inside.any() else high
        if abs(plane.normal[2]) > 0.97 and height < low + (high - low) / 3 and plane.area >= 0.15 * _CELLS**2 / 4:
            if plane.normal[2] < 0:
                plane = plane._replace(normal=-plane.normal, level=-plane.level)
            return Floor(
                _settled(points, _upper_face(points, plane, height)),
                f"{plane.inside.mean():.0%} of the points lie in a plane low in it",
            )
    return Floor(None, "no wide level plane lies low in it")


def _upper_face(points: Array, plane: Plane, height: float) -> Plane:
    """Return the upper face of a level slab that was taken for one plane: modelled floors have a thickness."""
    rise, size = points[:, 2] - height, float(np.ptp(points, axis=0).max())
    counts, edges = np.histogram(rise, bins=24, range=(-0.03 * size, 0.03 * size))
    strong = np.flatnonzero(counts > 0.4 * counts.max())
    inside = np.abs(rise - (edges[strong[-1]] + edges[strong[-1] + 1]) / 2) < 0.003 * size
    if np.ptp(strong) < 4 or inside.sum() < 24:
        return plane
    return plane._replace(
        normal=np.array([0.0, 0, 1]), level=float(points[inside, 2].mean()), inside=inside, noise=2e-4 * size
    )


def _lower_of(points: Array, plane: Plane, opposite: Plane) -> Floor:
    """Tell floor from ceiling: things stand on floors."""
    height = -opposite.level - plane.level
    if height < _PLATE * float(np.ptp(points, axis=0).max()):
        return Floor(None, f"two planes bound it, {height:.3g} apart, as those of a plate: either may be its floor")
    rise = (points @ plane.normal - plane.level) / height
    margin = 0.05
    low, high = ((rise > margin) & (rise < 0.4)).sum(), ((rise > 0.6) & (rise < 1 - margin)).sum()
    if max(low, high) < 1.3 * min(low, high) or low + high < 0.02 * len(points):
        return Floor(None, f"two planes bound it, with {low} and {high} points near either: floor or ceiling")
    words = f"of two planes that bound it, the one with {max(low, high)} points near it and not {min(low, high)}"
    return Floor(_settled(points, plane if low > high else opposite), words)

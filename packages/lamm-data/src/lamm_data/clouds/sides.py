"""Flat sides of what stands on the floor, small ones too: each tells the main directions to a fraction of a degree."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lamm_data.clouds.planes import within_plane

Array = NDArray[np.float64]
QUARTER = np.pi / 2
_NEIGHBOURS = 16
_SEEDS = 700
_STEEP = 0.3
"""Length of a side's normal in the floor plan from which it tells a direction."""
_SEARCHED = 0.12
"""Angle from the main directions, in radians, within which sides are looked for."""


class Estimate(NamedTuple):
    """An angle of main directions with its standard deviation, in radians, and the share of points that tell it."""

    angle: float
    deviation: float
    share: float = 0.0


def difference(a: float, b: float) -> float:
    """Return the angle from `b` to `a` up to quarter turns, from -pi/4 to pi/4."""
    return (a - b + QUARTER / 2) % QUARTER - QUARTER / 2


def bends(offsets: Array, along: Array, noise: float) -> bool:
    """Tell whether a patch is part of something round: its middle stands out by more than the noise."""
    centred = (along - along.mean()) / along.std()
    bend = np.polyfit(centred, offsets, 2)[0]
    return bool(abs(bend) * 3 > noise)


def find_sides(standing: Array, angle: float, size: float, noise: float) -> list[Estimate]:
    """Find flat sides near main directions that are known roughly, each point in one of them at most.

    Args:
        standing: `[N, 3]` points above the floor, z up.
        angle: Of the main directions.
        size: Longest side of the scan.
        noise: Standard deviation of points about a surface.
    """
    if len(standing) < 4 * _NEIGHBOURS:
        return []
    normals, levels, around = _seeds(standing, angle)
    near = (np.abs(standing @ normals.T - levels) < 4 * noise).sum(axis=0)
    free, found = np.ones(len(standing), bool), list[Estimate]()
    for k in np.argsort(-near, kind="stable"):
        if free[around[k]].mean() < 0.6:
            continue
        patch, normal = _grown(standing, free, normals[k], around[k], size / 24, noise)
        side = _measured(standing[patch], normal, size, noise) if len(patch) else None
        if side is not None and abs(difference(side.angle, angle)) < _SEARCHED:
            found.append(side._replace(share=side.share / len(standing)))
            free[patch] = False
    return found


def _seeds(standing: Array, angle: float) -> tuple[Array, Array, NDArray[np.int64]]:
    """Fit planes around some points: normals `[K, 3]`, levels `[K]` and neighbours `[K, n]` of those near the angle."""
    chosen = np.random.default_rng(2).permutation(len(standing))[:_SEEDS]
    squares = (standing**2).sum(axis=1)
    distances = squares[chosen, None] + squares[None] - 2 * standing[chosen] @ standing.T
    around = np.argpartition(distances, _NEIGHBOURS, axis=1)[:, :_NEIGHBOURS]
    centres = standing[around].mean(axis=1)
    _, _, turns = np.linalg.svd(standing[around] - centres[:, None], full_matrices=False)
    normals = turns[:, 2]
    away = (np.arctan2(normals[:, 1], normals[:, 0]) - angle + QUARTER / 2) % QUARTER - QUARTER / 2
    near = (np.hypot(normals[:, 0], normals[:, 1]) > _STEEP) & (np.abs(away) < _SEARCHED)
    return normals[near], (normals * centres).sum(axis=1)[near], around[near]


def _grown(
    standing: Array, free: NDArray[np.bool_], normal: Array, seed: NDArray[np.int64], cell: float, noise: float
) -> tuple[NDArray[np.int64], Array]:
    """Grow the neighbours of a seed to all free points of one plane that hang together; none where too few do."""
    centre = standing[seed].mean(axis=0)
    level, patch = float(normal @ centre), seed
    for _ in range(6):
        inside = np.flatnonzero((np.abs(standing @ normal - level) < 3 * noise) & free)
        if len(inside) >= _NEIGHBOURS:
            flat = within_plane(np.concatenate([standing[inside], centre[None]]), normal)
            inside = inside[_connected(flat, cell)[:-1]]
        if len(inside) < _NEIGHBOURS:
            return inside[:0], normal
        patch = inside
        normal, level = _fitted(standing[patch])
    return patch, normal


def _fitted(points: Array) -> tuple[Array, float]:
    centred = points - points.mean(axis=0)
    normal: Array = np.linalg.eigh(centred.T @ centred)[1][:, 0]
    return normal, float(normal @ points.mean(axis=0))


def _connected(flat: Array, cell: float) -> NDArray[np.bool_]:
    """Return which points `[N, 2]` lie in cells that hang together with that of the last one."""
    cells = np.floor((flat - flat.min(axis=0)) / cell).astype(np.int64) + 1
    held = np.zeros(cells.max(axis=0) + 2, bool)
    held[cells[:, 0], cells[:, 1]] = True
    reached = np.zeros_like(held)
    reached[tuple(cells[-1])] = True
    before = 0
    while before != (before := int(reached.sum())):
        wider = reached.copy()
        wider[1:] |= reached[:-1]
        wider[:-1] |= reached[1:]
        wider[:, 1:] |= reached[:, :-1]
        wider[:, :-1] |= reached[:, 1:]
        reached = wider & held
    return np.asarray(reached[cells[:, 0], cells[:, 1]])


def _without_gaps(along: Array) -> NDArray[np.int64]:
    """Return the points `[N]` of the longest piece of a side: a gap among points this dense parts two things."""
    order = np.argsort(along)
    if len(order) < _NEIGHBOURS:
        return order
    gaps = np.diff(along[order])
    parted = np.flatnonzero(gaps > (np.log(len(order)) + 4) * float(gaps.mean())) + 1
    return max(np.split(order, parted), key=len)


def _measured(patch: Array, normal: Array, size: float, noise: float) -> Estimate | None:
    """Return the angle of a patch and how many points tell it; None where it is narrow, steps or bends."""
    flat = float(np.hypot(normal[0], normal[1]))
    if flat < _STEEP:
        return None
    along = patch[:, :2] @ np.array([-normal[1], normal[0]]) / flat
    # Near its ends a side takes in points of the next one, which would turn it.
    inner = (along > along.min() + 4 * noise) & (along < along.max() - 4 * noise)
    patch, along = patch[inner], along[inner]
    whole = _without_gaps(along)
    patch, along = patch[whole], along[whole]
    if len(patch) < _NEIGHBOURS or along.std() < 0.015 * size:
        return None
    side, level = _fitted(patch)
    offsets = patch @ side - level
    # A plane that cuts through a face finds points evenly across its band, not gathered in the middle.
    if offsets.std() > 1.25 * noise or bends(offsets, along, noise):
        return None
    deviation = noise / (np.sqrt(len(patch)) * along.std() * max(float(np.hypot(side[0], side[1])), _STEEP))
    return Estimate(float(np.arctan2(side[1], side[0])), float(deviation), len(patch))

"""Point-cloud rooms: solids standing on a floor, sampled on their surfaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lamm_data.sample.vocabulary import COLOURS, SOLIDS

POINTS = 4096
ROOM = 4.0
"""Side of the square floor in metres; the origin is its centre, z points up, the floor lies at z = 0."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Solid:
    """One solid: class, colour name, `(x, y)` of its foot in metres, full size in metres, and its id in the room."""

    kind: str
    colour: str
    foot: tuple[float, float]
    size: tuple[float, float, float]
    id: int

    @property
    def box(self) -> tuple[float, ...]:
        """`(cx, cy, cz, dx, dy, dz)` metres."""
        return (*self.foot, self.size[2] / 2, *self.size)


def sample_surface(kind: str, count: int, rng: np.random.Generator) -> Array:
    """Sample points `[count, 3]` on a solid that fills the cube from -0.5 to 0.5."""
    t, h = rng.uniform(0, 2 * np.pi, count), rng.uniform(-0.5, 0.5, count)
    disc = 0.5 * np.sqrt(rng.uniform(0, 1, count))
    side = rng.uniform(0, 1, count)
    if kind == "sphere":
        ring = np.sqrt(0.25 - h * h)
        return np.stack([ring * np.cos(t), ring * np.sin(t), h], 1)
    if kind == "cylinder":
        radius, z = np.where(side < 0.67, 0.5, disc), np.where(side < 0.67, h, 0.5)
        return np.stack([radius * np.cos(t), radius * np.sin(t), z], 1)
    if kind == "cone":
        return np.stack([disc * np.cos(t), disc * np.sin(t), 0.5 - 2 * disc], 1)
    face, u, v = rng.integers(0, 5 if kind == "box" else 4, count), rng.uniform(-0.5, 0.5, count), h
    if kind == "box":
        flat = np.stack([u, v], 1)
        out = np.empty((count, 3))
        for k, (axis, at) in enumerate(((0, -0.5), (0, 0.5), (1, -0.5), (1, 0.5), (2, 0.5))):
            here = face == k
            out[here] = np.insert(flat[here], axis, at, axis=1)
        return out
    # Pyramid: four triangles over a square base; the distance from the apex grows with the root of a uniform number.
    down = np.sqrt(side)
    across = 2 * u * 0.5 * down
    sign = np.where(face % 2 == 0, -1.0, 1.0) * 0.5 * down
    x, y = np.where(face < 2, sign, across), np.where(face < 2, across, sign)
    return np.stack([x, y, 0.5 - down], 1)


def _size(kind: str, scale: float, rng: np.random.Generator) -> tuple[float, float, float]:
    width = scale * rng.uniform(0.9, 1.1)
    if kind == "sphere":
        return width, width, width
    depth = width if kind in ("cylinder", "cone") else scale * rng.uniform(0.9, 1.1)
    return width, depth, scale * rng.uniform(0.95, 1.35)


def furnish(kinds: list[str], colours: list[str], rng: np.random.Generator) -> list[Solid]:
    """Place solids without overlap. The first is clearly the largest; a single one is large."""
    scales = [1.3] if len(kinds) == 1 else [1.15, *rng.uniform(0.5, 0.66, len(kinds) - 1)]
    sizes = [_size(kind, scale, rng) for kind, scale in zip(kinds, scales, strict=True)]
    while True:
        feet = [rng.uniform(-1, 1, 2) * (ROOM / 2 - max(size[:2]) / 2) for size in sizes]
        apart = all(
            np.any(np.abs(feet[i] - feet[j]) > (np.array(sizes[i][:2]) + sizes[j][:2]) / 2 + 0.08)
            for i in range(len(feet))
            for j in range(i)
        )
        if apart:
            break
    order = rng.permutation(len(kinds))
    ids = {int(k): number for number, k in enumerate(order)}
    return [
        Solid(kind, colour, (float(foot[0]), float(foot[1])), size, ids[k])
        for k, (kind, colour, foot, size) in enumerate(zip(kinds, colours, feet, sizes, strict=True))
    ]


def sample_room(
    solids: Sequence[Solid], rng: np.random.Generator, sides: tuple[float, float] = (ROOM, ROOM)
) -> NDArray[np.float32]:
    """Sample a room: `[4096, 6]` float32, x, y, z in metres, red, green, blue 0..255, in random order.

    Args:
        solids: What stands in it.
        rng: Random stream.
        sides: Of the floor, in metres.
    """
    areas = np.array([s.size[0] * s.size[2] + 0.5 * s.size[0] * s.size[1] for s in solids])
    budget = int(POINTS * 0.82)
    counts = np.maximum((budget * areas / areas.sum()).astype(int), 160)
    counts[0] -= max(int(counts.sum()) - budget, 0)
    parts, shades = [], []
    for solid, count in zip(solids, counts, strict=True):
        points = sample_surface(solid.kind, int(count), rng)
        lifted = points + np.array((0.0, 0.0, 0.5))
        parts.append(lifted * np.array(solid.size) + np.array((*solid.foot, 0.0)))
        shades.append(np.clip(np.array(COLOURS[solid.colour]) + rng.normal(0, 8, (int(count), 3)), 0, 255))
    floor = POINTS - int(counts.sum())
    flat = rng.uniform(-ROOM / 2, ROOM / 2, (floor, 2)) * (np.array(sides) / ROOM)
    parts.append(np.column_stack([flat, np.zeros(floor)]))
    shades.append(np.clip(rng.uniform(150, 215) + rng.normal(0, 6, (floor, 3)), 0, 255))
    cloud = np.concatenate([np.concatenate(parts) + rng.normal(0, 0.004, (POINTS, 3)), np.concatenate(shades)], 1)
    return cloud[rng.permutation(POINTS)].astype(np.float32)


def class_id(kind: str) -> int:
    """Return the class number that the box files use (from 1)."""
    return SOLIDS.index(kind) + 1

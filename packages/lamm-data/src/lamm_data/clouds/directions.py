"""The main directions of a scan seen from above: of its walls and flat sides, and of its outline."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lamm_data.clouds.planes import Plane, largest_patch, within_plane
from lamm_data.clouds.sides import QUARTER, Estimate, bends, difference, find_sides

Array = NDArray[np.float64]
_FULL_RECTANGLE = 0.93
"""Share of a rectangle that an outline fills at least."""


class Direction(NamedTuple):
    """The main directions of a scan.

    Attributes:
        angle: In radians, from -pi/4 to pi/4 against x; None where nothing tells it.
        evidence: From what, or why not.
        deviation: Standard deviation of the angle.
        size: Longest side of the scan along them, in its own unit.
    """

    angle: float | None
    evidence: str
    deviation: float = 0.0
    size: float = 0.0


def find_direction(points: Array, floor: Plane, planes: list[Plane], turn: Array) -> Direction:
    """Find the main directions, which cross at right angles.

    Args:
        points: `[N, 3]` of the scan.
        floor: Its floor.
        planes: All planes of it.
        turn: `[3, 3]` rotation to z up.
    """
    level = points @ turn.T
    size = float(np.ptp(level[:, :2], axis=0).max())
    sides = _side_angles(level, floor, planes, turn, size)
    outline = _outline_angle(level[floor.inside][:, :2], max(floor.noise, 2e-4 * size))
    agreed = _agreeing(sides, outline)
    if len(agreed) < 2 and outline is None:
        return Direction(None, "neither flat sides that agree nor an outline that is a rectangle")
    reference = outline if outline in agreed else _joined(agreed, 0.005)
    fine = find_sides(level[~floor.inside], reference.angle, size, floor.noise)
    agreed = _confirming(fine, reference) or [one for one in agreed if one is not outline]
    found = _joined([*agreed, *([outline] if outline is not None and outline is reference else [])], 2e-4)
    told = [f"{len(agreed)} flat sides"] if agreed else []
    told += ["the outline of the floor"] if outline is reference else []
    longest = float(np.ptp(level[:, :2] @ _turned(found.angle), axis=0).max())
    return Direction(difference(found.angle, 0.0), " and ".join(told), found.deviation, longest)


def _confirming(sides: list[Estimate], reference: Estimate) -> list[Estimate]:
    """Return the sides that agree with the reference within three deviations, or else three and more within five.

    What tells far less than the reference does confirms nothing.
    """
    telling = [one for one in sides if one.deviation < 3 * reference.deviation]

    def within(times: float) -> list[Estimate]:
        return [
            one
            for one in telling
            if abs(difference(one.angle, reference.angle)) < times * np.hypot(one.deviation, reference.deviation)
        ]

    return within(3) or (within(5) if len(within(5)) > 2 else [])


def _joined(estimates: list[Estimate], least: float) -> Estimate:
    """Return the mean of angles by their deviations, in which outliers count little; its deviation at least `least`.

    Angles that differ more than their deviations explain (Birge) tell less than these say.
    """
    offsets = np.array([difference(one.angle, estimates[0].angle) for one in estimates])
    deviations = np.array([max(one.deviation, 2e-4) for one in estimates])
    apart = np.minimum(np.abs(offsets[:, None] - offsets) / deviations[:, None], 3).sum(axis=0)
    mean = float(offsets[apart.argmin()])
    for _ in range(20):
        weights = 1 / (deviations**2 * (1 + ((offsets - mean) / deviations) ** 2 / 4))
        mean = float((weights * offsets).sum() / weights.sum())
    excess = float((weights * (offsets - mean) ** 2).sum()) / max(len(offsets) - 1, 1)
    return Estimate(estimates[0].angle + mean, max(float(weights.sum() ** -0.5) * max(excess**0.5, 1.0), least))


def _side_angles(level: Array, floor: Plane, planes: list[Plane], turn: Array, size: float) -> list[Estimate]:
    """Return the angle of each plane that does not lie flat and is wide enough to be no part of something round."""
    found = []
    for plane in planes:
        normal = turn @ plane.normal
        flat = float(np.hypot(normal[0], normal[1]))
        inside = plane.inside & ~floor.inside
        if flat < 0.3 or inside.sum() < 24 or plane.noise > 2 * floor.noise:
            continue
        patch = level[inside][largest_patch(within_plane(level[inside], normal), size / 24)]
        along = patch[:, :2] @ np.array([-normal[1], normal[0]]) / flat
        spread = float(along.std())
        if len(patch) < 24 or spread < 0.025 * size or bends(patch @ normal - plane.level, along, floor.noise):
            continue
        _, turns = np.linalg.eigh(np.cov((patch - patch.mean(axis=0)).T))
        side = turns[:, 0]
        deviation = floor.noise / (np.sqrt(len(patch)) * spread * flat)
        found.append(Estimate(float(np.arctan2(side[1], side[0])), deviation, len(patch) / len(level)))
    return found


def _agreeing(sides: list[Estimate], outline: Estimate | None) -> list[Estimate]:
    """Return what agrees within a degree and a half: with the outline, or else with the sides of most points."""

    def near(one: Estimate) -> list[Estimate]:
        return [other for other in sides if abs(difference(other.angle, one.angle)) < 0.026]

    if outline is not None and sum(one.share for one in near(outline)) >= 0.5 * max(
        (sum(other.share for other in near(one)) for one in sides), default=0.0
    ):
        return [outline, *near(outline)]
    group = max((near(one) for one in sides), key=lambda group: sum(one.share for one in group), default=[])
    enough = sum(one.share for one in group) > 0.2
    return group if enough else [outline] if outline is not None else []


def _outline_angle(flat: Array, noise: float) -> Estimate | None:
    """Return the angle of the rectangle that points `[N, 2]` fill, if they do."""
    if len(flat) < 100:
        return None
    corners = _convex_hull(flat)
    angles = np.linspace(-QUARTER / 2, QUARTER / 2, 721)
    areas = np.array([np.prod(np.ptp(corners @ _turned(angle), axis=0)) for angle in angles])
    x, y = corners.T
    covered = 0.5 * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))
    first = int(areas.argmin())
    if covered < _FULL_RECTANGLE * areas[first]:
        return None
    fine = angles[first] + np.linspace(-0.025, 0.025, 101)
    heights = np.array([_edges_likelihood(flat @ _turned(angle), noise) for angle in fine])
    weights = np.exp(heights - heights.max())
    weights /= weights.sum()
    mean = float((weights * fine).sum())
    deviation = float(np.sqrt((weights * (fine - mean) ** 2).sum()))
    return Estimate(difference(mean, 0.0), max(deviation, 3e-4))


def _turned(angle: float) -> Array:
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, -sine], [sine, cosine]])


def _edges_likelihood(flat: Array, noise: float) -> float:
    """Return how likely points are that fill a rectangle along the axes evenly and then move by noise (a logarithm)."""
    total, steps = 0.0, np.linspace(-1, 6, 29) * noise
    for column in (flat[:, 0], -flat[:, 0], flat[:, 1], -flat[:, 1]):
        length = float(np.ptp(column))
        low = float(column.min())
        near = column[column < low + 12 * noise] - low
        # The normal distribution, by the logistic one.
        inner = -np.log1p(np.exp(-1.702 * (near[None] - steps[:, None]) / noise)).sum(axis=1)
        total += float((inner + len(column) * steps / length).max()) - len(column) * np.log(length) / 2
    return total


def _convex_hull(flat: Array) -> Array:
    """Return the corners of the convex hull of `[N, 2]`, in order."""
    ordered = flat[np.lexsort((flat[:, 1], flat[:, 0]))]

    def half(points: Array) -> list[Array]:
        chain: list[Array] = []
        for point in points:
            while len(chain) > 1 and _cross(chain[-1] - chain[-2], point - chain[-1]) <= 0:
                chain.pop()
            chain.append(point)
        return chain

    return np.array(half(ordered)[:-1] + half(ordered[::-1])[:-1])


def _cross(a: Array, b: Array) -> float:
    return float(a[0] * b[1] - a[1] * b[0])

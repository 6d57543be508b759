"""What a scan is: unit, up axis, floor, main directions, extent, colours, density, offset; each with its evidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamm_data.clouds.directions import Direction, find_direction
from lamm_data.clouds.libraries import GLTF, MESHES
from lamm_data.clouds.planes import covered_cells, draw_points, find_floor, find_planes
from lamm_data.clouds.reading import PointCloud
from lamm_data.errors import SourceError

Array = NDArray[np.float64]
_UNIT_SHARES = {
    "m": (1.0, 0.6),
    "mm": (0.001, 0.2),
    "cm": (0.01, 0.1),
    "ft": (0.3048, 0.04),
    "dm": (0.1, 0.01),
    "in": (0.0254, 0.01),
}
"""Metres in a unit, and how many clouds in a hundred are written in it: an estimate, not a count."""
_SURE = 0.9
_OFF, _WITHIN = 0.01, 0.001
"""Metres by which main directions may be off at half the longest side; radians that are enough in any scan."""
_ROOM, _BUILDING = (5.0, 0.6, 0.95), (40.0, 1.0, 0.05)
"""Longest side in metres (median, standard deviation of its logarithm, share) of rooms and of what is larger."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One property of a scan.

    Attributes:
        value: What was found; None where it cannot be told.
        evidence: From what, or why not.
    """

    value: Any
    evidence: str

    def __str__(self) -> str:
        return f"{'cannot tell' if self.value is None else self.value} ({self.evidence})"


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a scan is.

    Attributes:
        findings: By `unit` (a key of `UNITS`), `up` (an axis such as `z` or `-y`), `floor` (its height along that axis,
            in the file's unit), `directions` (degrees from -45 to 45 that walls are turned by, seen from above),
            `extent` (three lengths), `colours` (their range), `density` (points in a square unit of the floor plan) and
            `offset` (of map coordinates).
        direction: The main directions before it is decided whether they are known well enough.
        turn: `[3, 3]` rotation to z up, exact where the floor was found.
        level: Height of the floor after it, offset subtracted; None where it cannot be told.
    """

    findings: dict[str, Finding]
    direction: Direction
    turn: Array
    level: float | None


def inspect_cloud(path: Path, read: Callable[[str], PointCloud]) -> Inspection:
    """Find out what a scan is.

    Args:
        path: Its file, whose format may define the unit and what is up.
        read: Reads it with `colours` as `read_cloud` has them.

    Raises:
        SourceError: The file cannot be read.
    """
    colours = None
    try:
        cloud = read("auto")
    except SourceError as error:
        cloud, colours = read("none"), Finding(None, str(error))
    if colours is None:
        words = "from type and values" if cloud.colour_range else "the file has none"
        colours = Finding(cloud.colour_range or "none", words)
    shift = [float(value) for value in cloud.offset]
    offset = Finding(shift, "float32 would lose detail" if any(shift) else "float32 keeps the detail")
    points = cloud.points.astype(np.float64) - cloud.offset
    findings, direction, turn, level = _inspect_points(path.suffix.lower(), points)
    if level is not None and findings["floor"].value is not None:
        axis = findings["up"].value
        at = "xyz".index(axis[-1])
        height = level + cloud.offset[at] * (-1 if axis.startswith("-") else 1)
        findings["floor"] = Finding(round(float(height), 6), findings["floor"].evidence)
    order = ("unit", "up", "floor", "directions", "extent", "colours", "density", "offset")
    found = findings | {"colours": colours, "offset": offset}
    return Inspection({key: found[key] for key in order}, direction, turn, level)


def directions_finding(direction: Direction, metres: float | None) -> Finding:
    """Return main directions in degrees where they are known to 1 cm at half the longest side, or to 1 in 1,000.

    Args:
        direction: What was measured.
        metres: In one unit of the scan; None where it cannot be told, and 1 cm with it.
    """
    if direction.angle is None:
        return Finding(None, direction.evidence)
    degrees = round(float(np.degrees(direction.angle)), 3)
    within = 2 * direction.deviation
    accuracy = f"{direction.evidence}, to {np.degrees(within):.2f} degrees"
    if metres is None:
        return Finding(degrees, accuracy)
    off = within * direction.size * metres / 2
    accuracy += f", {100 * off:.2g} cm at half the longest side"
    if off <= _OFF or within <= _WITHIN:
        return Finding(degrees, accuracy)
    return Finding(None, f"{degrees:g} degrees by {accuracy}, more than 1 cm; state them with --directions")


def _inspect_points(suffix: str, points: Array) -> tuple[dict[str, Finding], Direction, Array, float | None]:
    drawn = draw_points(points)
    planes = find_planes(drawn)
    defined = suffix in (*GLTF, ".las", ".laz", ".e57")
    floor = find_floor(drawn, planes, upright=defined)
    turn, level = np.eye(3), None
    up, height = Finding(None, floor.evidence), Finding(None, floor.evidence)
    direction = Direction(None, "no floor to see walls on")
    if floor.plane is not None:
        up, turn = _up_axis(floor.plane.normal, floor.evidence)
        level = float((drawn[floor.plane.inside] @ turn[2]).mean())
        if up.value is not None:
            height = Finding(level, f"the mean of {int(floor.plane.inside.sum())} points of it that were looked at")
        direction = find_direction(drawn, floor.plane, planes, turn)
    if defined:
        up = Finding("z", f"defined by the format {suffix[1:]}" + (f"; {up.evidence}" if up.value else ""))
    angle = direction.angle or 0.0
    cosine, sine = np.cos(angle), np.sin(angle)
    seen = drawn @ turn.T @ np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    low, high = np.percentile(seen, [0.5, 99.5], axis=0)
    sides = high - low
    area = covered_cells(seen[:, :2], max(float(sides[:2].max()), 1e-12) / 32) * (float(sides[:2].max()) / 32) ** 2
    extent = [float(f"{side:.5g}") for side in sides]
    density = float(f"{len(points) / area:.4g}") if area > 0 else None
    unit = _unit(suffix, float(sides.max()))
    findings = {
        "unit": unit,
        "up": up,
        "floor": height,
        "directions": directions_finding(direction, None if unit.value is None else _UNIT_SHARES[unit.value][0]),
        "extent": Finding(extent, "along the main directions and up, without the outermost percent"),
        "density": Finding(density, f"{len(points)} points over {area:.4g} square units"),
    }
    return findings, direction, turn, level


def _up_axis(normal: Array, evidence: str) -> tuple[Finding, Array]:
    """Return the axis nearest to the floor's normal, and the rotation of that normal to z."""
    axis = int(np.abs(normal).argmax())
    sign = 1.0 if normal[axis] > 0 else -1.0
    base = _axis_turn(axis, sign)
    tilted = base @ normal
    turn = _rotation(tilted, np.array([0.0, 0.0, 1.0])) @ base
    tilt = float(np.degrees(np.arccos(min(1.0, tilted[2]))))
    name = ("" if sign > 0 else "-") + "xyz"[axis]
    if tilt > 15:
        return Finding(None, f"{evidence}, but it is {tilt:.0f} degrees from the nearest axis, {name}"), turn
    return Finding(name, f"{evidence}; it is {tilt:.2f} degrees from level"), turn


def _axis_turn(axis: int, sign: float) -> Array:
    """Return the rotation by quarter turns that brings an axis to z, about x where it can."""
    if axis == 2:
        return np.diag([1.0, sign, sign])
    if axis == 1:
        return np.array([[1.0, 0, 0], [0, 0, -sign], [0, sign, 0]])
    return np.array([[0, 0, -sign], [0, 1.0, 0], [sign, 0, 0]])


def _rotation(start: Array, end: Array) -> Array:
    """Return the smallest rotation from one unit vector to another that is less than a half turn away."""
    x, y, z = np.cross(start, end)
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turn: Array = np.eye(3) + skew + skew @ skew / (1 + float(start @ end))
    return turn


def _unit(suffix: str, side: float) -> Finding:
    """Tell the unit by the longest side, against how large scanned rooms and buildings are."""
    if suffix in GLTF or suffix == ".e57":
        return Finding("m", f"defined by the format {suffix[1:]}")
    if suffix in MESHES - GLTF and side <= 2:
        return Finding(None, f"a mesh {side:.3g} long: an object of any size")
    if not side > 0:
        return Finding(None, "all points are one")
    weights = {name: share * _plausible(side * metres) for name, (metres, share) in _UNIT_SHARES.items()}
    best = max(weights, key=lambda name: weights[name])
    sure = weights[best] / max(sum(weights.values()), 1e-300)
    length = side * _UNIT_SHARES[best][0]
    if weights[best] < 0.05 * _UNIT_SHARES[best][1]:
        return Finding(None, f"the longest side is {side:.4g}, which is no room or building in any unit")
    if sure < _SURE:
        likely = sorted(weights, key=lambda name: -weights[name])[:2]
        words = " or ".join(f"{side * _UNIT_SHARES[name][0]:.3g} metres if {name}" for name in likely)
        return Finding(None, f"the longest side is {side:.4g}: {words}")
    return Finding(best, f"the longest side is {side:.4g}: {length:.3g} metres, {min(sure, 0.99):.0%} likely")


def _plausible(metres: float) -> float:
    """Return how usual a scan of that length is, about 1 for the most usual."""
    total = 0.0
    for median, deviation, share in (_ROOM, _BUILDING):
        distance = np.log(metres / median) / deviation
        total += share * _ROOM[1] / deviation * float(np.exp(-0.5 * distance**2))
    return total

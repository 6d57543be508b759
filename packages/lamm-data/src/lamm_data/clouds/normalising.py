"""The frame that a scan is brought to: metres, z up, the floor at height 0, walls along the axes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lamm_data.clouds.frames import Matrix, frame_matrix
from lamm_data.clouds.inspection import Finding, Inspection, directions_finding
from lamm_data.errors import SourceError

UNITS = {"m": 1.0, "dm": 0.1, "cm": 0.01, "mm": 0.001, "ft": 0.3048, "in": 0.0254, "none": 1.0}
"""Metres in one unit; `none` is for models without a scale, whose coordinates are kept."""
Y_UP = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
"""A quarter turn about x: (x, y, z) with y up becomes (x, -z, y) with z up."""


def normal_frame(
    path: Path,
    offset: NDArray[np.float64],
    inspection: Inspection,
    units: str,
    up: str,
    directions: float | None = None,
) -> tuple[Matrix, list[str]]:
    """Find the matrix that brings a scan to metres, z up, the floor at height 0 and walls along the axes.

    Args:
        path: The scan's file.
        offset: Of its map coordinates, as its `PointCloud` has it.
        inspection: What was found out about it.
        units: A key of `UNITS`, or `auto` to find it.
        up: `z` or `y`, or `auto` to find it.
        directions: Degrees by which walls are turned, seen from above; None to find them.

    Returns:
        `[4, 4]` from the file's frame, and each step with its evidence.

    Raises:
        SourceError: The unit or what is up should be found and cannot be told.
    """
    found, steps = inspection.findings, list[str]()
    if offset.any():
        steps.append(f"offset {', '.join(f'{value:g}' for value in offset)} subtracted")
    unit = _needed(found["unit"], path, "unit", "--units") if units == "auto" else units
    scale = UNITS[unit]
    steps.append(f"unit {unit}: {found['unit'].evidence if units == 'auto' else 'as stated'}")
    axis = _needed(found["up"], path, "up axis", "--up") if up == "auto" else up
    exact = found["up"].value == axis and inspection.level is not None
    turn = inspection.turn if exact else Y_UP if axis == "y" else np.eye(3)
    steps.append(f"{axis} up: {found['up'].evidence if up == 'auto' else 'as stated'}")
    height = 0.0
    if exact and inspection.level is not None:
        height = inspection.level
        steps.append(f"floor at height 0, from {height:.6g}: {found['floor'].evidence}")
    else:
        steps.append(
            f"floor not moved: {found['floor'].evidence if found['floor'].value is None else 'another way is up'}"
        )
    measured = (
        directions_finding(inspection.direction, scale) if directions is None else Finding(directions, "as stated")
    )
    angle = measured.value if exact or directions is not None else None
    if angle is None:
        steps.append(f"walls not turned: {measured.evidence}")
    else:
        cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        turn = np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]]) @ turn
        steps.append(f"turned by {-angle:.3f} degrees about z: {measured.evidence}")
    shift = np.array([0.0, 0.0, -height * scale])
    return frame_matrix(turn, scale, offset, shift), steps


def _needed(finding: Finding, path: Path, name: str, option: str) -> str:
    if finding.value is None:
        raise SourceError(
            f"Expected a scan whose {name} can be told, got {finding.evidence} ({path}). State it with {option}."
        )
    return str(finding.value)

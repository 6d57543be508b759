"""Points and boxes mapped from a scan's frame to that of its cloud, and back, by the 4 x 4 matrix of `clouds.json`."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from math import cos, sin
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lamm_data.errors import SourceError

MANIFEST = "clouds.json"
Matrix = NDArray[np.float64]


def frame_matrix(rotation: NDArray[Any], scale: float, offset: NDArray[Any], shift: NDArray[Any]) -> Matrix:
    """Return the 4 x 4 matrix of `rotation @ (point - offset) * scale + shift`."""
    matrix = np.eye(4)
    matrix[:3, :3] = rotation * scale
    matrix[:3, 3] = shift - matrix[:3, :3] @ offset
    return matrix


def map_points(points: ArrayLike, matrix: ArrayLike, *, back: bool = False) -> NDArray[np.float64]:
    """Map points along, or back with the inverse.

    Args:
        points: `[..., 3]` x, y, z: in the scan's unit and frame, or with `back` in the cloud's.
        matrix: `[4, 4]` of `read_matrices`.
        back: Map from the cloud to the scan.

    Returns:
        `[..., 3]` float64.
    """
    turn = np.linalg.inv(np.asarray(matrix, np.float64)) if back else np.asarray(matrix, np.float64)
    mapped: NDArray[np.float64] = np.asarray(points, np.float64) @ turn[:3, :3].T + turn[:3, 3]
    return mapped


def map_boxes(boxes: ArrayLike, matrix: ArrayLike, *, back: bool = False) -> NDArray[np.float64]:
    """Map axis-aligned boxes along, or back.

    A box that is turned by other than quarter turns becomes the smallest axis-aligned one around it; `map_points` of
    its corners gives the turned one.

    Args:
        boxes: `[K, 6]` centre x, y, z and full sizes, in the unit and frame that is mapped from.
        matrix: `[4, 4]` of `read_matrices`.
        back: Map from the cloud to the scan.

    Returns:
        `[K, 6]` float64.
    """
    rows = np.asarray(boxes, np.float64).reshape(-1, 6)
    signs = np.array(list(itertools.product((-0.5, 0.5), repeat=3)))
    corners = map_points(rows[:, None, :3] + signs * rows[:, None, 3:], matrix, back=back)
    low, high = corners.min(axis=1), corners.max(axis=1)
    return np.concatenate([(low + high) / 2, high - low], axis=1)


def box_axes(box: Sequence[float]) -> Matrix:
    """Return the axes of a box, `[3, 3]` columns: of 9 numbers Rz(yaw) Ry(pitch) Rx(roll), of 7 Rz(yaw)."""
    yaw, pitch, roll = (*box[6:], 0.0, 0.0, 0.0)[:3]
    about_z = np.array([[cos(yaw), -sin(yaw), 0], [sin(yaw), cos(yaw), 0], [0, 0, 1]])
    about_y = np.array([[cos(pitch), 0, sin(pitch)], [0, 1, 0], [-sin(pitch), 0, cos(pitch)]])
    about_x = np.array([[1, 0, 0], [0, cos(roll), -sin(roll)], [0, sin(roll), cos(roll)]])
    axes: Matrix = about_z @ about_y @ about_x
    return axes


def box_around(box: Sequence[float]) -> tuple[Matrix, Matrix]:
    """Return the lowest and the highest corner `[3]` of a box of 6, 7 or 9 numbers."""
    reach = np.abs(box_axes(box)) @ np.asarray(box[3:6], np.float64) / 2
    middle = np.asarray(box[:3], np.float64)
    return middle - reach, middle + reach


def map_box(box: Sequence[float], matrix: ArrayLike, *, back: bool = False) -> tuple[float, ...]:
    """Map one box exactly, along or back: turned by other than quarter turns it gets the numbers that say so.

    Args:
        box: Centre, full sizes and turn: 6, 7 or 9 numbers, as `box_axes` has them.
        matrix: `[4, 4]` of `read_matrices`.
        back: Map from the cloud to the scan.

    Returns:
        6 numbers where the box lies along the axes, 7 where it is turned about z only, else 9.
    """
    turn = np.linalg.inv(np.asarray(matrix, np.float64)) if back else np.asarray(matrix, np.float64)
    centre = turn[:3, :3] @ np.asarray(box[:3], np.float64) + turn[:3, 3]
    scale = float(np.cbrt(np.abs(np.linalg.det(turn[:3, :3]))))
    axes = turn[:3, :3] / scale @ box_axes(box)
    sizes = np.asarray(box[3:6], np.float64) * scale
    nearest = np.rint(axes)
    if np.abs(axes - nearest).max() < 1e-6:
        return (*centre.tolist(), *(np.abs(nearest) @ sizes).tolist())
    yaw, pitch = float(np.arctan2(axes[1, 0], axes[0, 0])), float(np.arcsin(np.clip(-axes[2, 0], -1, 1)))
    roll = float(np.arctan2(axes[2, 1], axes[2, 2]))
    if max(abs(pitch), abs(roll)) < 1e-6:
        return (*centre.tolist(), *sizes.tolist(), yaw)
    return (*centre.tolist(), *sizes.tolist(), yaw, pitch, roll)


def read_matrices(folder: str | Path) -> dict[str, Matrix]:
    """Read how each cloud of a folder came of its scan.

    Args:
        folder: One that `lamm data clouds` wrote.

    Returns:
        By the cloud's name below the folder, the `[4, 4]` matrix from the scan's frame to the cloud's.

    Raises:
        SourceError: The folder has no `clouds.json` of this kind.
    """
    path = Path(folder) / MANIFEST
    try:
        stated = json.loads(path.read_text(encoding="utf-8"))
        common = stated["matrix"]
        return {name: np.array(entry.get("matrix", common), np.float64) for name, entry in stated["clouds"].items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise SourceError(
            f"Expected {path} as `lamm data clouds` writes it, with a matrix of each cloud, got {error!r}. "
            "Make the clouds again."
        ) from error

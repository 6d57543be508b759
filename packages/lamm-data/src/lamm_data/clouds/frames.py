"""Points and boxes mapped from a scan's frame to that of its cloud, and back, by the 4 x 4 matrix of `clouds.json`."""

from __future__ import annotations

import itertools
import json
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
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise SourceError(
            f"Expected {path} as `lamm data clouds` writes it, with a matrix of each cloud, got {error!r}. "
            "Make the clouds again."
        ) from error

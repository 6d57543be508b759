"""Read point clouds from `.npy` files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lamm_model.errors import LammModelError


def read_point_cloud(path: str | Path) -> np.ndarray[Any, Any]:
    """Read a cloud as float32 `[N, 3]` or `[N, 6]`.

    Args:
        path: A `.npy` file.

    Returns:
        x, y, z in metres and, where the file has them, red, green, blue in 0..255.

    Raises:
        LammModelError: The file is missing, no array of numbers, or holds pickled objects.
    """
    from lamm_model.point_cloud_processing import check_points

    try:
        points = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as fault:
        raise LammModelError(f"Expected a .npy array of numbers, got {fault} ({path}). Save it as float32.") from fault
    return check_points(np.asarray(points), str(path))

"""A cloud file → the columns that a tower takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lamm_data import LammDataError, read_cloud
from lamm_model.errors import LammModelError


def read_point_cloud(cloud: str | Path | np.ndarray[Any, Any], name: str = "") -> np.ndarray[Any, Any]:
    """Read a cloud file, or check an array, by the rules of `lamm_data.read_cloud`.

    Args:
        cloud: Path, or `[N, 3]` or `[N, 6]` numbers.
        name: What the message calls an array.

    Returns:
        float32 `[N, 3]` x, y, z in the file's unit; `[N, 6]` with red, green, blue in 0..255 where there are colours.
        Points that are not finite are left out. Of map coordinates, an offset in whole units is subtracted.

    Raises:
        LammModelError: The file is missing, torn or of another kind; the cloud has another shape or type, or no finite
            point; or its colours are in no known range.
    """
    try:
        return read_cloud(cloud, name).table()
    except LammDataError as fault:
        raise LammModelError(str(fault)) from fault

"""Clouds with the normals of their points: PLY files with nx, ny, nz, and arrays of nine columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamm_data.clouds import ply
from lamm_data.clouds.arrays import open_array
from lamm_data.clouds.columns import assemble, finite_rows
from lamm_data.clouds.reading import PointCloud, guarded, read_cloud, whole_header
from lamm_data.errors import SourceError

_NAMES = ("nx", "ny", "nz")


def read_cloud_with_normals(
    source: str | Path | NDArray[Any], name: str = ""
) -> tuple[PointCloud, NDArray[np.float32] | None]:
    """Read a cloud as `read_cloud` does, and the normals of its points.

    Args:
        source: What `read_cloud` reads, or an array `[N, 9]` (a `.npy` file of one): x, y, z, red, green, blue, normal.
        name: What errors call an array.

    Returns:
        The cloud, and `[N, 3]` unit normals of its points; None where there are none. Points whose normal is not finite
        are left out too; a normal of length 0 stays so.

    Raises:
        SourceError: As `read_cloud`.
    """
    path = Path(source) if isinstance(source, str | Path) else None
    where = path or name or "the given array"
    found = None
    if path is None:
        found = _nine(np.asarray(source))
    elif path.suffix.lower() == ".npy" and path.is_file():
        found = _nine(guarded(lambda: open_array(path), path))
    elif path.suffix.lower() == ".ply" and path.is_file():
        found = _of_ply(path)
    if found is None:
        return read_cloud(source, name), None
    values, normals, colours = found
    whole = finite_rows(values) & finite_rows(normals)
    if not whole.any():
        raise SourceError(f"Expected finite coordinates and normals, got none ({where}). Remove those points.")
    cloud = read_cloud(values[whole], str(where), colours=colours)
    chosen = normals[whole].astype(np.float64)
    lengths = np.linalg.norm(chosen, axis=1, keepdims=True)
    unit = (chosen / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)
    return cloud._replace(dropped=int((~whole).sum())), unit


_Parts = tuple[NDArray[Any], NDArray[Any], str]  # coordinates with colours, normals, range of the colours


def _nine(values: NDArray[Any]) -> _Parts | None:
    if values.ndim != 2 or values.shape[1] != 9 or values.dtype.kind not in "iuf":
        return None
    return values[:, :6], values[:, 6:], "auto"


def _of_ply(path: Path) -> _Parts | None:
    content = path.read_bytes()
    header = whole_header(content, path)
    columns = guarded(lambda: ply.vertex_columns(content, header, _NAMES), path)
    if not set(_NAMES) <= columns.keys():
        return None
    normals = np.stack([columns.pop(name).reshape(-1) for name in _NAMES], axis=1)
    values, whole = guarded(lambda: assemble(columns), path)
    return values, normals, "0..255" if whole and values[:, 3:].max(initial=0) <= 255 else "auto"

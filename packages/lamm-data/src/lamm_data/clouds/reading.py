"""Point clouds from `.npy`, PLY, PCD, XYZ and mesh files, without running or unpickling anything in them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lamm_data.clouds.headers import Layout, read_layout
from lamm_data.errors import SourceError, import_extra
from lamm_llm import atomic_bytes

Cloud = NDArray[np.float32]
SUFFIXES = (".npy", ".ply", ".pcd", ".xyz")


class PointCloud(NamedTuple):
    """A cloud in the precision of its file.

    Attributes:
        values: `[N, 3]` or, with colours, `[N, 6]`; finite, at least one point.
    """

    values: NDArray[Any]

    @property
    def points(self) -> NDArray[Any]:
        """`[N, 3]` x, y, z in the file's unit (metres in all of our sources)."""
        return self.values[:, :3]

    @property
    def colours(self) -> NDArray[Any] | None:
        """`[N, 3]` red, green, blue in 0..255; None where the file has none."""
        return self.values[:, 3:] if self.values.shape[1] == 6 else None

    def table(self) -> Cloud:
        """Return `[N, 3]` or, with colours, `[N, 6]` float32."""
        return np.ascontiguousarray(self.values, dtype=np.float32)


def read_cloud(source: str | Path | NDArray[Any], name: str = "") -> PointCloud:
    """Read a cloud from a file, or check an array.

    Args:
        source: `.npy` (`[N, 3]` or `[N, 6]`), `.ply` (ascii or binary; of a mesh, the vertices in file order), `.pcd`,
            `.xyz`; or an array `[N, 3]` or `[N, 6]`. PCD files mark missing returns by NaN: those points are left out.
        name: What errors call an array.

    Raises:
        SourceError: The file is missing, damaged, or of another kind; or the cloud is empty, of another shape, or holds
            values that are not finite.
        LammDataError: open3d is not installed (`.xyz` and compressed `.pcd` files).
    """
    if not isinstance(source, str | Path):
        return _checked(np.asarray(source), name or "the given array")
    path = Path(source)
    suffix = path.suffix.lower()
    if not path.is_file():
        raise SourceError(f"Expected a file, got nothing at {path}. Check the root folder.")
    if suffix not in SUFFIXES:
        raise SourceError(
            f"Expected a cloud file ({', '.join(SUFFIXES)}), got {path}. Pickles are never opened: opening "
            "one can run anything. Save the array with numpy.save."
        )
    if suffix == ".npy":
        try:
            return _checked(np.load(path, allow_pickle=False), path)
        except (ValueError, EOFError, OSError) as error:
            raise SourceError(f"Expected a plain .npy array, got something else ({path}): {error}") from error
    if suffix == ".xyz":
        return _checked(_read_by_open3d(path), path)
    content = path.read_bytes()
    layout = read_layout(content, path)
    if layout.encoding == "binary_compressed":
        values = _read_by_open3d(path)
    else:
        try:
            values = _columns(_point_table(content, layout))
        except (ValueError, KeyError) as error:
            raise SourceError(f"Expected readable points, got {error} ({path}). Replace the file.") from error
    return _checked(values[np.isfinite(values[:, :3]).all(axis=1)] if suffix == ".pcd" else values, path)


def load_cloud(path: str | Path) -> Cloud:
    """Load a cloud as one table.

    Args:
        path: What `read_cloud` reads.

    Returns:
        `[N, 3]` float32 in the file's units (metres in all of our sources), or `[N, 6]` with colours 0..255.

    Raises:
        SourceError: The file is missing, damaged, empty or holds values that are not finite.
    """
    return read_cloud(path).table()


def _checked(values: NDArray[Any], name: str | Path) -> PointCloud:
    if values.dtype.kind not in "iufb":
        raise SourceError(f"Expected numbers in a point cloud, got {values.dtype} ({name}). Save it as float32.")
    if values.ndim != 2 or values.shape[1] not in (3, 6):
        raise SourceError(
            f"Expected a point cloud [N, 3] or [N, 6], got shape {list(values.shape)} ({name}). "
            "Columns are x, y, z in metres, then red, green, blue in 0..255."
        )
    if not len(values):
        raise SourceError(f"Expected at least one point, got none ({name}). Replace the file.")
    if not (finite := np.isfinite(values)).all():
        wrong = int((~finite).any(axis=1).sum())
        raise SourceError(
            f"Expected finite coordinates, got {wrong} of {len(values)} points with NaN or infinity ({name}). "
            "Remove those points."
        )
    return PointCloud(values)


def _point_table(content: bytes, layout: Layout) -> NDArray[Any]:
    """Return the points of a PLY or PCD file as an array of named columns."""
    before, points = 0, None
    for points in layout.elements:
        if points.name == "vertex":
            break
        if points.fields is None:
            raise ValueError(f"rows of {points.name}, which hold lists, before the points")
        before += points.rows * (points.fields.itemsize if layout.encoding == "binary" else 1)
    if points is None or points.name != "vertex" or points.fields is None or points.rows < 1:
        raise ValueError("no points, or points that hold lists")
    if layout.encoding == "binary":
        return np.frombuffer(content, points.fields, points.rows, layout.start + before)
    if layout.encoding != "ascii":
        raise ValueError(f"data of kind {layout.encoding}, which is not read")
    lines = (line.split() for line in content[layout.start :].split(b"\n"))
    rows = [words for words in lines if words][before : before + points.rows]
    sizes = [int(np.prod(points.fields[name].shape)) for name in points.fields.names or ()]
    for number, row in enumerate(rows, 1):
        if len(row) != sum(sizes):
            raise ValueError(f"{len(row)} values instead of {sum(sizes)} in row {number}")
    values, table, column = np.array(rows, dtype=np.float64), np.empty(points.rows, points.fields), 0
    for name, size in zip(points.fields.names or (), sizes, strict=True):
        table[name] = values[:, column : column + size].reshape(table[name].shape)
        column += size
    return table


def _columns(table: NDArray[Any]) -> NDArray[Any]:
    names = table.dtype.names or ()
    parts = [table[name].reshape(len(table)).astype(np.float64) for name in ("x", "y", "z")]
    if {"red", "green", "blue"} <= set(names):
        parts += [table[name].astype(np.float64) for name in ("red", "green", "blue")]
    elif packed_name := next((name for name in ("rgb", "rgba") if name in names), ""):
        packed = np.ascontiguousarray(table[packed_name].reshape(len(table)))
        bits = packed.view(np.uint32) if packed.dtype.kind == "f" else packed.astype(np.uint32)
        parts += [((bits >> shift) & 255).astype(np.float64) for shift in (16, 8, 0)]
    return np.stack(parts, axis=1)


def _open3d() -> Any:
    return import_extra("open3d", "reading meshes, XYZ and compressed PCD files", "3d")


def _read_by_open3d(path: Path) -> NDArray[Any]:
    open3d = _open3d()
    with open3d.utility.VerbosityContextManager(open3d.utility.VerbosityLevel.Error):
        cloud = open3d.io.read_point_cloud(str(path))
    values: NDArray[Any] = np.asarray(cloud.points)
    return np.concatenate([values, np.asarray(cloud.colors) * 255], 1) if cloud.has_colors() else values


def sample_mesh(path: str | Path, count: int, seed: int) -> Cloud:
    """Sample points `[count, 3]` float32 evenly on the surface of a mesh (`.obj`, `.ply`, `.off` or `.stl`)."""
    open3d = _open3d()
    if not Path(path).is_file():
        raise SourceError(f"Expected a file, got nothing at {path}. Check the root folder.")
    if Path(path).suffix.lower() == ".ply":
        read_layout(Path(path).read_bytes(), Path(path))
    with open3d.utility.VerbosityContextManager(open3d.utility.VerbosityLevel.Error):
        mesh = open3d.io.read_triangle_mesh(str(path))
    triangles = np.asarray(mesh.vertices)[np.asarray(mesh.triangles)]
    if not len(triangles):
        raise SourceError(f"Expected a mesh with triangles, got none ({path}).")
    edges = triangles[:, 1:] - triangles[:, :1]
    areas = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1)
    if not areas.sum() > 0:
        raise SourceError(f"Expected a mesh with a surface, got zero area ({path}).")
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(triangles), count, p=areas / areas.sum())
    u, v = np.sqrt(rng.random(count)), rng.random(count)
    weights = np.stack([1 - u, u * (1 - v), u * v], 1)
    return _checked((triangles[chosen] * weights[..., None]).sum(1), path).table()


def resample(cloud: Cloud, count: int, seed: int) -> Cloud:
    """Draw points of a cloud `[N, C]` without repeats, or with repeats only for those that are missing.

    Derive the seed from the cloud's id so that a cloud is always drawn the same way.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.permutation(len(cloud))[:count]
    if count > len(drawn):
        drawn = np.concatenate([drawn, rng.integers(0, len(cloud), count - len(drawn))])
    return cloud[drawn]


def seed_of(name: str, seed: int = 0) -> int:
    """Derive a seed from a cloud's id, so that it is always drawn the same way, whatever was drawn before it."""
    digest = hashlib.blake2b(f"{seed}\x1f{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def save_cloud(path: str | Path, cloud: NDArray[Any]) -> None:
    """Write an array as `.npy`, beside its name first."""
    with atomic_bytes(path) as handle:
        np.save(handle, cloud, allow_pickle=False)

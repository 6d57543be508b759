"""Point clouds from `.npy`, PLY, PCD, XYZ and mesh files, without running or unpickling anything in them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from lamm_data.clouds import pcd, ply
from lamm_data.clouds.arrays import read_array
from lamm_data.clouds.columns import (
    BY_RANGE,
    are_finite,
    are_usual,
    assemble_unnamed,
    check_range_name,
    check_stated_range,
    colour_range,
    column_extents,
    finite_rows,
    map_offset,
    refuse_shape,
    to_bytes_range,
)
from lamm_data.clouds.libraries import SUFFIXES as LIBRARY_SUFFIXES
from lamm_data.clouds.libraries import read_by_library, read_mesh, refuse_in_words
from lamm_data.clouds.rows import read_text
from lamm_data.errors import SourceError, import_extra
from lamm_data.files.pictures import decoding
from lamm_llm import atomic_bytes

Cloud = NDArray[np.float32]
T = TypeVar("T")
TEXTS = (".xyz", ".txt", ".asc", ".csv", ".pts")
SUFFIXES = (".npy", ".ply", ".pcd", *TEXTS, *LIBRARY_SUFFIXES)


class PointCloud(NamedTuple):
    """A cloud in the precision and the frame of its file.

    Attributes:
        values: `[N, 3]` or, with colours, `[N, 6]`; finite, at least one point.
        offset: `[3]` what `table` subtracts of x, y and z, in the file's unit: zeros but for map coordinates.
        dropped: Points of the file that were left out because a value was NaN, infinite or beyond float32.
        colour_range: In which range the file has its colours (`0..1`, `0..255`, `0..65535`, `-1..1`); empty without.
    """

    values: NDArray[Any]
    offset: NDArray[np.float64]
    dropped: int = 0
    colour_range: str = ""

    @property
    def points(self) -> NDArray[Any]:
        """`[N, 3]` x, y, z in the file's unit (metres in all of our sources)."""
        return self.values[:, :3]

    @property
    def colours(self) -> NDArray[Any] | None:
        """`[N, 3]` red, green, blue in 0..255; None where the file has none."""
        return self.values[:, 3:] if self.values.shape[1] == 6 else None

    def table(self) -> Cloud:
        """Return `[N, 3]` or, with colours, `[N, 6]` float32, less the `offset`, subtracted before rounding."""
        if not self.offset.any():
            return np.ascontiguousarray(self.values, dtype=np.float32)
        shift = np.concatenate([self.offset, np.zeros(self.values.shape[1] - 3)])
        table: Cloud = (self.values.astype(np.float64) - shift).astype(np.float32)
        return table


def read_cloud(
    source: str | Path | NDArray[Any], name: str = "", *, columns: Sequence[str] = (), colours: str = "auto"
) -> PointCloud:
    """Read a cloud from a file, or check an array.

    Points with a value that is NaN, infinite or beyond float32 are left out and counted (`PointCloud.dropped`),
    whatever the format. Rows that do not fit their file are refused, never repaired.

    Args:
        source: A file of a kind in `SUFFIXES` (of a mesh, the vertices in file order), or an array `[N, 3]` or
            `[N, 6]`. PLY, PCD, NPY and text need no library.
        name: What errors call an array.
        columns: Names of the columns of an array or text without names, in order: of `x`, `y`, `z`, `red`, `green`,
            `blue` and any others, which are passed over. Needed where there are neither 3 nor 6.
        colours: `auto` recognises their range; `0..255`, `0..1`, `0..65535` or `-1..1` states it; `none` leaves
            colours out.

    Raises:
        SourceError: The file is missing, damaged, or of another kind; the cloud is empty, of another shape, or has no
            finite point; or its colours are in no range, or may be in more than one.
        UsageError: `colours` is another word.
        LammDataError: The library for the format is not installed.
    """
    check_range_name(colours)
    if not isinstance(source, str | Path):
        values, whole, where = np.asarray(source), False, name or "the given array"
        if columns:
            values, whole = guarded(lambda: assemble_unnamed(values, columns), where)
        elif values.dtype.kind in "iu":
            whole = True
        return _checked(values, where, whole, colours)
    path = Path(source)
    suffix = path.suffix.lower()
    if not path.is_file():
        raise SourceError(f"Expected a file, got nothing at {path}. Check the root folder.")
    if suffix not in SUFFIXES:
        raise SourceError(
            f"Expected a cloud file ({', '.join(SUFFIXES)}), got {path}. Pickles are never opened: opening "
            "one can run anything. Save the array with numpy.save."
        )
    with decoding("readable points", path):
        values, whole = _read_values(path, suffix, columns)
        return _checked(values, path, whole, colours)


def _read_values(path: Path, suffix: str, columns: Sequence[str]) -> tuple[NDArray[Any], bool]:
    """Read a file's columns as `lamm_data.clouds.columns.assemble` gives them."""
    if suffix == ".npy":
        with decoding("a plain .npy array", path):
            return read_array(path, columns)
    if suffix in (".ply", ".pcd"):
        content = path.read_bytes()
        header = whole_header(content, path)
        reader = ply.read_vertices if suffix == ".ply" else pcd.read_points
        return reader(content, header)
    if suffix in TEXTS:
        return read_text(path.read_bytes(), suffix, columns)
    return read_by_library(path)


def guarded(read: Callable[[], T], where: object) -> T:
    """Read, and name what a reader found wrong."""
    with decoding("readable points", where):
        return read()


def whole_header(content: bytes, path: Path) -> Any:
    """Read the header of a PLY or PCD file, told by its name, and check that all it announces is there.

    Raises:
        SourceError: The file is shorter or longer than its header says, or has no such header.
    """
    kind, module = path.suffix[1:].upper(), ply if path.suffix.lower() == ".ply" else pcd
    try:
        header = module.read_header(content)
    except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        raise SourceError(
            f"Expected a whole {kind} file, got a header that cannot be read ({error}; {path}). Download it again."
        ) from error
    try:
        module.check_size(content, header)
    except ValueError as error:
        raise SourceError(f"Expected a whole {kind} file, got {error} ({path}). Download it again.") from error
    return header


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


def _checked(values: NDArray[Any], name: str | Path, whole: bool, colours: str) -> PointCloud:
    """Leave out points that are not finite, and bring colours to 0..255."""
    refuse_shape(values, name)
    if colours == "none":
        values = values[:, :3]
    if colours in ("auto", "0..255") and are_usual(values):
        return PointCloud(values, np.zeros(3), 0, "0..255" if values.shape[1] == 6 else "")
    low, high = column_extents(values)
    before = len(values)
    if not are_finite(low, high):
        values = values[finite_rows(values)]
        if not len(values):
            raise SourceError(
                f"Expected finite coordinates, got {before} of {before} points with NaN or infinity ({name}). "
                "Remove those points."
            )
        low, high = column_extents(values)
    offset, found = map_offset(low[:3], high[:3]), ""
    if values.shape[1] == 6:
        least, most = float(low[3:].min()), float(high[3:].max())
        try:
            if colours == "auto":
                found = colour_range(values[:, 3:], least, most, whole)
            else:
                check_stated_range(least, most, colours)
                found = colours
        except ValueError as error:
            raise SourceError(f"Expected colours of one range, got {error} ({name}). {BY_RANGE}") from error
        if found != "0..255" or least < 0 or most > 255:
            values = np.concatenate([values[:, :3], to_bytes_range(values[:, 3:], found)], axis=1)
    return PointCloud(values, offset, before - len(values), found)


def sample_mesh(path: str | Path, count: int, seed: int) -> Cloud:
    """Sample points `[count, 3]` float32 evenly on the surface of a mesh (`.obj`, `.ply`, `.off` or `.stl`)."""
    open3d = import_extra("open3d", "sampling the surfaces of meshes", "3d")
    path = Path(path)
    if not path.is_file():
        raise SourceError(f"Expected a file, got nothing at {path}. Check the root folder.")
    if path.suffix.lower() == ".ply":
        whole_header(path.read_bytes(), path)
    with open3d.utility.VerbosityContextManager(open3d.utility.VerbosityLevel.Error):
        mesh = open3d.io.read_triangle_mesh(str(path))
    vertices, triangles = np.asarray(mesh.vertices), np.asarray(mesh.triangles)
    return _checked(sample_surface(vertices, triangles, count, seed, path), path, False, "auto").table()


def mesh_cloud(path: Path, count: int, seed: int, colours: str = "auto") -> PointCloud:
    """Read a mesh and sample points on its surface; of a file without triangles, return the points that it holds.

    Colours of corners are mixed by the distance to them. Colours in pictures are not looked at.

    Raises:
        SourceError: The file is damaged, or its triangles have no surface.
        LammDataError: trimesh is not installed.
    """
    check_range_name(colours)
    vertices, shades, triangles = guarded(lambda: refuse_in_words(read_mesh, path), path)
    values = vertices if shades is None else np.concatenate([vertices, shades], axis=1)
    if len(triangles):
        values = sample_surface(values, triangles, count, seed, path)
    # Corners have colours of 0..255 here; their mixtures are no whole numbers.
    return _checked(values, path, True, colours)


def sample_surface(
    vertices: NDArray[Any], triangles: NDArray[Any], count: int, seed: int, name: object
) -> NDArray[np.float64]:
    """Sample points evenly on triangles.

    Args:
        vertices: `[V, 3]`, or `[V, 6]` with what is mixed along.
        triangles: `[T, 3]` rows of `vertices`.
        count: Points.
        seed: Seed of the draw.
        name: What errors call the mesh.

    Returns:
        `[count, C]`.

    Raises:
        SourceError: There are no triangles, or they have no surface.
    """
    if not len(triangles):
        raise SourceError(f"Expected a mesh with triangles, got none ({name}).")
    if triangles.min() < 0 or triangles.max() >= len(vertices):
        raise SourceError(f"Expected triangles between {len(vertices)} corners, got one with another ({name}).")
    corners = vertices[triangles]
    edges = corners[:, 1:, :3] - corners[:, :1, :3]
    areas = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1)
    if not 0 < areas.sum() < np.inf:
        raise SourceError(f"Expected a mesh with a surface, got an area of {areas.sum():g} ({name}).")
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(triangles), count, p=areas / areas.sum())
    u, v = np.sqrt(rng.random(count)), rng.random(count)
    weights = np.stack([1 - u, u * (1 - v), u * v], 1)
    sampled: NDArray[np.float64] = (corners[chosen] * weights[..., None]).sum(1)
    return sampled


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

"""Clouds and meshes that a library of others reads: OBJ, STL, OFF, GLB and glTF, LAS and LAZ, E57."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from lamm_data.errors import LammDataError, import_extra

T = TypeVar("T")
MESHES = frozenset({".obj", ".off", ".stl", ".glb", ".gltf"})
GLTF = frozenset({".glb", ".gltf"})
"""Metres with y up by their definition, so they are turned to z up when they are read."""
_MOST_POINTS_A_BYTE = 400


class FolderOnly:
    """What trimesh asks for the files that a glTF file names: only those of its own folder, by plain name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, name: str) -> bytes:
        """Read a file of the folder.

        Raises:
            ValueError: The name leads elsewhere.
        """
        if Path(name).name != name or (self.folder / name).is_symlink():
            raise ValueError(f"the name of a file elsewhere: {name!r}")
        return (self.folder / name).read_bytes()

    def namespaced(self, _: str) -> FolderOnly:
        """Return itself: there are no folders below."""
        return self


def read_mesh(path: Path) -> tuple[NDArray[Any], NDArray[Any] | None, NDArray[Any]]:
    """Read a mesh, its parts put where its scene has them.

    Returns:
        Vertices `[V, 3]`, their colours `[V, 3]` in 0..255 where the mesh has some, and triangles `[T, 3]`, none where
        the file holds points only.

    Raises:
        LammDataError: trimesh is not installed.
        Exception: What trimesh raises about a damaged file.
    """
    trimesh = import_extra("trimesh", f"reading {path.suffix} files", "meshes")
    loaded = trimesh.load(
        io.BytesIO(path.read_bytes()),
        file_type=path.suffix[1:].lower(),
        resolver=FolderOnly(path.parent),
        process=False,
        skip_materials=True,
    )
    parts = loaded.dump() if isinstance(loaded, trimesh.Scene) else [loaded]
    vertices, colours, triangles, before = [], list[Any](), [], 0
    for part in parts:
        vertices.append(np.asarray(part.vertices, np.float64).reshape(-1, 3))
        triangles.append(np.asarray(getattr(part, "faces", np.empty((0, 3), int))).reshape(-1, 3) + before)
        colours.append(_vertex_colours(part))
        before += len(vertices[-1])
    if not before:
        raise ValueError("no points")
    places = np.concatenate(vertices)
    if path.suffix.lower() in GLTF:
        places = places[:, [0, 2, 1]] * (1, -1, 1)
    shades = None if any(colour is None for colour in colours) else np.concatenate(colours)
    return places, shades, np.concatenate(triangles)


def _vertex_colours(part: Any) -> NDArray[Any] | None:
    own = getattr(part, "colors", None)
    if own is None and getattr(part, "visual", None) is not None and part.visual.kind == "vertex":
        own = part.visual.vertex_colors
    return None if own is None or len(own) != len(part.vertices) else np.asarray(own)[:, :3]


def _mesh_vertices(path: Path) -> tuple[NDArray[Any], bool]:
    vertices, colours, _ = read_mesh(path)
    return (vertices, False) if colours is None else (np.concatenate([vertices, colours], 1), True)


def _check_las_records(path: Path) -> None:
    """Refuse a header that claims more records than the file has room for: laspy would read them one by one."""
    with path.open("rb") as handle:
        head, size = handle.read(247), path.stat().st_size
        chunks = _chunks(handle, int.from_bytes(head[96:100], "little")) if head[104:105] >= b"\x80" else 0
    if chunks > size:
        raise ValueError(f"{size} bytes that claim to hold {chunks} compressed chunks")
    if len(head) < 227 or head[:4] != b"LASF":
        raise ValueError("no header of a LAS file")
    records, more = int.from_bytes(head[100:104], "little"), 0
    if head[24:26] >= b"\x01\x04":
        more = int.from_bytes(head[243:247], "little")
    if records * 54 + more * 60 > size:
        raise ValueError(f"{size} bytes that claim to hold {records + more} records before and after the points")


def _chunks(handle: BinaryIO, start: int) -> int:
    """Return how many chunks the points of a LAZ file are in by its own table; they begin with the place of it."""
    handle.seek(start)
    table = int.from_bytes(handle.read(8), "little", signed=True)
    if table < 0:  # Written as a stream: the place stands at the end.
        handle.seek(-8, 2)
        table = int.from_bytes(handle.read(8), "little", signed=True)
    handle.seek(max(table, 0) + 4)
    return int.from_bytes(handle.read(4), "little")


def _las(path: Path) -> tuple[NDArray[Any], bool]:
    values = np.concatenate([piece for piece, _ in las_pieces(path, 1 << 62)])
    return uncoloured_where_black(values)


def las_pieces(path: Path, rows: int) -> Iterator[tuple[NDArray[Any], bool]]:
    """Read a LAS or LAZ file in pieces of at most that many points, with colours where its points have room for some.

    Raises:
        ValueError: The file does not hold what its header says.
        LammDataError: laspy is not installed.
    """
    laspy = import_extra("laspy", "reading LAS and LAZ files", "las")
    _check_las_records(path)
    # The parallel reader of lazrs makes room for what a damaged file claims, and ends the process where it cannot.
    with laspy.open(path, laz_backend=laspy.LazBackend.Lazrs) as reader:
        count, size = int(reader.header.point_count), path.stat().st_size
        packed = (
            _MOST_POINTS_A_BYTE * size if path.suffix.lower() == ".laz" else size // reader.header.point_format.size
        )
        if not count or count > packed:
            raise ValueError(f"{size} bytes that claim to hold {count} points")
        coloured, found = {"red", "green", "blue"} <= set(reader.header.point_format.dimension_names), 0
        for points in reader.chunk_iterator(min(rows, max(count, 1))):
            columns = [np.asarray(points[name]) for name in ("x", "y", "z")]
            columns += [np.asarray(points[name]) for name in ("red", "green", "blue")] if coloured else []
            found += len(points)
            yield np.stack(columns, axis=1).astype(np.float64), coloured
    if found != count:
        raise ValueError(f"{found} points instead of the {count} that its header says")


def uncoloured_where_black(values: NDArray[Any]) -> tuple[NDArray[Any], bool]:
    """Leave out colours that are all 0: software writes these where the scanner had none."""
    coloured = values.shape[1] == 6 and bool(values[:, 3:].any())
    return (values, True) if coloured else (np.ascontiguousarray(values[:, :3]), False)


def _e57(path: Path) -> tuple[NDArray[Any], bool]:
    pye57 = import_extra("pye57", "reading E57 files", "e57")
    file = pye57.E57(str(path))
    try:
        scans = [
            file.read_scan(number, colors=True, ignore_missing_fields=True, transform=True)
            for number in range(file.scan_count)
        ]
    finally:
        file.close()
    if not scans:
        raise ValueError("no scans")
    parts = [[scan[f"cartesian{axis}"] for axis in "XYZ"] for scan in scans]
    names = ("colorRed", "colorGreen", "colorBlue")
    coloured = all(name in scan for scan in scans for name in names)
    if coloured:
        parts = [[*part, *(scan[name] for name in names)] for part, scan in zip(parts, scans, strict=True)]
    values = np.concatenate([np.stack(part, axis=1).astype(np.float64) for part in parts])
    whole = coloured and all(scan[name].dtype.kind in "iu" for scan in scans for name in names)
    return values, whole


_READERS: dict[str, Callable[[Path], tuple[NDArray[Any], bool]]] = {
    **dict.fromkeys(sorted(MESHES), _mesh_vertices),
    ".las": _las,
    ".laz": _las,
    ".e57": _e57,
}
SUFFIXES = tuple(_READERS)


def read_by_library(path: Path) -> tuple[NDArray[Any], bool]:
    """Read a file of one of `SUFFIXES`: values and whether colours are whole numbers, as `columns.assemble` gives them.

    Raises:
        ValueError: The library cannot read it.
        LammDataError: The library is not installed.
    """
    return refuse_in_words(_READERS[path.suffix.lower()], path)


def refuse_in_words(read: Callable[[Path], T], path: Path) -> T:
    """Read with a library of others, whatever it raises about files that are not what they claim to be.

    Raises:
        ValueError: The library raised anything.
        LammDataError: The library is not installed.
    """
    try:
        return read(path)
    except (LammDataError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # A panic of a library in Rust is no Exception.
        words = " ".join(str(error).split())[:200]
        raise ValueError(f"{type(error).__name__}: {words}" if words else type(error).__name__) from error

"""Read point clouds from `.npy`, `.ply` and `.pcd` files without running or unpickling anything in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lamm_model.errors import LammModelError

MAX_POINTS = 200_000_000
_PLY_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip
_PLY_FORMATS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
Table = np.ndarray[Any, Any]


class _Header:
    """What a PLY or PCD header says about its points."""

    def __init__(self, fields: np.dtype[Any], count: int, encoding: str, start: int) -> None:
        self.fields, self.count, self.encoding, self.start = fields, count, encoding, start


def read_point_cloud(path: str | Path) -> Table:
    """Read a cloud as float32 `[N, 3]` or `[N, 6]`.

    Args:
        path: `.npy` (`[N, 3]` or `[N, 6]`), `.ply` (ascii or binary; x, y, z and optionally red, green, blue) or `.pcd`
            (ascii or binary; x, y, z and optionally rgb).

    Returns:
        x, y, z in the file's unit (metres are expected) and, where the file has them, red, green, blue in 0..255.

    Raises:
        LammModelError: The file is missing, torn, of another kind, or holds pickled objects, no point, or values that
            are not finite.
    """
    from lamm_model.processing.point_cloud_processing import check_points

    readers = {".npy": _read_npy, ".ply": _read_ply, ".pcd": _read_pcd}
    suffix = Path(path).suffix.lower()
    if suffix not in readers:
        raise LammModelError(f"Expected a .npy, .ply or .pcd file, got {path}. Convert it.")
    try:
        points = readers[suffix](Path(path))
    except (OSError, ValueError, EOFError, KeyError, IndexError, UnicodeDecodeError) as fault:
        raise LammModelError(f"Expected a readable point cloud, got {fault} ({path}). Replace the file.") from fault
    return check_points(points, str(path))


def _read_npy(path: Path) -> Table:
    return np.asarray(np.load(path, allow_pickle=False))


def _read_ply(path: Path) -> Table:
    content = path.read_bytes()
    header = _ply_header(content)
    return _columns(_table(content, header))


def _ply_header(content: bytes) -> _Header:
    end = content.find(b"end_header")
    if not content.startswith(b"ply") or end < 0:
        raise ValueError("no PLY header")
    start = content.index(b"\n", end) + 1
    encoding, element, count = "", "", 0
    fields: list[tuple[str, str]] = []
    for words in (line.split() for line in content[:end].decode("ascii", "replace").splitlines()):
        if words[:1] == ["format"]:
            encoding = words[1]
        elif words[:1] == ["element"]:
            if element == "" and words[1] != "vertex" and int(words[2]):
                raise ValueError(f"element {words[1]} before the vertices")
            element = words[1]
            count = int(words[2]) if element == "vertex" else count
        elif words[:1] == ["property"] and element == "vertex":
            if words[1] == "list":
                raise ValueError("a list property in the vertices")
            fields.append((words[2], _PLY_FORMATS[encoding] + _PLY_TYPES[words[1]]))
    return _Header(np.dtype(fields), count, "ascii" if encoding == "ascii" else "binary", start)


def _read_pcd(path: Path) -> Table:
    content = path.read_bytes()
    header = _pcd_header(content)
    table = _columns(_table(content, header))
    kept: Table = table[np.isfinite(table[:, :3]).all(axis=1)]  # the format marks missing returns of a scanner by NaN
    return kept


def _pcd_header(content: bytes) -> _Header:
    settings: dict[str, list[str]] = {}
    position = 0
    while "DATA" not in settings:
        line_end = content.find(b"\n", position)
        if line_end < 0:
            raise ValueError("no PCD header")
        words = content[position:line_end].decode("ascii", "replace").split()
        if words and not words[0].startswith("#"):
            settings[words[0]] = words[1:]
        position = line_end + 1
    if settings["DATA"][0] not in ("ascii", "binary"):
        raise ValueError(f"data of kind {settings['DATA'][0]}, which is not read")
    counts = settings.get("COUNT", ["1"] * len(settings["FIELDS"]))
    fields = []
    for number, (name, kind, size, count) in enumerate(
        zip(settings["FIELDS"], settings["TYPE"], settings["SIZE"], counts, strict=True)
    ):
        fields.append((name if name != "_" else f"_{number}", f"<{kind.lower()}{size}", (int(count),)))
    return _Header(np.dtype(fields), int(settings["POINTS"][0]), settings["DATA"][0], position)


def _table(content: bytes, header: _Header) -> Table:
    if not 0 < header.count <= MAX_POINTS:
        raise ValueError(f"{header.count} points")
    if header.encoding == "binary":
        return np.frombuffer(content, header.fields, header.count, header.start)
    rows = content[header.start :].split(b"\n", header.count)[: header.count]
    width = sum(int(np.prod(header.fields[name].shape)) for name in header.fields.names or ())
    values = np.array([row.split() for row in rows], dtype=np.float64)
    if values.shape != (header.count, width):
        raise ValueError(f"{values.shape[0]} rows of {values.shape[-1]} values instead of {header.count} of {width}")
    table = np.empty(header.count, header.fields)
    column = 0
    for name in header.fields.names or ():
        shape = header.fields[name].shape
        size = int(np.prod(shape))
        table[name] = values[:, column : column + size].reshape(header.count, *shape)
        column += size
    return table


def _columns(table: Table) -> Table:
    names = table.dtype.names or ()
    parts = [table[name].reshape(len(table)).astype(np.float64) for name in ("x", "y", "z")]
    if {"red", "green", "blue"} <= set(names):
        parts += [table[name].astype(np.float64) for name in ("red", "green", "blue")]
    elif packed_name := next((name for name in ("rgb", "rgba") if name in names), ""):
        packed = np.ascontiguousarray(table[packed_name].reshape(len(table)))
        bits = packed.view(np.uint32) if packed.dtype.kind == "f" else packed.astype(np.uint32)
        parts += [((bits >> shift) & 255).astype(np.float64) for shift in (16, 8, 0)]
    return np.stack(parts, axis=1)

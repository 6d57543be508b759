"""What PLY and PCD files hold by their own headers, and whether all of it is there.

Readers such as open3d's pass truncated files off as whole ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lamm_data.errors import SourceError

_PLY_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip
_ORDERS = {"ascii": "<", "binary_little_endian": "<", "binary_big_endian": ">"}


class Element(NamedTuple):
    """Rows of one kind in a file: its points (`vertex`), or its faces.

    Attributes:
        fields: One row; None where rows hold lists and differ in length.
        least: Bytes that a row takes at least, in a binary file.
    """

    name: str
    rows: int
    fields: np.dtype[Any] | None
    least: int


class Layout(NamedTuple):
    """How a file is laid out: `ascii`, `binary` or `binary_compressed`, rows in order from byte `start`."""

    encoding: str
    start: int
    elements: list[Element]


def read_layout(content: bytes, path: Path) -> Layout:
    """Read the header of a whole PLY or PCD file, told by its name, and check that all it announces is there.

    Raises:
        SourceError: The file is shorter than its header says, or has no such header.
    """
    kind = path.suffix[1:].upper()
    try:
        layout = _ply_layout(content) if kind == "PLY" else _pcd_layout(content)
        fault = _shortage(content, layout)
    except (ValueError, IndexError, KeyError, TypeError) as error:
        fault = f"a header that cannot be read ({error})"
    if fault:
        raise SourceError(f"Expected a whole {kind} file, got {fault} ({path}). Download it again.")
    return layout


def _ply_layout(content: bytes) -> Layout:
    end = content.index(b"end_header")
    start = content.index(b"\n", end) + 1
    if not content.startswith(b"ply"):
        raise ValueError("it does not begin with ply")
    header = [line.split() for line in content[:end].decode("ascii", "replace").splitlines()]
    encoding = next(words[1] for words in header if words[:1] == ["format"])
    order = _ORDERS[encoding]
    elements: list[tuple[str, int, list[list[str]]]] = []
    for words in header:
        if words[:1] == ["element"]:
            elements.append((words[1], int(words[2]), []))
        elif words[:1] == ["property"]:
            elements[-1][2].append(words)
    return Layout("ascii" if encoding == "ascii" else "binary", start, [_ply_element(*row, order) for row in elements])


def _ply_element(name: str, rows: int, properties: list[list[str]], order: str) -> Element:
    if all(words[1] != "list" for words in properties):
        fields = np.dtype([(words[2], order + _PLY_TYPES[words[1]]) for words in properties])
        return Element(name, rows, fields, fields.itemsize)
    return Element(name, rows, None, sum(map(_least_size, properties)))


def _least_size(words: list[str]) -> int:
    """Return the fewest bytes a property can take: a list has its length, and a face three corners or more."""
    length = np.dtype(_PLY_TYPES[words[2 if words[1] == "list" else 1]]).itemsize
    corners = 3 if words[-1] in ("vertex_indices", "vertex_index") and words[1] == "list" else 0
    return length + (corners * np.dtype(_PLY_TYPES[words[3]]).itemsize if corners else 0)


def _pcd_layout(content: bytes) -> Layout:
    values: dict[str, list[str]] = {}
    start = 0
    while "DATA" not in values:
        end = content.index(b"\n", start)
        words = content[start:end].decode("ascii", "replace").split()
        if words and not words[0].startswith("#"):
            values[words[0]] = words[1:]
        start = end + 1
    counts = values.get("COUNT", ["1"] * len(values["FIELDS"]))
    columns = enumerate(zip(values["FIELDS"], values["TYPE"], values["SIZE"], counts, strict=True))
    fields = np.dtype(
        [
            (f"_{number}" if name == "_" else name, f"<{kind.lower()}{size}", (int(count),))
            for number, (name, kind, size, count) in columns
        ]
    )
    points = Element("vertex", int(values["POINTS"][0]), fields, fields.itemsize)
    return Layout(values["DATA"][0], start, [points])


def _shortage(content: bytes, layout: Layout) -> str:
    """Say how much of a file is missing."""
    if layout.encoding == "ascii":
        rows = sum(element.rows for element in layout.elements)
        lines = sum(bool(line.strip()) for line in content[layout.start :].split(b"\n"))
        return f"{lines} of {rows} lines" if lines < rows else ""
    least = layout.start + sum(element.rows * element.least for element in layout.elements)
    if layout.encoding == "binary_compressed":
        least = layout.start + 8 + int.from_bytes(content[layout.start : layout.start + 4], "little")
    return f"{len(content)} of at least {least} bytes" if len(content) < least else ""

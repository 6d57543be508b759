"""PLY files: the vertices of any file that keeps to its own header, in text or binary of either byte order.

Readers such as open3d's pass truncated files off as whole ones; here a header that does not fit its file is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lamm_data.clouds.columns import assemble, chosen_names
from lamm_data.clouds.rows import as_declared, nonblank, parse_rows

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip
_ORDERS = {"ascii": "<", "binary_little_endian": "<", "binary_big_endian": ">"}


class Property(NamedTuple):
    """One property of an element: its type, and the type of its length where it is a list (else None)."""

    name: str
    dtype: np.dtype[Any]
    length: np.dtype[Any] | None


class Element(NamedTuple):
    """Rows of one kind in a file: its points (`vertex`), or its faces."""

    name: str
    rows: int
    properties: list[Property]

    @property
    def lists(self) -> bool:
        """Tell whether rows hold lists, and may differ in length."""
        return any(entry.length is not None for entry in self.properties)

    @property
    def least(self) -> int:
        """Bytes that a binary row takes at least: a face has three corners or more."""
        total = 0
        for entry in self.properties:
            corners = 3 if entry.name in ("vertex_indices", "vertex_index") else 0
            total += entry.dtype.itemsize if entry.length is None else 0
            total += 0 if entry.length is None else entry.length.itemsize + corners * entry.dtype.itemsize
        return total


class Header(NamedTuple):
    """What a PLY file announces: its elements in order, from byte `start`."""

    ascii: bool
    start: int
    elements: list[Element]


def read_header(content: bytes) -> Header:
    """Read the header of a PLY file, with comments anywhere and lines ended in any of the three ways.

    Raises:
        ValueError: It is no header of a PLY file.
    """
    if content[:3] != b"ply" or content[3:4] not in (b"\n", b"\r", b" ", b"\t"):
        raise ValueError("it does not begin with ply")
    lines, start = _header_lines(content)
    encoding, elements = "", list[Element]()
    order = ""
    for words in lines:
        if words[0] == "format":
            encoding = words[1]
            order = _ORDERS[encoding]
    if not encoding:
        raise ValueError("it has no format line")
    for words in lines:
        if words[0] == "element":
            rows = int(words[2])
            if rows < 0:
                raise ValueError(f"{rows} rows of {words[1]}")
            elements.append(Element(words[1], rows, []))
        elif words[0] == "property":
            listed = words[1] == "list"
            kinds = [np.dtype(order + _TYPES[word]) for word in (words[2:4] if listed else words[1:2])]
            elements[-1].properties.append(Property(words[-1], kinds[-1], kinds[0] if listed else None))
    return Header(encoding == "ascii", start, elements)


def _header_lines(content: bytes) -> tuple[list[list[str]], int]:
    lines, at = list[list[str]](), 0
    while True:
        ends = [end for mark in (b"\n", b"\r") if (end := content.find(mark, at, at + 65536)) >= 0]
        if not ends:
            raise ValueError("it has no line end_header")
        end = min(ends)
        words = content[at:end].decode("utf-8", "replace").split()
        at = end + (2 if content[end : end + 2] == b"\r\n" else 1)
        if words == ["end_header"]:
            return lines, at
        if words and words[0] not in ("comment", "obj_info", "ply"):
            lines.append(words)


def check_size(content: bytes, header: Header) -> None:
    """Refuse a file that is shorter than its header announces, or that holds more.

    Raises:
        ValueError: It is, with both figures.
    """
    if header.ascii:
        rows = sum(element.rows for element in header.elements)
        body = content[header.start :]
        lines = body.count(b"\n") + (not body.endswith(b"\n"))
        lines = lines if lines == rows else len(nonblank(body))
        if lines != rows:
            raise ValueError(f"{lines} of {rows} lines")
        return
    size, least = len(content), header.start + sum(element.rows * element.least for element in header.elements)
    if size < least:
        raise ValueError(f"{size} of at least {least} bytes")
    most = max((element.least for element in header.elements), default=1)
    if size >= least + most and not any(element.lists for element in header.elements):
        raise ValueError(f"{size} bytes instead of the {least} that its header announces")


def read_vertices(content: bytes, header: Header) -> tuple[NDArray[Any], bool]:
    """Read the points of a PLY file, as `lamm_data.clouds.columns.assemble` does.

    Raises:
        ValueError: There are none, or rows do not fit the header.
    """
    return assemble(vertex_columns(content, header))


def vertex_columns(content: Any, header: Header, also: Sequence[str] = ()) -> dict[str, NDArray[Any]]:
    """Return coordinates and colours by name, of binary rows of one length without a copy.

    Args:
        content: The whole file: bytes, or a map of it.
        header: Its header.
        also: Names of further columns, returned where the file has them all.

    Raises:
        ValueError: There are none, or rows do not fit the header.
    """
    at = next((k for k, element in enumerate(header.elements) if element.name == "vertex"), None)
    if at is None or not header.elements[at].rows:
        raise ValueError("no points")
    before, points = header.elements[:at], header.elements[at]
    places, colours = chosen_names([entry.name for entry in points.properties if entry.length is None])
    if header.ascii:
        columns = _text_columns(content[header.start :], sum(element.rows for element in before), points)
    else:
        start = header.start
        for element in before:
            start = _walk(content, start, element)[1]
        columns = _walk(content, start, points)[0]
    further = also if set(also) <= columns.keys() else ()
    return {name: columns[name] for name in (*places, *colours, *further)}


def _text_columns(body: bytes, first: int, points: Element) -> dict[str, NDArray[Any]]:
    names = [(entry.name, entry.dtype) for entry in points.properties if entry.length is None]
    if points.lists:
        rows = nonblank(body)[first : first + points.rows]
        body, first = b"\n".join(_without_lists(row, points, k) for k, row in enumerate(rows, 1)), 0
    values = parse_rows(body, first, points.rows, len(names))
    return {name: as_declared(values[:, k], dtype, name) for k, (name, dtype) in enumerate(names)}


def _without_lists(row: bytes, points: Element, number: int) -> bytes:
    words, plain, at = row.split(), list[bytes](), 0
    for entry in points.properties:
        if entry.length is None:
            plain += words[at : at + 1]
            at += 1
        else:
            at += 1 + (int(words[at]) if at < len(words) and words[at].isdigit() else len(words))
    if at != len(words):
        raise ValueError(f"{len(words)} values that do not fit the header in row {number}")
    return b" ".join(plain)


def _walk(content: bytes, start: int, element: Element) -> tuple[dict[str, NDArray[Any]], int]:
    """Return the columns of a binary element that are no lists, and where it ends."""
    fields = _uniform(content, start, element)
    if fields is not None:
        table = np.frombuffer(content, fields, element.rows, start)
        if all((table[f"{k}#"] == table.dtype[f"{k}"].shape[0]).all() for k in _listed(element)):
            names = {entry.name: table[str(k)] for k, entry in enumerate(element.properties) if entry.length is None}
            return names, start + element.rows * fields.itemsize
    return _walk_rows(content, start, element)


def _listed(element: Element) -> list[int]:
    return [k for k, entry in enumerate(element.properties) if entry.length is not None]


def _uniform(content: bytes, start: int, element: Element) -> np.dtype[Any] | None:
    """Return the fields of a row if every row is as long as the first; None where that cannot be."""
    fields, at = list[Any](), start
    for k, entry in enumerate(element.properties):
        if entry.length is not None:
            count = int(np.frombuffer(content, entry.length, 1, at)[0]) if element.rows else 0
            fields += [(f"{k}#", entry.length), (str(k), entry.dtype, (count,))]
            at += entry.length.itemsize + max(count, 0) * entry.dtype.itemsize
            if count < 0 or at > len(content):
                return None
        else:
            fields.append((str(k), entry.dtype))
            at += entry.dtype.itemsize
    dtype = np.dtype(fields)
    return dtype if start + element.rows * dtype.itemsize <= len(content) else None


def _walk_rows(content: bytes, start: int, element: Element) -> tuple[dict[str, NDArray[Any]], int]:
    """Pass over rows one by one, where lists differ in length."""
    view, at = memoryview(content), start
    kept: dict[str, list[Any]] = {entry.name: [] for entry in element.properties if entry.length is None}
    for number in range(element.rows):
        for entry in element.properties:
            size = entry.dtype.itemsize
            if entry.length is not None:
                size *= int(_number(view, at, entry.length, number))
                at += entry.length.itemsize
                if size < 0:
                    raise ValueError(f"a list of negative length in row {number + 1} of {element.name}")
            else:
                kept[entry.name].append(_number(view, at, entry.dtype, number))
            at += size
    if at > len(content):
        raise ValueError(f"{len(content)} of at least {at} bytes")
    dtypes = {entry.name: entry.dtype for entry in element.properties}
    return {name: np.array(values, dtypes[name]) for name, values in kept.items()}, at


def _number(view: memoryview, at: int, dtype: np.dtype[Any], row: int) -> Any:
    if at + dtype.itemsize > len(view):
        raise ValueError(f"an end of the file in row {row + 1}")
    return np.frombuffer(view, dtype, 1, at)[0]

"""PCD files: text, binary and compressed, with fields of any type, size and count."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lamm_data.clouds.columns import assemble, chosen_names
from lamm_data.clouds.rows import as_declared, nonblank, parse_rows

_HIGHEST_RATIO = 256  # No LZF token of three bytes stands for more than 264.


class Field(NamedTuple):
    """One field: its name, the type of its numbers, and how many there are in a row."""

    name: str
    dtype: np.dtype[Any]
    numbers: int


class Header(NamedTuple):
    """What a PCD file announces: `encoding` is `ascii`, `binary` or `binary_compressed`; data from byte `start`."""

    encoding: str
    start: int
    points: int
    fields: list[Field]

    @property
    def row(self) -> int:
        """Bytes of a point in a binary file."""
        return sum(field.dtype.itemsize * field.numbers for field in self.fields)


def read_header(content: bytes) -> Header:
    """Read the header of a PCD file.

    Raises:
        ValueError: It is no such header.
    """
    values: dict[str, list[str]] = {}
    start = 0
    while "DATA" not in values:
        end = content.find(b"\n", start, start + 65536)
        if end < 0:
            raise ValueError("it has no line DATA")
        words = content[start:end].decode("utf-8", "replace").split()
        if words and not words[0].startswith("#"):
            values[words[0].upper()] = words[1:]
        start = end + 1
    names = values["FIELDS"] if "FIELDS" in values else values["COLUMNS"]
    counts = values.get("COUNT", ["1"] * len(names))
    kinds = zip(names, values["TYPE"], values["SIZE"], counts, strict=True)
    fields = [
        Field(f"_{k}" if name == "_" else name, _dtype(kind, size), int(count))
        for k, (name, kind, size, count) in enumerate(kinds)
    ]
    if any(field.numbers < 1 for field in fields):
        raise ValueError("a field of no numbers")
    return Header(values["DATA"][0].lower(), start, _points(values), fields)


def _dtype(kind: str, size: str) -> np.dtype[Any]:
    code = f"<{kind.lower()}{size}"
    if code not in ("<f4", "<f8", "<i1", "<i2", "<i4", "<i8", "<u1", "<u2", "<u4", "<u8"):
        raise ValueError(f"a field of type {kind} and size {size}")
    return np.dtype(code)


def _points(values: dict[str, list[str]]) -> int:
    grid = int(values["WIDTH"][0]) * int(values["HEIGHT"][0]) if {"WIDTH", "HEIGHT"} <= values.keys() else None
    points = int(values["POINTS"][0]) if "POINTS" in values else grid
    if points is None or points < 0 or (grid is not None and grid != points):
        raise ValueError(f"{points} points and a grid of {grid}")
    return points


def check_size(content: bytes, header: Header) -> None:
    """Refuse a file that is shorter than its header announces, or that holds more.

    Raises:
        ValueError: It is, with both figures.
    """
    body = len(content) - header.start
    if header.encoding == "ascii":
        lines = len(nonblank(content[header.start :]))
        if lines != header.points:
            raise ValueError(f"{lines} of {header.points} lines")
    elif header.encoding == "binary":
        size = header.points * header.row
        if not size <= body < size + header.row:
            raise ValueError(f"{body} of {size} bytes")
    elif header.encoding == "binary_compressed":
        packed, size = _sizes(content, header)
        if body < 8 + packed or size != header.points * header.row:
            raise ValueError(f"{max(body - 8, 0)} of {packed} bytes for {size} of {header.points * header.row}")


def _sizes(content: bytes, header: Header) -> tuple[int, int]:
    packed, size = (int.from_bytes(content[header.start + at : header.start + at + 4], "little") for at in (0, 4))
    return packed, size


def read_points(content: bytes, header: Header) -> tuple[NDArray[Any], bool]:
    """Read the points of a PCD file, as `lamm_data.clouds.columns.assemble` does.

    Raises:
        ValueError: There are none, or the data do not fit the header.
    """
    if not header.points:
        raise ValueError("no points")
    places, colours = chosen_names([field.name for field in header.fields])
    if header.encoding == "ascii":
        columns = _text_columns(content, header)
    elif header.encoding == "binary":
        fields = [(field.name, field.dtype, (field.numbers,)) for field in header.fields]
        table = np.frombuffer(content, np.dtype(fields), header.points, header.start)
        columns = {field.name: table[field.name] for field in header.fields}
    elif header.encoding == "binary_compressed":
        columns = _compressed_columns(content, header)
    else:
        raise ValueError(f"data of kind {header.encoding}, which is not read")
    return assemble({name: columns[name] for name in (*places, *colours)})


def _text_columns(content: bytes, header: Header) -> dict[str, NDArray[Any]]:
    values = parse_rows(content[header.start :], 0, header.points, sum(field.numbers for field in header.fields))
    columns, at = dict[str, NDArray[Any]](), 0
    for field in header.fields:
        columns[field.name] = as_declared(values[:, at : at + field.numbers], field.dtype, field.name)
        at += field.numbers
    return columns


def _compressed_columns(content: bytes, header: Header) -> dict[str, NDArray[Any]]:
    """Fields follow each other here: all of the first, then all of the second."""
    packed, size = _sizes(content, header)
    if size > _HIGHEST_RATIO * max(packed, 1):
        raise ValueError(f"{packed} bytes that claim to hold {size}")
    start = header.start + 8
    data = expand(content[start : start + packed], size)
    columns, at = dict[str, NDArray[Any]](), 0
    for field in header.fields:
        numbers = header.points * field.numbers
        columns[field.name] = np.frombuffer(data, field.dtype, numbers, at).reshape(header.points, field.numbers)
        at += numbers * field.dtype.itemsize
    return columns


def expand(packed: bytes, size: int) -> bytes:
    """Undo LZF: a byte below 32 opens so many literals and one more; another a copy from up to 8 KiB before.

    Raises:
        ValueError: The bytes are not what LZF writes, or do not give `size` bytes.
    """
    out, at, end = bytearray(), 0, len(packed)
    try:
        while at < end:
            control = packed[at]
            at += 1
            if control < 32:
                out += packed[at : at + control + 1]
                at += control + 1
                continue
            length = control >> 5
            if length == 7:
                length += packed[at]
                at += 1
            source = len(out) - ((control & 31) << 8) - packed[at] - 1
            at += 1
            length += 2
            if source < 0 or len(out) > size:
                raise IndexError
            if source + length <= len(out):
                out += out[source : source + length]
            else:
                piece = out[source:]
                out += (piece * (length // len(piece) + 1))[:length]
    except IndexError:
        raise ValueError(f"compressed data that break off at byte {at} of {end}") from None
    if len(out) != size:
        raise ValueError(f"{len(out)} bytes of compressed data instead of {size}")
    return bytes(out)

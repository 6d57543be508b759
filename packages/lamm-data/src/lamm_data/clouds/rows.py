"""Rows of numbers in text: PLY and PCD files in ascii, and XYZ files. No row is repaired, none is made up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamm_data.clouds.columns import BY_NAME, assemble_unnamed

_PTS = {4: ("x", "y", "z", "intensity"), 7: ("x", "y", "z", "intensity", "red", "green", "blue")}


def nonblank(content: bytes) -> list[bytes]:
    """Return the lines that hold anything, whatever ends them."""
    return [line for line in content.splitlines() if line.strip()]


def parse_rows(content: bytes, first: int, rows: int, width: int) -> NDArray[np.float64]:
    """Parse rows of numbers parted by white space.

    Args:
        content: Text whose every line that is not blank is a row.
        first: Rows to pass over.
        rows: Rows to read.
        width: Numbers in each.

    Returns:
        `[rows, width]`.

    Raises:
        ValueError: A row is missing, longer or shorter, or holds no number; the first such row is named.
    """
    lines = content.split(b"\n", first + rows)[first : first + rows]
    try:
        # loadtxt warns where there is nothing but blanks.
        if lines and lines[0].decode("latin-1").strip():
            values = np.loadtxt(lines, np.float64, comments=None, ndmin=2)
            if values.shape == (rows, width):
                return values
    except ValueError:
        pass  # Blank lines, other ends of lines, or a fault that is found and named below.
    return parse_lines(nonblank(content)[first : first + rows], rows, width)


def parse_lines(lines: Sequence[bytes], rows: int, width: int) -> NDArray[np.float64]:
    """Parse lines one by one, to name the first that is wrong: `[rows, width]`."""
    if len(lines) < rows:
        raise ValueError(f"{len(lines)} of {rows} lines")
    values = np.empty((rows, width))
    for number, line in enumerate(lines):
        words = line.split()
        if len(words) != width:
            raise ValueError(f"{len(words)} values instead of {width} in row {number + 1}")
        try:
            values[number] = [float(word) for word in words]
        except ValueError:
            raise ValueError(f"could not convert a value to a number in row {number + 1}: {_shown(line)}") from None
    return values


def _shown(line: bytes) -> str:
    text = line.decode("utf-8", "replace").strip()
    return repr(text if len(text) <= 60 else text[:57] + "...")


def as_declared(values: NDArray[np.float64], dtype: np.dtype[Any], name: str) -> NDArray[Any]:
    """Return a column of text in the type that the header declares for it.

    Raises:
        ValueError: A value does not fit into it.
    """
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        wrong = ~((values == np.rint(values)) & (values >= limits.min) & (values <= limits.max))
        if wrong.any():
            at = int(wrong.argmax())
            raise ValueError(f"{values.reshape(-1)[at]:g} in the column {name}, which is declared as {dtype.name}")
    return values.astype(dtype)


def read_text(content: bytes, suffix: str, columns: Sequence[str]) -> tuple[NDArray[Any], bool]:
    """Read an XYZ file: rows of x, y, z, with red, green, blue or with columns named in a first line or by the user.

    Args:
        content: The whole file. Values are parted by blanks, tabs, commas or semicolons; `#` and `//` open comments.
        suffix: Of the file. PTS files have their own order, with the intensity before the colours.
        columns: Names that the user states.

    Returns:
        As `lamm_data.clouds.columns.assemble`.

    Raises:
        ValueError: A row is malformed, decimals are written with commas, or columns have no names and no usual number.
    """
    lines = nonblank(content.removeprefix(b"\xef\xbb\xbf"))
    names, count, start = _head(lines)
    body = [line for line in lines[start:] if not line.lstrip().startswith((b"#", b"//"))]
    if not body:
        raise ValueError("no rows of numbers")
    if count is not None and count != len(body):
        raise ValueError(f"{len(body)} rows instead of the {count} that the first line says")
    body, width = _parted(body, bool(names or columns))
    values = parse_rows(b"\n".join(body), 0, len(body), width)
    names = list(columns) or names or list(_PTS.get(width, ()) if suffix == ".pts" else ())
    if not names and width not in (3, 6):
        raise ValueError(f"{width} columns without names. {BY_NAME}")
    return assemble_unnamed(values, names)


def _head(lines: list[bytes]) -> tuple[list[str], int | None, int]:
    """Return the column names, the number of rows where the file says it, and the line where the rows begin."""
    for at, line in enumerate(lines):
        text = line.decode("utf-8", "replace").strip()
        words = [word.strip("\"'") for word in text.lstrip("#/").replace(",", " ").replace(";", " ").split()]
        lowered = [word.lower() for word in words]
        if {"x", "y", "z"} <= set(lowered):
            return lowered, None, at + 1
        if text.startswith(("#", "//")):
            continue
        if len(words) == 1 and words[0].isdigit():
            return [], int(words[0]), at + 1
        return [], None, at
    return [], None, len(lines)


def _parted(body: list[bytes], named: bool) -> tuple[list[bytes], int]:
    """Return lines whose values are parted by blanks, and how many the first has."""
    first = body[0]
    if b";" in first:
        body = [line.replace(b";", b" ") for line in body]
    elif b"," in first and b"," not in b"".join(word.rstrip(b",") for word in first.split()):
        body = [line.replace(b",", b" ") for line in body]
    elif b"," in first and len(first.split()) == 1:
        if b"." not in first and not named:
            raise ValueError(f"commas that may be decimal commas in row 1: {_shown(first)}. {BY_NAME}")
        body = [line.replace(b",", b" ") for line in body]
    return body, len(body[0].split())

"""`.npy` files, whose header is held against the file before anything is made room for."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamm_data.clouds.columns import assemble, assemble_unnamed

_LONGEST_HEADER = 20_000  # numpy reads no more than 10,000 characters of it.


def read_array(path: Path, columns: Sequence[str]) -> tuple[NDArray[Any], bool]:
    """Read an array: `[N, C]` numbers, or rows of named columns, which are taken by their names.

    Raises:
        ValueError: It is no plain array, or the file is shorter or longer than its header says.
    """
    return array_rows(open_array(path), columns)


def array_rows(values: NDArray[Any], columns: Sequence[str]) -> tuple[NDArray[Any], bool]:
    """Take rows of an array by the names of its columns, its own or those that the user states."""
    if values.dtype.names:
        return assemble({name: values[name] for name in values.dtype.names})
    return assemble_unnamed(values, columns)


def open_array(path: Path, *, mapped: bool = False) -> NDArray[Any]:
    """Read an array, or with `mapped` only when its rows are looked at.

    Raises:
        ValueError: It is no plain array, or the file is shorter or longer than its header says.
    """
    with path.open("rb") as handle:
        head = handle.read(12)
        short = head[6:7] == b"\x01"
        size = (10 if short else 12) + int.from_bytes(head[8 : 10 if short else 12], "little")
        if not 12 <= size <= _LONGEST_HEADER:
            raise ValueError(f"a header of {size} bytes")
        shape, fortran, dtype = _header(head + handle.read(size - 12))
        if dtype.hasobject:
            raise ValueError("Python objects in it, which are never opened")
        count = math.prod(shape)
        left = os.fstat(handle.fileno()).st_size - size
        if min(shape, default=0) < 0 or left != count * dtype.itemsize:
            raise ValueError(f"{left} bytes instead of the {count * dtype.itemsize} of shape {list(shape)}")
        flat = np.memmap(handle, dtype, "r", size, count) if mapped and count else np.fromfile(handle, dtype, count)
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)


@lru_cache(maxsize=64)
def _header(head: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Parse a whole header; clouds of one size have the same."""
    handle = io.BytesIO(head)
    version = np.lib.format.read_magic(handle)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version[0]}.{version[1]} of the format")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    try:
        shape, fortran, dtype = read(handle)
    except Exception as error:  # numpy's parser has its own and Python's.
        raise ValueError(f"a header that cannot be read ({error})") from error
    return shape, fortran, dtype

"""Leeds Sports Pose: fourteen joints of one person an image, in a MATLAB 5 file of numeric arrays."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamm_data.errors import SourceError
from lamm_data.records.annotations import Annotated, Keypoints
from lamm_data.records.benchmark import LSP_JOINTS
from lamm_data.sources.readers.fields import measured, read_file

HEADER = 128
LARGEST = 1 << 28
"""More unpacked bytes than this in one element are refused: the real file has 0.7 MB."""
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_MATRIX, _COMPRESSED = 14, 15


def _elements(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Yield the type and payload of each data element, small and large ones alike."""
    at = 0
    while at + 8 <= len(data):
        kind, size = struct.unpack_from(order + "II", data, at)
        if kind >> 16:  # small element: the size sits in the upper half of the type, the payload in the next four bytes
            yield kind & 0xFFFF, data[at + 4 : at + 4 + (kind >> 16)]
            at += 8
            continue
        if at + 8 + size > len(data):
            raise ValueError("an element that is longer than the file")
        yield kind, data[at + 8 : at + 8 + size]
        at += 8 + size + (0 if kind == _COMPRESSED else -size % 8)


def _inflate(payload: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    out = unpacker.decompress(payload, LARGEST)
    if unpacker.unconsumed_tail:
        raise ValueError(f"more than {LARGEST} unpacked bytes")
    return out


def _matrix(payload: bytes, order: str) -> tuple[str, NDArray[np.float64]]:
    parts = list(_elements(payload, order))
    if len(parts) < 4:
        raise ValueError("a matrix without data")
    (_, _), (_, dims), (_, name), (kind, raw) = parts[:4]
    if kind not in _NUMBERS:
        raise ValueError(f"an array of type {kind}")
    shape = struct.unpack(order + f"{len(dims) // 4}i", dims)
    numbers = np.frombuffer(raw, order + _NUMBERS[kind]).astype(np.float64)
    return name.decode("ascii"), numbers.reshape(shape, order="F")


def load_matrix(path: Path, name: str) -> NDArray[np.float64]:
    """Load one numeric array, by its name, of a MATLAB 5 file (`-v6` or `-v7`) of either byte order.

    Raises:
        SourceError: The file is missing, of another version, damaged, or does not hold the variable.
    """
    data = read_file(path)
    matrices: dict[str, Any] = {}
    try:
        order = {b"IM": "<", b"MI": ">"}[data[126:HEADER]]
        for kind, payload in _elements(data[HEADER:], order):
            inner = list(_elements(_inflate(payload), order)) if kind == _COMPRESSED else [(kind, payload)]
            matrices |= dict(_matrix(matrix, order) for kind, matrix in inner if kind == _MATRIX)
    except (KeyError, ValueError, struct.error, zlib.error, UnicodeDecodeError) as error:
        raise SourceError(f"Expected a MATLAB 5 file of numeric arrays, got {error} ({path}).") from error
    if name not in matrices:
        raise SourceError(f"Expected the variable {name}, got {', '.join(matrices) or 'none'} ({path}).")
    return np.asarray(matrices[name])


def open_lsp(root: Path, split: str) -> Iterator[Annotated]:
    """Read `joints.mat` (`[3, 14, N]`: x, y in pixels counted from 1, and a flag) of `images/im0001.jpg` and so on.

    The first half of the images is the training split, the second the test split. Every joint has a position, hidden
    ones too; the flag is kept as `v`: 2 where it is set and 1 where it is not.
    """
    path = root / "joints.mat"
    joints = load_matrix(path, "joints")
    if joints.ndim == 3 and joints.shape[0] == len(LSP_JOINTS):
        joints = joints.transpose(1, 0, 2)  # the extended set stores [14, 3, N]
    if joints.ndim != 3 or joints.shape[:2] != (3, len(LSP_JOINTS)):
        raise SourceError(f"Expected joints of shape [3, 14, N], got {list(joints.shape)} ({path}).")
    half = joints.shape[2] // 2
    ranges = {"train": range(half), "test": range(half, joints.shape[2]), "all": range(joints.shape[2])}
    for index in ranges[split]:
        name = f"im{index + 1:04d}"
        points = tuple((float(x) - 1, float(y) - 1, 2 if flag else 1) for x, y, flag in joints[:, :, index].T)
        person = (Keypoints(LSP_JOINTS, points, name),)
        yield measured(root, f"images/{name}.jpg", name, origin=path.name, keypoints=person)

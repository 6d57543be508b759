"""Scans of any size, piece by piece: a first pass finds what a scan holds, a second hands on its points."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lamm_data.clouds import ply
from lamm_data.clouds.arrays import array_rows, open_array
from lamm_data.clouds.columns import (
    BY_RANGE,
    assemble,
    check_stated_range,
    colour_range,
    finite_rows,
    map_offset,
    refuse_shape,
    to_bytes_range,
)  # fmt: skip
from lamm_data.clouds.libraries import las_pieces
from lamm_data.clouds.reading import PointCloud, guarded, whole_header
from lamm_data.errors import SourceError

PIECE = 1_000_000
"""Points of a scan that are in memory at once."""
_SAMPLED = 400_000
"""Points of a scan, at most, that are looked at to find out what it is."""
STREAMED = (".npy", ".ply", ".las", ".laz")
"""Files that are read piece by piece; of PLY the binary ones whose points have no lists."""
Piece = tuple[NDArray[Any], bool]


class Survey(NamedTuple):
    """What a first pass over a scan found.

    Attributes:
        sample: Some of its points, with the scan's `offset`, `dropped` and `colour_range`, for `inspect_cloud`.
        points: How many it has.
    """

    sample: PointCloud
    points: int


def scan_pieces(path: Path, columns: Sequence[str]) -> Iterator[Piece]:
    """Read a file of a kind in `STREAMED` in pieces, each as `lamm_data.clouds.columns.assemble` gives it.

    Raises:
        SourceError: The file is damaged.
    """
    if path.suffix.lower() in (".las", ".laz"):
        yield from _each_guarded(las_pieces(path, PIECE), path)
    elif path.suffix.lower() == ".npy":
        rows = guarded(lambda: open_array(path, mapped=True), path)
        for start in range(0, len(rows), PIECE):
            yield guarded(lambda start=start: array_rows(rows[start : start + PIECE], columns), path)  # type: ignore[misc]
    else:
        with (
            path.open("rb") as handle,
            guarded(lambda: mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ), path) as content,
        ):
            yield from _each_guarded(_ply_pieces(content, path), path)


def _ply_pieces(content: Any, path: Path) -> Iterator[Piece]:
    columns = ply.vertex_columns(content, whole_header(content, path))
    for start in range(0, len(next(iter(columns.values()))), PIECE):
        yield assemble({name: values[start : start + PIECE] for name, values in columns.items()})
    del columns  # A map cannot be closed while arrays look into it.


def _each_guarded(pieces: Iterator[Piece], path: Path) -> Iterator[Piece]:
    while True:
        piece = guarded(lambda: next(pieces, None), path)
        if piece is None:
            return
        yield piece


def survey(path: Path, columns: Sequence[str], colours: str) -> Survey:
    """Pass over a scan once.

    Raises:
        SourceError: The file is damaged, or the range of its colours cannot be told.
    """
    rng, drawn, share = np.random.default_rng(0), list[NDArray[Any]](), 1.0
    points, dropped, whole = 0, 0, True
    low, high = np.full(6, np.inf), np.full(6, -np.inf)
    for values, integers in scan_pieces(path, columns):
        refuse_shape(values, path)
        rows = values[finite_rows(values)]
        dropped += len(values) - len(rows)
        points, whole, width = points + len(rows), whole and integers, values.shape[1]
        if len(rows):
            low[:width] = np.minimum(low[:width], rows.min(axis=0))
            high[:width] = np.maximum(high[:width], rows.max(axis=0))
            drawn.append(rows[rng.permutation(len(rows))[: int(np.ceil(share * len(rows)))]])
        while sum(map(len, drawn)) > _SAMPLED:
            drawn, share = [part[::2] for part in drawn], share / 2
    if not points:
        raise SourceError(f"Expected finite coordinates, got {dropped} points and none of them finite ({path}).")
    sample = np.concatenate(drawn)
    black = path.suffix.lower() in (".las", ".laz") and not high[3:].max() > 0
    found = "" if sample.shape[1] == 3 or colours == "none" or black else colours
    if found:
        try:
            least, most = float(low[3:].min()), float(high[3:].max())
            if colours == "auto":
                found = colour_range(sample[:, 3:], least, most, whole)
            else:
                check_stated_range(least, most, colours)
        except ValueError as error:
            raise SourceError(f"Expected colours of one range, got {error} ({path}). {BY_RANGE}") from error
    return Survey(PointCloud(coloured(sample, found), map_offset(low[:3], high[:3]), dropped, found), points)


def coloured(values: NDArray[Any], name: str) -> NDArray[Any]:
    """Return points with their colours in 0..255, or without colours where no range is named."""
    if not name:
        return values[:, :3]
    return np.concatenate([values[:, :3], to_bytes_range(values[:, 3:], name)], axis=1)


def point_pieces(path: Path, columns: Sequence[str], found: str) -> Iterator[NDArray[Any]]:
    """Pass over a scan again: finite points `[n, 3]`, or `[n, 6]` with the colours of the range found, in 0..255."""
    for values, _ in scan_pieces(path, columns):
        yield coloured(values[finite_rows(values)], found)

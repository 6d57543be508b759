"""Buildings: scans cut into tiles that overlap, each a cloud with its place in `clouds.json`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lamm_data.clouds.folder import (
    CloudReport,
    CloudSettings,
    cloud_jobs,
    cloud_notes,
    earlier_clouds,
    find_files,
    moved,
    write_manifest,
)  # fmt: skip
from lamm_data.clouds.frames import Matrix, frame_matrix, map_points
from lamm_data.clouds.inspection import inspect_cloud
from lamm_data.clouds.libraries import GLTF, MESHES
from lamm_data.clouds.normalising import normal_frame
from lamm_data.clouds.pieces import STREAMED, point_pieces, survey
from lamm_data.clouds.reading import PointCloud, mesh_cloud, resample, save_cloud, seed_of
from lamm_data.errors import SourceError
from lamm_data.files.processes import in_parallel
from lamm_data.progress import Advance, unwatched

FEWEST = 64
"""Points below which a tile is left out."""
_OF_MESHES = 400_000
Array = NDArray[np.float64]


class Grid(NamedTuple):
    """Where the tiles of a building lie, in metres of its cloud's frame.

    Attributes:
        starts: Of each axis, where tiles begin.
        side: Length of a tile along each axis.
        edge: How far beyond the outermost tiles points may lie.
    """

    starts: tuple[Array, Array, Array]
    side: float
    edge: float

    def bounds(self, at: tuple[int, ...]) -> tuple[Array, Array]:
        """Return the lowest and the highest corner `[3]` of a tile."""
        low = np.array([self.starts[axis][k] for axis, k in enumerate(at)])
        return low, low + self.side

    def origin(self, at: tuple[int, ...]) -> Array:
        """Return the origin `[3]` of a tile: its middle, at height 0, or at its foot where tiles are stacked."""
        low, high = self.bounds(at)
        height = low[2] if len(self.starts[2]) > 1 else 0.0
        return np.round(np.array([*(low + high)[:2] / 2, height]), 3)

    def parted(self, points: Array, axis: int = 0) -> Iterator[tuple[tuple[int, ...], NDArray[np.int64]]]:
        """Yield each tile with some of points `[N, 3]`: its place along the axes from this one on, and their rows."""
        last = len(self.starts[axis]) - 1
        for k, start in enumerate(self.starts[axis]):
            low = start - (self.edge if k == 0 else 0)
            high = start + self.side + (self.edge if k == last else 0)
            rows = np.flatnonzero((points[:, axis] >= low) & (points[:, axis] <= high))
            if len(rows) and axis == 2:
                yield (k,), rows
            elif len(rows):
                for rest, chosen in self.parted(points[rows], axis + 1):
                    yield (k, *rest), rows[chosen]


def make_grid(points: Array, side: float, overlap: float) -> Grid:
    """Lay tiles over a building: as few as overlap that much, spread evenly, beside each other and upon each other.

    Args:
        points: `[N, 3]` some points of it, in metres with z up. A few strays do not widen the grid.
        side: Of a tile.
        overlap: Of neighbours, at least.
    """
    low, high = np.percentile(points, (0.02, 99.98), axis=0)
    starts = []
    for least, most in zip(low, high, strict=True):
        count = max(int(np.ceil((most - least - overlap) / (side - overlap))), 1)
        single = (least + most - side) / 2
        starts.append(np.linspace(least, most - side, count) if count > 1 else np.array([single]))
    return Grid((starts[0], starts[1], starts[2]), side, overlap)


def tile_scan(
    path: Path, name: str, target: str, output: Path, settings: CloudSettings, progress: Advance = unwatched
) -> dict[str, dict[str, Any]]:
    """Cut one scan into tiles, in memory for a piece of it and one tile.

    Args:
        path: Its file.
        name: Its name in `clouds.json`.
        target: Name that its cloud would have as a whole; tiles add their place to it: `hall.tile-0-1.npy`.
        output: Folder of the tiles.
        settings: How clouds are made; `tile` and `overlap` in metres (units of the file where it has none).
        progress: Called with 1 for each piece of a million points.

    Returns:
        By the tile's name, its entry in `clouds.json`.

    Raises:
        SourceError: The file is damaged or empty, or its colours, columns or frame cannot be told.
    """
    seed, colours = seed_of(name, settings.seed), settings.colour_range if settings.colours else "none"
    pieces: Iterable[NDArray[Any]]
    if path.suffix.lower() in STREAMED:
        scan = survey(path, settings.columns, colours).sample
        pieces = point_pieces(path, settings.columns, scan.colour_range)
    else:
        mesh = path.suffix.lower() in MESHES
        scan = mesh_cloud(path, _OF_MESHES, seed, colours) if mesh else settings.read(path, seed)
        pieces = [scan.values]
    matrix, steps = _building_frame(path, scan, settings)
    grid = make_grid(map_points(scan.points, matrix), settings.tile, settings.overlap)
    common = {"source": name} | cloud_notes(scan) | ({"steps": steps} if steps else {})
    entries = {}
    with tempfile.TemporaryDirectory(dir=output, prefix=".tiles-") as scratch:
        raw, width = _spread_out(pieces, matrix, grid, Path(scratch), progress)
        for at, file in sorted(raw.items()):
            values: Any = np.memmap(file, np.float32, "r").reshape(-1, width)
            if len(values) < FEWEST:
                continue
            place = "-".join(map(str, at if len(grid.starts[2]) > 1 else at[:2]))
            tile = f"{target.removesuffix('.npy')}.tile-{place}.npy"
            if settings.points:
                values = resample(values, settings.points, seed_of(tile, settings.seed))
            (output / tile).parent.mkdir(parents=True, exist_ok=True)
            save_cloud(output / tile, values)
            low, high = grid.bounds(at)
            origin = grid.origin(at)
            own = frame_matrix(np.eye(3), 1.0, origin, np.zeros(3)) @ matrix
            placed = {"origin": origin.tolist(), "low": low.tolist(), "high": high.tolist()}
            entries[tile] = common | {"points": len(values), "matrix": own.tolist(), "tile": placed}
    if not entries:
        raise SourceError(
            f"Expected tiles of {FEWEST} points and more, got none of {len(raw)} ({path}). Make them larger."
        )
    return entries


def _building_frame(path: Path, scan: PointCloud, settings: CloudSettings) -> tuple[Matrix, list[str]]:
    """Return the matrix from the file's frame to metres with z up, and the steps to it where they were found out."""
    if settings.normalise:
        inspection = inspect_cloud(path, lambda _: scan)
        return normal_frame(path, scan.offset, inspection, settings.units, settings.up, settings.directions)
    matrix = np.eye(4) if path.suffix.lower() in GLTF else settings.matrix()
    return frame_matrix(matrix[:3, :3], 1.0, scan.offset, np.zeros(3)), []


def _spread_out(
    pieces: Iterable[NDArray[Any]], matrix: Matrix, grid: Grid, scratch: Path, progress: Advance
) -> tuple[dict[tuple[int, ...], Path], int]:
    """Write the points of each tile, in its own frame, to a file: `[n, width]` float32. Return files and width."""
    files, width = dict[tuple[int, ...], Path](), 3
    for values in pieces:
        width = values.shape[1]
        points = map_points(values[:, :3], matrix)
        for at, rows in grid.parted(points):
            own = frame_matrix(np.eye(3), 1.0, grid.origin(at), np.zeros(3))
            part = np.concatenate([points[rows], values[rows, 3:]], axis=1)
            file = files.setdefault(at, scratch / "-".join(map(str, at)))
            with file.open("ab") as handle:
                moved(part, own).tofile(handle)
        progress(1)
    return files, width


Outcome = tuple[str, str, dict[str, dict[str, Any]]]


def _tile_file(
    folder: Path,
    output: Path,
    settings: CloudSettings,
    done: dict[str, set[str]],
    progress: Advance,
    job: tuple[str, str],
) -> Outcome:
    name, target = job
    if name in done and all((output / tile).is_file() for tile in done[name]):
        return name, "kept", {}
    try:
        return name, "written", tile_scan(folder / name, name, target, output, settings, progress)
    except SourceError as error:
        return name, str(error), {}


def tile_folder(
    source: Path, output: Path, settings: CloudSettings, *, workers: int = 1, progress: Advance = unwatched
) -> CloudReport:
    """Cut every scan of a folder into tiles, and write `clouds.json` as `convert_folder` does, with each tile's place.

    Raises:
        UsageError: The folder was made with other settings before.
        SourceError: There is no file to read.
        LammDataError: A library is needed and not installed.
    """
    folder, names, faults, passed = find_files(source, output)
    report = CloudReport(faults=faults, passed_over=passed)
    clouds = earlier_clouds(output, settings.stated())
    stated = settings.header() | {"clouds": clouds}
    write_manifest(output, stated)
    done: dict[str, set[str]] = {}
    for tile, entry in clouds.items():
        done.setdefault(entry["source"], set()).add(tile)
    for name, outcome, tiles in in_parallel(
        partial(_tile_file, folder, output, settings, done, progress if len(names) == 1 else unwatched),
        cloud_jobs(names),
        workers,
    ):
        report.count(outcome, next(iter(tiles.values()), {}), len(tiles) or len(done.get(name, ())))
        clouds.update(tiles)
        stated["clouds"] = dict(sorted(clouds.items()))
        write_manifest(output, stated)
        progress(1)
    return report

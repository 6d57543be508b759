"""Read point clouds, place them as their tower expects, sample them to a fixed number of points, and scale colour."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import BatchFeature, FeatureExtractionMixin

from lamm_data import LammDataError, PointCloud, read_cloud, read_cloud_with_normals
from lamm_model.errors import LammModelError, UsageError

_LOG = logging.getLogger("lamm_model")
_SAID: set[str] = set()  # what was said in this run already
CENTRE_MODES = ("none", "floor", "centroid", "box_floor", "box", "corner")
SCALE_MODES = ("none", "unit_sphere")
UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "ft": 0.3048, "in": 0.0254}
COLOR_RANGES = {"-1..1": (127.5, 1.0), "0..1": (255.0, 0.0)}  # divisor of 0..255, and what is subtracted then
MOST_CELLS = 1 << 16  # along one axis: more cannot be put in order by towers of cells
LARGEST = 1000.0  # metres across; what is larger is in another unit, most likely
FLOOR_PERCENTILE = 0.99  # of the heights, in percent: nearly the lowest point, but for stray ones (VoteNet's floor)


class LammPointCloudProcessor(FeatureExtractionMixin):  # type: ignore[misc]
    """Turns clouds of any size into `[num_points, columns]` float32: x, y, z, then colour and height where asked for.

    Coordinates leave in metres, z up. Colours come as 0..255 and leave as -1..1 or 0..1; a cloud without colours or
    normals gets what the tower's published code puts there, and that is said once a run. Sampling is without
    replacement where there are enough points; a smaller cloud keeps every point once and repeats some. The draw depends
    on the seed and the cloud's name only, so it is the same in training, prediction and resume.

    For a tower of cells (`grid_size`), the first point of each cell is kept. Clouds of fewer cells than `num_points`
    end in rows of NaN, which the tower leaves out; of a cloud of more, cells are drawn.

    Attributes:
        num_points: Points per cloud, with `grid_size` the most cells.
        use_color: Append red, green, blue.
        use_height: Append the height above the floor, in metres.
        use_normal: Append the unit normal: nx, ny, nz of a PLY file, or columns 7 to 9 of an array.
        color_range: Range that colours leave in, `-1..1` or `0..1`.
        missing_color: What a cloud without colours gets in their place, in that range.
        unit: What the files' coordinates are in: `m`, `cm`, `mm`, `ft` or `in`.
        centre: `none` keeps the file's frame (needed where answers hold coordinates), `floor` subtracts the centroid of
            x and y and the lowest z, `centroid` subtracts the centroid, `box_floor` the middle of the bounding box in x
            and y and the lowest z (Sonata), `box` the former alone (LiDAR), `corner` the lowest x, y and z (SpatialLM).
        scale: `none` keeps metres, `unit_sphere` divides by the largest distance from the origin.
        stretch: Coordinates are multiplied by this last (Utonia: 0.5 indoors, 0.2 for LiDAR).
        grid_size: Side of the tower's cells, in metres after `stretch`; 0 for a tower of points.
        seed: Base of the per-cloud seeds.
    """

    model_input_names = ["point_clouds"]  # noqa: RUF012

    def __init__(
        self,
        num_points: int = 1024,
        use_color: bool = True,
        use_height: bool = False,
        unit: str = "m",
        centre: str = "none",
        scale: str = "none",
        seed: int = 0,
        use_normal: bool = False,
        color_range: str = "-1..1",
        missing_color: float = 0.0,
        stretch: float = 1.0,
        grid_size: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for name, value, choices in (
            ("centre", centre, CENTRE_MODES),
            ("scale", scale, SCALE_MODES),
            ("unit", unit, tuple(UNITS)),
            ("color_range", color_range, tuple(COLOR_RANGES)),
        ):
            if value not in choices:
                raise UsageError(f"Expected {name} to be one of {', '.join(choices)}, got {value!r}.")
        self.num_points = num_points
        self.use_color = use_color
        self.use_height = use_height
        self.unit = unit
        self.centre = centre
        self.scale = scale
        self.seed = seed
        self.use_normal = use_normal
        self.color_range = color_range
        self.missing_color = missing_color
        self.stretch = stretch
        self.grid_size = grid_size

    def __call__(
        self,
        point_clouds: Any,
        names: list[str] | None = None,
        variant: int = 0,
        return_tensors: str | None = "pt",
        **kwargs: Any,
    ) -> BatchFeature:
        """Prepare clouds.

        Args:
            point_clouds: One or a list of paths or `[N, 3 or 6]` arrays or tensors, or `[n, N, 3 or 6]` numbers.
            names: One name a cloud that seeds its sampling; paths' file names by default.
            variant: Another draw of the same clouds, for augmentation.
            return_tensors: `pt` or `np`.
            **kwargs: Ignored.

        Returns:
            `point_clouds`: `[n, num_points, columns]` float32.
        """
        if isinstance(point_clouds, torch.Tensor):
            point_clouds = point_clouds.detach().cpu().numpy()
        batch = isinstance(point_clouds, np.ndarray) and point_clouds.ndim == 3
        items = list(point_clouds) if batch or isinstance(point_clouds, list | tuple) else [point_clouds]
        labels: list[str | None] = list(names) if names is not None else [None] * len(items)
        prepared = [self.prepare(item, name, variant) for item, name in zip(items, labels, strict=True)]
        stacked = np.stack(prepared)
        return BatchFeature({"point_clouds": stacked if return_tensors == "np" else torch.from_numpy(stacked)})

    def prepare(self, cloud: Any, name: str | None = None, variant: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Turn one path or `[N, 3, 6 or 9]` array into `[num_points, columns]` float32.

        Raises:
            LammModelError: It cannot be read, or is too large for the tower's cells.
        """
        label = name or (Path(cloud).name if isinstance(cloud, str | Path) else "")
        cloud = cloud.detach().cpu().numpy() if isinstance(cloud, torch.Tensor) else cloud
        points = _read(cloud, label, self.use_normal)
        if not self.grid_size:
            points = self._sample(points, label, variant)
        metres = points[:, :3].astype(np.float64) * UNITS[self.unit]
        xyz = self._place(metres)
        if self.scale == "none":
            self._check_extent(xyz, label)
        columns = [xyz]
        if self.use_color:
            columns.append(self._colours(points, label))
        if self.use_normal:
            if points.shape[1] < 9:
                _say_once("normals", f"{label or 'A cloud'} has no normals: zeros are put in their place.")
            columns.append(points[:, 6:9] if points.shape[1] >= 9 else np.zeros_like(metres))
        if self.use_height:
            columns.append(metres[:, 2:] - np.percentile(metres[:, 2], FLOOR_PERCENTILE))
        table = np.concatenate(columns, axis=1).astype(np.float32)
        return self._one_a_cell(table, label, variant) if self.grid_size else table

    def _colours(self, points: np.ndarray[Any, Any], label: str) -> np.ndarray[Any, Any]:
        if points.shape[1] < 6 or np.isnan(points[0, 3]):
            filled = f"{self.missing_color:g} in the range {self.color_range}"
            _say_once("colours", f"{label or 'A cloud'} has no colours: {filled} is put in their place.")
            return np.full((len(points), 3), self.missing_color)
        divisor, less = COLOR_RANGES[self.color_range]
        return np.asarray(points[:, 3:6] / divisor - less)

    def _check_extent(self, xyz: np.ndarray[Any, Any], label: str) -> None:
        """Name coordinates that look like another unit than the one stated."""
        extent = float(np.ptp(xyz, axis=0).max())
        says = f"{label or 'a cloud'}, {extent:,.0f} m across if its coordinates are in {self.unit}"
        mend = f"Set point_cloud_unit ({', '.join(UNITS)}) to what they are in, most likely mm"
        mend += ", or write clouds in metres: lamm data clouds --units mm"
        if self.grid_size and extent >= MOST_CELLS * self.grid_size:
            most = MOST_CELLS * self.grid_size
            raise LammModelError(
                f"Expected a cloud of at most {most:,.0f} m for this tower's cells, got {says}. {mend}."
            )
        if extent > LARGEST:
            _say_once("unit", f"Expected a room, an object or a street, got {says}. {mend}.")

    def _one_a_cell(self, table: np.ndarray[Any, Any], label: str, variant: int) -> np.ndarray[Any, Any]:
        """Keep the first point of each cell in its place, and fill up with NaN."""
        cells = np.floor(table[:, :3].astype(np.float64) / self.grid_size).astype(np.int64)
        x, y, z = (cells - cells.min(axis=0)).T
        _, first = np.unique(x << 40 | y << 20 | z, return_index=True)
        if len(first) > self.num_points:
            most = f"more than num_points = {self.num_points:,}, which are drawn"
            _say_once("cells", f"{label or 'A cloud'} fills {len(first):,} cells of {self.grid_size:g} m, {most}.")
            first = first[self._rng(label, variant).choice(len(first), self.num_points, replace=False)]
        filled = np.full((self.num_points, table.shape[1]), np.nan, np.float32)
        filled[: len(first)] = table[np.sort(first)]
        return filled

    def _rng(self, label: str, variant: int) -> np.random.Generator:
        digest = hashlib.sha256(f"{self.seed}/{variant}/{label}".encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:8], "little"))

    def _sample(self, points: np.ndarray[Any, Any], label: str, variant: int) -> np.ndarray[Any, Any]:
        rng, count = self._rng(label, variant), len(points)
        if count >= self.num_points:
            return np.asarray(points[rng.choice(count, self.num_points, replace=False)])
        extra = rng.choice(count, self.num_points - count, replace=True)
        return np.asarray(points[np.concatenate([rng.permutation(count), extra])])

    def _place(self, xyz: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        low = xyz.min(axis=0)
        middle = (low + xyz.max(axis=0)) / 2
        origins = {
            "centroid": xyz.mean(axis=0),
            "floor": np.array([*xyz[:, :2].mean(axis=0), low[2]]),
            "box_floor": np.array([*middle[:2], low[2]]),
            "box": np.array([*middle[:2], 0.0]),
            "corner": low,
        }
        if self.centre != "none":
            xyz = xyz - origins[self.centre]
        if self.scale == "unit_sphere":
            xyz = xyz / max(float(np.linalg.norm(xyz, axis=1).max()), 1e-9)
        return xyz * self.stretch if self.stretch != 1.0 else xyz


def _read(cloud: Any, label: str, with_normals: bool) -> np.ndarray[Any, Any]:
    """Read a cloud: `[N, 3]`, with colours `[N, 6]`, and with normals (where asked for and there) `[N, 9]`."""
    if not with_normals:
        return read_point_cloud(cloud, label)
    try:
        found, normals = read_cloud_with_normals(cloud, label)
    except LammDataError as fault:
        raise LammModelError(str(fault)) from fault
    table = _less_offset(found, label)
    if normals is None:
        return table
    if table.shape[1] == 3:
        table = np.concatenate([table, np.full_like(table, np.nan)], axis=1)  # no colours
    return np.concatenate([table, normals], axis=1)


def _say_once(what: str, message: str) -> None:
    """Warn once a run; of the processes that load for one run, the first speaks."""
    worker = torch.utils.data.get_worker_info()
    if what not in _SAID and (worker is None or worker.id == 0):
        _LOG.warning(message)
    _SAID.add(what)


def read_point_cloud(cloud: str | Path | np.ndarray[Any, Any], name: str = "") -> np.ndarray[Any, Any]:
    """Read a cloud file, or check an array, by the rules of `lamm_data.read_cloud`.

    Args:
        cloud: Path, or `[N, 3]` or `[N, 6]` numbers.
        name: What the message calls an array.

    Returns:
        float32 `[N, 3]` x, y, z in the file's unit; `[N, 6]` with red, green, blue in 0..255 where there are colours.
        Points that are not finite are left out. Of map coordinates, an offset in whole units is subtracted.

    Raises:
        LammModelError: The file is missing, torn or of another kind; the cloud has another shape or type, or no finite
            point; or its colours are in no known range.
    """
    try:
        found = read_cloud(cloud, name)
    except LammDataError as fault:
        raise LammModelError(str(fault)) from fault
    return _less_offset(found, name or (Path(cloud).name if isinstance(cloud, str | Path) else ""))


def _less_offset(cloud: PointCloud, label: str) -> np.ndarray[Any, Any]:
    """Return a cloud's table; what is subtracted of map coordinates is said."""
    if cloud.offset.any():
        offset = ", ".join(f"{value:,.0f}" for value in cloud.offset)
        _say_once(
            "map",
            f"{label or 'A cloud'} has map coordinates: ({offset}) is subtracted of x, y and z, and answers with "
            "coordinates count from there. `lamm data clouds` writes clouds without the offset.",
        )
    return cloud.table()

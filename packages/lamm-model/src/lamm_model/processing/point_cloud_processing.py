"""Read point clouds, sample them to a fixed number of points, and scale colour."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import BatchFeature, FeatureExtractionMixin

from lamm_data import LammDataError, read_cloud
from lamm_model.errors import LammModelError, UsageError

CENTRE_MODES = ("none", "floor", "centroid")
SCALE_MODES = ("none", "unit_sphere")
UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "ft": 0.3048, "in": 0.0254}
FLOOR_PERCENTILE = 0.99  # of the heights, in percent: nearly the lowest point, but for stray ones (VoteNet's floor)


class LammPointCloudProcessor(FeatureExtractionMixin):  # type: ignore[misc]
    """Turns clouds of any size into `[num_points, columns]` float32: x, y, z, then colour and height where asked for.

    Coordinates leave in metres, z up. Colours come as 0..255 and leave as -1..1; a cloud without colour gets grey (0).
    Sampling is without replacement where there are enough points; a smaller cloud keeps every point once and repeats
    some. The draw depends on the seed and the cloud's name only, so it is the same in training, prediction and resume.

    Attributes:
        num_points: Points per cloud.
        use_color: Append red, green, blue.
        use_height: Append the height above the floor, in metres.
        unit: What the files' coordinates are in: `m`, `cm`, `mm`, `ft` or `in`.
        centre: `none` keeps the file's frame (needed where answers hold coordinates), `floor` subtracts the centroid of
            x and y and the lowest z, `centroid` subtracts the centroid.
        scale: `none` keeps metres, `unit_sphere` divides by the largest distance from the origin.
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
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for name, value, choices in (
            ("centre", centre, CENTRE_MODES),
            ("scale", scale, SCALE_MODES),
            ("unit", unit, tuple(UNITS)),
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
        """Turn one path or `[N, 3 or 6]` array into `[num_points, columns]` float32."""
        label = name or (Path(cloud).name if isinstance(cloud, str | Path) else "")
        cloud = cloud.detach().cpu().numpy() if isinstance(cloud, torch.Tensor) else cloud
        points = read_point_cloud(cloud, label)
        picked = self._sample(points, label, variant)
        metres = picked[:, :3].astype(np.float64) * UNITS[self.unit]
        columns = [self._place(metres)]
        if self.use_color:
            grey = np.zeros_like(metres)
            columns.append(picked[:, 3:6] / 127.5 - 1.0 if picked.shape[1] >= 6 else grey)
        if self.use_height:
            columns.append(metres[:, 2:] - np.percentile(metres[:, 2], FLOOR_PERCENTILE))
        return np.concatenate(columns, axis=1).astype(np.float32)

    def _sample(self, points: np.ndarray[Any, Any], label: str, variant: int) -> np.ndarray[Any, Any]:
        digest = hashlib.sha256(f"{self.seed}/{variant}/{label}".encode()).digest()
        rng = np.random.default_rng(int.from_bytes(digest[:8], "little"))
        count = len(points)
        if count >= self.num_points:
            return np.asarray(points[rng.choice(count, self.num_points, replace=False)])
        extra = rng.choice(count, self.num_points - count, replace=True)
        return np.asarray(points[np.concatenate([rng.permutation(count), extra])])

    def _place(self, xyz: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        if self.centre == "centroid":
            xyz = xyz - xyz.mean(axis=0)
        elif self.centre == "floor":
            xyz = xyz - np.array([*xyz[:, :2].mean(axis=0), xyz[:, 2].min()])
        if self.scale == "unit_sphere":
            xyz = xyz / max(float(np.linalg.norm(xyz, axis=1).max()), 1e-9)
        return xyz


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
        return read_cloud(cloud, name).table()
    except LammDataError as fault:
        raise LammModelError(str(fault)) from fault

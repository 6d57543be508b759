"""Point clouds with noisy, missing and turned points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from lamm_data.benchmark.recipes.recipe import Job
from lamm_data.errors import SourceError
from lamm_data.files.pictures import decoding, media_file
from lamm_data.records.benchmark import BenchmarkRecord

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class CloudCorruption:
    """What happens to clouds.

    Attributes:
        way: `noise` moves each point by `amount` metres (standard deviation); `dropout` removes the share `amount` of
            the points; `turn` turns the room by `amount` quarter turns about z, its true boxes with it.
        amount: How much.
    """

    way: Literal["noise", "dropout", "turn"] = "noise"
    amount: float = 0.05

    def faults(self) -> list[str]:
        """Name an amount that the way does not take."""
        fits = {"noise": True, "dropout": self.amount < 1, "turn": self.amount.is_integer()}[self.way]
        return [] if fits else [f"amount: expected below 1 (dropout) or whole quarters (turn), found {self.amount:g}"]


def corrupt_clouds(records: Sequence[BenchmarkRecord], settings: CloudCorruption, job: Job) -> list[BenchmarkRecord]:
    """Write a corrupted copy of every cloud; boxes with Euler angles are not turned, nor rooms whose places are told.

    Raises:
        SourceError: A cloud cannot be read.
    """
    changed = []
    turned = settings.way == "turn"
    for record in records:
        if turned and any(len(box) > 7 for box in _boxes(record)):
            job.left_out["box with Euler angles"] += 1
            continue
        if turned and (record.position is not None or "proposal_source" in record.extra):
            job.left_out["record that tells places of the room"] += 1
            continue
        copy = replace(record, pcl=job.copied(record.pcl, lambda name: _corrupted(name, settings, job)))
        changed.append(_turned_truth(copy, int(settings.amount)) if turned else copy)
    return changed


def _boxes(record: BenchmarkRecord) -> list[list[float]]:
    return [item["bbox"] for item in record.object or []] + ([record.gt_bbox] if record.gt_bbox else [])


def _turned_truth(record: BenchmarkRecord, quarters: int) -> BenchmarkRecord:
    objects = record.object and [{**item, "bbox": turned_box(item["bbox"], quarters)} for item in record.object]
    return replace(record, object=objects, gt_bbox=record.gt_bbox and turned_box(record.gt_bbox, quarters))


def turned_box(box: Sequence[float], quarters: int) -> list[float]:
    """Turn a box of six or seven numbers about the z axis by quarter turns, counter-clockwise.

    >>> turned_box([1.0, 2.0, 0.5, 3.0, 4.0, 1.0], 1)
    [-2.0, 1.0, 0.5, 4.0, 3.0, 1.0]
    """
    x, y, z, dx, dy, dz, *yaw = box
    for _ in range(quarters % 4):
        x, y = -y, x
        if yaw:
            yaw = [math.remainder(yaw[0] + math.pi / 2, 2 * math.pi)]
        else:
            dx, dy = dy, dx
    return [x, y, z, dx, dy, dz, *yaw]


def _corrupted(name: str, settings: CloudCorruption, job: Job) -> str:
    import numpy as np

    from lamm_data.clouds.arrays import open_array
    from lamm_data.clouds.reading import save_cloud

    path = media_file(job.media_root, name)
    with decoding("a point cloud (.npy)", name):
        cloud = open_array(path)
    if cloud.ndim != 2 or cloud.shape[1] < 3:
        raise SourceError(f"Expected a point cloud [N, 3 or more], got {list(cloud.shape)} ({name}).")
    changed = _changed(cloud.astype(np.float32), settings, np.random.default_rng(job.media_seed(name)))
    target = job.copy_name(name.removesuffix(".npy"), ".npy")
    save_cloud(job.media_output / target, changed)
    return target


def _changed(cloud: NDArray[np.float32], settings: CloudCorruption, rng: np.random.Generator) -> NDArray[np.float32]:
    import numpy as np

    if settings.way == "dropout":
        left = max(1, round(len(cloud) * (1 - settings.amount)))
        return cloud[np.sort(rng.permutation(len(cloud))[:left])]
    if settings.way == "noise":
        cloud[:, :3] += rng.normal(0, settings.amount, (len(cloud), 3)).astype(np.float32)
        return cloud
    for _ in range(int(settings.amount) % 4):
        cloud[:, :2] = np.stack([-cloud[:, 1], cloud[:, 0]], axis=1)
    return cloud

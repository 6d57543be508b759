"""Point clouds with noisy, missing and turned points."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lamm_data.benchmark.recipes.image_corruption import changed_name
from lamm_data.benchmark.recipes.recipe import Job, setting
from lamm_data.errors import SourceError, UsageError
from lamm_data.records.benchmark import BenchmarkRecord
from lamm_data.records.instruction import media_paths
from lamm_data.writing.draws import item_rng

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WAYS = ("noise", "dropout", "turn")


def corrupt_clouds(records: Sequence[BenchmarkRecord], values: Mapping[str, Any], job: Job) -> list[BenchmarkRecord]:
    """Write a corrupted copy of every cloud.

    Args:
        records: Records about clouds.
        values: `way`: `noise` moves each point by `amount` metres (standard deviation); `dropout` removes the share
            `amount` of the points; `turn` turns the room by `amount` quarter turns about z, its true boxes with it.
        job: Gives folders and the seed; takes account of boxes with Euler angles, which are not turned.

    Raises:
        UsageError: An unknown way.
        SourceError: A cloud cannot be read.
    """
    way, amount = setting(values, "way", "noise"), setting(values, "amount", 0.05, 0)
    if way not in WAYS or (way == "dropout" and amount >= 1) or (way == "turn" and amount != int(amount)):
        raise UsageError(
            f"Expected a way out of {', '.join(WAYS)} (dropout below 1, turn a whole number of quarters), "
            f"got {way!r} by {amount!r}."
        )
    done: dict[str, str] = {}
    changed = []
    for record in records:
        if way == "turn" and any(len(box) > 7 for box in _boxes(record)):
            job.left_out["box with Euler angles"] += 1
            continue
        names = media_paths(record.pcl)
        for name in names:
            if name not in done:
                done[name] = _corrupted(name, way, amount, job)
        shown = [done[name] for name in names]
        copy = replace(record, pcl=shown if isinstance(record.pcl, list) else shown[0])
        changed.append(_turned_truth(copy, int(amount)) if way == "turn" else copy)
    return changed


def _boxes(record: BenchmarkRecord) -> list[list[float]]:
    found = [item["bbox"] for item in record.object or []]
    return [*found, record.gt_bbox] if record.gt_bbox else found


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


def _corrupted(name: str, way: str, amount: float, job: Job) -> str:
    import numpy as np

    from lamm_data.clouds.reading import save_cloud

    try:
        cloud = np.load(job.media_root / name, allow_pickle=False)
    except (OSError, ValueError, EOFError) as fault:
        raise SourceError(f"Expected a point cloud (.npy), got {type(fault).__name__}: {fault} ({name}).") from fault
    if cloud.ndim != 2 or cloud.shape[1] < 3:
        raise SourceError(f"Expected a point cloud [N, 3 or more], got {list(cloud.shape)} ({name}).")
    rng = np.random.default_rng(item_rng(job.seed, job.variant, name).getrandbits(63))
    changed = _changed(cloud.astype(np.float32), way, amount, rng)
    target = f"{job.variant}/{changed_name(name.removesuffix('.npy'), '.npy')}"
    save_cloud(job.media_output / target, changed)
    return target


def _changed(cloud: NDArray[np.float32], way: str, amount: float, rng: np.random.Generator) -> NDArray[np.float32]:
    import numpy as np

    if way == "dropout":
        kept = max(1, round(len(cloud) * (1 - amount)))
        return cloud[np.sort(rng.permutation(len(cloud))[:kept])]
    if way == "noise":
        cloud[:, :3] += rng.normal(0, amount, (len(cloud), 3)).astype(np.float32)
        return cloud
    for _ in range(int(amount) % 4):
        cloud[:, :2] = np.stack([-cloud[:, 1], cloud[:, 0]], axis=1)
    return cloud

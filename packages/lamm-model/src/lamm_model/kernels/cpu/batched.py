"""The numba kernels behind the signatures of the reference: one job a cloud, in as many threads as torch may use."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lamm_model.kernels.cpu.ball import query_cloud
from lamm_model.kernels.cpu.nearest import nearest_in_cloud
from lamm_model.kernels.cpu.sampling import sample_cloud
from lamm_model.kernels.reference import origin_skip, tie_rank


def run_jobs(kernel: Callable[..., None], jobs: Iterable[tuple[Any, ...]]) -> None:
    """Call a kernel, which holds no interpreter lock, once a job; the jobs write to disjoint outputs."""
    waiting = list(jobs)
    threads = min(len(waiting), torch.get_num_threads())
    if threads <= 1:
        for job in waiting:
            kernel(*job)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda job: kernel(*job), waiting))


def farthest_point_sample(points: Tensor, n: int, start: Tensor, lengths: Tensor, pointnet2: bool) -> Tensor:
    """As `lamm_model.kernels.reference.farthest_point_sample`."""
    out = torch.empty(points.shape[0], n, dtype=torch.int64)
    if out.numel() == 0:
        return out

    def job(cloud: int) -> tuple[Any, ...]:
        size = int(lengths[cloud])
        cut = points[cloud, :size]
        rank = tie_rank(size, size, points.device) if pointnet2 else torch.arange(size)
        skipped = origin_skip(cut) if pointnet2 else torch.zeros(size, dtype=torch.bool)
        initial = np.float32(1e10 if pointnet2 else np.inf)
        begin = int(start[cloud])
        return cut.numpy(), begin, rank.numpy(), skipped.numpy(), initial, pointnet2, out[cloud].numpy()

    run_jobs(sample_cloud, [job(cloud) for cloud in range(points.shape[0])])
    return out


def ball_query(
    radius: float, k: int, points: Tensor, centres: Tensor, lengths: Tensor, fused: bool
) -> tuple[Tensor, Tensor]:
    """As `lamm_model.kernels.reference.ball_query`."""
    out = torch.empty(*centres.shape[:2], k, dtype=torch.int64)
    counts = torch.empty(centres.shape[:2], dtype=torch.int64)
    limit = np.float32(torch.tensor(radius, dtype=torch.float32).square().item())

    def job(cloud: int) -> tuple[Any, ...]:
        cut = points[cloud, : int(lengths[cloud])].numpy()
        return cut, centres[cloud].numpy(), float(radius), limit, fused, out[cloud].numpy(), counts[cloud].numpy()

    run_jobs(query_cloud, [job(cloud) for cloud in range(points.shape[0])])
    return out, counts


def nearest(points: Tensor, queries: Tensor, k: int, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """As `lamm_model.kernels.reference.nearest`."""
    distances = torch.empty(*queries.shape[:2], k, dtype=torch.float32)
    indices = torch.empty(*queries.shape[:2], k, dtype=torch.int64)

    def job(cloud: int) -> tuple[Any, ...]:
        cut = points[cloud, : int(lengths[cloud])].numpy()
        return cut, queries[cloud].numpy(), distances[cloud].numpy(), indices[cloud].numpy()

    run_jobs(nearest_in_cloud, [job(cloud) for cloud in range(points.shape[0])])
    return distances, indices

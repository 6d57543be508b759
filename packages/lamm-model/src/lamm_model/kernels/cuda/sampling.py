"""Farthest point sampling by the CUDA C++ kernel, or by Triton where a cloud does not fit a cluster's registers."""

import torch
from torch import Tensor

from lamm_model.kernels.cuda.driver import launch, load_function

THREADS = 1024
MOST_POINTS = 8  # a thread: four registers each, of 64


def plan(size: int, capability: tuple[int, int]) -> tuple[int, int] | None:
    """Blocks a cluster and points a thread for clouds of `size` points; None where they do not fit.

    The smallest cluster is the fastest: a step through distributed shared memory costs more than a few points a thread.
    """
    for cluster in (1, 2, 4, 8) if capability >= (9, 0) else (1,):
        points = -(-size // (cluster * THREADS))
        if points <= MOST_POINTS:
            return cluster, max(1, points)
    return None


def shared_bytes(cluster: int, per_thread: int) -> int:
    """Size of the source's `struct Shared`: two sets of slots of 32 bytes, two words a warp, the positions."""
    return 2 * 32 * cluster + 2 * 4 * (THREADS // 32) + 3 * 4 * per_thread * THREADS


def farthest_point_sample(points: Tensor, n: int, start: Tensor, lengths: Tensor, pointnet2: bool) -> Tensor:
    """As `lamm_model.kernels.reference.farthest_point_sample`."""
    batch, size = points.shape[:2]
    fitting = plan(size, torch.cuda.get_device_capability(points.device))
    if fitting is None:
        from lamm_model.kernels.triton_ops import sampling

        return sampling.farthest_point_sample(points, n, start, lengths, pointnet2)
    out = torch.empty(batch, n, dtype=torch.int64, device=points.device)
    if out.numel() == 0:
        return out
    cluster, per_thread = fitting
    definitions = (("CLUSTER", cluster), ("POINTNET2", int(pointnet2)), ("POINTS", per_thread))
    shared = shared_bytes(cluster, per_thread)
    with torch.cuda.device(points.device):
        function = load_function(torch.cuda.current_device(), definitions, shared)
        launch(function, batch * cluster, THREADS, shared, [points, start, lengths, out], size, n)
    return out

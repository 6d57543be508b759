"""Farthest point sampling by the CUDA C++ kernel, or by Triton where a cloud does not fit a cluster's registers."""

from typing import NamedTuple

import torch
from torch import Tensor

from lamm_model.kernels.cuda.driver import launch, load_function

MOST_POINTS = {256: 20, 512: 20, 1024: 10}  # threads a block: points a thread, four registers each


class Shape(NamedTuple):
    """How a cloud is spread over the device."""

    cluster: int  # blocks
    threads: int  # a block
    blocks: int  # that may share a multiprocessor

    def points(self, size: int) -> int:
        """Points of a thread."""
        return max(1, -(-size // (self.cluster * self.threads)))

    def shared_bytes(self, size: int) -> int:
        """Size of the source's `struct Shared`: slots, barriers, words of the warps, positions."""
        return 2 * 32 * self.cluster + 16 + 16 * (self.threads // 32) + 12 * self.points(size) * self.threads


#: In the order of preference. Two blocks a multiprocessor, because the sixteenth cluster of eight finds none empty.
SHAPES = (Shape(1, 512, 1), Shape(2, 256, 2), Shape(4, 256, 2), Shape(8, 256, 2), Shape(8, 512, 1))
#: Without clusters, before sm_90.
SINGLE_SHAPES = (Shape(1, 512, 1), Shape(1, 1024, 1))


def plan(size: int, capability: tuple[int, int], shared_limit: int) -> Shape | None:
    """The first shape that holds clouds of `size` points; None where none does.

    Args:
        size: Points of the largest cloud.
        capability: Compute capability of the device.
        shared_limit: Bytes of shared memory that a block may have.
    """
    for shape in SHAPES if capability >= (9, 0) else SINGLE_SHAPES:
        if shape.points(size) <= MOST_POINTS[shape.threads] and shape.shared_bytes(size) <= shared_limit:
            return shape
    return None


def farthest_point_sample(points: Tensor, n: int, start: Tensor, lengths: Tensor, pointnet2: bool) -> Tensor:
    """As `lamm_model.kernels.reference.farthest_point_sample`."""
    batch, size = points.shape[:2]
    device = torch.cuda.get_device_properties(points.device)
    shared_limit = device.shared_memory_per_block_optin  # type: ignore[attr-defined]
    shape = plan(size, (device.major, device.minor), shared_limit)
    if shape is None:
        from lamm_model.kernels.triton_ops import sampling

        return sampling.farthest_point_sample(points, n, start, lengths, pointnet2)
    out = torch.empty(batch, n, dtype=torch.int64, device=points.device)
    if out.numel() == 0:
        return out
    definitions = {
        "BLOCKS": shape.blocks,
        "CLUSTER": shape.cluster,
        "POINTNET2": int(pointnet2),
        "POINTS": shape.points(size),
        "THREADS": shape.threads,
    }
    shared = shape.shared_bytes(size)
    with torch.cuda.device(points.device):
        function = load_function(torch.cuda.current_device(), tuple(definitions.items()), shared)
        launch(function, batch * shape.cluster, shape.threads, shared, [points, start, lengths, out], size, n)
    return out

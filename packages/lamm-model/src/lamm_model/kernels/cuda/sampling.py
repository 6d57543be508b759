"""Farthest point sampling by the CUDA C++ kernel, or by Triton where a cloud does not fit a cluster's registers."""

from typing import NamedTuple

import torch
from torch import Tensor

from lamm_model.kernels.cuda.driver import launch, load_function


class Shape(NamedTuple):
    """How a cloud is spread over the device."""

    cluster: int  # blocks
    threads: int  # a block
    blocks: int  # that share a multiprocessor
    most: int  # points a thread: four registers each

    def points(self, size: int) -> int:
        """Points of a thread."""
        return max(1, -(-size // (self.cluster * self.threads)))

    def shared_bytes(self, size: int) -> int:
        """Size of the source's `struct Shared`: slots, barriers, words of the warps, positions."""
        return 2 * 32 * self.cluster + 16 + 16 * (self.threads // 32) + 12 * self.points(size) * self.threads


#: The faster first, as measured on an H200 (benchmarks/kernels). A cluster that finds no free group of multiprocessors
#: waits for another to end, hence six blocks for many clouds and two blocks a multiprocessor for more.
SHAPES = (
    Shape(1, 256, 2, 20),
    Shape(1, 512, 1, 10),
    Shape(4, 256, 2, 12),
    Shape(8, 256, 1, 20),
    Shape(6, 256, 1, 27),
    Shape(8, 256, 2, 20),
    Shape(6, 512, 1, 22),
    Shape(8, 512, 1, 22),
)
#: Without clusters, before sm_90.
SINGLE_SHAPES = (Shape(1, 256, 1, 20), Shape(1, 512, 1, 20), Shape(1, 1024, 1, 10))
_PUBLISHED_BLOCK = 512  # threads
_USABLE = 0.9  # of the multiprocessors: clusters do not cross groups of 16 or 18


class Limits(NamedTuple):
    """What a device offers."""

    capability: tuple[int, int]
    shared_bytes: int  # a block
    multiprocessors: int


def plan(size: int, clouds: int, pointnet2: bool, limits: Limits) -> Shape | None:
    """The first shape that runs all clouds of `size` points at once, or the one that runs the most; None if none fits.

    Under compat the stride of a thread's points must be one of the published block's: ties depend on it.
    """
    fitting = [
        shape
        for shape in (SHAPES if limits.capability >= (9, 0) else SINGLE_SHAPES)
        if shape.points(size) <= shape.most
        and shape.shared_bytes(size) <= limits.shared_bytes
        and not (pointnet2 and shape.cluster * shape.threads % _PUBLISHED_BLOCK)
    ]
    room = _USABLE * limits.multiprocessors
    at_once = (shape for shape in fitting if clouds * shape.cluster <= room * shape.blocks)
    return next(at_once, max(fitting, key=lambda shape: shape.blocks / shape.cluster, default=None))


def _limits(device: torch.device) -> Limits:
    properties = torch.cuda.get_device_properties(device)
    shared = properties.shared_memory_per_block_optin  # type: ignore[attr-defined]
    return Limits((properties.major, properties.minor), shared, properties.multi_processor_count)


def farthest_point_sample(points: Tensor, n: int, start: Tensor, lengths: Tensor, pointnet2: bool) -> Tensor:
    """As `lamm_model.kernels.reference.farthest_point_sample`."""
    batch, size = points.shape[:2]
    shape = plan(size, batch, pointnet2, _limits(points.device))
    if shape is None:
        from lamm_model.kernels.triton_ops import points as by_triton

        return by_triton.farthest_point_sample(points, n, start, lengths, pointnet2)
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

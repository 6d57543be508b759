"""Farthest point sampling in Triton: one program a cloud, the portable fallback of the CUDA C++ kernel."""

# Compiled functions carry no annotations: their types are those of the arguments they are compiled for.
# ruff: noqa: ANN001, ANN202, N803
# mypy: disable-error-code="no-untyped-def,untyped-decorator"

import torch
import triton
import triton.language as tl
from torch import Tensor

from lamm_model.kernels.reference import origin_skip, tie_rank
from lamm_model.kernels.triton_ops import interpreting
from lamm_model.kernels.triton_ops.distance import squared_distance


@triton.jit
def _sample(
    points,
    nearest,
    rank,
    start,
    lengths,
    out,
    size,
    n: tl.constexpr,
    FUSED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    cloud = tl.program_id(0).to(tl.int64)
    base = cloud * size
    length = tl.load(lengths + cloud).to(tl.int32)
    chosen = tl.load(start + cloud)
    tl.store(out + cloud * n, chosen)
    for step in range(1, n):
        x = tl.load(points + (base + chosen) * 3)
        y = tl.load(points + (base + chosen) * 3 + 1)
        z = tl.load(points + (base + chosen) * 3 + 2)
        best = tl.full([BLOCK], -1.0, tl.float32)
        lowest = tl.full([BLOCK], 0, tl.int64)
        where = tl.full([BLOCK], 0, tl.int64)
        begin = 0
        while begin < length:
            offset = begin + tl.arange(0, BLOCK)
            inside = offset < length
            at = points + (base + offset) * 3
            dx = tl.load(at, mask=inside, other=0.0) - x
            dy = tl.load(at + 1, mask=inside, other=0.0) - y
            dz = tl.load(at + 2, mask=inside, other=0.0) - z
            before = tl.load(nearest + base + offset, mask=inside, other=-1.0)
            distance = squared_distance(dx, dy, dz, FUSED)
            value = tl.where(distance < before, distance, before)
            tl.store(nearest + base + offset, value, mask=inside)
            order = tl.load(rank + base + offset, mask=inside, other=0)
            better = inside & ((value > best) | ((value == best) & (order < lowest) & (value >= 0)))
            best = tl.where(better, value, best)
            lowest = tl.where(better, order, lowest)
            where = tl.where(better, offset.to(tl.int64), where)
            begin += BLOCK
        top = tl.max(best, 0)
        first = tl.min(tl.where(best == top, lowest, 0x7FFFFFFFFFFFFFFF), 0)
        index = tl.min(tl.where((best == top) & (lowest == first), where, 0x7FFFFFFFFFFFFFFF), 0)
        chosen = tl.where(top < 0, 0, index)
        tl.store(out + cloud * n + step, chosen)
        tl.debug_barrier()  # the minima written above are read by the next step


def farthest_point_sample(points: Tensor, n: int, start: Tensor, lengths: Tensor, pointnet2: bool) -> Tensor:
    """As `lamm_model.kernels.reference.farthest_point_sample`."""
    batch, size = points.shape[:2]
    out = torch.empty(batch, n, dtype=torch.int64, device=points.device)
    if out.numel() == 0:
        return out
    if pointnet2:
        ranks = torch.stack([tie_rank(int(count), size, points.device) for count in lengths])
        nearest = torch.stack([torch.where(origin_skip(cloud), -1.0, 1e10) for cloud in points])
    else:
        ranks = torch.arange(size, device=points.device).repeat(batch, 1)
        nearest = torch.full((batch, size), torch.inf, device=points.device)
    block = 32 if interpreting() else 4096
    _sample[(batch,)](
        points,
        nearest.float(),
        ranks,
        start,
        lengths,
        out,
        size,
        n,
        FUSED=pointnet2,
        BLOCK=block,
        num_warps=4 if interpreting() else 16,
        enable_fp_fusion=False,
    )
    return out

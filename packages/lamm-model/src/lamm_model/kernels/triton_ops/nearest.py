"""Nearest neighbours in Triton: k rounds, each takes the smallest (distance, index) above the one before."""

# Compiled functions carry no annotations: their types are those of the arguments they are compiled for.
# ruff: noqa: ANN001, ANN202, N803
# mypy: disable-error-code="no-untyped-def,untyped-decorator"

import torch
import triton
import triton.language as tl
from torch import Tensor

from lamm_model.kernels.triton_ops import interpreting
from lamm_model.kernels.triton_ops.distance import squared_distance

_NONE = tl.constexpr(0x7F80000000000000)  # an infinite distance and index 0


@triton.jit
def _nearest(
    points,
    queries,
    lengths,
    distances,
    indices,
    size,
    query_count,
    k: tl.constexpr,
    BLOCK: tl.constexpr,
    QUERIES: tl.constexpr,
):
    cloud = tl.program_id(1).to(tl.int64)
    query = tl.program_id(0) * QUERIES + tl.arange(0, QUERIES)
    asked = query < query_count
    row = cloud * query_count + query
    length = tl.load(lengths + cloud).to(tl.int32)
    x = tl.load(queries + row * 3, mask=asked, other=0.0)
    y = tl.load(queries + row * 3 + 1, mask=asked, other=0.0)
    z = tl.load(queries + row * 3 + 2, mask=asked, other=0.0)
    last = tl.full([QUERIES], -1, tl.int64)
    for slot in range(k):
        best = tl.full([QUERIES], _NONE, tl.int64)
        begin = 0
        while begin < length:
            offset = begin + tl.arange(0, BLOCK)
            inside = offset < length
            at = points + (cloud * size + offset) * 3
            dx = tl.load(at, mask=inside, other=0.0)[None, :] - x[:, None]
            dy = tl.load(at + 1, mask=inside, other=0.0)[None, :] - y[:, None]
            dz = tl.load(at + 2, mask=inside, other=0.0)[None, :] - z[:, None]
            bits = squared_distance(dx, dy, dz, False).to(tl.int32, bitcast=True).to(tl.int64)
            key = (bits << 32) | offset[None, :].to(tl.int64)
            key = tl.where(inside[None, :] & (key > last[:, None]), key, _NONE)
            best = tl.minimum(best, tl.min(key, 1))
            begin += BLOCK
        tl.store(distances + row * k + slot, (best >> 32).to(tl.int32).to(tl.float32, bitcast=True), mask=asked)
        tl.store(indices + row * k + slot, best & 0xFFFFFFFF, mask=asked)
        last = best


def nearest(points: Tensor, queries: Tensor, k: int, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """As `lamm_model.kernels.reference.nearest`."""
    batch, count = queries.shape[:2]
    distances = torch.empty(batch, count, k, dtype=torch.float32, device=points.device)
    indices = torch.empty(batch, count, k, dtype=torch.int64, device=points.device)
    if batch and count:
        block, per_program = (32, 16) if interpreting() else (256, 8)
        _nearest[(triton.cdiv(count, per_program), batch)](
            points,
            queries,
            lengths,
            distances,
            indices,
            points.shape[1],
            count,
            k,
            BLOCK=block,
            QUERIES=per_program,
            num_warps=1,
            enable_fp_fusion=False,
        )
    return distances, indices

"""Ball query in Triton: one program a centre walks through the points in index order until its slots are full."""

# Compiled functions carry no annotations: their types are those of the arguments they are compiled for.
# ruff: noqa: ANN001, ANN202, N803
# mypy: disable-error-code="no-untyped-def,untyped-decorator"

import torch
import triton
import triton.language as tl
from torch import Tensor

from lamm_model.kernels.selection import interpreting
from lamm_model.kernels.triton_ops.distance import squared_distance


@triton.jit
def _ball_query(
    points,
    centres,
    lengths,
    index,
    counts,
    size,
    centre_count,
    k,
    radius,
    FUSED: tl.constexpr,
    BLOCK: tl.constexpr,
    SLOTS: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    cloud = row // centre_count
    length = tl.load(lengths + cloud).to(tl.int32)
    x = tl.load(centres + row * 3)
    y = tl.load(centres + row * 3 + 1)
    z = tl.load(centres + row * 3 + 2)
    limit = tl.load(radius)
    found = 0
    first = 0
    begin = 0
    while (begin < length) & (found < k):
        offset = begin + tl.arange(0, BLOCK)
        inside = offset < length
        at = points + (cloud * size + offset) * 3
        dx = tl.load(at, mask=inside, other=0.0) - x
        dy = tl.load(at + 1, mask=inside, other=0.0) - y
        dz = tl.load(at + 2, mask=inside, other=0.0) - z
        hit = inside & (squared_distance(dx, dy, dz, FUSED) < limit)
        ones = hit.to(tl.int32)
        position = found + tl.cumsum(ones, 0) - 1
        tl.store(index + row * k + position, offset.to(tl.int64), mask=hit & (position < k))
        lowest = tl.min(tl.where(hit, offset, length), 0)
        first = tl.where((found == 0) & (lowest < length), lowest, first)
        found += tl.sum(ones, 0)
        begin += BLOCK
    filled = tl.minimum(found, k)
    tl.store(counts + row, filled.to(tl.int64))
    slot = tl.arange(0, SLOTS)
    padding = tl.zeros([SLOTS], tl.int64) + first
    tl.store(index + row * k + slot, padding, mask=(slot >= filled) & (slot < k))


def ball_query(
    radius: float, k: int, points: Tensor, centres: Tensor, lengths: Tensor, fused: bool
) -> tuple[Tensor, Tensor]:
    """As `lamm_model.kernels.reference.ball_query`."""
    batch, count = centres.shape[:2]
    index = torch.empty(batch, count, k, dtype=torch.int64, device=points.device)
    counts = torch.empty(batch, count, dtype=torch.int64, device=points.device)
    if counts.numel():
        # The limit travels as a tensor: as a scalar argument it would be rounded twice.
        limit = torch.tensor([radius], dtype=torch.float32, device=points.device).square()
        block = 32 if interpreting() else 1024
        _ball_query[(batch * count,)](
            points,
            centres,
            lengths,
            index,
            counts,
            points.shape[1],
            count,
            k,
            limit,
            FUSED=fused,
            BLOCK=block,
            SLOTS=triton.next_power_of_2(k),
            enable_fp_fusion=False,
        )
    return index, counts

"""Ball query in Triton: a program walks a few centres through the points in index order until their slots are full."""

# Compiled functions carry no annotations: their types are those of the arguments they are compiled for.
# ruff: noqa: ANN001, ANN202, N803
# mypy: disable-error-code="no-untyped-def,untyped-decorator"

import torch
import triton
import triton.language as tl
from torch import Tensor

from lamm_model.kernels.triton_ops import interpreting
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
    CENTRES: tl.constexpr,
    BLOCK: tl.constexpr,
    SLOTS: tl.constexpr,
):
    cloud = tl.program_id(1).to(tl.int64)
    centre = tl.program_id(0) * CENTRES + tl.arange(0, CENTRES)
    asked = centre < centre_count
    row = cloud * centre_count + centre
    length = tl.load(lengths + cloud).to(tl.int32)
    x = tl.load(centres + row * 3, mask=asked, other=0.0)
    y = tl.load(centres + row * 3 + 1, mask=asked, other=0.0)
    z = tl.load(centres + row * 3 + 2, mask=asked, other=0.0)
    limit = tl.load(radius)
    found = tl.where(asked, 0, k)
    first = tl.zeros([CENTRES], tl.int32)
    fewest = tl.min(found, 0)
    begin = 0
    while (begin < length) & (fewest < k):
        offset = begin + tl.arange(0, BLOCK)
        inside = offset < length
        at = points + (cloud * size + offset) * 3
        dx = tl.load(at, mask=inside, other=0.0)[None, :] - x[:, None]
        dy = tl.load(at + 1, mask=inside, other=0.0)[None, :] - y[:, None]
        dz = tl.load(at + 2, mask=inside, other=0.0)[None, :] - z[:, None]
        hit = (squared_distance(dx, dy, dz, FUSED) < limit) & inside[None, :] & asked[:, None]
        ones = hit.to(tl.int32)
        hits = tl.sum(ones, 1)
        if tl.max(hits, 0) > 0:  # numbering them is what costs
            position = found[:, None] + tl.cumsum(ones, 1) - 1
            numbers = tl.broadcast_to(offset[None, :], [CENTRES, BLOCK])
            tl.store(index + row[:, None] * k + position, numbers.to(tl.int64), mask=hit & (position < k))
            lowest = tl.min(tl.where(hit, numbers, length), 1)
            first = tl.where((found == 0) & (hits > 0), lowest, first)
            found += hits
            fewest = tl.min(found, 0)
        begin += BLOCK
    filled = tl.minimum(found, k)
    tl.store(counts + row, filled.to(tl.int64), mask=asked)
    slot = tl.arange(0, SLOTS)
    empty = asked[:, None] & (slot[None, :] >= filled[:, None]) & (slot < k)[None, :]
    padding = tl.broadcast_to(first[:, None], [CENTRES, SLOTS]).to(tl.int64)
    tl.store(index + row[:, None] * k + slot[None, :], padding, mask=empty)


def ball_query(
    radius: float, k: int, points: Tensor, centres: Tensor, lengths: Tensor, fused: bool
) -> tuple[Tensor, Tensor]:
    """As `lamm_model.kernels.reference.ball_query`."""
    batch, count = centres.shape[:2]
    index = torch.empty(batch, count, k, dtype=torch.int64, device=points.device)
    counts = torch.empty(batch, count, dtype=torch.int64, device=points.device)
    if counts.numel():
        # The limit travels as a tensor: as a scalar argument it would be rounded twice.
        limit = torch.full((1,), radius, dtype=torch.float32, device=points.device).square()
        several, block = (2, 32) if interpreting() else (4, 64)
        _ball_query[(triton.cdiv(count, several), batch)](
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
            CENTRES=several,
            BLOCK=block,
            SLOTS=triton.next_power_of_2(k),
            num_warps=1,
            enable_fp_fusion=False,
        )
    return index, counts

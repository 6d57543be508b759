"""The operations on positions in Triton: sampling, ball query, nearest neighbours.

Kernels are launched with `enable_fp_fusion=False`, so that the compiler fuses nothing by itself.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from lamm_model.kernels.reference import origin_skip, tie_rank
from lamm_model.kernels.triton_ops import interpreting

_NONE = tl.constexpr(0x7F80000000000000)  # an infinite distance and index 0


@triton.jit
def squared_distance(dx, dy, dz, FUSED: tl.constexpr):
    """`(dx² + dy²) + dz²`, each step rounded; FUSED: `fma(dz, dz, fma(dx, dx, dy²))`."""
    if FUSED:
        return tl.fma(dz, dz, tl.fma(dx, dx, dy * dy))
    return (dx * dx + dy * dy) + dz * dz


@triton.jit
def _position(at, mask):
    """x, y and z of the positions that begin at `at`; 0 outside the mask."""
    x = tl.load(at, mask=mask, other=0.0)
    y = tl.load(at + 1, mask=mask, other=0.0)
    z = tl.load(at + 2, mask=mask, other=0.0)
    return x, y, z


@triton.jit
def _distances(at, mask, x, y, z, FUSED: tl.constexpr):
    """Squared distances `[centres, points]` from the points that begin at `at` to the centres."""
    point_x, point_y, point_z = _position(at, mask)
    return squared_distance(
        point_x[None, :] - x[:, None], point_y[None, :] - y[:, None], point_z[None, :] - z[:, None], FUSED
    )


@triton.jit
def _sample(
    points,
    minima,
    rank,
    start,
    lengths,
    out,
    size,
    n: tl.constexpr,
    FUSED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """One program a cloud."""
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
            point_x, point_y, point_z = _position(points + (base + offset) * 3, inside)
            before = tl.load(minima + base + offset, mask=inside, other=-1.0)
            distance = squared_distance(point_x - x, point_y - y, point_z - z, FUSED)
            value = tl.where(distance < before, distance, before)
            tl.store(minima + base + offset, value, mask=inside)
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
    """As `lamm_model.kernels.reference.farthest_point_sample`: the portable fallback of the CUDA C++ kernel."""
    batch, size = points.shape[:2]
    out = torch.empty(batch, n, dtype=torch.int64, device=points.device)
    if out.numel() == 0:
        return out
    if pointnet2:
        ranks = torch.stack([tie_rank(int(count), size, points.device) for count in lengths])
        minima = torch.stack([torch.where(origin_skip(cloud), -1.0, 1e10) for cloud in points])
    else:
        ranks = torch.arange(size, device=points.device).repeat(batch, 1)
        minima = torch.full((batch, size), torch.inf, device=points.device)
    block = 32 if interpreting() else 4096
    _sample[(batch,)](
        points,
        minima.float(),
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
    """A program walks a few centres through the points in index order until their slots are full."""
    cloud = tl.program_id(1).to(tl.int64)
    centre = tl.program_id(0) * CENTRES + tl.arange(0, CENTRES)
    asked = centre < centre_count
    row = cloud * centre_count + centre
    length = tl.load(lengths + cloud).to(tl.int32)
    x, y, z = _position(centres + row * 3, asked)
    limit = tl.load(radius)
    found = tl.where(asked, 0, k)
    first = tl.zeros([CENTRES], tl.int32)
    fewest = tl.min(found, 0)
    begin = 0
    while (begin < length) & (fewest < k):
        offset = begin + tl.arange(0, BLOCK)
        inside = offset < length
        distance = _distances(points + (cloud * size + offset) * 3, inside, x, y, z, FUSED)
        hit = (distance < limit) & inside[None, :] & asked[:, None]
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
    """Each of k rounds takes the smallest (distance, index) above the one before."""
    cloud = tl.program_id(1).to(tl.int64)
    query = tl.program_id(0) * QUERIES + tl.arange(0, QUERIES)
    asked = query < query_count
    row = cloud * query_count + query
    length = tl.load(lengths + cloud).to(tl.int32)
    x, y, z = _position(queries + row * 3, asked)
    last = tl.full([QUERIES], -1, tl.int64)
    for slot in range(k):
        best = tl.full([QUERIES], _NONE, tl.int64)
        begin = 0
        while begin < length:
            offset = begin + tl.arange(0, BLOCK)
            inside = offset < length
            distance = _distances(points + (cloud * size + offset) * 3, inside, x, y, z, False)
            bits = distance.to(tl.int32, bitcast=True).to(tl.int64)
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

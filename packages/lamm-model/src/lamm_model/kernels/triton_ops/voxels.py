"""Serialisation and segment pooling in Triton; sorting is torch's."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from lamm_model.kernels import voxel_reference as reference
from lamm_model.kernels.triton_ops import interpreting


@triton.jit
def spread(value):
    """Insert two zero bits after each of the 21 lowest bits."""
    value = (value | (value << 32)) & 0x1F00000000FFFF
    value = (value | (value << 16)) & 0x1F0000FF0000FF
    value = (value | (value << 8)) & 0x100F00F00F00F00F
    value = (value | (value << 4)) & 0x10C30C30C30C30C3
    return (value | (value << 2)) & 0x1249249249249249


@triton.jit
def encode(cells, depths, codes, size, FIRST: tl.constexpr, HILBERT: tl.constexpr, BLOCK: tl.constexpr):
    """Codes of BLOCK cells along one curve; column FIRST is taken as x, the other of the first two as y."""
    row = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = row < size
    x = tl.load(cells + row * 3 + FIRST, mask=inside, other=0)
    y = tl.load(cells + row * 3 + 1 - FIRST, mask=inside, other=0)
    z = tl.load(cells + row * 3 + 2, mask=inside, other=0)
    if HILBERT:
        depth = tl.load(depths + row, mask=inside, other=0)
        bit = tl.max(depth, 0) - 1
        while bit >= 0:
            below = tl.where(bit < depth, (tl.full([BLOCK], 1, tl.int64) << bit) - 1, 0)
            x ^= below & -((x >> bit) & 1)
            turned = -((y >> bit) & 1)
            swapped = (x ^ y) & below & ~turned
            x ^= (below & turned) | swapped
            y ^= swapped
            turned = -((z >> bit) & 1)
            swapped = (x ^ z) & below & ~turned
            x ^= (below & turned) | swapped
            z ^= swapped
            bit -= 1
    code = (spread(x) << 2) | (spread(y) << 1) | spread(z)
    if HILBERT:
        code ^= code >> 1
        code ^= code >> 2
        code ^= code >> 4
        code ^= code >> 8
        code ^= code >> 16
        code ^= code >> 32
    tl.store(codes + row, code, mask=inside)


def serialize_points(cells: Tensor, curves: list[int], depths: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
    """As `lamm_model.kernels.voxel_reference.serialize_points`."""
    size = len(cells)
    codes = torch.empty(len(curves), size, dtype=torch.int64, device=cells.device)
    sample = reference.sample_of_row(lengths, size)
    bits = depths[sample]
    block = 1024 if interpreting() else 512
    for row, curve in enumerate(curves):
        name = reference.CURVES[curve]
        swapped, turned = int(name.endswith("trans")), name.startswith("hilbert")
        encode[(triton.cdiv(size, block),)](cells, bits, codes[row], size, FIRST=swapped, HILBERT=turned, BLOCK=block)
    return codes, *reference.order_of_codes(codes, sample)


@triton.jit
def reduce_segments(
    features,
    order,
    starts,
    out,
    winner,
    channels,
    MAXIMUM: tl.constexpr,
    WIDE: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    """A program walks through the rows of one segment in their order."""
    segment = tl.program_id(0).to(tl.int64)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    real = channel < channels
    position = tl.load(starts + segment)
    end = tl.load(starts + segment + 1)
    total = tl.zeros([CHANNELS], WIDE)
    first = tl.full([CHANNELS], -1, tl.int64)
    while position < end:
        row = tl.load(order + position)
        value = tl.load(features + row * channels + channel, mask=real, other=0.0).to(WIDE)
        if MAXIMUM:
            better = (first < 0) | (value > total) | ((value != value) & (total == total))
            total = tl.where(better, value, total)
            first = tl.where(better, row, first)
        else:
            total += value
        position += 1
    tl.store(out + segment * channels + channel, total, mask=real)
    if MAXIMUM:
        tl.store(winner + segment * channels + channel, first, mask=real)


def segment_pool(features: Tensor, inverse: Tensor, size: int, reduce: str) -> tuple[Tensor, Tensor]:
    """As `lamm_model.kernels.voxel_reference.segment_pool`."""
    channels, maximum = features.shape[1], reduce == "max"
    out = torch.empty(size, channels, dtype=reference.wide(features.dtype), device=features.device)
    winner = torch.empty(size if maximum else 0, channels, dtype=torch.int64, device=features.device)
    ordered, order = inverse.sort(stable=True)
    starts = torch.searchsorted(ordered, torch.arange(size + 1, device=inverse.device))
    width = min(256, triton.next_power_of_2(max(1, channels)))
    wide = tl.float64 if out.dtype == torch.float64 else tl.float32
    if out.numel():
        grid = (size, triton.cdiv(channels, width))
        tensors = [features, order, starts, out, winner]
        reduce_segments[grid](*tensors, channels, MAXIMUM=maximum, WIDE=wide, CHANNELS=width)
    if reduce == "mean":
        out /= starts.diff().clamp(min=1)[:, None]
    return out.to(features.dtype), winner

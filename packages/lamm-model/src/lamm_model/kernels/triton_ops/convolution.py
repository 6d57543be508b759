"""Submanifold convolution in Triton: tiles of rows and outputs, offsets without a neighbour in the tile left out."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from lamm_model.kernels import voxel_reference as reference
from lamm_model.kernels.triton_ops import interpreting
from lamm_model.kernels.triton_ops.pooling import PRECISION

_PROGRAMS = 512  # of the weight's gradient at least: four a multiprocessor
_PART = 2048  # rows that a program of the weight's gradient adds at least


@triton.jit
def find_neighbours(ordered, order, keys, moves, table, size, STEPS: tl.constexpr, BLOCK: tl.constexpr):
    """A program looks up one offset for BLOCK rows by halving the ascending keys."""
    row = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    offset = tl.program_id(1).to(tl.int64)
    inside = row < size
    wanted = tl.load(keys + row, mask=inside, other=0) + tl.load(moves + offset)
    low = tl.zeros([BLOCK], tl.int32)
    high = tl.zeros([BLOCK], tl.int32) + size
    for _ in range(STEPS):
        middle = (low + high) // 2
        below = (low < high) & (tl.load(ordered + middle, mask=middle < size, other=0) < wanted)
        low = tl.where(below, middle + 1, low)
        high = tl.where(below, high, middle)
    hit = inside & (low < size)
    hit = hit & (tl.load(ordered + low, mask=hit, other=0) == wanted)
    found = tl.where(hit, tl.load(order + low, mask=hit, other=0), -1)
    tl.store(table + offset * size + row, found.to(tl.int32), mask=inside)


def submanifold_kernel_map(cells: Tensor, lengths: Tensor, kernel_size: int) -> Tensor:
    """As `lamm_model.kernels.voxel_reference.submanifold_kernel_map`."""
    reach, size = kernel_size // 2, len(cells)
    keys, step = reference.cell_keys(cells, lengths, reach)
    ordered, order = keys.sort()
    axis = torch.arange(-reach, reach + 1, device=cells.device)
    moves = (torch.cartesian_prod(axis, axis, axis).view(-1, 3) * step).sum(1)
    table = torch.empty(len(moves), size, dtype=torch.int32, device=cells.device)
    block = 1024 if interpreting() else 256
    grid = (triton.cdiv(size, block), len(moves))
    find_neighbours[grid](ordered, order, keys, moves, table, size, STEPS=size.bit_length() + 1, BLOCK=block)
    return table


@triton.jit
def convolve(
    features,
    weight,
    bias,
    table,
    out,
    size,
    offsets,
    channels: tl.constexpr,
    outputs: tl.constexpr,
    BIAS: tl.constexpr,
    ROWS: tl.constexpr,
    CHANNELS: tl.constexpr,
    OUTPUTS: tl.constexpr,
    PRECISION: tl.constexpr,
    FACTOR: tl.constexpr,
):
    """A program sums OUTPUTS outputs of ROWS voxels over all offsets and channels."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    output = tl.program_id(1) * OUTPUTS + tl.arange(0, OUTPUTS)
    wanted = output < outputs
    total = tl.zeros([ROWS, OUTPUTS], tl.float32)
    neighbour = table + row
    offset = 0
    while offset < offsets:
        near = tl.load(neighbour, mask=row < size, other=-1).to(tl.int64)
        if tl.max(near, 0) >= 0:
            for first in range(0, channels, CHANNELS):
                channel = first + tl.arange(0, CHANNELS)
                real = channel < channels
                at = features + near[:, None] * channels + channel[None, :]
                values = tl.load(at, mask=(near >= 0)[:, None] & real[None, :], other=0.0)
                at = weight + (output[None, :] * offsets + offset) * channels + channel[:, None]
                block = tl.load(at, mask=real[:, None] & wanted[None, :], other=0.0)
                total = tl.dot(values.to(FACTOR), block.to(FACTOR), total, input_precision=PRECISION)
        neighbour += size
        offset += 1
    if BIAS:
        total += tl.load(bias + output, mask=wanted, other=0.0).to(tl.float32)[None, :]
    at = out + row.to(tl.int64)[:, None] * outputs + output[None, :]
    tl.store(at, total.to(out.dtype.element_ty), mask=(row < size)[:, None] & wanted[None, :])


def _tile(wanted: int, largest: int) -> int:
    """A power of two that a matrix unit takes; the interpreter, for which programs are dear, gets four times it."""
    fitting: int = triton.next_power_of_2(wanted)
    return max(16, min(4 * largest if interpreting() else largest, fitting))


def _factor(dtype: torch.dtype) -> tl.dtype:
    """What is multiplied: the features as they are, but for the interpreter, which cannot multiply bfloat16."""
    return tl.float32 if interpreting() else getattr(tl, str(dtype).removeprefix("torch."))


def submanifold_conv3d(features: Tensor, weight: Tensor, bias: Tensor | None, table: Tensor) -> Tensor:
    """As `lamm_model.kernels.voxel_reference.submanifold_conv3d`; leaves float64 to it."""
    if features.dtype == torch.float64:
        return reference.submanifold_conv3d(features, weight, bias, table)
    size, (outputs, offsets, channels) = len(features), weight.shape
    kind = (
        torch.float32 if interpreting() else features.dtype
    )  # the interpreter cuts bfloat16 off where it should round
    out = features.new_empty(size, outputs, dtype=kind)
    rows, inner, wide = _tile(size, 64), _tile(channels, 128 // features.element_size()), _tile(outputs, 128)
    grid = (triton.cdiv(size, rows), triton.cdiv(outputs, wide))
    convolve[grid](
        features,
        weight.contiguous(),
        out if bias is None else bias.contiguous(),
        table,
        out,
        size,
        offsets,
        channels,
        outputs,
        BIAS=bias is not None,
        ROWS=rows,
        CHANNELS=inner,
        OUTPUTS=wide,
        PRECISION=PRECISION,
        FACTOR=_factor(features.dtype),
        num_warps=4,
        num_stages=3,
    )
    return out.to(features.dtype)


@triton.jit
def weight_gradient(
    gradient,
    features,
    table,
    partial,
    size,
    offsets,
    part,
    channels,
    outputs,
    ROWS: tl.constexpr,
    CHANNELS: tl.constexpr,
    OUTPUTS: tl.constexpr,
    PRECISION: tl.constexpr,
    FACTOR: tl.constexpr,
):
    """A program sums a tile of one offset's gradient over `part` rows: `partial[p, output, offset, channel]`."""
    offset = (tl.program_id(0) % offsets).to(tl.int64)
    piece = (tl.program_id(0) // offsets).to(tl.int64)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    output = tl.program_id(2) * OUTPUTS + tl.arange(0, OUTPUTS)
    total = tl.zeros([OUTPUTS, CHANNELS], tl.float32)
    begin = piece * part
    end = tl.minimum(begin + part, size)
    while begin < end:
        row = begin + tl.arange(0, ROWS)
        near = tl.load(table + offset * size + row, mask=row < end, other=-1).to(tl.int64)
        if tl.max(near, 0) >= 0:
            real = near >= 0
            at = features + near[:, None] * channels + channel[None, :]
            values = tl.load(at, mask=real[:, None] & (channel < channels)[None, :], other=0.0)
            at = gradient + row[None, :] * outputs + output[:, None]
            outer = tl.load(at, mask=real[None, :] & (output < outputs)[:, None], other=0.0)
            total = tl.dot(outer.to(FACTOR), values.to(FACTOR), total, input_precision=PRECISION)
        begin += ROWS
    at = partial + ((piece * outputs + output[:, None]) * offsets + offset) * channels + channel[None, :]
    tl.store(at, total, mask=(output < outputs)[:, None] & (channel < channels)[None, :])


def submanifold_weight_gradient(gradient: Tensor, features: Tensor, table: Tensor) -> Tensor:
    """As `lamm_model.kernels.voxel_reference.submanifold_weight_gradient`; parts are added in their order."""
    if features.dtype == torch.float64:
        return reference.submanifold_weight_gradient(gradient, features, table)
    size, channels, outputs, offsets = len(features), features.shape[1], gradient.shape[1], len(table)
    inner, wide = _tile(channels, 64), _tile(outputs, 64)
    tiles = triton.cdiv(channels, inner), triton.cdiv(outputs, wide)
    pieces = max(1, min(triton.cdiv(_PROGRAMS, offsets * tiles[0] * tiles[1]), size // _PART))
    rows = _tile(size, 64)
    part = triton.cdiv(triton.cdiv(size, pieces), rows) * rows
    partial = torch.empty(pieces, outputs, offsets, channels, dtype=torch.float32, device=features.device)
    sizes = [size, offsets, part, channels, outputs]
    weight_gradient[(offsets * pieces, *tiles)](
        gradient,
        features,
        table,
        partial,
        *sizes,
        ROWS=rows,
        CHANNELS=inner,
        OUTPUTS=wide,
        PRECISION=PRECISION,
        FACTOR=_factor(features.dtype),
        num_warps=4,
    )
    return partial.sum(0).to(features.dtype)

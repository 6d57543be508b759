"""Fused set abstraction in Triton: gather, subtract, ReLU, matrix product and maximum without leaving the chip.

Three kernels share the chip in three ways: weights that stay, rows that stay, or neither.
"""

from dataclasses import dataclass, replace

import torch
import triton
import triton.language as tl
from torch import Tensor

from lamm_model.kernels import reference
from lamm_model.kernels.triton_ops import interpreting

PRECISION = "tf32x3"  # float32 products as three of the matrix units': as exact as rounding every product
_KEPT_WEIGHTS = 32 * 1024  # bytes of weights that leave room for four programs on a multiprocessor


@triton.jit
def larger(a, b):
    """The maximum that, as in torch, not a number wins."""
    return tl.maximum(a, b, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def _rows(lifted, offsets, index, counts, row, begin, cloud, size, k, hidden, channel, SLOTS: tl.constexpr):
    """`relu(lifted[j] - offset)` of SLOTS members of one group; slots beyond the last member repeat it."""
    last = tl.minimum(tl.maximum(tl.load(counts + row).to(tl.int32), 1), k) - 1
    slot = tl.minimum(begin + tl.arange(0, SLOTS), last)
    source = (cloud * size + tl.load(index + row * k + slot)) * hidden
    real = channel < hidden
    point = tl.load(lifted + source[:, None] + channel[None, :], mask=real[None, :], other=0.0)
    centre = tl.load(offsets + row * hidden + channel, mask=real, other=0.0)
    return larger(point - centre[None, :], 0.0)


@triton.jit
def keep_weights(
    lifted,
    offsets,
    index,
    counts,
    weight,
    bias,
    out,
    size,
    centre_count,
    rows,
    programs,
    k,
    hidden: tl.constexpr,
    outputs: tl.constexpr,
    SLOTS: tl.constexpr,
    HIDDEN: tl.constexpr,
    OUTPUTS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """A program keeps the weights of OUTPUTS outputs and walks through the groups: for weights that are small."""
    output = tl.program_id(1) * OUTPUTS + tl.arange(0, OUTPUTS)
    wanted = output < outputs
    channel = tl.arange(0, HIDDEN)
    mask = (channel < hidden)[:, None] & wanted[None, :]
    block = tl.load(weight + output[None, :] * hidden + channel[:, None], mask=mask, other=0.0)
    shift = tl.load(bias + output, mask=wanted, other=0.0).to(tl.float32)
    row = tl.program_id(0).to(tl.int64)
    while row < rows:
        cloud = row // centre_count
        count = tl.minimum(tl.maximum(tl.load(counts + row).to(tl.int32), 1), k)
        best = tl.full([OUTPUTS], float("-inf"), tl.float32)
        begin = 0
        while begin < count:
            values = _rows(lifted, offsets, index, counts, row, begin, cloud, size, k, hidden, channel, SLOTS)
            product = tl.dot(values.to(block.dtype), block, input_precision=PRECISION)
            best = larger(best, tl.reduce(product, 0, larger))
            begin += SLOTS
        tl.store(out + row * outputs + output, (best + shift).to(out.dtype.element_ty), mask=wanted)
        row += programs


@triton.jit
def keep_rows(
    lifted,
    offsets,
    index,
    counts,
    weight,
    partial,
    size,
    centre_count,
    tiles,
    k,
    hidden: tl.constexpr,
    outputs: tl.constexpr,
    SLOTS: tl.constexpr,
    HIDDEN: tl.constexpr,
    OUTPUTS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """A program keeps SLOTS members of a group and goes through all outputs: `partial[row, tile, output]`."""
    row = (tl.program_id(0) // tiles).to(tl.int64)
    tile = tl.program_id(0) % tiles
    count = tl.minimum(tl.maximum(tl.load(counts + row).to(tl.int32), 1), k)
    if tile * SLOTS < count:
        cloud = row // centre_count
        channel = tl.arange(0, HIDDEN)
        rows = _rows(lifted, offsets, index, counts, row, tile * SLOTS, cloud, size, k, hidden, channel, SLOTS)
        values = rows.to(weight.dtype.element_ty)
        for first in range(0, outputs, OUTPUTS):
            output = first + tl.arange(0, OUTPUTS)
            wanted = output < outputs
            mask = (channel < hidden)[:, None] & wanted[None, :]
            block = tl.load(weight + output[None, :] * hidden + channel[:, None], mask=mask, other=0.0)
            best = tl.reduce(tl.dot(values, block, input_precision=PRECISION), 0, larger)
            tl.store(partial + (row * tiles + tile) * outputs + output, best, mask=wanted)


@triton.jit
def join_tiles(partial, counts, bias, out, tiles, k, outputs, SLOTS: tl.constexpr, OUTPUTS: tl.constexpr):
    """The largest of a group's tiles, plus the bias."""
    row = tl.program_id(0).to(tl.int64)
    output = tl.program_id(1) * OUTPUTS + tl.arange(0, OUTPUTS)
    wanted = output < outputs
    count = tl.minimum(tl.maximum(tl.load(counts + row).to(tl.int32), 1), k)
    best = tl.full([OUTPUTS], float("-inf"), tl.float32)
    tile = 0
    while tile * SLOTS < count:
        best = larger(best, tl.load(partial + (row * tiles + tile) * outputs + output, mask=wanted, other=0.0))
        tile += 1
    shift = tl.load(bias + output, mask=wanted, other=0.0).to(tl.float32)
    tl.store(out + row * outputs + output, (best + shift).to(out.dtype.element_ty), mask=wanted)


@triton.jit
def keep_nothing(
    lifted,
    offsets,
    index,
    counts,
    weight,
    bias,
    out,
    size,
    centre_count,
    k,
    hidden: tl.constexpr,
    outputs: tl.constexpr,
    SLOTS: tl.constexpr,
    HIDDEN: tl.constexpr,
    OUTPUTS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """A program computes OUTPUTS outputs of one group, a few channels at a time: for any size on any device."""
    row = tl.program_id(0).to(tl.int64)
    cloud = row // centre_count
    output = tl.program_id(1) * OUTPUTS + tl.arange(0, OUTPUTS)
    wanted = output < outputs
    count = tl.minimum(tl.maximum(tl.load(counts + row).to(tl.int32), 1), k)
    best = tl.full([OUTPUTS], float("-inf"), tl.float32)
    begin = 0
    while begin < count:
        product = tl.zeros([SLOTS, OUTPUTS], tl.float32)
        for first in range(0, hidden, HIDDEN):
            channel = first + tl.arange(0, HIDDEN)
            values = _rows(lifted, offsets, index, counts, row, begin, cloud, size, k, hidden, channel, SLOTS)
            mask = (channel < hidden)[:, None] & wanted[None, :]
            block = tl.load(weight + output[None, :] * hidden + channel[:, None], mask=mask, other=0.0)
            product = tl.dot(values.to(block.dtype), block, product, input_precision=PRECISION)
        best = larger(best, tl.reduce(product, 0, larger))
        begin += SLOTS
    shift = tl.load(bias + output, mask=wanted, other=0.0).to(tl.float32)
    tl.store(out + row * outputs + output, (best + shift).to(out.dtype.element_ty), mask=wanted)


@dataclass(frozen=True)
class Launch:
    """Which kernel runs, and in what tiles."""

    kernel: str
    slots: int
    hidden: int
    outputs: int
    warps: int
    stages: int


def plan(hidden: int, outputs: int, k: int, itemsize: int, shared_limit: int) -> Launch:
    """Choose the kernel by what fits: the weights, the rows of a tile, or neither.

    Args:
        hidden: Channels between the two layers.
        outputs: Channels of the result.
        k: Slots of a group.
        itemsize: Bytes of one weight.
        shared_limit: Bytes of shared memory that a block may have.
    """
    depth = max(16, triton.next_power_of_2(hidden))
    wide = max(16, triton.next_power_of_2(outputs))
    slots = max(16, triton.next_power_of_2(k))
    kept = min(wide, 256, _KEPT_WEIGHTS // (depth * itemsize))
    if kept >= min(wide, 128):
        return Launch("keep_weights", min(32, slots), depth, kept, 4, 1)
    if itemsize == 4:
        return Launch("keep_nothing", min(64, slots), min(32, depth), min(128, wide), 4, 3)
    rows, block = min(64, slots) * depth * itemsize, depth * min(64, wide) * itemsize
    for stages in (2, 1):
        if rows + stages * block + 1024 <= shared_limit:
            return Launch("keep_rows", min(64, slots), depth, min(64, wide), 4, stages)
    return Launch("keep_nothing", min(64, slots), min(64, depth), min(128, wide), 4, 3)


def pool_groups(lifted: Tensor, offsets: Tensor, index: Tensor, counts: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """As `lamm_model.kernels.reference.pool_groups`; sums in float32, leaves float64 to the reference."""
    if torch.float64 in (lifted.dtype, weight.dtype):
        return reference.pool_groups(lifted, offsets, index, counts, weight, bias)
    out = torch.empty(*index.shape[:2], weight.shape[0], dtype=weight.dtype, device=weight.device)
    if out.numel():
        tensors = [tensor.contiguous() for tensor in (lifted, offsets, index, counts, weight, bias)]
        multiprocessors, shared_limit = _device(weight.device)
        chosen = plan(weight.shape[1], weight.shape[0], index.shape[2], weight.element_size(), shared_limit)
        if interpreting():
            chosen = replace(chosen, slots=16, outputs=16)
        _launch(chosen, tensors, out, multiprocessors)
    return out


def _device(device: torch.device) -> tuple[int, int]:
    """Multiprocessors, and bytes of shared memory that a block may have."""
    if device.type != "cuda":
        return 1, 232_448  # interpreted
    properties = torch.cuda.get_device_properties(device)
    return properties.multi_processor_count, properties.shared_memory_per_block_optin  # type: ignore[attr-defined]


def _launch(chosen: Launch, tensors: list[Tensor], out: Tensor, multiprocessors: int) -> None:
    lifted, _, index, counts, weight, bias = tensors
    batch, count, k = index.shape
    outputs, hidden = weight.shape
    rows, blocks = batch * count, triton.cdiv(outputs, chosen.outputs)
    tiling = {"SLOTS": chosen.slots, "HIDDEN": chosen.hidden, "OUTPUTS": chosen.outputs, "PRECISION": PRECISION}
    options = {"num_warps": chosen.warps, "num_stages": chosen.stages}
    if chosen.kernel == "keep_weights":
        programs = min(rows, max(1, 4 * multiprocessors // blocks))
        grid = (programs, blocks)
        sizes = [lifted.shape[1], count, rows, programs, k, hidden, outputs]
        keep_weights[grid](*tensors, out, *sizes, **tiling, **options)
    elif chosen.kernel == "keep_rows":
        tiles = triton.cdiv(k, chosen.slots)
        partial = torch.empty(rows, tiles, outputs, dtype=torch.float32, device=out.device)
        sizes = [lifted.shape[1], count, tiles, k, hidden, outputs]
        keep_rows[(rows * tiles,)](*tensors[:5], partial, *sizes, **tiling, **options)
        width = min(1024, triton.next_power_of_2(outputs))
        grid = (rows, triton.cdiv(outputs, width))
        join_tiles[grid](partial, counts, bias, out, tiles, k, outputs, SLOTS=chosen.slots, OUTPUTS=width)
    else:
        sizes = [lifted.shape[1], count, k, hidden, outputs]
        keep_nothing[(rows, blocks)](*tensors, out, *sizes, **tiling, **options)

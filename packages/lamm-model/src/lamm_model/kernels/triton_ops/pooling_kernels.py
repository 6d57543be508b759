"""Fused set abstraction, three ways to share the chip: weights that stay, rows that stay, or neither."""

# Compiled functions carry no annotations: their types are those of the arguments they are compiled for.
# ruff: noqa: ANN001, ANN201, ANN202, N803
# mypy: disable-error-code="no-untyped-def,untyped-decorator"

import triton
import triton.language as tl


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

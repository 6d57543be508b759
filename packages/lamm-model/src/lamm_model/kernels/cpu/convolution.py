"""Submanifold convolution on the CPU: rows in blocks, an offset's neighbours side by side, one matrix product each."""

import torch
from numba import njit
from torch import Tensor

from lamm_model.kernels.cpu.curves import write_order
from lamm_model.kernels.linear import is_worth_onednn, onednn_linear
from lamm_model.kernels.voxel_reference import cell_keys, wide

_BYTES = 1 << 20  # of the rows that a block gathers and of those it computes: they stay in the second cache
_SHAPES = 32  # heights of a matrix product: oneDNN compiles one for each shape, in 0.4 ms


@njit(cache=True, nogil=True)
def _find(ordered, order, moves, reach, table):
    """Fill the rows of the table that belong to `moves` and their mirror images.

    A move leads to the line of cells `z - reach ... z + reach` at some x and y. Keys ascend, and so do the places where
    those lines begin: one walk over the keys finds all of them.
    """
    size = ordered.shape[0]
    last = table.shape[0] - 1
    for line in range(moves.shape[0]):
        begin = 0
        for position in range(size):
            target = ordered[position] + moves[line]
            while begin < size and ordered[begin] < target:
                begin += 1
            found = begin
            while found < size and ordered[found] <= target + 2 * reach:
                offset = line * (2 * reach + 1) + ordered[found] - target
                table[offset, order[position]] = order[found]
                table[last - offset, order[found]] = order[position]
                found += 1


def submanifold_kernel_map(cells: Tensor, lengths: Tensor, kernel_size: int) -> Tensor:
    """As `lamm_model.kernels.voxel_reference.submanifold_kernel_map`."""
    reach = kernel_size // 2
    keys, step = cell_keys(cells, lengths, reach)
    order, inverse = torch.empty_like(keys), torch.empty_like(keys)
    write_order(keys.numpy(), order.numpy(), inverse.numpy(), 0, int(keys.max()).bit_length())
    axis = torch.arange(-reach, reach + 1)
    lines = torch.cartesian_prod(axis, axis) @ step[:2] - reach
    table = torch.full((kernel_size**3, len(cells)), -1, dtype=torch.int32)
    before = lines[: len(lines) // 2 + 1]  # the others are mirror images of these
    _find(keys[order].numpy(), order.numpy(), before.numpy(), reach, table.numpy())
    return table


@njit(cache=True, nogil=True)
def _gather(source, neighbour, begin, end, rows, owners):
    """Write the features of the neighbours of rows `begin:end` below one another; return how many there are."""
    count = 0
    for i in range(begin, end):
        if neighbour[i] >= 0:
            j = neighbour[i]
            for channel in range(source.shape[1]):
                rows[count, channel] = source[j, channel]
            owners[count] = i
            count += 1
    return count


@njit(cache=True, nogil=True)
def _scatter(results, owners, count, out):
    """Add each result to the row it belongs to."""
    for i in range(count):
        row = owners[i]
        for channel in range(out.shape[1]):
            out[row, channel] += results[i, channel]


def _multiply(rows: Tensor, kernel: Tensor, count: int, results: Tensor) -> Tensor:
    """`rows[:count] @ kernel.T`, in the first rows of what is returned; those that follow hold anything."""
    if is_worth_onednn(count * kernel.numel(), rows.dtype):
        tile = -(-len(rows) // _SHAPES)
        return onednn_linear(rows[: min(len(rows), -(-count // tile) * tile)], kernel)
    return torch.mm(rows[:count], kernel.T, out=results[:count])


def submanifold_conv3d(features: Tensor, weight: Tensor, bias: Tensor | None, table: Tensor) -> Tensor:
    """As `lamm_model.kernels.voxel_reference.submanifold_conv3d`."""
    kind = wide(features.dtype)
    source = features.to(kind)
    kernel = weight.to(kind).transpose(0, 1).contiguous()
    size, channels, outputs = len(features), weight.shape[2], weight.shape[0]
    out = source.new_zeros(size, outputs)
    if bias is not None:
        out += bias
    step = _block(source, max(channels, outputs))
    rows, results = source.new_zeros(step, channels), source.new_empty(step, outputs)
    owners = torch.empty(step, dtype=torch.int64)
    read, near, gathered, owner, summed = (tensor.numpy() for tensor in (source, table, rows, owners, out))
    for begin in range(0, size, step):
        for offset in range(len(table)):
            count = _gather(read, near[offset], begin, min(begin + step, size), gathered, owner)
            if count:
                _scatter(_multiply(rows, kernel[offset], count, results).numpy(), owner, count, summed)
    return out.to(features.dtype)


def _block(source: Tensor, channels: int) -> int:
    """Rows of a block."""
    return min(len(source), max(64, _BYTES // (source.element_size() * max(1, channels))))


def submanifold_weight_gradient(gradient: Tensor, features: Tensor, table: Tensor) -> Tensor:
    """As `lamm_model.kernels.voxel_reference.submanifold_weight_gradient`; blocks are added in their order."""
    kind = wide(features.dtype)
    source, outer = features.to(kind), gradient.to(kind)
    size, channels, outputs = len(features), features.shape[1], gradient.shape[1]
    out = source.new_zeros(len(table), outputs, channels)
    step = _block(source, max(channels, outputs))
    rows, results = source.new_empty(step, channels), source.new_empty(step, outputs)
    owners = torch.empty(step, dtype=torch.int64)
    read, near, gathered, owner = (tensor.numpy() for tensor in (source, table, rows, owners))
    for begin in range(0, size, step):
        for offset in range(len(table)):
            count = _gather(read, near[offset], begin, min(begin + step, size), gathered, owner)
            if count:
                torch.index_select(outer, 0, owners[:count], out=results[:count])
                out[offset].addmm_(results[:count].T, rows[:count])
    return out.transpose(0, 1).contiguous().to(features.dtype)

"""Set abstraction on the CPU: a few centres at a time, each distinct neighbour once, the grouped tensor never whole."""

import numpy as np
import torch
from numba import njit
from torch import Tensor

_ROWS = 4096  # rows of one block: with 64 + 256 float32 channels it stays in a large L2 cache


@njit(cache=True, nogil=True)
def _pack(lifted, offsets, index, counts, first, last, rows):
    """Write `relu(lifted[j] - offset)` of each distinct neighbour of centres `first:last` below one another."""
    row = 0
    for m in range(first, last):
        for slot in range(min(max(counts[m], 1), index.shape[1])):
            source = index[m, slot]
            for channel in range(rows.shape[1]):
                value = lifted[source, channel] - offsets[m, channel]
                rows[row, channel] = 0 if value <= 0 else value  # not a number stays what it is
            row += 1


@njit(cache=True, nogil=True)
def _maximum(rows, ends, begun, first, last, out):
    """Take the channel-wise maximum over the rows of each centre; as in torch, not a number beats every number."""
    row = 0
    for m in range(first, last):
        for channel in range(rows.shape[1]):
            out[m, channel] = rows[row, channel]
        while row + 1 < ends[m] - begun:
            row += 1
            for channel in range(rows.shape[1]):
                value = rows[row, channel]
                best = out[m, channel]
                out[m, channel] = value if value > best or value != value else best
        row += 1


def pool_groups(lifted: Tensor, offsets: Tensor, index: Tensor, counts: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """As `lamm_model.kernels.reference.pool_groups`; half precision is widened and rounded once at the end."""
    batch, centres, slots = index.shape
    wide = torch.promote_types(torch.promote_types(lifted.dtype, weight.dtype), torch.float32)
    out = torch.empty(batch, centres, weight.shape[0], dtype=wide)
    transposed = weight.to(wide).t().contiguous()
    source, shift = lifted.to(wide).contiguous(), offsets.to(wide).contiguous()
    size = max(_ROWS, slots)
    rows = torch.empty(size, weight.shape[1], dtype=wide)
    results = torch.empty(size, weight.shape[0], dtype=wide)
    for cloud in range(batch):
        ends = counts[cloud].clamp(1, slots).cumsum(0).numpy()
        members = source[cloud].numpy(), shift[cloud].numpy(), index[cloud].numpy(), counts[cloud].numpy()
        first = begun = 0
        while first < centres:
            last = int(np.searchsorted(ends, begun + size, side="right"))
            used = int(ends[last - 1]) - begun
            _pack(*members, first, last, rows.numpy())
            torch.mm(rows[:used], transposed, out=results[:used])
            _maximum(results.numpy(), ends, begun, first, last, out[cloud].numpy())
            first, begun = last, begun + used
    return (out + bias.to(wide)).to(weight.dtype)

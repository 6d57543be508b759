"""Serialisation and unique voxels on the CPU: codes in registers' width, sorted digit by digit."""

import numpy as np
import torch
from numba import njit
from torch import Tensor

from lamm_model.kernels.cpu.batched import run_jobs
from lamm_model.kernels.voxel_reference import CURVES, cell_keys

_DIGIT = 11  # bits sorted at a time: 2,048 places fit the first cache
_SMALL_DIGIT = 8  # the same in a small bucket
_FEW = 32  # keys that are sorted by insertion
_CHUNK = 256  # points whose codes are computed side by side


@njit(cache=True, nogil=True)
def _sort_digits(source, target, starts, shift, digit):
    """Sort by one digit after the other, stably, given how often each occurs; return the side that holds the result."""
    for row in range(starts.shape[0]):
        place = 0
        most = 0
        for value in range(1 << digit):
            count = starts[row, value]
            most = max(most, count)
            starts[row, value] = place
            place += count
        if most != source.shape[0]:  # not all share this digit
            for i in range(source.shape[0]):
                value = (source[i] >> shift) & ((1 << digit) - 1)
                target[starts[row, value]] = source[i]
                starts[row, value] += 1
            source, target = target, source
        shift += digit
    return source


@njit(cache=True, nogil=True)
def _sort_bucket(packed, other, counts, index_bits, bits):
    """Sort packed keys by their lowest `bits` between two sides; return the one that holds the result."""
    size = packed.shape[0]
    if size <= _FEW:
        for i in range(1, size):
            value = packed[i]
            place = i
            while place > 0 and packed[place - 1] > value:
                packed[place] = packed[place - 1]
                place -= 1
            packed[place] = value
        return packed
    digit = _DIGIT if size >= 1 << _DIGIT else _SMALL_DIGIT  # reading the counts must not take longer than sorting
    digits = (bits + digit - 1) // digit
    starts = counts[:digits]
    starts[:, : 1 << digit] = 0
    low = np.int64((1 << digit) - 1)
    for i in range(size):
        key = packed[i] >> index_bits
        for row in range(digits):
            starts[row, key & low] += 1
            key >>= digit
    return _sort_digits(packed, other, starts, index_bits, digit)


@njit(cache=True, nogil=True)
def _order_packed(keys, order, inverse, begin, index_bits, key_bits):
    """Write the stable order of keys that share 63 bits with their row's number, and the order's inverse.

    Keys are dealt by their highest digit into buckets, and each bucket is sorted where it fits the cache.
    """
    bits = max(0, key_bits - _DIGIT)  # below the highest digit
    ends = np.zeros(1 << _DIGIT, np.int64)
    for i in range(keys.shape[0]):
        ends[keys[i] >> bits] += 1
    place = 0
    for value in range(1 << _DIGIT):
        count = ends[value]
        ends[value] = place
        place += count
    packed = np.empty_like(keys)
    for i in range(keys.shape[0]):
        value = keys[i] >> bits
        packed[ends[value]] = keys[i] << index_bits | i
        ends[value] += 1
    counts = np.empty(((bits + _SMALL_DIGIT - 1) // _SMALL_DIGIT, 1 << _DIGIT), np.int64)
    rows = np.int64((1 << index_bits) - 1)
    first = 0
    for value in range(1 << _DIGIT):
        last = ends[value]
        if last > first:
            bucket = _sort_bucket(packed[first:last], order[first:last], counts, index_bits, bits)
            for i in range(last - first):
                row = bucket[i] & rows
                order[first + i] = row + begin
                inverse[row] = first + i + begin
        first = last


def write_order(keys: np.ndarray, order: np.ndarray, inverse: np.ndarray, begin: int, key_bits: int) -> None:
    """Write the rows that sort keys, equal ones in their order, and where each row then stands.

    Args:
        keys: int64 `[N]`, from 0 below `2 ** key_bits`.
        order: int64 `[N]`, filled with rows that count from `begin`.
        inverse: int64 `[N]`, filled with positions that count from `begin`.
        begin: The number of the first row.
        key_bits: Bits of a key; few are faster.
    """
    index_bits = max(1, (len(keys) - 1).bit_length())
    if key_bits + index_bits <= 63:
        _order_packed(keys, order, inverse, begin, index_bits, key_bits)
    else:
        by_key = np.argsort(keys, kind="stable")
        order[:] = by_key + begin
        inverse[by_key] = np.arange(begin, begin + len(keys))


@njit(cache=True, nogil=True)
def _spread(value):
    """Insert two zero bits after each of the 21 lowest bits."""
    value = (value | value << np.uint64(32)) & np.uint64(0x1F00000000FFFF)
    value = (value | value << np.uint64(16)) & np.uint64(0x1F0000FF0000FF)
    value = (value | value << np.uint64(8)) & np.uint64(0x100F00F00F00F00F)
    value = (value | value << np.uint64(4)) & np.uint64(0x10C30C30C30C30C3)
    return (value | value << np.uint64(2)) & np.uint64(0x1249249249249249)


@njit(cache=True, nogil=True)
def _turn(x, y, z, depth):
    """Skilling's transform of a chunk of coordinates, in place: bit by bit, all points of the chunk side by side."""
    one = np.uint32(1)
    for bit in range(depth - 1, -1, -1):
        place = np.uint32(bit)
        below = np.uint32((1 << bit) - 1)
        for i in range(_CHUNK):
            a, b, c = x[i], y[i], z[i]
            a ^= below & (np.uint32(0) - (a >> place & one))
            turned = np.uint32(0) - (b >> place & one)
            swapped = (a ^ b) & below & ~turned
            a ^= (below & turned) | swapped
            b ^= swapped
            turned = np.uint32(0) - (c >> place & one)
            swapped = (a ^ c) & below & ~turned
            a ^= (below & turned) | swapped
            c ^= swapped
            x[i], y[i], z[i] = a, b, c


@njit(cache=True, nogil=True)
def _encode(cells, first, second, hilbert, depth, codes):
    """Write the code of every cell; `first` and `second` are the columns taken as x and y."""
    x, y, z = np.zeros(_CHUNK, np.uint32), np.zeros(_CHUNK, np.uint32), np.zeros(_CHUNK, np.uint32)
    for begin in range(0, cells.shape[0], _CHUNK):
        count = min(_CHUNK, cells.shape[0] - begin)
        for i in range(count):
            x[i] = cells[begin + i, first]
            y[i] = cells[begin + i, second]
            z[i] = cells[begin + i, 2]
        if hilbert:
            _turn(x, y, z, depth)
        for i in range(count):
            code = _spread(np.uint64(x[i])) << np.uint64(2) | _spread(np.uint64(y[i])) << np.uint64(1)
            code |= _spread(np.uint64(z[i]))
            if hilbert:
                for shift in (1, 2, 4, 8, 16, 32):
                    code ^= code >> np.uint64(shift)
            codes[begin + i] = np.int64(code)


def _serialize_sample(
    cells: np.ndarray, curve: str, depth: int, begin: int, codes: np.ndarray, order: np.ndarray, inverse: np.ndarray
) -> None:
    """Fill codes, order and inverse order `[N]` of one sample, whose rows begin at `begin`."""
    swapped = curve.endswith("trans")
    _encode(cells, int(swapped), int(not swapped), curve.startswith("hilbert"), depth, codes)
    write_order(codes, order, inverse, begin, 3 * depth)


def serialize_points(cells: Tensor, curves: list[int], depths: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
    """As `lamm_model.kernels.voxel_reference.serialize_points`."""
    # Memory of numpy's comes in huge pages, which saves a third of the time: torch's faults page by page.
    outputs = tuple(torch.from_numpy(np.empty((len(curves), len(cells)), np.int64)) for _ in range(3))
    jobs = []
    begin = 0
    for count, depth in zip(lengths.tolist(), depths.tolist(), strict=True):
        cut = slice(begin, begin + count)
        for row, curve in enumerate(curves):
            jobs.append((cells[cut].numpy(), CURVES[curve], depth, begin, *(out[row, cut].numpy() for out in outputs)))
        begin += count
    run_jobs(_serialize_sample, [job for job in jobs if len(job[0])])
    return outputs


@njit(cache=True, nogil=True)
def _number(keys, order, first, inverse, counts):
    """Number the distinct keys along their order; return how many there are."""
    size = 0
    for position in range(order.shape[0]):
        row = order[position]
        if position == 0 or keys[row] != keys[order[position - 1]]:
            first[size] = row
            counts[size] = 0
            size += 1
        inverse[row] = size - 1
        counts[size - 1] += 1
    return size


def unique_voxels(cells: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """As `lamm_model.kernels.voxel_reference.unique_voxels`."""
    keys, _ = cell_keys(cells, lengths)
    order, first, inverse, counts = (torch.empty_like(keys) for _ in range(4))
    write_order(keys.numpy(), order.numpy(), inverse.numpy(), 0, int(keys.max()).bit_length())
    size = _number(keys.numpy(), order.numpy(), first.numpy(), inverse.numpy(), counts.numpy())
    return first[:size].clone(), inverse, counts[:size].clone()

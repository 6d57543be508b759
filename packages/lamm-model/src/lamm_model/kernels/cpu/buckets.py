"""Buckets of neighbouring points: the spatial index behind the exact CPU sampling and nearest-neighbour search.

Points are sorted along a Morton curve and cut into buckets of equal size. A bucket knows its bounding box, so that a
whole bucket can be skipped when even the nearest corner of its box is too far away. Floating-point subtraction,
multiplication and addition round monotonically: the distance computed to the box is never larger than the distance
computed, with the same operations, to a point inside it. Skipping therefore never changes a result.
"""

import numpy as np
from numba import njit

BUCKET = 64  # points: four AVX-512 registers; a constant, so that loops over a bucket unroll


@njit(cache=True, nogil=True)
def bounds(points):
    """The lowest and the highest coordinate of points `[N, 3]` along each axis, float64 `[3]` each."""
    low, high = np.empty(3), np.empty(3)
    for axis in range(3):
        lowest, highest = np.inf, -np.inf
        for i in range(points.shape[0]):
            lowest = min(lowest, points[i, axis])
            highest = max(highest, points[i, axis])
        low[axis], high[axis] = lowest, highest
    return low, high


@njit(cache=True, nogil=True)
def _spread_bits(value):
    """Insert two zero bits after each of the ten lowest bits."""
    value = (value | (value << 16)) & 0x030000FF
    value = (value | (value << 8)) & 0x0300F00F
    value = (value | (value << 4)) & 0x030C30C3
    return (value | (value << 2)) & 0x09249249


@njit(cache=True, nogil=True)
def morton_order(points):
    """Indices that sort points `[N, 3]` along a Morton curve of 1,024 cells a side; equal cells keep order."""
    size = points.shape[0]
    low, high = bounds(points)
    extent = max((high - low).max(), 0.0)
    scale = 1023.0 / extent if extent > 0.0 else 0.0
    codes = np.empty(size, np.int32)
    for i in range(size):
        x = np.int32((points[i, 0] - low[0]) * scale)
        y = np.int32((points[i, 1] - low[1]) * scale)
        z = np.int32((points[i, 2] - low[2]) * scale)
        codes[i] = _spread_bits(x) | (_spread_bits(y) << 1) | (_spread_bits(z) << 2)
    order = np.empty(size, np.int32)
    for i in range(size):
        order[i] = i
    other = np.empty(size, np.int32)
    for shift in (0, 10, 20):
        starts = np.zeros(1025, np.int64)
        for i in range(size):
            starts[((codes[i] >> shift) & 1023) + 1] += 1
        for digit in range(1024):
            starts[digit + 1] += starts[digit]
        for i in range(size):
            digit = (codes[order[i]] >> shift) & 1023
            other[starts[digit]] = order[i]
            starts[digit] += 1
        order, other = other, order
    return order


@njit(cache=True, nogil=True)
def build_buckets(points):
    """Sort points `[N, 3]` into buckets.

    Returns:
        order `[P]` (original index, -1 in the padding of the last bucket), coordinates `[3, P]` in that order and
        boxes `[6, P / BUCKET]` (lower x, y, z, upper x, y, z).
    """
    size = points.shape[0]
    count = (size + BUCKET - 1) // BUCKET
    order = np.empty(count * BUCKET, np.int32)
    curve = morton_order(points)
    for i in range(count * BUCKET):
        order[i] = curve[i] if i < size else -1
    coordinates = np.zeros((3, count * BUCKET), np.float32)
    boxes = np.empty((6, count), np.float32)
    for bucket in range(count):
        for axis in range(3):
            low = np.float32(np.inf)
            high = np.float32(-np.inf)
            for i in range(bucket * BUCKET, min(size, (bucket + 1) * BUCKET)):
                value = points[order[i], axis]
                coordinates[axis, i] = value
                low = min(low, value)
                high = max(high, value)
            boxes[axis, bucket] = low
            boxes[axis + 3, bucket] = high
    return order, coordinates, boxes


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def box_distances(boxes, x, y, z, out):
    """Write the squared distance from one position to every box: a lower bound for every point inside."""
    zero = np.float32(0)
    for b in range(out.shape[0]):
        dx = max(max(boxes[0, b] - x, x - boxes[3, b]), zero)
        dy = max(max(boxes[1, b] - y, y - boxes[4, b]), zero)
        dz = max(max(boxes[2, b] - z, z - boxes[5, b]), zero)
        out[b] = dx * dx + dy * dy + dz * dz

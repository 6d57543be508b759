"""Ball query on the CPU: a grid of cells finds the candidates, a bit per point returns them in index order."""

import numpy as np
from numba import njit

from lamm_model.kernels.cpu.buckets import bounds

_SAFE = 1.0 + 1e-5  # the cells searched cover a little more than the ball; the float32 test alone decides
_ONE = np.uint64(1)


@njit(cache=True, nogil=True)
def build_grid(points, size):
    """Sort points into cells at least `size` wide, in index order inside a cell."""
    count = points.shape[0]
    low, high = bounds(points)
    inverse = np.empty(3, np.float64)
    dims = np.empty(3, np.int64)
    limit = max(4, int(np.cbrt(4.0 * count)))
    for axis in range(3):
        extent = high[axis] - low[axis]
        cells = min(extent / size, float(limit)) if size > 0.0 else float(limit)
        dims[axis] = max(1, int(cells)) if extent > 0.0 else 1
        inverse[axis] = dims[axis] / extent if extent > 0.0 else 0.0
    cell = np.empty(count, np.int64)
    starts = np.zeros(dims[0] * dims[1] * dims[2] + 1, np.int64)
    for i in range(count):
        x = min(int((points[i, 0] - low[0]) * inverse[0]), dims[0] - 1)
        y = min(int((points[i, 1] - low[1]) * inverse[1]), dims[1] - 1)
        z = min(int((points[i, 2] - low[2]) * inverse[2]), dims[2] - 1)
        cell[i] = (z * dims[1] + y) * dims[0] + x
        starts[cell[i] + 1] += 1
    for c in range(starts.shape[0] - 1):
        starts[c + 1] += starts[c]
    cursor = np.empty(starts.shape[0] - 1, np.int64)
    for c in range(cursor.shape[0]):
        cursor[c] = starts[c]
    order = np.empty(count, np.int32)
    coordinates = np.empty((3, count), np.float32)
    for i in range(count):
        position = cursor[cell[i]]
        cursor[cell[i]] += 1
        order[position] = i
        for axis in range(3):
            coordinates[axis, position] = points[i, axis]
    return low, inverse, dims, starts, order, coordinates


@njit(cache=True, nogil=True)
def _cell_range(position, radius, low, inverse, cells):
    """First and last cell along one axis that the ball can reach (both clamped; a far ball meets the border cells)."""
    top = float(cells - 1)
    first = min(max((position - radius - low) * inverse, 0.0), top)
    last = min(max((position + radius - low) * inverse, 0.0), top)
    return int(first), int(last)


@njit(cache=True, nogil=True)
def squared_distance(dx, dy, dz, fused):
    """`(dx² + dy²) + dz²`, each step rounded to float32; fused: `fma(dz, dz, fma(dx, dx, dy²))`."""
    if fused:
        wide_x, wide_z = np.float64(dx), np.float64(dz)
        partial = np.float32(wide_x * wide_x + np.float64(dy * dy))
        return np.float32(wide_z * wide_z + np.float64(partial))
    return dx * dx + dy * dy + dz * dz


@njit(cache=True, nogil=True)
def _mark(coordinates, order, begin, end, centre, limit, fused, bits):
    """Set the bit of every point of one run of cells that lies strictly inside the ball; return their number."""
    hits = 0
    for j in range(begin, end):
        dx = coordinates[0, j] - centre[0]
        dy = coordinates[1, j] - centre[1]
        dz = coordinates[2, j] - centre[2]
        if squared_distance(dx, dy, dz, fused) < limit:
            bits[order[j] >> 6] |= _ONE << np.uint64(order[j] & 63)
            hits += 1
    return hits


@njit(cache=True, nogil=True)
def _pad(filled, out):
    """Repeat the first hit, or index 0 when there is none, in the slots left over."""
    for slot in range(filled, out.shape[0]):
        out[slot] = out[0] if filled else 0


@njit(cache=True, nogil=True)
def _collect(bits, hits, out):
    """Write the lowest set bits in ascending order, repeat the first in the slots left over, and clear all bits."""
    filled = 0
    wanted = min(hits, out.shape[0])
    word = 0
    while filled < wanted:
        value = bits[word]
        while value != 0 and filled < wanted:
            lowest = value & (~value + _ONE)
            position = 0
            # The index of the single bit set in `lowest`, by halving.
            for shift in (32, 16, 8, 4, 2, 1):
                if lowest >> np.uint64(position + shift) != 0:
                    position += shift
            out[filled] = word * 64 + position
            filled += 1
            value ^= lowest
        word += 1
    _pad(filled, out)
    for word in range(bits.shape[0]):
        bits[word] = 0
    return filled


@njit(cache=True, nogil=True)
def _scan_in_order(points, centre, limit, fused, out):
    """Test the points in index order until the slots are full: faster than any index where the ball is crowded."""
    filled = 0
    for i in range(points.shape[0]):
        dx = points[i, 0] - centre[0]
        dy = points[i, 1] - centre[1]
        dz = points[i, 2] - centre[2]
        if squared_distance(dx, dy, dz, fused) < limit:
            out[filled] = i
            filled += 1
            if filled == out.shape[0]:
                return filled
    _pad(filled, out)
    return filled


@njit(cache=True, nogil=True)
def query_cloud(points, centres, radius, limit, fused, out, counts):
    """Fill `out` `[M, k]` and `counts` `[M]` with the ball query of one cloud.

    Args:
        points: float32 `[N, 3]`.
        centres: float32 `[M, 3]`.
        radius: Radius in the unit of the points.
        limit: float32 `radius * radius`; a hit is strictly closer.
        fused: Whether distances are computed with fused multiply-adds.
        out: int64 `[M, k]`, filled.
        counts: int64 `[M]`, filled with the number of slots that are no padding.
    """
    size = points.shape[0]
    low, inverse, dims, starts, order, coordinates = build_grid(points, radius)
    bits = np.zeros((size + 63) // 64, np.uint64)
    reach = radius * _SAFE
    for m in range(centres.shape[0]):
        centre = centres[m]
        x0, x1 = _cell_range(centre[0], reach, low[0], inverse[0], dims[0])
        y0, y1 = _cell_range(centre[1], reach, low[1], inverse[1], dims[1])
        z0, z1 = _cell_range(centre[2], reach, low[2], inverse[2], dims[2])
        candidates = 0
        for z in range(z0, z1 + 1):
            for y in range(y0, y1 + 1):
                row = (z * dims[1] + y) * dims[0]
                candidates += starts[row + x1 + 1] - starts[row + x0]
        # About a quarter of the candidates are hits: in index order k of them turn up after 4 k N / candidates points.
        if 4 * out.shape[1] * size < candidates * candidates:
            counts[m] = _scan_in_order(points, centre, limit, fused, out[m])
            continue
        hits = 0
        for z in range(z0, z1 + 1):
            for y in range(y0, y1 + 1):
                row = (z * dims[1] + y) * dims[0]
                hits += _mark(coordinates, order, starts[row + x0], starts[row + x1 + 1], centre, limit, fused, bits)
        counts[m] = _collect(bits, hits, out[m])

"""The k nearest neighbours on the CPU: cells around the query, ring by ring, or buckets where the points crowd."""

import numpy as np
from numba import njit

from lamm_model.kernels.cpu.ball import build_grid
from lamm_model.kernels.cpu.buckets import BUCKET, bounds, box_distances, build_buckets

_NONE = np.int64(2**62)  # the index of a slot without a point
_CROWDED = 24.0  # points that share a cell on average, from which buckets are faster
_CLOSER = 1.0 - 1e-9  # a face of a cell counts as a little nearer than computed in double precision
_DOWN = 1.0 - 2.0**-22  # and its distance is rounded down to float32


@njit(cache=True, nogil=True)
def _insert(distance, index, distances, indices):
    """Insert into the ascending list ordered by (distance, index) when there is room for it."""
    slot = distances.shape[0] - 1
    if distance > distances[slot] or (distance == distances[slot] and index > indices[slot]):
        return
    while slot > 0 and (
        distance < distances[slot - 1] or (distance == distances[slot - 1] and index < indices[slot - 1])
    ):
        distances[slot] = distances[slot - 1]
        indices[slot] = indices[slot - 1]
        slot -= 1
    distances[slot] = distance
    indices[slot] = index


@njit(cache=True, nogil=True)
def _scan_run(coordinates, order, begin, end, query, distances, indices):
    """Insert the points of neighbouring cells of one row."""
    x, y, z = query[0], query[1], query[2]
    last = distances.shape[0] - 1
    worst = distances[last]
    for j in range(begin, end):
        dx = coordinates[0, j] - x
        dy = coordinates[1, j] - y
        dz = coordinates[2, j] - z
        distance = dx * dx + dy * dy + dz * dz
        if distance <= worst:
            _insert(distance, order[j], distances, indices)
            worst = distances[last]


@njit(cache=True, nogil=True)
def _cell(position, low, inverse, cells):
    return int(min(max((position - low) * inverse, 0.0), float(cells - 1)))


@njit(cache=True, nogil=True)
def _gap(position, first, last, low, inverse, cells):
    """How far the cells along one axis that are not searched are at least: those below `first` and above `last`."""
    gap = np.inf
    if first > 0:
        face = low + first / inverse
        gap = min(gap, position - face - (1.0 - _CLOSER) * (abs(position) + abs(face) + 1.0 / inverse))
    if last < cells - 1:
        face = low + (last + 1) / inverse
        gap = min(gap, face - position - (1.0 - _CLOSER) * (abs(position) + abs(face) + 1.0 / inverse))
    return gap


@njit(cache=True, nogil=True)
def _search_cells(grid, query, distances, indices):
    """Search the cell of the query and those around it, one more ring at a time, until no other can be nearer.

    A point in a cell that was not searched differs along some axis by at least the gap. Subtraction, multiplication and
    addition round monotonically, so its distance as computed is at least the gap, rounded down and squared.
    """
    low, inverse, dims, starts, order, coordinates = grid
    x = _cell(query[0], low[0], inverse[0], dims[0])
    y = _cell(query[1], low[1], inverse[1], dims[1])
    z = _cell(query[2], low[2], inverse[2], dims[2])
    ring = 1
    while True:
        x0, x1 = max(x - ring, 0), min(x + ring, dims[0] - 1)
        y0, y1 = max(y - ring, 0), min(y + ring, dims[1] - 1)
        z0, z1 = max(z - ring, 0), min(z + ring, dims[2] - 1)
        for v in range(z0, z1 + 1):
            for u in range(y0, y1 + 1):
                row = (v * dims[1] + u) * dims[0]
                if ring == 1 or abs(v - z) == ring or abs(u - y) == ring:
                    _scan_run(coordinates, order, starts[row + x0], starts[row + x1 + 1], query, distances, indices)
                    continue
                if x - ring >= 0:
                    cell = row + x - ring
                    _scan_run(coordinates, order, starts[cell], starts[cell + 1], query, distances, indices)
                if x + ring < dims[0]:
                    cell = row + x + ring
                    _scan_run(coordinates, order, starts[cell], starts[cell + 1], query, distances, indices)
        gap = _gap(query[0], x0, x1, low[0], inverse[0], dims[0])
        gap = min(gap, _gap(query[1], y0, y1, low[1], inverse[1], dims[1]))
        gap = min(gap, _gap(query[2], z0, z1, low[2], inverse[2], dims[2]))
        if gap == np.inf:
            return
        least = np.float32(max(gap, 0.0) * _DOWN)
        if distances[-1] < least * least:
            return
        ring += 1


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def _distances(coordinates, begin, x, y, z, out):
    """Write the squared distances to one bucket's points and return the smallest."""
    smallest = np.float32(np.inf)
    for i in range(BUCKET):
        dx = coordinates[0, begin + i] - x
        dy = coordinates[1, begin + i] - y
        dz = coordinates[2, begin + i] - z
        distance = dx * dx + dy * dy + dz * dz
        out[i] = distance
        smallest = distance if distance < smallest else smallest
    return smallest


@njit(cache=True, nogil=True)
def _scan_bucket(bucket, order, coordinates, query, buffer, distances, indices):
    begin = bucket * BUCKET
    if _distances(coordinates, begin, query[0], query[1], query[2], buffer) > distances[-1]:
        return
    for i in range(BUCKET):
        if buffer[i] <= distances[-1] and order[begin + i] >= 0:
            _insert(buffer[i], order[begin + i], distances, indices)


@njit(cache=True, nogil=True)
def _search_buckets(buckets, query, gaps, buffer, distances, indices):
    """Search the bucket whose box is nearest, then every other whose box is near enough."""
    order, coordinates, boxes = buckets
    box_distances(boxes, query[0], query[1], query[2], gaps)
    home = np.argmin(gaps)
    _scan_bucket(home, order, coordinates, query, buffer, distances, indices)
    for bucket in range(gaps.shape[0]):
        if bucket != home and gaps[bucket] <= distances[-1]:
            _scan_bucket(bucket, order, coordinates, query, buffer, distances, indices)


@njit(cache=True, nogil=True)
def _cell_size(points):
    """The width of cubic cells that number, along the longest side, the most a grid has."""
    low, high = bounds(points)
    extent = max((high - low).max(), 0.0)
    return extent / np.cbrt(4.0 * points.shape[0])


@njit(cache=True, nogil=True)
def _crowding(starts):
    """How many points the cell of a point holds on average."""
    total = 0.0
    for c in range(starts.shape[0] - 1):
        held = float(starts[c + 1] - starts[c])
        total += held * held
    return total / starts[-1]


@njit(cache=True, nogil=True)
def nearest_in_cloud(points, queries, out_distances, out_indices):
    """Fill `[M, k]` with the squared distances and indices of the nearest points, nearest first, ties by index.

    Slots beyond the number of points hold an infinite distance and index 0.

    Args:
        points: float32 `[N, 3]`.
        queries: float32 `[M, 3]`.
        out_distances: float32 `[M, k]`, filled.
        out_indices: int64 `[M, k]`, filled.
    """
    grid = build_grid(points, _cell_size(points))
    crowded = _crowding(grid[3]) > _CROWDED
    buckets = build_buckets(points if crowded else points[:1])
    gaps = np.empty(buckets[2].shape[1], np.float32)
    buffer = np.empty(BUCKET, np.float32)
    for m in range(queries.shape[0]):
        distances, indices = out_distances[m], out_indices[m]
        for slot in range(indices.shape[0]):
            distances[slot] = np.inf
            indices[slot] = _NONE
        if crowded:
            _search_buckets(buckets, queries[m], gaps, buffer, distances, indices)
        else:
            _search_cells(grid, queries[m], distances, indices)
        for slot in range(indices.shape[0]):
            if indices[slot] == _NONE:
                indices[slot] = 0

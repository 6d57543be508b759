"""The k nearest neighbours on the CPU: the boxes of the sampling's buckets rule most of the points out."""

# Compiled functions carry no annotations: their types are those of the arguments they are compiled for.
# ruff: noqa: ANN001, ANN201, ANN202
# mypy: disable-error-code="no-untyped-def,untyped-decorator"

import numpy as np
from numba import njit

from lamm_model.kernels.cpu.buckets import BUCKET, box_distances, build_buckets


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
def _scan(bucket, order, coordinates, query, buffer, distances, indices):
    begin = bucket * BUCKET
    if _distances(coordinates, begin, query[0], query[1], query[2], buffer) > distances[-1]:
        return
    for i in range(BUCKET):
        if buffer[i] <= distances[-1] and order[begin + i] >= 0:
            _insert(buffer[i], order[begin + i], distances, indices)


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
    order, coordinates, boxes = build_buckets(points)
    gaps = np.empty(boxes.shape[1], np.float32)
    buffer = np.empty(BUCKET, np.float32)
    none = np.int64(2**62)
    for m in range(queries.shape[0]):
        distances, indices = out_distances[m], out_indices[m]
        for slot in range(indices.shape[0]):
            distances[slot] = np.inf
            indices[slot] = none
        box_distances(boxes, queries[m, 0], queries[m, 1], queries[m, 2], gaps)
        home = np.argmin(gaps)
        _scan(home, order, coordinates, queries[m], buffer, distances, indices)
        for bucket in range(gaps.shape[0]):
            if bucket != home and gaps[bucket] <= distances[-1]:
                _scan(bucket, order, coordinates, queries[m], buffer, distances, indices)
        for slot in range(indices.shape[0]):
            if indices[slot] == none:
                indices[slot] = 0

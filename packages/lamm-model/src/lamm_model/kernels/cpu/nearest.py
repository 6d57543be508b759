"""The k nearest neighbours on the CPU: the boxes of the sampling's buckets rule most of the points out."""

import numpy as np
from numba import njit

from lamm_model.kernels.cpu.buckets import BUCKET, box_distances, build_buckets


@njit(cache=True, nogil=True)
def _insert(distance, index, distances, indices):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
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
def _scan(bucket, order, coordinates, query, distances, indices):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for i in range(bucket * BUCKET, (bucket + 1) * BUCKET):
        dx = coordinates[0, i] - query[0]
        dy = coordinates[1, i] - query[1]
        dz = coordinates[2, i] - query[2]
        distance = dx * dx + dy * dy + dz * dz
        if distance <= distances[-1] and order[i] >= 0:
            _insert(distance, order[i], distances, indices)


@njit(cache=True, nogil=True)
def nearest_in_cloud(points, queries, out_distances, out_indices):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
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
    none = np.int64(2**62)
    for m in range(queries.shape[0]):
        distances, indices = out_distances[m], out_indices[m]
        distances[:] = np.inf
        indices[:] = none
        box_distances(boxes, queries[m, 0], queries[m, 1], queries[m, 2], gaps)
        home = np.argmin(gaps)
        _scan(home, order, coordinates, queries[m], distances, indices)
        for bucket in range(gaps.shape[0]):
            if bucket != home and gaps[bucket] <= distances[-1]:
                _scan(bucket, order, coordinates, queries[m], distances, indices)
        for slot in range(indices.shape[0]):
            if indices[slot] == none:
                indices[slot] = 0

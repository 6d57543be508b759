"""Exact farthest point sampling on the CPU: only the buckets that a new sample can change are touched."""

import numpy as np
from numba import njit

from lamm_model.kernels.cpu.buckets import BUCKET, box_distances, build_buckets

# The box bound uses separately rounded operations, the fused distance fewer roundings: stay below it by more than both.
_FUSED_SLACK = np.float32(1.0 - 2.0**-20)


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def _lower(coordinates, nearest, first, x, y, z):
    """Take one bucket's minimum with the distances to a new sample and return the bucket's new maximum."""
    top = np.float32(-1)
    for i in range(first, first + BUCKET):
        dx = coordinates[0, i] - x
        dy = coordinates[1, i] - y
        dz = coordinates[2, i] - z
        distance = dx * dx + dy * dy + dz * dz
        value = distance if distance < nearest[i] else nearest[i]
        nearest[i] = value
        top = value if value > top else top
    return top


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def _lower_fused(coordinates, nearest, first, x, y, z):
    """As `_lower` with `fma(dz, dz, fma(dx, dx, dy * dy))`: a product of two floats is exact in double precision."""
    top = np.float32(-1)
    for i in range(first, first + BUCKET):
        dx = np.float64(coordinates[0, i] - x)
        dy = coordinates[1, i] - y
        dz = np.float64(coordinates[2, i] - z)
        partial = np.float32(dx * dx + np.float64(dy * dy))
        distance = np.float32(dz * dz + np.float64(partial))
        value = distance if distance < nearest[i] else nearest[i]
        nearest[i] = value
        top = value if value > top else top
    return top


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def _largest(values):
    best = np.float32(-1)
    for i in range(values.shape[0]):
        best = values[i] if values[i] > best else best
    return best


@njit(cache=True, nogil=True)
def _first_of(best, tops, nearest, order, rank):
    """Position, in bucket order, of the point at distance `best` with the lowest rank."""
    chosen = -1
    lowest = np.int64(2**62)
    for bucket in range(tops.shape[0]):
        if tops[bucket] == best:
            for i in range(bucket * BUCKET, (bucket + 1) * BUCKET):
                if nearest[i] == best and rank[order[i]] < lowest:
                    lowest = rank[order[i]]
                    chosen = i
    return chosen


@njit(cache=True, nogil=True)
def sample_cloud(points, start, rank, skipped, initial, fused, out):
    """Fill `out` `[n]` with the farthest point sampling of one cloud.

    Args:
        points: float32 `[N, 3]`.
        start: Index of the first sample.
        rank: int64 `[N]`; of equally far points the one with the lowest rank is taken.
        skipped: bool `[N]`; such points are never taken (but `start` may be one).
        initial: Distance that every point has before the first sample.
        fused: Whether distances are computed with fused multiply-adds.
        out: int64 `[n]`, filled.
    """
    order, coordinates, boxes = build_buckets(points)
    count = boxes.shape[1]
    nearest = np.full(order.shape[0], np.float32(-1))
    tops = np.full(count, np.float32(-1))
    for i in range(order.shape[0]):
        if order[i] >= 0 and not skipped[order[i]]:
            nearest[i] = initial
            tops[i // BUCKET] = initial
    gaps = np.empty(count, np.float32)
    slack = _FUSED_SLACK if fused else np.float32(1)
    current = start
    out[0] = start
    for step in range(1, out.shape[0]):
        x, y, z = points[current, 0], points[current, 1], points[current, 2]
        box_distances(boxes, x, y, z, gaps)
        for bucket in range(count):
            if gaps[bucket] * slack < tops[bucket]:
                if fused:
                    tops[bucket] = _lower_fused(coordinates, nearest, bucket * BUCKET, x, y, z)
                else:
                    tops[bucket] = _lower(coordinates, nearest, bucket * BUCKET, x, y, z)
        best = _largest(tops)
        # Below zero every point is skipped, at zero every point equals a sample: the choice cannot change any more.
        current = order[_first_of(best, tops, nearest, order, rank)] if best >= 0 else 0
        out[step] = current
        if best <= 0:
            for rest in range(step + 1, out.shape[0]):
                out[rest] = current
            return

"""Segment pooling on the CPU: one walk over the rows, in their order."""

import torch
from numba import njit
from torch import Tensor

from lamm_model.kernels.voxel_reference import wide


@njit(cache=True, nogil=True)
def _add(features, inverse, out, counts):
    """Add each row to its segment."""
    for i in range(features.shape[0]):
        segment = inverse[i]
        counts[segment] += 1
        for channel in range(features.shape[1]):
            out[segment, channel] += features[i, channel]


@njit(cache=True, nogil=True)
def _keep_largest(features, inverse, out, winner):
    """Keep the largest of each segment and channel, and the row that first attains it; not a number beats all."""
    for i in range(features.shape[0]):
        segment = inverse[i]
        for channel in range(features.shape[1]):
            value, best = features[i, channel], out[segment, channel]
            if winner[segment, channel] < 0 or value > best or (value != value and best == best):
                out[segment, channel] = value
                winner[segment, channel] = i


def segment_pool(features: Tensor, inverse: Tensor, size: int, reduce: str) -> tuple[Tensor, Tensor]:
    """As `lamm_model.kernels.voxel_reference.segment_pool`."""
    source = features.to(wide(features.dtype))
    out = source.new_zeros(size, features.shape[1])
    if reduce == "max":
        winner = torch.full_like(out, -1, dtype=torch.int64)
        _keep_largest(source.numpy(), inverse.numpy(), out.numpy(), winner.numpy())
        return out.to(features.dtype), winner
    counts = torch.zeros(size, dtype=torch.int64)
    _add(source.numpy(), inverse.numpy(), out.numpy(), counts.numpy())
    if reduce == "mean":
        out /= counts.clamp(min=1)[:, None]
    return out.to(features.dtype), inverse.new_empty(0, features.shape[1])

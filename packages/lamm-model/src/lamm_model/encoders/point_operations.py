"""The two point operations of set abstraction, in plain torch."""

from __future__ import annotations

import torch
from torch import Tensor


@torch.no_grad()
def farthest_point_sample(points: Tensor, n: int) -> Tensor:
    """Pick `n` points, each the farthest from those already picked, starting with the first.

    Args:
        points: `[B, N, 3]` float32.
        n: How many.

    Returns:
        Indices `[B, n]`, int64.
    """
    batch = torch.arange(points.shape[0], device=points.device)
    picked = torch.zeros(points.shape[0], n, dtype=torch.long, device=points.device)
    nearest = torch.full(points.shape[:2], torch.inf, device=points.device)
    for step in range(1, n):
        last = points[batch, picked[:, step - 1]].unsqueeze(1)
        nearest = torch.minimum(nearest, (points - last).square().sum(-1))
        picked[:, step] = nearest.argmax(dim=1)
    return picked


@torch.no_grad()
def ball_query(radius: float, k: int, points: Tensor, centres: Tensor) -> Tensor:
    """Find the first `k` points within `radius` of each centre, in index order; short groups repeat their first.

    Args:
        radius: Metres.
        k: Group size.
        points: `[B, N, 3]`.
        centres: `[B, M, 3]`.

    Returns:
        Indices `[B, M, k]`, int64.
    """
    count = points.shape[1]
    squared = (centres.unsqueeze(2) - points.unsqueeze(1)).square().sum(-1)
    order = torch.arange(count, device=points.device).expand_as(squared)
    ranked = torch.where(squared < radius * radius, order, count).topk(min(k, count), largest=False, sorted=True).values
    ranked = torch.where(ranked == count, ranked[..., :1], ranked)
    ranked = torch.nn.functional.pad(ranked, (0, k - ranked.shape[-1]), mode="replicate")
    return torch.where(ranked == count, 0, ranked)

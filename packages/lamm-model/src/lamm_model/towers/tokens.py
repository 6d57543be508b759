"""From the rows of a tower of cells, as many as a cloud has, to a fixed number of tokens that know where they are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.modeling_outputs import BaseModelOutput

from lamm_model.kernels import farthest_point_sample
from lamm_model.kernels.linear import Linear

BUDGETS = ("pool", "sample", "resampler")
POSITION_FEATURES = {"none": 0, "metres": 3, "fourier": 63}
"""Channels that each kind of position features adds to a token."""
_FREQUENCIES = 10  # SpatialLM's: from 1 to 30 half-waves over the world


@dataclass
class PointCloudTokens(BaseModelOutput):  # type: ignore[misc]
    """What a point-cloud tower returns that knows where its tokens are.

    Attributes:
        last_hidden_state: `[n, num_tokens, feature_size]`.
        positions: Where each token is, `[n, num_tokens, 3]` in the unit and frame of the tower's input.
    """

    positions: Tensor | None = None


def pool_rows(features: Tensor, positions: Tensor, lengths: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Average runs of rows that follow one another; runs of a cloud with fewer rows than tokens share rows.

    Args:
        features: `[M, C]` of packed clouds, near rows near each other.
        positions: `[M, 3]`.
        lengths: Rows of each cloud, `[n]`.
        count: Tokens of a cloud.

    Returns:
        `[n, count, C]` and `[n, count, 3]`.
    """
    sizes = lengths.tolist()
    pooled = [
        torch.stack([F.adaptive_avg_pool1d(part.t()[None], count)[0].t() for part in torch.split(rows, sizes)])
        for rows in (features, positions)
    ]
    return pooled[0], pooled[1]


def sample_rows(features: Tensor, positions: Tensor, lengths: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Take rows far from one another; a cloud with fewer rows than tokens gives all in turn.

    Takes and returns what `pool_rows` does.
    """
    padded = _side_by_side(positions, lengths.tolist())
    chosen = farthest_point_sample(padded.float(), min(count, padded.shape[1]), lengths=lengths, validate=False)
    place = torch.arange(count, device=lengths.device) % lengths.clamp(max=count)[:, None]
    rows = chosen.gather(1, place) + (lengths.cumsum(0) - lengths)[:, None]
    return features[rows], positions[rows]


def _side_by_side(rows: Tensor, sizes: list[int]) -> Tensor:
    """Lay the rows of packed clouds, `[M, C]`, side by side, filled up with zeros: `[n, most, C]`."""
    return nn.utils.rnn.pad_sequence(list(torch.split(rows, sizes)), batch_first=True)


class Resampler(nn.Module):
    """Learned queries that attend to a cloud's rows, one for each token; a token is where it looks."""

    def __init__(self, width: int, tokens: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.queries = nn.Parameter(torch.zeros(tokens, width))
        self.position = nn.Sequential(Linear(3, width), nn.GELU(), Linear(width, width))
        self.norm = nn.LayerNorm(width)
        self.query = Linear(width, width)
        self.key_value = Linear(width, 2 * width)
        self.proj = Linear(width, width)
        self.mlp = nn.Sequential(nn.LayerNorm(width), Linear(width, 4 * width), nn.GELU(), Linear(4 * width, width))

    def forward(self, features: Tensor, positions: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Map packed rows `[M, C]` and `[M, 3]` to tokens `[n, T, C]` and positions `[n, T, 3]`."""
        sizes = lengths.tolist()
        rows = features + self.position(positions.to(features.dtype))
        padded = _side_by_side(rows, sizes)
        places = _side_by_side(positions, sizes)
        count, most, width = padded.shape
        keys, values = self.key_value(self.norm(padded)).view(count, most, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        asked = self.query(self.queries).view(1, -1, self.heads, width // self.heads).transpose(1, 2)
        scores = asked @ keys.transpose(-1, -2) / math.sqrt(width // self.heads)
        absent = torch.arange(most, device=lengths.device) >= lengths[:, None, None, None]
        weights = scores.float().masked_fill(absent, -torch.inf).softmax(dim=-1)
        mixed = (weights.to(values.dtype) @ values).transpose(1, 2).flatten(2)
        tokens = self.queries + self.proj(mixed)
        return tokens + self.mlp(tokens), weights.mean(dim=1) @ places.to(weights.dtype)


def position_features(positions: Tensor, kind: str, world: float) -> Tensor:
    """Describe where tokens are.

    Args:
        positions: `[n, T, 3]` in metres.
        kind: `metres`: the position itself; `fourier`: SpatialLM's, the position as a share of the world, then sine and
            cosine of ten frequencies of it.
        world: Side of the world in metres.

    Returns:
        `[n, T, POSITION_FEATURES[kind]]` float32.
    """
    if kind == "metres":
        return positions.float()
    share = positions.float() / world
    waves = torch.linspace(1.0, 30.0, _FREQUENCIES, device=positions.device) * math.pi
    angles = share[..., None, :] * waves[:, None]
    return torch.cat([share, torch.stack([angles.sin(), angles.cos()], dim=-2).flatten(-3)], dim=-1)

"""The parts of Point Transformer V3: convolution, attention in patches, block, and the ways between two levels.

Modules have the published names, so that a published file loads as it is but for its prefix.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.modeling_layers import GradientCheckpointingLayer

from lamm_model.kernels import segment_pool, segment_unpool, serialized_attention, submanifold_conv3d
from lamm_model.kernels.linear import Linear
from lamm_model.towers.configuration_point_transformer import PointTransformerV3Config
from lamm_model.towers.voxel_level import Level


class SubmanifoldConv(nn.Module):
    """Convolution of occupied cells; the weight `[out, k, k, k, in]` has its axes in the order of x, y, z."""

    def __init__(self, in_channels: int, out_channels: int, size: int, bias: bool = True) -> None:
        super().__init__()
        self.size = size
        self.weight = nn.Parameter(torch.empty(out_channels, size, size, size, in_channels))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights as a convolution's."""
        bound = 1 / math.sqrt(self.size**3 * self.weight.shape[-1])
        nn.init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, features: Tensor, level: Level) -> Tensor:
        """Convolve `[N, in]` to `[N, out]`."""
        return submanifold_conv3d(features, self.weight, self.bias, level.kernel_map(self.size), validate=False)


class RelativePositions(nn.Module):
    """A learnt bias for each head by the offset of two cells, axis by axis, cut at a bound that the patch sets."""

    def __init__(self, patch_size: int, heads: int) -> None:
        super().__init__()
        self.bound = int((4 * patch_size) ** (1 / 3) * 2)
        self.rpe_table = nn.Parameter(torch.zeros(3 * (2 * self.bound + 1), heads))

    def forward(self, cells: Tensor) -> Tensor:
        """Return the biases `[P, heads, S, S]` of patches of cells `[P, S, 3]`."""
        offsets = (cells[:, :, None] - cells[:, None]).clamp(-self.bound, self.bound) + self.bound
        rows = offsets + torch.arange(3, device=cells.device) * (2 * self.bound + 1)
        return self.rpe_table[rows].sum(dim=3).permute(0, 3, 1, 2)


def rotate(rows: Tensor, positions: Tensor, base: float) -> Tensor:
    """Turn queries or keys `[N, H, D]` by their positions `[N, 3]`: a third of the channels for each axis."""
    third = rows.shape[-1] // 3
    speeds = base ** (-torch.arange(0, third, 2, device=rows.device, dtype=torch.float32) / third)
    angles = (positions.float()[:, :, None] * speeds)[:, None]  # [N, 1, 3, third / 2]
    cosine, sine = angles.cos().to(rows.dtype), angles.sin().to(rows.dtype)
    first, second = rows.view(*rows.shape[:-1], 3, 2, third // 2).unbind(-2)
    return torch.stack([first * cosine - second * sine, second * cosine + first * sine], dim=-2).flatten(-3)


class PatchAttention(nn.Module):
    """Attention of each cell to the cells of its patch along one curve."""

    def __init__(self, channels: int, heads: int, curve: int, config: PointTransformerV3Config) -> None:
        super().__init__()
        self.heads, self.curve = heads, curve
        self.patch_size, self.rope_base = config.patch_size, config.rope_base
        self.qkv = Linear(channels, 3 * channels)
        self.proj = Linear(channels, channels)
        self.rpe = RelativePositions(config.patch_size, heads) if config.relative_positions else None

    def forward(self, features: Tensor, level: Level) -> Tensor:
        """Map `[N, C]` to `[N, C]`."""
        queries, keys, values = self.qkv(features).unflatten(-1, (3, self.heads, -1)).unbind(1)
        if self.rope_base:
            queries, keys = (rotate(rows, level.positions, self.rope_base) for rows in (queries, keys))
        table = self.rpe
        bias = None if table is None else lambda rows: table(level.grid[rows])
        patches = level.patches(self.patch_size)
        mixed = serialized_attention(queries, keys, values, level.order[self.curve], patches, bias)
        projected: Tensor = self.proj(mixed.flatten(1))
        return projected


class PointBlock(GradientCheckpointingLayer):  # type: ignore[misc]
    """Convolution, attention and feed-forward, each added to what it was given."""

    def __init__(
        self, channels: int, heads: int, number: int, drop_path: float, config: PointTransformerV3Config
    ) -> None:
        super().__init__()
        self.drop_path = drop_path
        self.cpe = nn.ModuleList(
            [SubmanifoldConv(channels, channels, 3), Linear(channels, channels), nn.LayerNorm(channels)]
        )
        self.norm1 = nn.Sequential(nn.LayerNorm(channels))
        self.attn = PatchAttention(channels, heads, number % len(config.order), config)
        self.norm2 = nn.Sequential(nn.LayerNorm(channels))
        wide = config.mlp_ratio * channels
        self.mlp = nn.ModuleList([nn.ModuleDict({"fc1": Linear(channels, wide), "fc2": Linear(wide, channels)})])

    def forward(self, features: Tensor, level: Level, convolved: Tensor | None = None) -> Tensor:
        """Map `[N, C]` to `[N, C]`; `convolved` is what the convolution sees instead, where that is something else."""
        features = features + self.conditional_positions(features if convolved is None else convolved, level)
        features = features + self._dropped(self.attn(self.norm1(features), level))
        layers: Any = self.mlp[0]
        return features + self._dropped(layers["fc2"](F.gelu(layers["fc1"](self.norm2(features)))))

    def conditional_positions(self, features: Tensor, level: Level) -> Tensor:
        """Return what the convolution adds, `[N, C]`."""
        convolution, linear, norm = self.cpe
        added: Tensor = norm(linear(convolution(features, level)))
        return added

    def _dropped(self, added: Tensor) -> Tensor:
        """Leave out the addition of some rows in training, and weigh that of the others up."""
        if not self.training or not self.drop_path:
            return added
        stays = 1 - self.drop_path
        return added * (added.new_empty(len(added), 1).bernoulli_(stays) / stays)


def norm_of(channels: int, config: PointTransformerV3Config) -> nn.Module:
    """Make the norm that follows stem, pooling and decoder layers in the configured form."""
    return nn.BatchNorm1d(channels, eps=1e-3, momentum=0.01) if config.form == "m1" else nn.LayerNorm(channels)


class Stem(nn.Module):
    """From the columns of a cell's point to the first channels."""

    def __init__(self, config: PointTransformerV3Config) -> None:
        super().__init__()
        width = config.enc_channels[0]
        if config.form == "m1":
            self.conv = SubmanifoldConv(config.feature_channels, width, 5, bias=False)
        else:
            self.linear = Linear(config.feature_channels, width)
        self.norm = norm_of(width, config)

    def forward(self, features: Tensor, level: Level) -> Tensor:
        """Map `[N, feature_channels]` to `[N, C]`."""
        widened = self.conv(features, level) if hasattr(self, "conv") else self.linear(features)
        return F.gelu(self.norm(widened))


class Down(nn.Module):
    """From a level to a coarser one: the maximum over the cells within a larger cell."""

    def __init__(self, in_channels: int, out_channels: int, config: PointTransformerV3Config) -> None:
        super().__init__()
        self.proj = Linear(in_channels, out_channels)
        self.norm = nn.Sequential(norm_of(out_channels, config))

    def forward(self, features: Tensor, inverse: Tensor, count: int) -> Tensor:
        """Map `[N, in]` to `[M, out]`, M = `count`, by the coarser row of each row."""
        largest = segment_pool(self.proj(features), inverse, count, "max", validate=False)
        return F.gelu(self.norm(largest))


class Up(nn.Module):
    """From a level to a finer one: each cell gets its larger cell's features, added to its own of the encoder."""

    def __init__(self, in_channels: int, skip_channels: int, channels: int, config: PointTransformerV3Config) -> None:
        super().__init__()
        self.proj = nn.Sequential(Linear(in_channels, channels), norm_of(channels, config), nn.GELU())
        self.proj_skip = nn.Sequential(Linear(skip_channels, channels), norm_of(channels, config), nn.GELU())

    def forward(self, features: Tensor, skip: Tensor, inverse: Tensor) -> tuple[Tensor, Tensor]:
        """Map `[M, in]` and the encoder's `[N, skip]` to both joined `[N, C]`, and the encoder's part alone."""
        own: Tensor = self.proj_skip(skip)
        return own + segment_unpool(self.proj(features), inverse, validate=False), own

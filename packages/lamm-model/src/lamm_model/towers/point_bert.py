"""Point-BERT as PointLLM uses it (arXiv 2111.14819, arXiv 2308.16911): one token for each group of near points.

Modules have the published names, so that a published file loads as it is but for its prefix.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from lamm_model.errors import LammModelError
from lamm_model.kernels import farthest_point_sample, gather, group, knn
from lamm_model.kernels.linear import Linear
from lamm_model.towers.configuration_point_bert import PointBertConfig
from lamm_model.towers.licences import tell_licence
from lamm_model.towers.tokens import PointCloudTokens

_FIRST, _SECOND = (128, 256), 512  # widths of the PointNet of a group


class GroupEncoder(nn.Module):
    """A PointNet that turns each group of points into one vector."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        first, last = _FIRST
        self.first_conv = nn.Sequential(
            nn.Conv1d(in_channels, first, 1), nn.BatchNorm1d(first), nn.ReLU(), nn.Conv1d(first, last, 1)
        )
        self.second_conv = nn.Sequential(
            nn.Conv1d(2 * last, _SECOND, 1), nn.BatchNorm1d(_SECOND), nn.ReLU(), nn.Conv1d(_SECOND, width, 1)
        )

    def forward(self, groups: Tensor) -> Tensor:
        """Encode `[n, G, k, C]` to `[n, G, width]`."""
        points = groups.flatten(0, 1).transpose(1, 2)
        each: Tensor = self.first_conv(points)
        whole = each.amax(dim=2, keepdim=True).expand_as(each)
        encoded: Tensor = self.second_conv(torch.cat([whole, each], dim=1)).amax(dim=2)
        return encoded.view(*groups.shape[:2], -1)


class Attention(nn.Module):
    """Attention of all tokens to all, queries, keys and values from one product without bias."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = Linear(width, 3 * width, bias=False)
        self.proj = Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map `[n, T, C]` to `[n, T, C]`."""
        count, length, width = tokens.shape
        packed = self.qkv(tokens).view(count, length, 3, self.heads, width // self.heads)
        queries, keys, values = packed.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(queries, keys, values)
        projected: Tensor = self.proj(mixed.transpose(1, 2).reshape(count, length, width))
        return projected


class PointBertBlock(GradientCheckpointingLayer):  # type: ignore[misc]
    """A pre-norm transformer block that is told the tokens' positions anew."""

    def __init__(self, config: PointBertConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.norm1 = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.attn = Attention(width, config.num_attention_heads)
        self.norm2 = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.mlp = nn.ModuleDict(
            {"fc1": Linear(width, config.mlp_ratio * width), "fc2": Linear(config.mlp_ratio * width, width)}
        )

    def forward(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """Map `[n, T, C]` with embedded positions of the same shape to `[n, T, C]`."""
        tokens = tokens + positions
        tokens = tokens + self.attn(self.norm1(tokens))
        mixed: Tensor = tokens + self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(tokens))))
        return mixed


class PointBertModel(PreTrainedModel):  # type: ignore[misc]
    """Point-BERT tower: `groups` centres by farthest point sampling, their nearest points, blocks over the tokens.

    The published code starts sampling at a random point; here it starts at the first, so that a cloud always gives the
    same features.
    """

    config_class = PointBertConfig
    base_model_prefix = "tower"
    main_input_name = "point_clouds"
    config: PointBertConfig
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True

    def __init__(self, config: PointBertConfig) -> None:
        super().__init__(config)
        width = config.hidden_size
        self.encoder = GroupEncoder(config.in_channels, config.group_width)
        self.reduce_dim = Linear(config.group_width, width)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.cls_pos = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Sequential(
            Linear(3, config.position_hidden_size), nn.GELU(), Linear(config.position_hidden_size, width)
        )
        self.blocks = nn.ModuleList(PointBertBlock(config) for _ in range(config.num_hidden_layers))
        self.norm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.post_init()
        tell_licence(config)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if module is self:
            for parameter in (self.cls_token, self.cls_pos):
                nn.init.normal_(parameter, std=self.config.initializer_range)

    def forward(self, point_clouds: Tensor, start: int | Tensor = 0, **kwargs: Any) -> PointCloudTokens:
        """Encode clouds.

        Args:
            point_clouds: `[n, N, in_channels]`, any `N`: x, y, z within the unit sphere, then red, green, blue in 0..1
                where configured.
            start: Index of the first centre, one for all clouds or `[n]`.
            **kwargs: Ignored.

        Returns:
            Tokens, the class token first (its position is the mean of the centres), or one of the whole.

        Raises:
            LammModelError: The clouds have other columns than configured.
        """
        config = self.config
        if point_clouds.shape[-1] != config.in_channels:
            raise LammModelError(
                f"Expected point clouds with {config.in_channels} columns, got {point_clouds.shape[-1]}. "
                "Set use_color in the point-cloud configuration and processor alike."
            )
        xyz = point_clouds[..., :3].float().contiguous()
        centres = gather(xyz, farthest_point_sample(xyz, config.groups, start), validate=False)
        _, near = knn(config.group_size, xyz, centres, validate=False)
        parts = [group(xyz, near, validate=False) - centres.unsqueeze(2)]
        if config.use_color:
            parts.append(group(point_clouds[..., 3:].contiguous(), near, validate=False))
        dtype = self.reduce_dim.weight.dtype
        tokens = self.reduce_dim(self.encoder(torch.cat([part.to(dtype) for part in parts], dim=-1)))
        embedded = self.pos_embed(centres.to(dtype))
        count = len(point_clouds)
        tokens = torch.cat([self.cls_token.expand(count, -1, -1), tokens], dim=1)
        embedded = torch.cat([self.cls_pos.expand(count, -1, -1), embedded], dim=1)
        for block in self.blocks:
            tokens = block(tokens, embedded)
        tokens = self.norm(tokens)
        middle = centres.mean(dim=1, keepdim=True)
        if config.max_pool:
            whole = torch.cat([tokens[:, :1], tokens[:, 1:].amax(dim=1, keepdim=True)], dim=-1)
            return PointCloudTokens(last_hidden_state=whole, positions=middle)
        return PointCloudTokens(last_hidden_state=tokens, positions=torch.cat([middle, centres], dim=1))

"""The point-cloud encoder: PointNet++ set abstraction, then transformer blocks (EPCL's shape)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput
from transformers.models.clip.configuration_clip import CLIPVisionConfig
from transformers.models.clip.modeling_clip import CLIPEncoder

from lamm_model.encoders.configuration_point_cloud import LammPointCloudConfig
from lamm_model.errors import LammModelError
from lamm_model.kernels import ball_query, farthest_point_sample


class SharedLayer(nn.Module):
    """Linear, norm, ReLU on the last axis: one layer of a shared MLP (a 1 x 1 convolution without bias)."""

    def __init__(self, in_channels: int, out_channels: int, norm: str) -> None:
        super().__init__()
        self.linear = nn.Linear(in_channels, out_channels, bias=False)
        self.norm = nn.BatchNorm1d(out_channels) if norm == "batch" else nn.LayerNorm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[..., in_channels]` to `[..., out_channels]`."""
        y = self.linear(x)
        return F.relu(self.norm(y.flatten(0, -2)).view_as(y))


class SetAbstraction(nn.Module):
    """One PointNet++ stage (arXiv 1706.02413): sample centres, group neighbours, shared MLP, maximum."""

    def __init__(self, in_channels: int, stage: dict[str, Any], config: LammPointCloudConfig) -> None:
        super().__init__()
        self.centres = int(stage["centres"])
        self.radius = float(stage["radius"])
        self.neighbours = int(stage["neighbours"])
        self.scale = 1.0 / self.radius if config.normalise_radius else 1.0
        self.absolute_centre = config.absolute_centre
        widths = [in_channels + 3 + (3 if self.absolute_centre else 0), *stage["mlp"]]
        self.mlp = nn.Sequential(*(SharedLayer(a, b, config.stage_norm) for a, b in pairwise(widths)))

    def forward(self, xyz: Tensor, features: Tensor | None) -> tuple[Tensor, Tensor]:
        """Abstract `N` points into `centres` groups.

        Args:
            xyz: Coordinates `[B, N, 3]` in metres, float32.
            features: `[B, N, C]` or None.

        Returns:
            Centres `[B, M, 3]` and their features `[B, M, mlp[-1]]`.
        """
        centre_idx = farthest_point_sample(xyz, self.centres)
        centres = _take(xyz, centre_idx)
        neighbour_idx = ball_query(self.radius, self.neighbours, xyz, centres)
        offsets = (_take(xyz, neighbour_idx) - centres.unsqueeze(2)) * self.scale
        parts = [offsets]
        if self.absolute_centre:
            parts.append(centres.unsqueeze(2).expand_as(offsets))
        if features is not None:
            parts.append(_take(features, neighbour_idx))
        dtype = next(self.mlp.parameters()).dtype
        grouped = torch.cat([part.to(dtype) for part in parts], dim=-1)
        return centres, self.mlp(grouped).amax(dim=2)


def _take(values: Tensor, idx: Tensor) -> Tensor:
    """Gather rows of `[B, N, C]` at `[B, ...]` indices: `[B, ..., C]`."""
    flat = idx.flatten(1).long()
    rows = values.gather(1, flat.unsqueeze(-1).expand(-1, -1, values.shape[-1]))
    return rows.view(*idx.shape, values.shape[-1])


class LammPointCloudModel(PreTrainedModel):  # type: ignore[misc]
    """Point-cloud tower: set abstraction to `num_tokens` centres, position embedding, transformer blocks.

    With the preset `epcl` this is the paper's encoder (arXiv 2306.06687, section 5.1; EPCL, arXiv 2212.04098):
    40,000 points, 2,048 and then 256 centres, position MLP, CLIP's pre-norm and 24 blocks over 256 + 19 tokens, of
    which the first 256 are kept.
    """

    config_class = LammPointCloudConfig
    base_model_prefix = "tower"
    main_input_name = "point_clouds"
    config: LammPointCloudConfig
    _supports_sdpa = True
    _supports_flash_attn = True

    def __init__(self, config: LammPointCloudConfig) -> None:
        super().__init__(config)
        channels = config.in_channels - 3
        self.stages = nn.ModuleList()
        for stage in config.stages:
            self.stages.append(SetAbstraction(channels, stage, config))
            channels = stage["mlp"][-1]
        width = config.hidden_size
        self.position_embedding = nn.Sequential(
            nn.Linear(3, config.position_hidden_size), nn.GELU(), nn.Linear(config.position_hidden_size, width)
        )
        self.dropout = nn.Dropout(config.dropout)
        self.pre_norm = nn.LayerNorm(width, eps=config.layer_norm_eps) if config.pre_norm else nn.Identity()
        if config.num_task_tokens:
            self.task_tokens = nn.Embedding(config.num_task_tokens, width)
            self.task_projection = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
        self.encoder = CLIPEncoder(self._block_config(config))
        self.final_norm = nn.LayerNorm(width, eps=config.layer_norm_eps) if config.final_norm else nn.Identity()
        self.post_init()

    @staticmethod
    def _block_config(config: LammPointCloudConfig) -> CLIPVisionConfig:
        blocks = CLIPVisionConfig(
            hidden_size=config.hidden_size,
            intermediate_size=config.intermediate_size,
            num_hidden_layers=config.num_hidden_layers,
            num_attention_heads=config.num_attention_heads,
            hidden_act=config.hidden_act,
            layer_norm_eps=config.layer_norm_eps,
            attention_dropout=config.attention_dropout,
        )
        blocks._attn_implementation = config._attn_implementation
        return blocks

    def forward(self, point_clouds: Tensor, **kwargs: Any) -> BaseModelOutput:
        """Encode clouds.

        Args:
            point_clouds: `[n, num_points, 3 or 6]`: x, y, z in metres (z up), then red, green, blue in -1..1.
                Coordinates should stay float32: rounding them to 16 bits changes which points are sampled.
            **kwargs: Ignored.

        Returns:
            Output whose `last_hidden_state` is `[n, num_tokens, feature_size]`.

        Raises:
            LammModelError: The clouds have other columns than configured.
        """
        if point_clouds.shape[-1] != self.config.in_channels:
            raise LammModelError(
                f"Expected point clouds with {self.config.in_channels} columns, got {point_clouds.shape[-1]}. "
                "Set use_color in the point-cloud configuration and processor alike."
            )
        xyz = point_clouds[..., :3].float().contiguous()
        features = point_clouds[..., 3:].contiguous() if self.config.use_color else None
        for stage in self.stages:
            xyz, features = stage(xyz, features)
        if features is None:
            raise LammModelError("Expected at least one set abstraction stage, got none. Set stages.")
        positions = self.position_embedding(xyz.to(features.dtype))
        tokens = self.pre_norm(self.dropout(features + positions))
        if self.config.num_task_tokens:
            task = self.task_projection(self.task_tokens.weight).expand(tokens.shape[0], -1, -1)
            tokens = torch.cat([tokens, task], dim=1)
        tokens = self.encoder(inputs_embeds=tokens).last_hidden_state
        tokens = self.final_norm(tokens[:, : self.config.num_centres])
        if self.config.token_statistics:
            statistics = self.token_statistics(point_clouds, xyz)
            tokens = torch.cat([tokens, statistics.to(tokens.dtype)], dim=-1)
        if self.config.global_token:
            tokens = torch.cat([tokens.amax(dim=1, keepdim=True), tokens], dim=1)
        return BaseModelOutput(last_hidden_state=tokens)

    def token_statistics(self, point_clouds: Tensor, centres: Tensor) -> Tensor:
        """Describe the points around each token's centre by plain numbers of about unit size.

        Args:
            point_clouds: `[n, num_points, 3 or 6]`.
            centres: `[n, num_tokens, 3]` in metres.

        Returns:
            `[n, num_tokens, 9 or 15]`: centre (metres), mean and deviation of the neighbours' offsets (in units of half
            a radius), and with colour their mean and deviation (times two).
        """
        stage = self.config.stages[-1]
        xyz = point_clouds[..., :3].float().contiguous()
        near = ball_query(float(stage["radius"]), int(stage["neighbours"]), xyz, centres)
        offsets = (_take(xyz, near) - centres.unsqueeze(2)) * (2.0 / float(stage["radius"]))
        parts = [centres, offsets.mean(dim=2), offsets.std(dim=2)]
        if self.config.use_color:
            colours = _take(point_clouds[..., 3:].float(), near) * 2.0
            parts += [colours.mean(dim=2), colours.std(dim=2)]
        return torch.cat(parts, dim=-1)

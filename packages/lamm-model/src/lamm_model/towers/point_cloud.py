"""The point-cloud encoder: PointNet++ set abstraction, then transformer blocks (EPCL's shape)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel
from transformers.models.clip.configuration_clip import CLIPVisionConfig
from transformers.models.clip.modeling_clip import CLIPEncoder

from lamm_model.errors import LammModelError
from lamm_model.kernels import ball_query, farthest_point_sample, fold_norm, gather, group, set_abstraction
from lamm_model.towers.configuration_point_cloud import LammPointCloudConfig
from lamm_model.towers.tokens import PointCloudTokens


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


class Groups(NamedTuple):
    """What a stage makes of a cloud."""

    centres: Tensor  # [B, M, 3], metres
    features: Tensor  # [B, M, mlp[-1]]
    neighbours: Tensor  # int64 [B, M, neighbours], rows of the stage's input


class SetAbstraction(nn.Module):
    """One PointNet++ stage (arXiv 1706.02413): sample centres, group neighbours, shared MLP, maximum."""

    def __init__(self, in_channels: int, stage: dict[str, Any], config: LammPointCloudConfig) -> None:
        super().__init__()
        self.centres = int(stage["centres"])
        self.radius = float(stage["radius"])
        self.neighbours = int(stage["neighbours"])
        self.unit = self.radius if config.normalise_radius else 1.0  # metres that an offset is measured in
        self.absolute_centre = config.absolute_centre
        widths = [in_channels + 3 + (3 if self.absolute_centre else 0), *stage["mlp"]]
        self.mlp = nn.Sequential(*(SharedLayer(a, b, config.stage_norm) for a, b in pairwise(widths)))

    def forward(self, xyz: Tensor, features: Tensor | None, sampled: bool = False) -> Groups:
        """Abstract `N` points into `centres` groups.

        Args:
            xyz: Coordinates `[B, N, 3]` in metres, float32.
            features: `[B, N, C]` or None.
            sampled: The points are a farthest point sampling in its order. Its prefix is then what sampling them again
                returns, and nothing is sampled.

        Returns:
            The centres `[B, M, 3]`, their features `[B, M, mlp[-1]]` and their neighbours.
        """
        if sampled:
            centres = xyz[:, : self.centres].contiguous()
        else:
            centres = gather(xyz, farthest_point_sample(xyz, self.centres), validate=False)
        index, counts = ball_query(self.radius, self.neighbours, xyz, centres, validate=False, return_counts=True)
        if self.can_fuse():
            return Groups(centres, self._fused(xyz, features, centres, index, counts), index)
        return Groups(centres, self._grouped(xyz, features, centres, index), index)

    def can_fuse(self) -> bool:
        """Whether the stage is two layers whose normalisations are fixed, which one kernel does without grouping."""
        norms = [layer.norm for layer in self.layers()]
        return not self.training and len(norms) == 2 and all(isinstance(norm, nn.BatchNorm1d) for norm in norms)

    def layers(self) -> list[SharedLayer]:
        """The layers of the shared MLP."""
        return [cast(SharedLayer, layer) for layer in self.mlp]

    def _fused(self, xyz: Tensor, features: Tensor | None, centres: Tensor, index: Tensor, counts: Tensor) -> Tensor:
        layers = self.layers()
        first, second = (fold_norm((layer.linear.weight, None), cast(nn.BatchNorm1d, layer.norm)) for layer in layers)
        (weight, shift), absolute, dtype = first, None, layers[1].linear.weight.dtype
        if self.absolute_centre:
            absolute = weight[:, 3:6]
            weight = torch.cat([weight[:, :3], weight[:, 6:]], dim=1)
        last = second[0].to(dtype), None if second[1] is None else second[1].to(dtype)
        return set_abstraction(
            xyz, centres, index, (weight, shift), last, features, self.unit, counts, absolute, validate=False
        )

    def _grouped(self, xyz: Tensor, features: Tensor | None, centres: Tensor, index: Tensor) -> Tensor:
        offsets = (group(xyz, index, validate=False) - centres.unsqueeze(2)) * (1.0 / self.unit)
        parts = [offsets]
        if self.absolute_centre:
            parts.append(centres.unsqueeze(2).expand_as(offsets))
        if features is not None:
            parts.append(group(features, index, validate=False))
        dtype = next(self.mlp.parameters()).dtype
        grouped = torch.cat([part.to(dtype) for part in parts], dim=-1)
        encoded: Tensor = self.mlp(grouped)
        return encoded.amax(dim=2)


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
        shared = (
            "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "hidden_act",
            "layer_norm_eps", "attention_dropout",
        )  # fmt: skip
        blocks = CLIPVisionConfig(**{name: getattr(config, name) for name in shared})
        blocks._attn_implementation = config._attn_implementation
        return blocks

    def forward(self, point_clouds: Tensor, **kwargs: Any) -> PointCloudTokens:
        """Encode clouds.

        Args:
            point_clouds: `[n, num_points, in_channels]`: x, y, z in metres (z up), then red, green, blue in -1..1
                and the height, where configured.
                Coordinates should stay float32: rounding them to 16 bits changes which points are sampled.
            **kwargs: Ignored.

        Returns:
            Tokens, and where they are; the global one at the mean of the others.

        Raises:
            LammModelError: The clouds have other columns than configured.
        """
        if point_clouds.shape[-1] != self.config.in_channels:
            raise LammModelError(
                f"Expected point clouds with {self.config.in_channels} columns, got {point_clouds.shape[-1]}. "
                "Set use_color in the point-cloud configuration and processor alike."
            )
        xyz = point_clouds[..., :3].float().contiguous()
        features = point_clouds[..., 3:].contiguous() if self.config.in_channels > 3 else None
        neighbours = None
        for number, stage in enumerate(self.stages):
            xyz, features, neighbours = stage(xyz, features, sampled=number > 0)
        if features is None or neighbours is None:
            raise LammModelError("Expected at least one set abstraction stage, got none. Set stages.")
        positions = self.position_embedding(xyz.to(features.dtype))
        tokens = self.pre_norm(self.dropout(features + positions))
        if self.config.num_task_tokens:
            task = self.task_projection(self.task_tokens.weight).expand(tokens.shape[0], -1, -1)
            tokens = torch.cat([tokens, task], dim=1)
        tokens = self.encoder(inputs_embeds=tokens).last_hidden_state
        tokens = self.final_norm(tokens[:, : self.config.num_centres])
        if self.config.token_statistics:
            statistics = self.token_statistics(point_clouds, xyz, neighbours if len(self.stages) == 1 else None)
            tokens = torch.cat([tokens, statistics.to(tokens.dtype)], dim=-1)
        if self.config.global_token:
            tokens = torch.cat([tokens.amax(dim=1, keepdim=True), tokens], dim=1)
            xyz = torch.cat([xyz.mean(dim=1, keepdim=True), xyz], dim=1)
        return PointCloudTokens(last_hidden_state=tokens, positions=xyz)

    def token_statistics(self, point_clouds: Tensor, centres: Tensor, neighbours: Tensor | None = None) -> Tensor:
        """Describe the points around each token's centre by plain numbers of about unit size.

        Args:
            point_clouds: `[n, num_points, in_channels]`.
            centres: `[n, num_tokens, 3]` in metres.
            neighbours: The last stage's neighbours `[n, num_tokens, k]`, if they are points of the cloud (there is one
                stage); otherwise they are looked for.

        Returns:
            `[n, num_tokens, 9 or 15]`: centre (metres), mean and deviation of the neighbours' offsets (in units of half
            a radius), and with colour their mean and deviation (times two).
        """
        stage = self.config.stages[-1]
        xyz = point_clouds[..., :3].float().contiguous()
        radius, count = float(stage["radius"]), int(stage["neighbours"])
        if neighbours is None:
            neighbours = ball_query(radius, count, xyz, centres, validate=False)
        offsets = (group(xyz, neighbours, validate=False) - centres.unsqueeze(2)) * (2.0 / radius)
        parts = [centres, offsets.mean(dim=2), offsets.std(dim=2)]
        if self.config.use_color:
            colours = group(point_clouds[..., 3:6].float(), neighbours, validate=False) * 2.0
            parts += [colours.mean(dim=2), colours.std(dim=2)]
        return torch.cat(parts, dim=-1)

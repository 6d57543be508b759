"""Point Transformer V3 as a tower: the original network, Sonata, Concerto, Utonia, and any of them from scratch."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from lamm_model.errors import LammModelError
from lamm_model.kernels import segment_unpool, voxel_grid_sample
from lamm_model.towers.configuration_point_transformer import PointTransformerV3Config
from lamm_model.towers.licences import tell_licence
from lamm_model.towers.point_transformer_blocks import Down, PointBlock, RelativePositions, Stem, SubmanifoldConv, Up
from lamm_model.towers.tokens import PointCloudTokens, Resampler, pool_rows, position_features, sample_rows
from lamm_model.towers.voxel_level import Level


class Encoded(NamedTuple):
    """What a stage gives."""

    level: Level
    features: Tensor  # [N, C]
    inverse: Tensor | None  # int64: the row here of each row of the finer stage; None for the finest


class PointTransformerV3Model(PreTrainedModel):  # type: ignore[misc]
    """Point Transformer V3 (arXiv 2312.10035): occupied cells, ordered along curves, attend within patches.

    Two rules differ from the published code, so that a cloud's features depend on the cloud alone: the order of the
    curves is never shuffled, and depth and patches are those of the cloud and not of its batch. Both are what the
    published code computes for one cloud with its shuffling off.
    """

    config_class = PointTransformerV3Config
    base_model_prefix = "tower"
    main_input_name = "point_clouds"
    config: PointTransformerV3Config
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True

    def __init__(self, config: PointTransformerV3Config) -> None:
        super().__init__(config)
        self.embedding = nn.ModuleDict({"stem": Stem(config)})
        self.enc = nn.ModuleDict()
        drops = torch.linspace(0, config.drop_path, sum(config.enc_depths), device="cpu").tolist()
        for stage, (depth, channels, heads) in enumerate(
            zip(config.enc_depths, config.enc_channels, config.enc_num_head, strict=True)
        ):
            parts: dict[str, nn.Module] = {}
            if stage:
                parts["down"] = Down(config.enc_channels[stage - 1], channels, config)
            for number in range(depth):
                parts[f"block{number}"] = PointBlock(channels, heads, number, drops.pop(0), config)
            self.enc[f"enc{stage}"] = nn.ModuleDict(parts)
        if config.dec_depths:
            self.dec = self._decoder(config)
        if config.budget == "resampler":
            self.resampler = Resampler(config.row_size, config.num_tokens, config.enc_num_head[-1])
        self.post_init()
        tell_licence(config)

    @staticmethod
    def _decoder(config: PointTransformerV3Config) -> nn.ModuleDict:
        decoder = nn.ModuleDict()
        drops = torch.linspace(0, config.drop_path, sum(config.dec_depths), device="cpu").tolist()
        below = config.enc_channels[-1]
        for stage in reversed(range(len(config.dec_depths))):
            channels, heads = config.dec_channels[stage], config.dec_num_head[stage]
            parts: dict[str, nn.Module] = {"up": Up(below, config.enc_channels[stage], channels, config)}
            for number in range(config.dec_depths[stage]):
                parts[f"block{number}"] = PointBlock(channels, heads, number, drops.pop(), config)
            decoder[f"dec{stage}"] = nn.ModuleDict(parts)
            below = channels
        return decoder

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, SubmanifoldConv):
            module.reset_parameters()
        elif isinstance(module, RelativePositions):
            nn.init.trunc_normal_(module.rpe_table, std=self.config.initializer_range)
        elif isinstance(module, Resampler):
            nn.init.normal_(module.queries, std=self.config.initializer_range)

    def forward(self, point_clouds: Tensor, **kwargs: Any) -> PointCloudTokens:
        """Encode clouds.

        Args:
            point_clouds: `[n, N, in_channels]`, any `N`: x, y, z in metres (z up), then red, green, blue and the normal
                where configured. Rows of NaN are no points: clouds of unlike sizes share a tensor by them. Of the
                points in one cell, the first counts.
            **kwargs: Ignored.

        Returns:
            `num_tokens` tokens a cloud, and where they are.

        Raises:
            LammModelError: The clouds have other columns than configured, or one has no point.
        """
        config = self.config
        if point_clouds.shape[-1] != config.in_channels:
            raise LammModelError(
                f"Expected point clouds with {config.in_channels} columns, got {point_clouds.shape[-1]}. "
                "Set use_color and use_normal in the point-cloud configuration and processor alike."
            )
        present = ~point_clouds[..., :3].isnan().any(dim=-1)
        lengths = present.sum(dim=1)
        if not bool(lengths.all()):
            raise LammModelError("Expected at least one point in every cloud, got one without. Leave it out.")
        table = point_clouds[present]
        voxels = voxel_grid_sample(table[:, :3].float().contiguous(), config.grid_size, lengths)
        table = table[voxels.first]
        features = table if config.use_coordinates else table[:, 3:]
        rows, level = self.rows(voxels.grid, voxels.lengths, table[:, :3].float(), features)
        return self._tokens(rows, level)

    def rows(self, grid: Tensor, lengths: Tensor, positions: Tensor, features: Tensor) -> tuple[Tensor, Level]:
        """Run the network on cells, before the budget.

        Args:
            grid: int64 cells `[N, 3]` of packed clouds, from 0 on, each at most once in a cloud.
            lengths: Cells of each cloud, int64 `[n]`.
            positions: `[N, 3]` float32, metres.
            features: `[N, feature_channels]`.

        Returns:
            Rows `[M, row_size]` and the level whose cells they belong to: the coarsest of an encoder, finer by
            `upcast_levels`, or the finest of a decoder.
        """
        stages = self.encode(Level(grid, lengths, positions, self.config.order), features)
        if self.config.dec_depths:
            return self.decode(stages), stages[0].level
        found = stages[-1].features
        last = len(stages) - 1
        for number in range(last, last - self.config.upcast_levels, -1):
            inverse, finer = stages[number].inverse, stages[number - 1]
            assert inverse is not None
            found = torch.cat([finer.features, segment_unpool(found, inverse, validate=False)], dim=1)
        return found, stages[last - self.config.upcast_levels].level

    def encode(self, level: Level, features: Tensor) -> list[Encoded]:
        """Run the encoder: `[N, feature_channels]` to every stage's level and features, finest first."""
        stem: Any = self.embedding["stem"]
        features = stem(features.to(stem.norm.weight.dtype), level)
        stages: list[Encoded] = []
        inverse: Tensor | None = None
        for stage in range(len(self.enc)):
            parts: Any = self.enc[f"enc{stage}"]
            if stage:
                level, inverse = level.coarser(self.config.stride[stage - 1], self.config.form == "m1")
                features = parts["down"](features, inverse, len(level.grid))
            for number in range(self.config.enc_depths[stage]):
                features = parts[f"block{number}"](features, level)
            stages.append(Encoded(level, features, inverse))
        return stages

    def decode(self, stages: list[Encoded]) -> Tensor:
        """Run the decoder from the coarsest stage to the finest: `[N, dec_channels[0]]`."""
        features = stages[-1].features
        for stage in reversed(range(len(self.dec))):
            parts: Any = self.dec[f"dec{stage}"]
            level = stages[stage].level
            features, own = parts["up"](features, stages[stage].features, stages[stage + 1].inverse)
            for number in range(self.config.dec_depths[stage]):
                convolved = own if self.config.skip_convolution and not number else None
                features = parts[f"block{number}"](features, level, convolved)
        return features

    def _tokens(self, rows: Tensor, level: Level) -> PointCloudTokens:
        config = self.config
        if config.budget == "resampler":
            tokens, places = self.resampler(rows, level.positions, level.lengths)
        elif config.budget == "pool":
            order = level.order[0]
            tokens, places = pool_rows(rows[order], level.positions[order], level.lengths, config.num_tokens)
        else:
            tokens, places = sample_rows(rows, level.positions, level.lengths, config.num_tokens)
        if config.positions != "none":
            added = position_features(places, config.positions, config.world_size)
            tokens = torch.cat([tokens, added.to(tokens.dtype)], dim=-1)
        return PointCloudTokens(last_hidden_state=tokens, positions=places)

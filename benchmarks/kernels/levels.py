"""The two levels of set abstraction of the published point tower: fused, and as every published implementation does."""

from dataclasses import dataclass
from functools import cached_property

import torch

from lamm_model import kernels

Layer = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Level:
    """One level with its inputs; the second layer's dtype is the dtype of the work."""

    points: torch.Tensor
    centres: torch.Tensor
    radius: float
    k: int
    features: torch.Tensor | None
    first: Layer
    second: Layer

    @cached_property
    def neighbours(self) -> tuple[torch.Tensor, torch.Tensor]:
        return kernels.ball_query(self.radius, self.k, self.points, self.centres, return_counts=True)

    def fused(self, implementation: str | None = None) -> torch.Tensor:
        index, counts = self.neighbours
        layers = self.first, self.second
        return kernels.set_abstraction(
            self.points,
            self.centres,
            index,
            *layers,
            self.features,
            self.radius,
            counts,
            implementation=implementation,
            validate=False,
        )

    def unfused(self) -> torch.Tensor:
        """Group, concatenate, two linear layers, maximum, all in the dtype of the work."""
        index, dtype = self.neighbours[0], self.second[0].dtype
        grouped = (kernels.group(self.points, index, validate=False) - self.centres[:, :, None]) / self.radius
        grouped = grouped.to(dtype)
        if self.features is not None:
            grouped = torch.cat([grouped, kernels.group(self.features.to(dtype), index, validate=False)], -1)
        weight, bias = (tensor.to(dtype) for tensor in self.first)
        hidden = torch.nn.functional.linear(grouped, weight, bias).relu()
        return torch.nn.functional.linear(hidden, *self.second).relu().amax(2)


def published_levels(points: torch.Tensor, dtype: torch.dtype) -> dict[str, Level]:
    """Both levels for clouds `[B, 40000, 3]`: 2,048 balls of 0.2 m and 256 of 1.6 m, the second with 256 features."""

    def layer(outputs: int, inputs: int, kind: torch.dtype) -> Layer:
        draw = torch.Generator().manual_seed(outputs)
        weight = torch.randn(outputs, inputs, generator=draw) / inputs**0.5
        bias = torch.randn(outputs, generator=draw)
        return weight.to(points.device, kind), bias.to(points.device, kind)

    centres = kernels.gather(points, kernels.farthest_point_sample(points, 2048))
    few = centres[:, :256].contiguous()  # a sampling of a sampling is its prefix
    features = torch.rand(points.shape[0], 2048, 256, generator=torch.Generator().manual_seed(0)).to(points.device)
    wide = torch.float32
    return {
        "2048 x 64 rows, 3 -> 64 -> 256": Level(
            points, centres, 0.2, 64, None, layer(64, 3, wide), layer(256, 64, dtype)
        ),
        "256 x 512 rows, 259 -> 512 -> 1024": Level(
            centres, few, 1.6, 512, features, layer(512, 259, wide), layer(1024, 512, dtype)
        ),
    }

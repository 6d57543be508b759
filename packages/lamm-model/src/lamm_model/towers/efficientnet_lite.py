"""EfficientNet-Lite as an image tower: one token per cell of the last feature map."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from lamm_model.towers.configuration_efficientnet_lite import PIXEL_GRID, EfficientNetLiteConfig

FEATURE_LIMIT = 6.0  # standardised features are cut here: rare spikes would otherwise dominate a linear projector


class SameConv2d(nn.Conv2d):
    """Convolution whose padding makes the output `ceil(input / stride)` wide, the odd pixel added right and below.

    The weights were trained in TensorFlow with this padding; PyTorch's symmetric padding shifts every strided map.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Convolve `[n, c_in, H, W]` to `[n, c_out, ceil(H / stride), ceil(W / stride)]`."""
        pads: list[int] = []
        for size, kernel, stride in zip(x.shape[:-3:-1], self.kernel_size[::-1], self.stride[::-1], strict=True):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        return F.conv2d(F.pad(x, pads), self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


class InvertedResidual(nn.Module):
    """Expand, filter depthwise, project; a skip connection where the shape stays (arXiv 1801.04381)."""

    def __init__(self, channels: int, out_channels: int, expansion: int, kernel: int, stride: int, eps: float) -> None:
        super().__init__()
        inner = channels * expansion
        self.skip = stride == 1 and channels == out_channels
        self.expand_conv = SameConv2d(channels, inner, 1, bias=False) if expansion != 1 else None
        self.expand_norm = nn.BatchNorm2d(inner, eps=eps) if expansion != 1 else None
        self.depthwise_conv = SameConv2d(inner, inner, kernel, stride=stride, groups=inner, bias=False)
        self.depthwise_norm = nn.BatchNorm2d(inner, eps=eps)
        self.project_conv = SameConv2d(inner, out_channels, 1, bias=False)
        self.project_norm = nn.BatchNorm2d(out_channels, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[n, channels, H, W]` to `[n, out_channels, H / stride, W / stride]`."""
        y: Tensor = x
        if self.expand_conv is not None and self.expand_norm is not None:
            y = F.relu6(self.expand_norm(self.expand_conv(y)))
        y = F.relu6(self.depthwise_norm(self.depthwise_conv(y)))
        y = self.project_norm(self.project_conv(y))
        if self.skip:
            y = x + y
        return y


class EfficientNetLiteModel(PreTrainedModel):  # type: ignore[misc]
    """EfficientNet-Lite feature extractor (arXiv 1905.11946 without squeeze-and-excitation, with ReLU6).

    Input are pictures of `image_size` pixels, values `(rgb - 127) / 128`. Output is one token per output cell, row by
    row from the top left: `[n, grid * grid, hidden_size]`, made of the levels named in the configuration.
    """

    config_class = EfficientNetLiteConfig
    base_model_prefix = "tower"
    main_input_name = "pixel_values"
    input_modalities = ("image",)
    config: EfficientNetLiteConfig

    def __init__(self, config: EfficientNetLiteConfig) -> None:
        super().__init__(config)
        eps = config.batch_norm_eps
        self.stem_conv = SameConv2d(3, config.stem_channels, 3, stride=2, bias=False)
        self.stem_norm = nn.BatchNorm2d(config.stem_channels, eps=eps)
        channels = config.stem_channels
        self.stages = nn.ModuleList()
        for expansion, width, repeats, stride, kernel in config.stages:
            blocks = nn.Sequential()
            for repeat in range(repeats):
                blocks.append(InvertedResidual(channels, width, expansion, kernel, stride if repeat == 0 else 1, eps))
                channels = width
            self.stages.append(blocks)
        self.head_conv = SameConv2d(channels, config.head_channels, 1, bias=False)
        self.head_norm = nn.BatchNorm2d(config.head_channels, eps=eps)
        self.register_buffer("feature_mean", torch.zeros(config.hidden_size))
        self.register_buffer("feature_std", torch.ones(config.hidden_size))
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if module is self:
            self.feature_mean.zero_()
            self.feature_std.fill_(1.0)

    def forward(self, pixel_values: Tensor, **kwargs: Any) -> BaseModelOutput:
        """Encode pictures.

        Args:
            pixel_values: `[n, 3, image_size, image_size]`, values `(rgb - 127) / 128`.
            **kwargs: Ignored; accepted because every vision tower is called with them.

        Returns:
            Output whose `last_hidden_state` is `[n, grid * grid, hidden_size]`.
        """
        maps = self.feature_maps(pixel_values)
        grid = self.config.grid
        cells = [_to_cells(level, maps[level], grid) for level in self.config.levels]
        tokens = torch.cat(cells, dim=1).flatten(2).transpose(1, 2)
        if self.config.standardise:
            tokens = (tokens - self.feature_mean) / self.feature_std
            tokens = tokens.clamp(-FEATURE_LIMIT, FEATURE_LIMIT)
        return BaseModelOutput(last_hidden_state=tokens)

    def feature_maps(self, pixel_values: Tensor, last: int = -1) -> list[Tensor]:
        """Run the network and keep every level.

        Args:
            pixel_values: `[n, 3, H, W]`.
            last: The last level that is wanted; -1 for all.

        Returns:
            `len(stages) + 2` maps, or `last + 1`: the input, each stage's output, the head.
        """
        maps = [pixel_values]
        x = F.relu6(self.stem_norm(self.stem_conv(pixel_values)))
        for blocks in self.stages if last < 0 else self.stages[:last]:
            x = blocks(x)
            maps.append(x)
        if 0 <= last <= len(self.stages):
            return maps
        maps.append(F.relu6(self.head_norm(self.head_conv(x))))
        return maps


def _to_cells(level: int, feature_map: Tensor, grid: int) -> Tensor:
    """Average-pool one level to `[n, level_channels, grid, grid]`."""
    if level == 0:
        return F.pixel_unshuffle(F.adaptive_avg_pool2d(feature_map, grid * PIXEL_GRID), PIXEL_GRID)
    return feature_map if feature_map.shape[-1] == grid else F.adaptive_avg_pool2d(feature_map, grid)

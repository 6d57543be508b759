"""Configuration of the EfficientNet-Lite image tower."""

from __future__ import annotations

from typing import Any

from transformers import PretrainedConfig

from lamm_model.errors import UsageError

# (expansion, channels, repeats, stride, kernel) of the seven stages of EfficientNet-B0 (arXiv 1905.11946, table 1).
# The Lite variants keep them, drop squeeze-and-excitation and replace swish by ReLU6.
LITE0_STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
PIXEL_GRID = 4  # level 0 keeps PIXEL_GRID x PIXEL_GRID mean colours per output cell


class EfficientNetLiteConfig(PretrainedConfig):  # type: ignore[misc]
    """Configuration of `EfficientNetLiteModel`.

    Attributes:
        image_size: Side of the square input in pixels; must be a multiple of 32.
        stem_channels: Channels after the first convolution.
        head_channels: Channels of the last feature map.
        stages: `[expansion, channels, repeats, stride, kernel]` per stage.
        levels: Which maps one token is made of, concatenated in this order: 0 is the normalised picture itself as a
            4 x 4 grid of mean colours per cell, 1 to `len(stages)` are the stages' outputs, `len(stages) + 1` the head.
            Larger maps are average-pooled to the head's grid. Early levels keep colour, which the head forgets.
        standardise: Bring every channel to about mean 0 and variance 1 with the stored `feature_mean` and
            `feature_std`, so that one linear projector can learn from all of them at one rate.
        batch_norm_eps: Epsilon of the batch normalisations.
    """

    model_type = "efficientnet_lite"

    image_size: int = 224
    stem_channels: int = 32
    head_channels: int = 1280
    stages: Any = LITE0_STAGES
    levels: Any = (0, 3, 8)
    standardise: bool = True
    batch_norm_eps: float = 1e-3

    def __post_init__(self, **kwargs: Any) -> None:
        """Check sizes and levels."""
        self.stages = [list(stage) for stage in self.stages]
        self.levels = [int(level) for level in self.levels]
        super().__post_init__(**kwargs)
        if self.image_size % self.patch_size:
            raise UsageError(f"Expected image_size to be a multiple of {self.patch_size}, got {self.image_size}.")
        wrong = [level for level in self.levels if not 0 <= level <= len(self.stages) + 1]
        if wrong or not self.levels:
            raise UsageError(f"Expected levels between 0 and {len(self.stages) + 1}, got {self.levels}.")

    @property
    def patch_size(self) -> int:
        """Side in pixels of the square that one token stands for: the product of all strides."""
        factor = 2
        for _, _, _, stride, _ in self.stages:
            factor *= stride
        return factor

    @property
    def grid(self) -> int:
        """Cells per side of the output grid."""
        return self.image_size // self.patch_size

    def level_channels(self, level: int) -> int:
        """Channels that one level adds to a token."""
        if level == 0:
            return 3 * PIXEL_GRID**2
        return self.head_channels if level == len(self.stages) + 1 else int(self.stages[level - 1][1])

    @property
    def hidden_size(self) -> int:
        """Channels of one token."""
        return sum(self.level_channels(level) for level in self.levels)

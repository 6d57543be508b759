"""Configuration of the Point-BERT tower of PointLLM."""

from __future__ import annotations

from typing import Any

from transformers import PretrainedConfig

from lamm_model.errors import UsageError


class PointBertConfig(PretrainedConfig):  # type: ignore[misc]
    """Configuration of `PointBertModel`: groups of near points, a small PointNet for each, transformer blocks.

    Attributes:
        num_points: Points per cloud that the processor samples (8,192 in PointLLM).
        use_color: Points carry red, green, blue after x, y, z.
        color_range: Range that colours leave the processor in.
        missing_color: What a cloud without colours gets in their place, in that range.
        centre: What the processor subtracts; `centroid` as PointLLM.
        scale: What the processor divides by; `unit_sphere` as PointLLM.
        groups: Groups of points, each of which becomes a token.
        group_size: Points in a group.
        group_width: Width of a group's features before the blocks.
        hidden_size: Width of the blocks.
        num_hidden_layers: Number of transformer blocks (pre-norm).
        num_attention_heads: Heads.
        mlp_ratio: Width of the feed-forward layers in units of `hidden_size`.
        position_hidden_size: Hidden width of the MLP that embeds a group's centre.
        max_pool: Give one token, the class token beside the maximum over the others, in place of all.
        weights_licence: Licence of the weights, where they are published ones.
        weights_source: What the weights are, where they are published ones.
    """

    model_type = "point_bert"

    num_points: int = 8192
    use_color: bool = True
    color_range: str = "0..1"
    missing_color: float = 0.0
    centre: str = "centroid"
    scale: str = "unit_sphere"
    groups: int = 512
    group_size: int = 32
    group_width: int = 256
    hidden_size: int = 384
    num_hidden_layers: int = 12
    num_attention_heads: int = 6
    mlp_ratio: int = 4
    position_hidden_size: int = 128
    max_pool: bool = False
    layer_norm_eps: float = 1e-5
    initializer_range: float = 0.02
    weights_licence: str = ""
    weights_source: str = ""

    def __post_init__(self, **kwargs: Any) -> None:
        """Check the sizes."""
        super().__post_init__(**kwargs)
        if self.hidden_size % self.num_attention_heads:
            raise UsageError(
                f"Expected hidden_size to be a multiple of num_attention_heads = {self.num_attention_heads}, "
                f"got {self.hidden_size}."
            )
        if min(self.groups, self.group_size) < 1:
            raise UsageError(f"Expected groups and group_size of at least 1, got {self.groups} and {self.group_size}.")

    @property
    def in_channels(self) -> int:
        """Columns of one point: 3, three more with colour."""
        return 3 + 3 * int(self.use_color)

    @property
    def num_tokens(self) -> int:
        """Tokens per cloud: the class token and one for each group, or one of the whole."""
        return 1 if self.max_pool else self.groups + 1

    @property
    def feature_size(self) -> int:
        """Channels of one token as the projector sees it."""
        return self.hidden_size * (2 if self.max_pool else 1)

"""Configuration of Point Transformer V3: four published computations under one name, told apart by a few fields."""

from __future__ import annotations

from typing import Any

from transformers import PretrainedConfig

from lamm_model.errors import UsageError
from lamm_model.towers.tokens import BUDGETS, POSITION_FEATURES

FORMS = ("m1", "m2")


class PointTransformerV3Config(PretrainedConfig):  # type: ignore[misc]
    """Configuration of `PointTransformerV3Model` (arXiv 2312.10035).

    What the tower is given:

    Attributes:
        num_points: Most cells of a cloud that the processor gives; of a larger one, as many are drawn.
        grid_size: Side of a cell in metres, after `stretch`.
        use_color: Points carry red, green, blue after x, y, z.
        use_normal: Points carry a unit normal last.
        use_coordinates: x, y and z are features too, and not only where a point is.
        color_range: Range that colours leave the processor in.
        missing_color: What a cloud without colours gets in their place, in that range.
        centre: What the processor subtracts from the coordinates.
        scale: What it divides them by.
        stretch: What it then multiplies them by.
        form: `m1` is the original network: 5 x 5 x 5 convolution as stem, batch norm, stages in the order of the
            curve. `m2` (Sonata and after) has a linear stem and layer norm.
        order: The curves along which patches are cut; block i of a stage takes the curve of number i modulo 4.
        stride: By what a stage's cells are larger than those of the stage before, for all but the first.
        enc_depths: Blocks of each stage.
        enc_channels: Channels of each stage.
        enc_num_head: Heads of each stage.
        patch_size: Rows that attend to one another.
        mlp_ratio: Width of the feed-forward layers in units of the stage's channels.
        rope_base: Base of the rotary positions of queries and keys by coordinates (Utonia: 10); 0 for none.
        relative_positions: Add learnt biases by the cells' offsets to the scores (the S3DIS configuration).
        dec_depths: Blocks of each stage of the decoder, finest first; empty for an encoder alone.
        dec_channels: Its channels.
        dec_num_head: Its heads.
        skip_convolution: The first convolution of a decoder's stage sees the encoder's features alone, as the weights
            of the original network learnt it.
        drop_path: Share of rows whose last block is skipped in training; earlier blocks proportionally less.
        upcast_levels: Of how many finer stages features are appended, at the finest's cells.
        num_tokens: Tokens of a cloud.
        budget: How the rows become so many: `sample` takes rows far from one another, `pool` averages along the curve,
            `resampler` learns queries.
        positions: Appended to a token: `none`, `metres` (x, y, z) or `fourier` (SpatialLM's waves).
        world_size: Side in metres of what the waves span.
        weights_licence: Licence of the weights, where they are published ones.
        weights_source: What the weights are, where they are published ones.
    """

    model_type = "point_transformer_v3"

    num_points: int = 100_000
    grid_size: float = 0.02
    use_color: bool = True
    use_normal: bool = True
    use_coordinates: bool = True
    color_range: str = "0..1"
    missing_color: float = 0.0
    centre: str = "box_floor"
    scale: str = "none"
    stretch: float = 1.0
    form: str = "m2"
    order: Any = ("z", "z-trans", "hilbert", "hilbert-trans")
    stride: Any = (2, 2, 2, 2)
    enc_depths: Any = (3, 3, 3, 12, 3)
    enc_channels: Any = (48, 96, 192, 384, 512)
    enc_num_head: Any = (3, 6, 12, 24, 32)
    patch_size: int = 1024
    mlp_ratio: int = 4
    rope_base: float = 0.0
    relative_positions: bool = False
    dec_depths: Any = ()
    dec_channels: Any = ()
    dec_num_head: Any = ()
    skip_convolution: bool = False
    drop_path: float = 0.3
    upcast_levels: int = 0
    num_tokens: int = 512
    budget: str = "sample"
    positions: str = "none"
    world_size: float = 32.0
    weights_licence: str = ""
    weights_source: str = ""
    initializer_range: float = 0.02

    def __post_init__(self, **kwargs: Any) -> None:
        """Check the chain of sizes."""
        for name in ("order", "stride", "enc_depths", "enc_channels", "enc_num_head", *_DECODER):
            setattr(self, name, list(getattr(self, name) or ()))
        super().__post_init__(**kwargs)
        for name, value, choices in (
            ("form", self.form, FORMS),
            ("budget", self.budget, BUDGETS),
            ("positions", self.positions, tuple(POSITION_FEATURES)),
        ):
            if value not in choices:
                raise UsageError(f"Expected {name} to be one of {', '.join(choices)}, got {value!r}.")
        stages = len(self.enc_depths)
        sizes = {
            "stride": 1,
            "enc_channels": 0,
            "enc_num_head": 0,
            **dict.fromkeys(_DECODER if self.dec_depths else (), 1),
        }
        wrong = [
            f"{name}: {len(getattr(self, name))}"
            for name, less in sizes.items()
            if len(getattr(self, name)) != stages - less
        ]
        if wrong:
            raise UsageError(f"Expected lengths that fit the {stages} stages of enc_depths, got {', '.join(wrong)}.")
        for channels, heads in zip(
            self.enc_channels + self.dec_channels, self.enc_num_head + self.dec_num_head, strict=True
        ):
            if channels % heads or (self.rope_base and channels // heads % 6):
                turned = " of a multiple of 6 channels, as rope_base turns them," if self.rope_base else ""
                raise UsageError(f"Expected heads{turned} that fit the channels, got {channels} for {heads} heads.")
        if not 0 <= self.upcast_levels < stages or (self.upcast_levels and self.dec_depths):
            raise UsageError(
                f"Expected upcast_levels of an encoder alone, 0 to {stages - 1}, got {self.upcast_levels}."
            )

    @property
    def in_channels(self) -> int:
        """Columns of one point: 3, three more with colour, three more with normals."""
        return 3 + 3 * int(self.use_color) + 3 * int(self.use_normal)

    @property
    def feature_channels(self) -> int:
        """Columns that are features."""
        return self.in_channels if self.use_coordinates else self.in_channels - 3

    @property
    def row_size(self) -> int:
        """Channels of a row before the budget."""
        if self.dec_depths:
            return int(self.dec_channels[0])
        return sum(self.enc_channels[-1 - self.upcast_levels :])

    @property
    def feature_size(self) -> int:
        """Channels of one token as the projector sees it."""
        return self.row_size + POSITION_FEATURES[self.positions]


_DECODER = ("dec_depths", "dec_channels", "dec_num_head")

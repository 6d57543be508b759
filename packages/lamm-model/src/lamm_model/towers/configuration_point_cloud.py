"""Configuration of the point-cloud tower, and its presets."""

from __future__ import annotations

from typing import Any

from transformers import PretrainedConfig

from lamm_model.errors import UsageError


class LammPointCloudConfig(PretrainedConfig):  # type: ignore[misc]
    """Configuration of `LammPointCloudModel`: PointNet++ set abstraction, then transformer blocks.

    Attributes:
        num_points: Points per cloud that the processor samples.
        use_color: Points carry red, green, blue after x, y, z.
        use_height: Points carry the height above the floor last.
        stages: Set abstraction stages, each `{"centres", "radius" (metres), "neighbours", "mlp" [channels]}`.
        normalise_radius: Divide the offsets from a group's centre by the radius.
        absolute_centre: Append the centre's coordinates to each point of a group.
        stage_norm: `batch` (PointNet++, EPCL) or `layer` (steady with small batches) inside the shared MLPs.
        hidden_size: Width of the transformer and of the output features.
        intermediate_size: Width of its feed-forward layers.
        num_hidden_layers: Number of transformer blocks (CLIP's, pre-norm).
        num_attention_heads: Heads.
        hidden_act: Activation of the blocks.
        position_hidden_size: Hidden width of the MLP that embeds a token's centre.
        num_task_tokens: Learned tokens appended for the transformer and dropped after it (19 in EPCL).
        token_statistics: Append to each token what the points around its centre are like, as plain numbers: centre,
            mean and deviation of the offsets, and mean and deviation of the colours. A linear projector reads position,
            extent and colour from them at once; a tower trained on few clouds needs long to pass them on.
        global_token: Put one token before the others: the maximum over all of them, as PointNet pools a cloud. What is
            asked of the whole scene can be read from one place.
        pre_norm: Layer norm between the position embedding and the first block (CLIP's).
        final_norm: Layer norm after the last block.
        dropout: Dropout on the embedded tokens while the tower itself is being trained.
    """

    model_type = "lamm_point_cloud"

    num_points: int = 1024
    use_color: bool = True
    use_height: bool = False
    stages: Any = None
    normalise_radius: bool = True
    absolute_centre: bool = True
    stage_norm: str = "layer"
    hidden_size: int = 128
    intermediate_size: int = 256
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    hidden_act: str = "quick_gelu"
    position_hidden_size: int = 64
    num_task_tokens: int = 0
    token_statistics: bool = False
    global_token: bool = False
    pre_norm: bool = True
    final_norm: bool = False
    dropout: float = 0.0
    layer_norm_eps: float = 1e-5
    attention_dropout: float = 0.0
    initializer_range: float = 0.02

    def __post_init__(self, **kwargs: Any) -> None:
        """Fill in the default stage and check the chain of sizes."""
        if self.stages is None:
            self.stages = [{"centres": 48, "radius": 0.4, "neighbours": 32, "mlp": [64, 128]}]
        self.stages = [dict(stage) for stage in self.stages]
        super().__post_init__(**kwargs)
        if self.stage_norm not in ("batch", "layer"):
            raise UsageError(f"Expected stage_norm to be batch or layer, got {self.stage_norm!r}.")
        points = self.num_points
        for number, stage in enumerate(self.stages, start=1):
            missing = {"centres", "radius", "neighbours", "mlp"} - stage.keys()
            if missing:
                raise UsageError(f"Expected stage {number} to have {', '.join(sorted(missing))}, got {sorted(stage)}.")
            if stage["centres"] > points:
                raise UsageError(f"Expected stage {number} to sample at most {points} points, got {stage['centres']}.")
            points = stage["centres"]
        if self.stages[-1]["mlp"][-1] != self.hidden_size:
            raise UsageError(
                f"Expected the last stage to end in hidden_size = {self.hidden_size} channels, "
                f"got {self.stages[-1]['mlp'][-1]}."
            )

    @property
    def in_channels(self) -> int:
        """Columns of one point: 3, three more with colour, one more with height."""
        return 3 + 3 * int(self.use_color) + int(self.use_height)

    @property
    def num_tokens(self) -> int:
        """Tokens per cloud: the centres of the last stage, and one for the whole where asked for."""
        return self.num_centres + int(self.global_token)

    @property
    def num_centres(self) -> int:
        """Centres of the last stage."""
        return int(self.stages[-1]["centres"])

    @property
    def feature_size(self) -> int:
        """Channels of one token as the projector sees it."""
        statistics = 9 + (6 if self.use_color else 0)
        return self.hidden_size + (statistics if self.token_statistics else 0)

    @classmethod
    def preset(cls, name: str, **changes: Any) -> LammPointCloudConfig:
        """Build a configuration from a named preset.

        Args:
            name: `tiny` (trains from scratch on a CPU) or `epcl` (the size of the paper's encoder).
            **changes: Fields to set differently.

        Returns:
            The configuration.

        Raises:
            UsageError: There is no such preset.
        """
        from lamm_model.towers.presets import cloud_presets

        presets = {key: fields for key, fields in cloud_presets().items() if fields["model_type"] == cls.model_type}
        if name not in presets:
            raise UsageError(f"Expected a point-cloud preset ({', '.join(presets)}), got {name!r}.")
        del presets[name]["model_type"]
        return cls(**{**presets[name], **changes})

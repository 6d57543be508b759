"""Configuration of the paper's point-cloud tower, and all towers for clouds by name."""

from __future__ import annotations

import functools
import json
import logging
from importlib import resources
from typing import Any

from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel

from lamm_data import did_you_mean
from lamm_model.errors import UsageError
from lamm_model.towers.tower_adapters import add_tower_adapters

PUBLISHED = ("concerto", "point-bert", "ptv3", "sonata", "utonia")
"""Towers whose published files `lamm model convert --kind` reads; the presets of each begin with its name."""
_LOG = logging.getLogger("lamm_model")
# What the processor must know of the tower that it prepares clouds for; a configuration states what it has a say in.
_LAYOUT = (
    "num_points", "use_color", "use_height", "use_normal", "color_range", "missing_color", "centre", "scale", "stretch",
    "grid_size",
)  # fmt: skip


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
        presets = {key: fields for key, fields in cloud_presets().items() if fields["model_type"] == cls.model_type}
        if name not in presets:
            raise UsageError(f"Expected a preset of a point tower, got {name!r}. {did_you_mean(name, presets)}")
        del presets[name]["model_type"]
        return cls(**{**presets[name], **changes})


def cloud_preset(name: str, **changes: Any) -> PretrainedConfig:
    """Build the configuration of a point-cloud tower from a named preset.

    Args:
        name: A key of `point_cloud_presets.json`, such as `tiny`, `epcl`, `sonata` or `point-bert`.
        **changes: Fields to set differently.

    Returns:
        The configuration, of the class that the preset's `model_type` names.

    Raises:
        UsageError: There is no such preset.
    """
    presets = cloud_presets()
    if name not in presets:
        raise UsageError(f"Expected a preset of a point tower, got {name!r}. {did_you_mean(name, presets)}")
    fields = {**presets[name], **changes}
    return AutoConfig.for_model(fields.pop("model_type"), **fields)


@functools.cache
def _read() -> str:
    return resources.files(__package__).joinpath("point_cloud_presets.json").read_text("utf-8")


def cloud_presets() -> dict[str, dict[str, Any]]:
    """Return the fields of every preset, `model_type` among them."""
    presets: dict[str, dict[str, Any]] = json.loads(_read())
    return presets


def cloud_tower(config: PretrainedConfig) -> PreTrainedModel:
    """Make a point-cloud tower of a configuration, its weights new, with LoRA where the configuration has a rank."""
    tower: PreTrainedModel = AutoModel._model_mapping[type(config)](config)
    if rank := int(getattr(config, "lora_rank", 0)):
        add_tower_adapters(tower, rank)
    return tower


def cloud_layout(config: PretrainedConfig | None) -> dict[str, Any]:
    """Return the settings of `LammPointCloudProcessor` that a tower's configuration makes; none without a tower."""
    return {name: getattr(config, name) for name in _LAYOUT if hasattr(config, name)}


def starts_untrained(name: str) -> None:
    """Say that a tower whose preset is a published network begins with new weights, and how to get the published."""
    kind = next((kind for kind in PUBLISHED if name.startswith(kind)), "")
    if kind:
        _LOG.warning(
            "The point-cloud tower %s starts untrained. `lamm model convert --kind %s FILE --output TOWER` makes one "
            "with the published weights: then name its folder.",
            name,
            kind,
        )

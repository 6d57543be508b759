"""The point-cloud towers by name: their configurations, their classes, and what their processor must do."""

from __future__ import annotations

import functools
import json
import logging
from importlib import resources
from typing import Any

from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel

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
        raise UsageError(f"Expected a point-cloud preset ({', '.join(presets)}), got {name!r}.")
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

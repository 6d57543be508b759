"""The point-cloud tower that a user names: a preset, a folder, a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel

from lamm_model.errors import LammModelError
from lamm_model.model.saving import pretrained
from lamm_model.towers.configuration_point_cloud import LammPointCloudConfig
from lamm_model.towers.presets import cloud_preset, cloud_tower, starts_untrained
from lamm_model.towers.tower_adapters import add_tower_adapters


def cloud_part(
    point_cloud: PretrainedConfig | dict[str, Any] | str | None, seed: int, rank: int = 0
) -> tuple[PreTrainedModel | None, PretrainedConfig | None]:
    """Load a saved point-cloud tower, or make a new one; None for None. With a rank, put LoRA into it."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # the CPU's alone: what is forked is what is put back
        tower = _tower(point_cloud)
        if tower is not None and rank:
            add_tower_adapters(tower, rank)
    return tower, None if tower is None else tower.config


def _tower(point_cloud: PretrainedConfig | dict[str, Any] | str | None) -> PreTrainedModel | None:
    if isinstance(point_cloud, str) and Path(point_cloud).is_dir():
        tower, report = pretrained(AutoModel, point_cloud, output_loading_info=True)
        if faults := {name: sorted(map(str, keys)) for name, keys in report.items() if keys}:
            raise LammModelError(
                f"Expected weights that fit the tower's configuration in {point_cloud}, got {faults}. "
                "Use an intact tower."
            )
        loaded: PreTrainedModel = tower
        return loaded
    if isinstance(point_cloud, str):
        starts_untrained(point_cloud)
    config = point_cloud_configuration(point_cloud)
    return None if config is None else cloud_tower(config)


def point_cloud_configuration(
    point_cloud: PretrainedConfig | dict[str, Any] | str | None,
) -> PretrainedConfig | None:
    """Read a point-cloud setting.

    Args:
        point_cloud: A configuration, a preset name, the folder of a saved tower, or fields with an optional `preset` to
            start from.

    Returns:
        The configuration, or None for None.
    """
    if point_cloud is None or isinstance(point_cloud, PretrainedConfig):
        return point_cloud
    if isinstance(point_cloud, str):
        return pretrained(AutoConfig, point_cloud) if Path(point_cloud).is_dir() else cloud_preset(point_cloud)
    settings = dict(point_cloud)
    preset = settings.pop("preset", None)
    if preset:
        return cloud_preset(preset, **settings)
    return AutoConfig.for_model(settings.pop("model_type", LammPointCloudConfig.model_type), **settings)

"""Put a model together from a language model, an image tower and a point-cloud tower."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

from lamm_model.auto import register
from lamm_model.configuration_lamm import LammConfig
from lamm_model.encoders.configuration_point_cloud import LammPointCloudConfig
from lamm_model.encoders.point_cloud import LammPointCloudModel
from lamm_model.modeling_lamm import LammForConditionalGeneration, LammProjector


def build_model(
    language_model: str | Path,
    image_tower: str | Path | None = None,
    point_cloud: LammPointCloudConfig | dict[str, Any] | str | None = None,
    *,
    image_token_id: int,
    point_cloud_token_id: int,
    seed: int = 0,
    dtype: torch.dtype | str = torch.float32,
    attn_implementation: str | None = None,
    **settings: Any,
) -> LammForConditionalGeneration:
    """Build a model from pretrained parts; projectors and an untrained point-cloud tower start from `seed`.

    Args:
        language_model: Folder or hub name of any causal language model.
        image_tower: Folder or hub name of any vision tower, or None for no images.
        point_cloud: Configuration, preset name (`tiny`, `epcl`), folder of a saved tower, or None for no clouds.
        image_token_id: Placeholder id (`LammProcessor.image_token_id`).
        point_cloud_token_id: Placeholder id (`LammProcessor.point_cloud_token_id`).
        seed: Of the new weights.
        dtype: Of the language model and image tower. New parts stay float32 so that they can be trained.
        attn_implementation: As for `from_pretrained`.
        **settings: Further fields of `LammConfig`.

    Returns:
        The model, in evaluation mode, every parameter of frozen parts without gradient.
    """
    register()
    causal = AutoModelForCausalLM.from_pretrained(
        language_model, dtype=dtype, attn_implementation=attn_implementation
    )
    image_config = None if image_tower is None else AutoConfig.from_pretrained(image_tower)
    image_config = getattr(image_config, "vision_config", image_config)
    cloud_tower, cloud_config = _point_cloud_part(point_cloud, seed)
    config = LammConfig(
        text_config=causal.config,
        image_config=image_config,
        point_cloud_config=cloud_config,
        image_token_id=image_token_id,
        point_cloud_token_id=point_cloud_token_id,
        **settings,
    )
    with torch.device("meta"):
        model = LammForConditionalGeneration(config)
    body = model.model
    body.language_model = getattr(causal, causal.base_model_prefix)
    model.lm_head = causal.get_output_embeddings()
    generator = torch.Generator().manual_seed(seed)
    rms = body.get_input_embeddings().weight.float().square().mean().sqrt().item()
    if image_tower is not None:
        body.image_tower = AutoModel.from_pretrained(image_tower, config=image_config, dtype=dtype)
        body.image_projector = new_projector(config, config.image_feature_size, config.image_feature_norm, rms, generator)
    if cloud_tower is not None and cloud_config is not None:
        body.point_cloud_tower = cloud_tower
        body.point_cloud_projector = new_projector(
            config, cloud_config.hidden_size, config.point_cloud_feature_norm, rms, generator
        )
    model.generation_config = causal.generation_config
    for tower in body.frozen_towers():
        tower.requires_grad_(False)
    return model.eval()


def _point_cloud_part(
    point_cloud: LammPointCloudConfig | dict[str, Any] | str | None, seed: int
) -> tuple[LammPointCloudModel | None, LammPointCloudConfig | None]:
    if point_cloud is None:
        return None, None
    if isinstance(point_cloud, str) and Path(point_cloud).is_dir():
        tower = LammPointCloudModel.from_pretrained(point_cloud)
        return tower, tower.config
    if isinstance(point_cloud, str):
        point_cloud = LammPointCloudConfig.preset(point_cloud)
    elif isinstance(point_cloud, dict):
        settings = dict(point_cloud)
        preset = settings.pop("preset", None)
        point_cloud = LammPointCloudConfig.preset(preset, **settings) if preset else LammPointCloudConfig(**settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LammPointCloudModel(point_cloud), point_cloud


def new_projector(
    config: LammConfig, in_features: int, norm: bool, rms: float, generator: torch.Generator
) -> LammProjector:
    """Make a projector whose outputs start at the scale of the token embeddings, for unit-variance features.

    Args:
        config: Projector type and widths.
        in_features: Channels of the tower.
        norm: Standardise features first.
        rms: Root mean square of the token embeddings' entries.
        generator: Source of the weights.

    Returns:
        The projector, float32.
    """
    projector = LammProjector(in_features, config.text_config.hidden_size, config.projector_type, norm)
    for layer in (projector.linear, projector.second):
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=rms / layer.in_features**0.5, generator=generator)
            nn.init.zeros_(layer.bias)
    return projector

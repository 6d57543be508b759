"""Put a point-cloud tower on a model that sees already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor, PretrainedConfig

from lamm_model.building.auto_classes import register
from lamm_model.building.building import check_apart, cloud_part, point_cloud_configuration
from lamm_model.errors import LammModelError, UsageError
from lamm_model.model.configuration_lamm_vlm import LammVlmConfig
from lamm_model.model.modeling_lamm_vlm import LammVlmForConditionalGeneration
from lamm_model.model.projector import new_projector, say_channels
from lamm_model.model.quantization import torch_dtype
from lamm_model.model.saving import pretrained
from lamm_model.processing.point_cloud_processing import LammPointCloudProcessor
from lamm_model.processing.processing_lamm_vlm import LammVlmProcessor
from lamm_model.towers.configuration_point_cloud import cloud_layout


def build_on_vlm(
    base: str | Path,
    point_cloud: PretrainedConfig | dict[str, Any] | str,
    *,
    use_system: bool = True,
    routes_images: bool = False,
    point_cloud_unit: str = "m",
    point_cloud_seed: int = 0,
    **settings: Any,
) -> tuple[LammVlmForConditionalGeneration, LammVlmProcessor]:
    """Build a model that takes point clouds on top of one that sees already, and its processor.

    Args:
        base: Folder or hub name of any `AutoModelForImageTextToText`.
        point_cloud: As for `build_model`.
        use_system: Open dialogues with the task type's system message.
        routes_images: Whether images get an adapter set of their own; without, what the model answers about them stays
            as it is, bit for bit.
        point_cloud_unit: What the cloud files' coordinates are in (`m`, `cm`, `mm`, `ft`, `in`).
        point_cloud_seed: Base seed of the clouds' sampling.
        **settings: Passed to `build_vlm` (`seed`, `dtype`, fields of `LammVlmConfig`).

    Returns:
        Model and processor.

    Raises:
        UsageError: The base is no such model, or takes no point clouds on top; the message says why.
    """
    register()
    _check_kind(base)
    cloud = point_cloud_configuration(point_cloud)
    if cloud is None:
        raise UsageError("Expected a point-cloud tower for a model that sees already, got none. Name one (tiny, epcl).")
    try:
        own = pretrained(AutoProcessor, base)
    except ImportError as fault:
        raise LammModelError(f"Expected the libraries of {base}'s processor, got none ({_short(fault)}).") from fault
    clouds = LammPointCloudProcessor(**cloud_layout(cloud), unit=point_cloud_unit, seed=point_cloud_seed)
    processor = LammVlmProcessor(own, clouds, cloud.num_tokens, use_system=use_system, routes_images=routes_images)
    model = build_vlm(base, point_cloud, point_cloud_token_id=processor.point_cloud_token_id, **settings)
    return model, processor


def build_vlm(
    base: str | Path,
    point_cloud: PretrainedConfig | dict[str, Any] | str,
    *,
    point_cloud_token_id: int,
    seed: int = 0,
    dtype: torch.dtype | str = torch.float32,
    attn_implementation: str | None = None,
    point_cloud_rank: int = 0,
    **settings: Any,
) -> LammVlmForConditionalGeneration:
    """Build the model alone; projector and an untrained tower start from `seed`.

    Args:
        base: As for `build_on_vlm`.
        point_cloud: The same.
        point_cloud_token_id: Placeholder id (`LammVlmProcessor.point_cloud_token_id`).
        seed: Of the new weights.
        dtype: Of the base model. New parts stay float32 so that they can be trained.
        attn_implementation: As for `from_pretrained`.
        point_cloud_rank: Of LoRA in the tower; 0 for none.
        **settings: Further fields of `LammVlmConfig`.

    Returns:
        The model, in evaluation mode, the base model and a frozen tower without gradient.
    """
    register()
    vlm = pretrained(
        AutoModelForImageTextToText, base, dtype=torch_dtype(dtype), attn_implementation=attn_implementation
    ).eval()
    tower, cloud = cloud_part(point_cloud, seed, point_cloud_rank)
    assert tower is not None
    assert cloud is not None
    config = LammVlmConfig(
        base_config=vlm.config, point_cloud_config=cloud, point_cloud_token_id=point_cloud_token_id, **settings
    )
    with torch.device("meta"):
        model = LammVlmForConditionalGeneration(config)
    body = model.model
    body.attach(vlm.requires_grad_(False))
    body.point_cloud_tower = tower
    with torch.no_grad():
        known = vlm.get_input_embeddings()(torch.arange(min(4096, config.text_config.vocab_size), device=vlm.device))
    rms = float(known.float().square().mean().sqrt())  # some models scale what their table holds
    generator = torch.Generator().manual_seed(seed)
    body.point_cloud_projector = new_projector(
        config, cloud.feature_size, known.shape[-1], config.point_cloud_feature_norm, rms, generator
    )
    say_channels(body.point_cloud_projector, cloud, base, vlm.get_input_embeddings())
    for part in body.frozen_towers():
        part.requires_grad_(False)
    model.eval()
    _check_head(model)
    model.lamm_base = {"vlm": str(base)}
    return model


def _check_kind(base: str | Path) -> None:
    """Refuse what is no model that sees.

    Raises:
        UsageError: transformers knows no image-text-to-text model of its type.
    """
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

    config = pretrained(AutoConfig, base)
    if type(config) not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING or config.model_type.startswith("lamm"):
        raise UsageError(
            f"Expected model.base to be an image-text-to-text model of transformers, got {config.model_type} ({base}). "
            "A language model goes into model.language_model, a LAMM model into model.path."
        )
    if getattr(config, "is_encoder_decoder", False) or getattr(config.get_text_config(), "is_encoder_decoder", False):
        raise UsageError(
            f"Expected a model whose images are part of its prompt, got {config.model_type}, an encoder with a "
            "decoder: a cloud's tokens have no place there. Choose another."
        )


def _check_head(model: LammVlmForConditionalGeneration) -> None:
    """Refuse a base model that cannot be trained by its hidden states and its head, or does not embed its tokens.

    Raises:
        LammModelError: Its logits differ from that.
    """
    body = model.model
    taken = (model.config.image_token_id, model.config.point_cloud_token_id)
    ids = torch.tensor([[number for number in range(3, 12) if number not in taken][:4]], device=model.device)
    with torch.no_grad():
        own = body.vlm(input_ids=ids).logits.float()
        ours = model.lm_head(body(ids).last_hidden_state).float()
        shown = body.config.point_cloud_token_id
        marked = ids.clone()
        marked[0, 1] = shown
        features = torch.ones(1, 1, body.config.point_cloud_config.feature_size, device=model.device)
        seen = [body(marked, point_cloud_features=features * sign).last_hidden_state for sign in (1, -1)]
    check_apart(own, ours, model.config.base_config.model_type)
    if torch.equal(*seen):
        raise LammModelError(
            f"Expected a base model that embeds its tokens by its input embedding, got "
            f"{model.config.base_config.model_type}, which passes it by: clouds cannot be shown to it. Choose another."
        )


def _short(fault: Exception) -> str:
    return " ".join(str(fault).split())[:200]

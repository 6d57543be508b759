"""Put a model together from a language model, an image tower and a point-cloud tower."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoTokenizer, PretrainedConfig, PreTrainedModel

from lamm_model.building.auto_classes import register
from lamm_model.building.embedded_models import embedded_parts
from lamm_model.building.image_features import count_image_features
from lamm_model.errors import LammModelError
from lamm_model.model.configuration_lamm import LammConfig
from lamm_model.model.modeling_lamm import LammForConditionalGeneration
from lamm_model.model.projector import new_projector, say_channels
from lamm_model.model.quantization import check_quantised, loading_arguments, tell_adapters, torch_dtype
from lamm_model.model.saving import pretrained
from lamm_model.processing.image_processing_lamm import LammImageProcessor
from lamm_model.processing.point_cloud_processing import LammPointCloudProcessor
from lamm_model.processing.processing_lamm import LammProcessor
from lamm_model.towers.configuration_point_cloud import (
    LammPointCloudConfig,
    cloud_layout,
    cloud_preset,
    cloud_tower,
    starts_untrained,
)
from lamm_model.towers.tower_adapters import add_tower_adapters

BaseNames = Mapping[str, str | None]
HEAD_APART = 3e-2  # share of the logits' scale that rounding in 16 bits may move
EMBEDDED = "embedded"  # a base of this name is prepared from the package that carries it


def resolve_base(names: BaseNames, cache: str | Path | None = None) -> dict[str, str | None]:
    """Replace the name `embedded` by the folder of the embedded model.

    Args:
        names: `language_model` and `image_tower`: folder, hub name, `embedded` or None.
        cache: Where embedded models are prepared.

    Returns:
        The same with folders.
    """
    if EMBEDDED not in names.values():
        return dict(names)
    parts = embedded_parts(cache)
    folders = {"language_model": str(parts.language_model), "image_tower": str(parts.image_tower)}
    return {name: folders[name] if value == EMBEDDED else value for name, value in names.items()}


def base_names(model: LammForConditionalGeneration) -> BaseNames | None:
    """Return the names of the base models that a model was built from, or None when they are not known."""
    names: BaseNames | None = getattr(model, "lamm_base", None)
    return names


def build_pair(
    language_model: str | Path,
    image_tower: str | Path | None = None,
    point_cloud: PretrainedConfig | dict[str, Any] | str | None = None,
    *,
    prompt_format: str = "chat",
    use_system: bool = True,
    image_resize: str = "squash",
    point_cloud_unit: str = "m",
    cache: str | Path | None = None,
    **settings: Any,
) -> tuple[LammForConditionalGeneration, LammProcessor]:
    """Build a model and its processor from pretrained parts.

    Args:
        language_model: Folder, hub name, or `embedded` for SmolLM2-135M-Instruct.
        image_tower: Folder, hub name, `embedded` for EfficientNet-Lite0, or None.
        point_cloud: As for `build_model`.
        prompt_format: As for `build_processor`.
        use_system: As for `build_processor`.
        image_resize: As for `build_processor`.
        point_cloud_unit: As for `build_processor`.
        cache: Where embedded models are prepared.
        **settings: Passed to `build_model` (`seed`, `dtype`, fields of `LammConfig`).

    Returns:
        Model and processor.
    """
    names = {"language_model": str(language_model), "image_tower": str(image_tower) if image_tower else None}
    resolved = resolve_base(names, cache)
    processor = build_processor(
        str(resolved["language_model"]),
        resolved["image_tower"],
        point_cloud_configuration(point_cloud),
        prompt_format=prompt_format,
        use_system=use_system,
        image_feature_select=settings.get("image_feature_select", "patch"),
        image_resize=image_resize,
        point_cloud_unit=point_cloud_unit,
    )
    model = build_model(
        str(resolved["language_model"]),
        resolved["image_tower"],
        point_cloud,
        image_token_id=processor.image_token_id,
        point_cloud_token_id=processor.point_cloud_token_id,
        **settings,
    )
    model.lamm_base = names
    return model, processor


def build_model(
    language_model: str | Path,
    image_tower: str | Path | None = None,
    point_cloud: PretrainedConfig | dict[str, Any] | str | None = None,
    *,
    image_token_id: int,
    point_cloud_token_id: int,
    seed: int = 0,
    dtype: torch.dtype | str = torch.float32,
    attn_implementation: str | None = None,
    quantize: str = "none",
    device: str = "",
    point_cloud_rank: int = 0,
    **settings: Any,
) -> LammForConditionalGeneration:
    """Build a model from pretrained parts; projectors and an untrained point-cloud tower start from `seed`.

    Args:
        language_model: Folder or hub name of any causal language model.
        image_tower: Folder or hub name of any vision tower, or None for no images.
        point_cloud: Configuration, preset name (`tiny`, `epcl`, `sonata`, `point-bert`, ...), folder of a saved
            tower, or None for no clouds.
        image_token_id: Placeholder id (`LammProcessor.image_token_id`).
        point_cloud_token_id: Placeholder id (`LammProcessor.point_cloud_token_id`).
        seed: Of the new weights.
        dtype: Of the language model and image tower. New parts stay float32 so that they can be trained.
        attn_implementation: As for `from_pretrained`.
        quantize: `8bit` or `4bit` for the language model (extra `quantize`), else `none`.
        device: Where a model with a quantised language model is put; a GPU where there is one when empty.
        point_cloud_rank: Of LoRA in the point-cloud tower; 0 for none.
        **settings: Further fields of `LammConfig`.

    Returns:
        The model, in evaluation mode, every parameter of frozen parts without gradient.
    """
    register()
    causal = pretrained(
        AutoModelForCausalLM,
        language_model,
        dtype=dtype,
        attn_implementation=attn_implementation,
        **loading_arguments(quantize, torch_dtype(dtype), device),
    )
    check_quantised(causal, quantize)
    image_config = None if image_tower is None else _image_configuration(image_tower)
    if image_tower is not None and settings.get("image_token_count") is None:
        chosen = (settings.get("image_feature_layer", -1), settings.get("image_feature_select", "patch"))
        counted = count_image_features(image_tower, image_config, *chosen)
        settings["image_token_count"], settings["image_width"] = counted
    cloud_tower, cloud_config = cloud_part(point_cloud, seed, point_cloud_rank)
    config = LammConfig(
        text_config=causal.config,
        image_config=image_config,
        point_cloud_config=cloud_config,
        image_token_id=image_token_id,
        point_cloud_token_id=point_cloud_token_id,
        **{"lm_head_bias": causal.get_output_embeddings().bias is not None, **settings},
    )
    with torch.device("meta"):
        model = LammForConditionalGeneration(config)
    body = model.model
    body.language_model = _body_of(causal)
    tell_adapters(causal, body.language_model)
    _take_head(model, causal)
    generator = torch.Generator().manual_seed(seed)
    embeddings: Any = body.get_input_embeddings()
    width = embeddings.embedding_dim
    rms = float(embeddings.weight.detach().float().square().mean().sqrt())
    if image_tower is not None:
        body.image_tower = pretrained(AutoModel, image_tower, config=image_config, dtype=dtype)
        body.image_projector = new_projector(
            config, config.image_feature_size, width, config.image_feature_norm, rms, generator
        )
        if getattr(image_config, "in_embedding_space", False):
            body.image_projector.pass_on()
    if cloud_tower is not None and cloud_config is not None:
        body.point_cloud_tower = cloud_tower
        body.point_cloud_projector = new_projector(
            config, cloud_config.feature_size, width, config.point_cloud_feature_norm, rms, generator
        )
        say_channels(body.point_cloud_projector, cloud_config, language_model, embeddings)
    model.generation_config = causal.generation_config
    for tower in body.frozen_towers():
        tower.requires_grad_(False)
    if quantize == "none":
        _check_head(model, causal.eval())
    if quantize != "none":
        model.to(next(causal.parameters()).device)  # where quantised weights were put, the rest belongs too
    model.eval()
    return model


def _body_of(causal: Any) -> Any:
    """Return a causal language model without its head."""
    named = getattr(causal, causal.base_model_prefix, None)
    inner = [named] if named is not None else [part for part in causal.children() if isinstance(part, PreTrainedModel)]
    if len(inner) != 1:
        raise LammModelError(
            f"Expected a language model with a body and a head, got {type(causal).__name__}. Choose another."
        )
    return inner[0]


def _take_head(model: LammForConditionalGeneration, causal: Any) -> None:
    """Give a model its language model's head; one that does more than a product keeps the class made for it."""
    head, made = causal.get_output_embeddings(), model.lm_head
    if type(made) is nn.Linear:
        model.lm_head = head
    else:
        made.weight, made.bias = head.weight, head.bias


def _check_head(model: LammForConditionalGeneration, causal: Any) -> None:
    """Refuse a language model whose logits ours does not compute.

    Raises:
        LammModelError: They differ.
    """
    media = (model.config.image_token_id, model.config.point_cloud_token_id)
    words = [number for number in range(8) if number not in media][:4]
    ids = torch.tensor([words], device=next(causal.parameters()).device)
    with torch.no_grad():
        own, ours = causal(ids).logits.float(), model.eval()(ids).logits.float()
    check_apart(own, ours, causal.config.model_type)


def check_apart(own: torch.Tensor, ours: torch.Tensor, kind: str) -> None:
    """Refuse a type of model whose logits are not those that we compute of its hidden states.

    Raises:
        LammModelError: They differ by more than rounding.
    """
    apart = float((own - ours).abs().max() / own.abs().max().clamp(min=1e-9))
    if not apart <= HEAD_APART:
        raise LammModelError(
            f"Expected a language model whose head is a product with the last hidden states, scaled or bent at most, "
            f"got {kind}, whose logits differ from that by {apart:.1%}. Choose another."
        )


def _image_configuration(image_tower: str | Path) -> Any:
    """Read a vision tower's configuration, which may be part of another model's."""
    config = pretrained(AutoConfig, image_tower)
    return getattr(config, "vision_config", config)


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


def build_processor(
    language_model: str | Path,
    image_tower: str | Path | None = None,
    point_cloud: PretrainedConfig | None = None,
    *,
    prompt_format: str = "chat",
    use_system: bool = True,
    image_feature_select: str = "patch",
    image_resize: str = "squash",
    point_cloud_seed: int = 0,
    point_cloud_unit: str = "m",
) -> LammProcessor:
    """Build the processor that goes with `build_model`.

    Args:
        language_model: Folder or hub name; gives the tokenizer.
        image_tower: Folder or hub name; gives size, normalisation and tokens per image.
        point_cloud: Gives points, columns and tokens per cloud.
        prompt_format: `chat` (the tokenizer's template), `lamm`, `vicuna`, `llama2`, `llama3` or `chatml`.
        use_system: Open dialogues with the task type's system message.
        image_feature_select: As in `LammConfig`.
        image_resize: `squash` or `letterbox`.
        point_cloud_seed: Base seed of the clouds' sampling.
        point_cloud_unit: What the cloud files' coordinates are in (`m`, `cm`, `mm`, `ft`, `in`).

    Returns:
        The processor; its `image_token_id` and `point_cloud_token_id` go to `build_model`.
    """
    register()
    tokenizer = pretrained(AutoTokenizer, language_model)
    image_processor, image_tokens = LammImageProcessor(), 0
    if image_tower is not None:
        image_processor = LammImageProcessor.for_tower(image_tower, resize=image_resize)
        image_config = _image_configuration(image_tower)
        image_tokens, _ = count_image_features(image_tower, image_config, select=image_feature_select)
    clouds = LammPointCloudProcessor(**cloud_layout(point_cloud), unit=point_cloud_unit, seed=point_cloud_seed)
    return LammProcessor(
        image_processor,
        clouds,
        tokenizer,
        prompt_format=prompt_format,
        image_tokens=image_tokens,
        point_cloud_tokens=point_cloud.num_tokens if point_cloud is not None else 0,
        use_system=use_system,
    )

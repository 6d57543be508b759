"""Convert released files: LAMM's deltas (LoRA and projector of one modality), EPCL's checkpoint, OpenAI's CLIP."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lamm_model.building.building import build_pair
from lamm_model.checkpoints.checkpoint import save_model
from lamm_model.checkpoints.export import refuse_existing
from lamm_model.checkpoints.published.epcl import convert_epcl, is_epcl
from lamm_model.checkpoints.published.openai_clip import convert_clip, is_openai_clip
from lamm_model.checkpoints.published.torch_archive import read_archive
from lamm_model.errors import LammModelError, UsageError
from lamm_model.model.adapter_layers import AdapterSettings
from lamm_model.model.adapters import adapter_state, add_adapters, fill

RELEASED_ALPHA = 32
# `llama_model.base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight`, as peft 0.3 names it inside
# LAMM's module; later versions leave `.default` out, DeepSpeed may put `module.` before it.
_LORA_KEY = re.compile(r"^.*?\b(layers\.\d+\..+\.lora_[AB])(?:\.default)?\.weight$")
_PROJECTOR_KEY = re.compile(r"^(?:module\.)?llama_proj\.(weight|bias)$")


def convert_file(
    weights: Path,
    output: Path,
    language_model: str | None,
    image_tower: str,
    point_cloud_tower: str | None = None,
    prompt_format: str = "lamm",
) -> dict[str, int]:
    """Convert a released file of any of the three kinds; every key is accounted for.

    Args:
        weights: The file.
        output: Folder to write; must not exist.
        language_model: For a delta, the Vicuna or Llama 2 it was trained on.
        image_tower: For a delta, CLIP ViT-L/14; unused where a point-cloud tower is given.
        point_cloud_tower: Folder of a saved `LammPointCloudModel`: the delta is of a 3D model.
        prompt_format: `lamm` for the Vicuna v0 models, `llama2` for the Llama 2 one.

    Returns:
        Numbers of tensors by what became of them.

    Raises:
        UsageError: `output` exists, or the file is a delta and no language model is named.
        LammModelError: The file is of no known kind, or does not fit.
    """
    refuse_existing(output)
    content = read_archive(weights)
    if is_epcl(content):
        return convert_epcl(content, output)
    if is_openai_clip(content):
        return convert_clip(content, output)
    adapter, projector = split_delta(content, weights)
    if language_model is None:
        raise UsageError("Expected --language-model for a delta, got none. Name the model that the delta is for.")
    modality = "point_cloud" if point_cloud_tower else "image"
    model, processor = build_pair(
        language_model,
        None if point_cloud_tower else image_tower,
        point_cloud_tower,
        prompt_format=prompt_format,
        dtype=torch.bfloat16,
        image_feature_layer=-1,
    )
    rank = min(next(iter(adapter.values())).shape)
    targets = sorted({key.split(".lora_")[0].rsplit(".", 1)[-1] for key in adapter})
    settings = AdapterSettings(rank=rank, alpha=RELEASED_ALPHA, target_modules=targets, modalities=[modality])
    add_adapters(model, settings)
    fill(f"adapter set {modality!r}", adapter_state(model, modality), adapter)
    fill("the projector", model.model.get_submodule(f"{modality}_projector").state_dict(), projector)
    save_model(model, processor, output)
    return {"adapter": len(adapter), "projector": len(projector)}


def split_delta(content: Any, path: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Sort a released delta's tensors into adapter and projector.

    Returns:
        Adapter tensors under our names, projector tensors (`linear.weight`, `linear.bias`).

    Raises:
        LammModelError: It is no flat dictionary of tensors, a key is neither, or one of the two is missing; all are
            listed.
    """
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise LammModelError(f"Expected tensors by name, got {type(content).__name__} of other things ({path}).")
    adapter: dict[str, Tensor] = {}
    projector: dict[str, Tensor] = {}
    unknown: list[str] = []
    for key, value in content.items():
        if match := _LORA_KEY.match(str(key)):
            adapter[match.group(1) + ".weight"] = value
        elif match := _PROJECTOR_KEY.match(str(key)):
            projector[f"linear.{match.group(1)}"] = value
        else:
            unknown.append(str(key))
    if unknown or not adapter or len(projector) != 2:
        raise LammModelError(
            f"Expected LoRA matrices, llama_proj.weight and llama_proj.bias, got {len(adapter)} LoRA tensors, "
            f"projector keys {sorted(projector)}, and unknown keys {sorted(unknown)} ({path}). "
            "Only LAMM's own deltas can be converted."
        )
    return adapter, projector

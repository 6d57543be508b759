"""OpenAI's own CLIP weights (`ViT-L-14.pt`) as transformers' CLIP vision tower: other names for the same numbers."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from torch import Tensor

from lamm_model.checkpoints.published.torch_archive import Record
from lamm_model.errors import LammModelError
from lamm_model.model.adapters import fill

HEAD_WIDTH = 64  # channels of one attention head in every published CLIP ViT
MAX_DEPTH = 16
_BLOCK = re.compile(r"^transformer\.resblocks\.(\d+)\.(.+)\.(weight|bias)$")
_IN_BLOCK = {
    "ln_1": "layer_norm1", "ln_2": "layer_norm2", "attn.out_proj": "self_attn.out_proj", "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}  # fmt: skip
_OUTSIDE = {
    "class_embedding": "embeddings.class_embedding",
    "positional_embedding": "embeddings.position_embedding.weight",
    "conv1.weight": "embeddings.patch_embedding.weight",
    "ln_pre.weight": "pre_layrnorm.weight",
    "ln_pre.bias": "pre_layrnorm.bias",
    "ln_post.weight": "post_layernorm.weight",
    "ln_post.bias": "post_layernorm.bias",
}


def rename_blocks(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], set[str]]:
    """Rename the transformer's blocks; query, key and value come apart out of one matrix.

    Args:
        state: Tensors under OpenAI's names (`transformer.resblocks.0.attn.in_proj_weight`, ...).

    Returns:
        Tensors under transformers' names (`layers.0.self_attn.q_proj.weight`, ...), and the names that were read.
    """
    renamed: dict[str, Tensor] = {}
    read: set[str] = set()
    for key, value in state.items():
        stem, joint, leaf = key.rpartition("attn.in_proj_")
        if joint and (number := re.fullmatch(r"transformer\.resblocks\.(\d+)\.", stem)):
            for name, part in zip(("q_proj", "k_proj", "v_proj"), value.chunk(3), strict=True):
                renamed[f"layers.{number.group(1)}.self_attn.{name}.{leaf}"] = part.clone()
        elif (match := _BLOCK.match(key)) and match.group(2) in _IN_BLOCK:
            renamed[f"layers.{match.group(1)}.{_IN_BLOCK[match.group(2)]}.{match.group(3)}"] = value
        else:
            continue
        read.add(key)
    return renamed, read


def vision_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename a whole vision tower.

    Args:
        state: The visual part under OpenAI's names; `proj`, which leads out of the tower, is not used.

    Returns:
        Tensors under the names of `CLIPVisionModel`.

    Raises:
        LammModelError: A key has no place (all are listed).
    """
    blocks, read = rename_blocks(state)
    renamed = {f"encoder.{key}": value for key, value in blocks.items()}
    renamed |= {new: state[old] for old, new in _OUTSIDE.items() if old in state}
    if unknown := sorted(state.keys() - read - _OUTSIDE.keys() - {"proj"}):
        raise LammModelError(f"Expected the keys of OpenAI's CLIP vision tower, got the unknown keys {unknown}.")
    return renamed


def flatten(value: Any, prefix: str = "", depth: int = 0) -> dict[str, Tensor]:
    """Name the tensors of nested modules as `state_dict` does.

    Raises:
        LammModelError: Modules lie in each other without end.
    """
    if depth > MAX_DEPTH:
        raise LammModelError(f"Expected modules nested at most {MAX_DEPTH} deep, got more at {prefix}.")
    if isinstance(value, Tensor):
        return {prefix: value}
    if not isinstance(value, dict):
        return {}
    return {
        name: tensor
        for key, inner in value.items()
        for name, tensor in flatten(inner, f"{prefix}.{key}" if prefix else str(key), depth + 1).items()
    }


def is_openai_clip(content: Any) -> bool:
    """Tell whether an archive holds OpenAI's CLIP, as published (TorchScript) or as a dictionary of tensors."""
    return isinstance(content, dict) and ("visual" in content or "visual.conv1.weight" in content)


def convert_clip(content: Record | dict[str, Any], output: Path) -> dict[str, int]:
    """Write the vision tower of OpenAI's CLIP, as `read_archive` returned it, as an ordinary `CLIPVisionModel` folder.

    Sizes are read off the weights. The text tower is left out and counted.

    Returns:
        Number of tensors `converted` and `left_out`.

    Raises:
        LammModelError: A key of the vision tower is unknown, missing or misshapen (all are listed).
    """
    from transformers import CLIPVisionConfig, CLIPVisionModel

    from lamm_model.processing.image_processing_lamm import LammImageProcessor

    state = flatten(content)
    visual = {key.removeprefix("visual."): value for key, value in state.items() if key.startswith("visual.")}
    renamed = {key: value.float() for key, value in vision_state(visual).items()}
    width, _, patch, _ = visual["conv1.weight"].shape
    side = math.isqrt(len(visual["positional_embedding"]) - 1) * patch
    config = CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=len({key.split(".")[2] for key in renamed if key.startswith("encoder.layers.")}),
        num_attention_heads=width // HEAD_WIDTH,
        image_size=side,
        patch_size=patch,
        hidden_act="quick_gelu",
    )
    model = CLIPVisionModel(config)
    own = dict(model.named_parameters())
    prefix = "vision_model." if any(key.startswith("vision_model.") for key in own) else ""
    fill("CLIP's vision tower", own, {prefix + key: value for key, value in renamed.items()})
    model.save_pretrained(output)
    LammImageProcessor(size=side).save_pretrained(output)
    return {"converted": len(visual), "left_out": len(state) - len(visual)}

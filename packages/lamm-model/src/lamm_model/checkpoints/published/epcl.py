"""The released EPCL checkpoint (arXiv 2212.04098) as a point-cloud tower of ours, every key accounted for.

The file holds `{"model": tensors, "args": Namespace, ...}`. The tower is the set abstraction, the position embedding,
the task tokens and CLIP's blocks; the rest belongs to the detector that it was pre-trained in.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from torch import Tensor

from lamm_model.checkpoints.published.openai_clip import HEAD_WIDTH, rename_blocks
from lamm_model.errors import LammModelError
from lamm_model.model.adapters import fill
from lamm_model.towers.configuration_point_cloud import LammPointCloudConfig
from lamm_model.towers.point_cloud import LammPointCloudModel

# The detector's parts, and what of CLIP is not on a cloud's way.
LEFT_OUT = (
    "encoder_to_decoder_projection.", "query_projection.", "decoder.", "mlp_heads.", "pos_embedding.",
    "encoder.clip_vit.class_embedding", "encoder.clip_vit.positional_embedding", "encoder.clip_vit.proj",
    "encoder.clip_vit.conv1.", "encoder.clip_vit.ln_post.",
)  # fmt: skip
_CLIP = "encoder.clip_vit."
_STAGE = re.compile(r"^pre_encoder\.(?:layers\.(\d+)\.)?mlp_module\.layer(\d+)\.(?:(conv)|bn\.bn)\.(\w+)$")
_PLAIN = {
    "te_encoder.embedding.": "task_tokens.",
    "te_encoder.trans.": "task_projection.",
    "encoder.pos_embed.": "position_embedding.",
    _CLIP + "ln_pre.": "pre_norm.",
}


def is_epcl(content: Any) -> bool:
    """Tell whether an archive is an EPCL checkpoint."""
    model = content.get("model") if isinstance(content, dict) else None
    return isinstance(model, dict) and any(str(key).startswith("pre_encoder.") for key in model)


def configuration(args: dict[str, Any], state: dict[str, Tensor]) -> LammPointCloudConfig:
    """Read the tower's sizes off the checkpoint's arguments and weights.

    Args:
        args: The `Namespace` as plain data: `preenc_npoints`, `vit_num_token`, `pointnet_downsample`, `use_color`, ...
        state: Tensors under EPCL's names.

    Returns:
        The configuration.

    Raises:
        LammModelError: An argument is missing, or the tower was trained with colours, which it scales otherwise.
    """
    wanted = ("preenc_npoints", "use_color", *(("vit_num_token",) if args.get("pointnet_downsample") else ()))
    if missing := [name for name in wanted if name not in args]:
        raise LammModelError(f"Expected the checkpoint's arguments {', '.join(wanted)}, got none for {missing}.")
    if args["use_color"]:
        raise LammModelError("Expected a checkpoint trained without colours (as LAMM's), got use_color = True.")
    layers = sorted({match.group(1) or "" for key in state if (match := _STAGE.match(key))})
    widths = {layer: _stage_widths(state, layer) for layer in layers}
    if args.get("pointnet_downsample"):
        first, last = int(args["preenc_npoints"]), int(args["vit_num_token"])
        ratio = first // last
        sizes = [(first, 0.2, 64), (last, 0.2 * ratio, 64 * ratio)]
    else:
        sizes = [(int(args["preenc_npoints"]), float(args.get("preenc_radius", 0.2)), 64)]
    if len(sizes) != len(layers):
        raise LammModelError(f"Expected {len(sizes)} stages of set abstraction, got {len(layers)}.")
    width = len(state["encoder.pos_embed.2.bias"])
    blocks = {key.split(".")[4] for key in state if key.startswith(_CLIP + "transformer.resblocks.")}
    return LammPointCloudConfig.preset(
        "epcl",
        stages=[
            {"centres": centres, "radius": radius, "neighbours": neighbours, "mlp": widths[layer]}
            for (centres, radius, neighbours), layer in zip(sizes, layers, strict=True)
        ],
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=len(blocks),
        num_attention_heads=max(1, width // HEAD_WIDTH),
        position_hidden_size=len(state["encoder.pos_embed.0.bias"]),
        num_task_tokens=len(state["te_encoder.embedding.weight"]) if "te_encoder.embedding.weight" in state else 0,
    )


def _stage_widths(state: dict[str, Tensor], layer: str) -> list[int]:
    prefix = f"pre_encoder.layers.{layer}." if layer else "pre_encoder."
    convolutions = sorted(key for key in state if key.startswith(prefix) and key.endswith(".conv.weight"))
    return [len(state[key]) for key in convolutions]


def tower_state(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Rename the tower's tensors from EPCL's names.

    Returns:
        Tensors under the names of `LammPointCloudModel`, and the keys that belong to the detector.

    Raises:
        LammModelError: Keys are neither (all are listed).
    """
    clip = {key.removeprefix(_CLIP): value for key, value in state.items() if key.startswith(_CLIP)}
    blocks, read = rename_blocks(clip)
    renamed = {f"encoder.{key}": value for key, value in blocks.items()}
    left_out: list[str] = []
    unknown: list[str] = []
    for key, value in state.items():
        start = next((old for old in _PLAIN if key.startswith(old)), "")
        if key.removeprefix(_CLIP) in read and key.startswith(_CLIP):
            continue
        if match := _STAGE.match(key):
            stage, layer, convolution, leaf = match.groups()
            name = "linear" if convolution else "norm"
            renamed[f"stages.{stage or 0}.mlp.{layer}.{name}.{leaf}"] = value.flatten(1) if convolution else value
        elif start:
            renamed[_PLAIN[start] + key.removeprefix(start)] = value
        elif key.startswith(LEFT_OUT):
            left_out.append(key)
        else:
            unknown.append(key)
    if unknown:
        raise LammModelError(f"Expected the keys of an EPCL checkpoint, got the unknown keys {sorted(unknown)}.")
    return renamed, left_out


def convert_epcl(content: dict[str, Any], output: Path) -> dict[str, int]:
    """Write an EPCL checkpoint, as `read_archive` returned it, as a `LammPointCloudModel` folder.

    Returns:
        Number of tensors `converted` and `left_out`.

    Raises:
        LammModelError: A key is unknown, missing or misshapen (all are listed), or the arguments do not fit.
    """
    state = {str(key).removeprefix("module."): value for key, value in content["model"].items()}
    if strange := sorted(key for key, value in state.items() if not isinstance(value, Tensor)):
        raise LammModelError(f"Expected tensors under `model`, got other things under {strange}.")
    args = content.get("args")
    renamed, left_out = tower_state(state)
    tower = LammPointCloudModel(configuration(args if isinstance(args, dict) else {}, state))
    fill("EPCL's tower", tower.state_dict(), renamed)
    tower.save_pretrained(output)
    return {"converted": len(state) - len(left_out), "left_out": len(left_out)}

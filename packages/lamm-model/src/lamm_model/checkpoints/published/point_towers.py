"""Published files of Sonata, Concerto, Utonia, Point Transformer V3 and PointLLM's Point-BERT as towers of ours.

Our modules have the published names, so a file is read by taking off the prefix that its trainer or language model put
before them. Sizes are read off the weights; what the numbers cannot say (which network it is) the user states, and a
file of another kind is refused with the keys that miss and that are left over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from lamm_llm import write_whole
from lamm_model.checkpoints.export import refuse_existing
from lamm_model.checkpoints.published.torch_archive import read_archive
from lamm_model.checkpoints.trained_parts import read_tensors
from lamm_model.errors import LammModelError
from lamm_model.model.adapters import fill
from lamm_model.towers.configuration_point_cloud import cloud_preset, cloud_tower


@dataclass(frozen=True)
class Kind:
    """A family of published weights.

    Attributes:
        preset: Whose fields the weights do not tell.
        licence: Of the weights, as their authors state it, by the Hub's name.
        home: Where they are published.
        file: The file that is meant where a repository alone is named.
        head_width: Channels of an attention head.
    """

    preset: str
    licence: str
    home: str
    file: str
    head_width: int


KINDS = {
    "sonata": Kind("sonata", "cc-by-nc-4.0", "facebook/sonata", "sonata.pth", 16),
    "concerto": Kind("concerto", "cc-by-nc-4.0", "Pointcept/Concerto", "concerto_base.pth", 16),
    "utonia": Kind("utonia", "cc-by-nc-4.0", "Pointcept/Utonia", "utonia.pth", 18),
    "ptv3": Kind("ptv3", "mit", "Pointcept/PointTransformerV3", "", 16),
    "point-bert": Kind(
        "point-bert", "cc-by-nc-sa-4.0", "RunsenXu/PointLLM_7B_v1.1_init", "point_bert_v1.2.pt", 64
    ),
}  # fmt: skip
# What trainers and language models put before a tower's names, the longest first; other keys of theirs are not its own.
_PREFIXES = (
    "module.student.backbone.", "module.point_encoder.", "model.point_backbone.", "module.backbone.",
    "point_backbone.", "backbone.", "module.",
)  # fmt: skip
_FIRST = ("embedding.stem.", "encoder.first_conv.")  # of these a tower's own names are told
_UNUSED = re.compile(r"^embedding\.mask_token$|\.attn\.rope\.inv_freq$")  # for pre-training; computed anew
_BESIDE = re.compile(r"^(module\.)?(seg_head|cls_head|proj_head|criteria)\.")  # heads of what it was trained for


def convert_point_tower(kind: str, weights: Path, output: Path) -> dict[str, int]:
    """Write a published file as a tower's folder, with a card that says the licence of the weights.

    Args:
        kind: A key of `KINDS`.
        weights: The file (`.safetensors`, or a pickle, which is read as plain data), or where there is none of that
            name a repository of the Hub, `owner/name` or `owner/name/file`.
        output: Folder to write; must not exist.

    Returns:
        Number of tensors `converted` and `left_out`.

    Raises:
        LammModelError: The file cannot be had or read, or is not of that kind: missing, left-over and misshapen keys
            are listed.
    """
    refuse_existing(output)
    about = KINDS[kind]
    path = weights if weights.is_file() else _fetched(weights, about)
    stated, tensors = _read(path)
    state, beside = _without_prefix(tensors, path)
    _check_kind(kind, state, path)
    config = _configuration(about, state, stated)
    own = {key: value for key, value in state.items() if not _UNUSED.search(key)}
    if kind == "point-bert":
        own = {key.replace("blocks.blocks.", "blocks."): value for key, value in own.items()}
    config.weights_licence = about.licence
    config.weights_source = f"{kind}, {about.home}, {path.name}"
    tower = cloud_tower(config)
    fill(f"a {kind} tower", tower.state_dict(), own)
    tower.save_pretrained(output)
    write_whole(output / "README.md", _card(about, config.weights_source))
    return {"converted": len(own), "left_out": len(beside) + len(state) - len(own)}


def _fetched(name: Path, about: Kind) -> Path:
    """Fetch a file of the Hub."""
    owner, _, rest = str(name).partition("/")
    repository, _, file = rest.partition("/")
    if not repository or owner in ("", ".", "..", "~") or not (file or about.file):
        raise LammModelError(
            f"Expected a file, or owner/name/file on the Hub, got {name}, which is neither. Its weights are published "
            f"at {about.home}."
        )
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(f"{owner}/{repository}", file or about.file))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as fault:
        raise LammModelError(
            f"Expected the file {file or about.file} of {owner}/{repository}, got {type(fault).__name__}. Check the "
            "name and the connection, or give a file that is here."
        ) from fault


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return what a file states of its configuration, and its tensors by name."""
    if path.suffix == ".safetensors":
        return {}, read_tensors(path)
    content = read_archive(path)
    stated = content.get("config") if isinstance(content, dict) else None
    inner = next((content[key] for key in ("state_dict", "base_model") if key in content), content)
    if not isinstance(inner, Mapping) or not all(isinstance(value, Tensor) for value in inner.values()):
        raise LammModelError(f"Expected tensors by name under `state_dict`, got other things ({path}).")
    return dict(stated) if isinstance(stated, Mapping) else {}, {str(key): value for key, value in inner.items()}


def _without_prefix(tensors: dict[str, Tensor], path: Path) -> tuple[dict[str, Tensor], list[str]]:
    """Return a tower's tensors under its own names, and the keys of what lies beside it in the file."""
    for prefix in (*_PREFIXES, ""):
        if any(key.startswith(prefix + first) for key in tensors for first in _FIRST):
            own = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
            beside = [key for key in tensors if not key.startswith(prefix)]
            heads = [key for key in own if _BESIDE.match(key)]
            return {key: value for key, value in own.items() if key not in heads}, beside + heads
    raise LammModelError(
        f"Expected a tower's weights (keys with {' or '.join(_FIRST)}), got {', '.join(sorted(tensors)[:5])}, ... "
        f"({path}). Use the published file."
    )


def _configuration(about: Kind, state: dict[str, Tensor], stated: dict[str, Any]) -> Any:
    """Read the sizes off the weights, and the rest off what the file states."""
    try:
        if about.preset == "point-bert":
            return _point_bert(state, stated)
        return _point_transformer(about, state, stated)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as fault:
        raise LammModelError(
            f"Expected the weights of a {about.preset} tower, got a file without {fault}. Name its own --kind."
        ) from fault


def _point_bert(state: dict[str, Tensor], stated: dict[str, Any]) -> Any:
    width = len(state["norm.weight"])
    blocks = {key.split(".")[2] for key in state if key.startswith("blocks.blocks.")}
    base = width == 1152  # PointLLM v1.1: larger groups, narrower heads
    return cloud_preset(
        "point-bert-base" if base else "point-bert",
        hidden_size=width,
        group_width=len(state["encoder.second_conv.3.bias"]),
        use_color=state["encoder.first_conv.0.weight"].shape[1] == 6,
        num_hidden_layers=len(blocks),
        num_attention_heads=int(stated.get("num_heads") or width // (96 if base else 64)),
        position_hidden_size=len(state["pos_embed.0.bias"]),
        **{ours: int(stated[key]) for ours, key in _GROUPS.items() if key in stated},
    )


_GROUPS = {"groups": "num_group", "group_size": "group_size"}


def _point_transformer(about: Kind, state: dict[str, Tensor], stated: dict[str, Any]) -> Any:
    sizes: dict[str, Any] = {}
    for part in ("enc", "dec"):
        stages = 1 + max((int(key.split(".")[1][3:]) for key in state if key.startswith(f"{part}.")), default=-1)
        blocks = [
            len({key.split(".")[2] for key in state if key.startswith(f"{part}.{part}{stage}.block")})
            for stage in range(stages)
        ]
        channels = [len(state[f"{part}.{part}{stage}.block0.norm1.0.bias"]) for stage in range(stages)]
        heads = stated.get(f"{part}_num_head") or [max(1, width // about.head_width) for width in channels]
        sizes |= {f"{part}_depths": blocks, f"{part}_channels": channels, f"{part}_num_head": list(heads)[:stages]}
    stem = state.get("embedding.stem.linear.weight", state.get("embedding.stem.conv.weight"))
    columns = stem.shape[-1] if stem is not None else 0
    if about.preset == "ptv3":
        layout = {"use_normal": columns == 6, "use_coordinates": columns == 9}
    else:
        layout = {"use_normal": columns == 9}
    table = next((value for key, value in state.items() if key.endswith("rpe.rpe_table")), None)
    chosen = {key: stated[key] for key in ("order", "stride") if stated.get(key)}
    patch = stated.get("enc_patch_size") or ([128] if table is not None else [])
    if patch:
        chosen["patch_size"] = int(patch[0])
    turned = next((value for key, value in state.items() if key.endswith("rope.inv_freq")), None)
    if turned is not None:  # base^(-j / n), j = 0 .. n-1
        chosen["rope_base"] = round(float(turned[1]) ** -len(turned), 3)
    stride = chosen.get("stride") or [2] * (len(sizes["enc_depths"]) - 1)
    return cloud_preset(
        about.preset, **sizes, **layout, relative_positions=table is not None, **{**chosen, "stride": list(stride)}
    )


def _check_kind(kind: str, state: dict[str, Tensor], path: Path) -> None:
    """Refuse a file of another network whose names would fit: rotary positions tell Utonia from the others.

    Raises:
        LammModelError: With the keys that miss or are left over.
    """
    turned = sorted(key for key in state if key.endswith("rope.inv_freq"))
    if kind == "utonia" and not turned:
        raise LammModelError(
            f"Expected Utonia's weights, got some without the keys *.attn.rope.inv_freq ({path}). "
            "Sonata's and Concerto's have none: name their --kind."
        )
    if kind != "utonia" and turned:
        raise LammModelError(
            f"Expected weights without rotary positions for --kind {kind}, got the left-over keys "
            f"{', '.join(turned[:3])}, ... ({path}). Utonia's have them: name its --kind."
        )


def _card(about: Kind, source: str) -> str:
    return (
        f"---\nlicense: {about.licence}\n---\n\n# Point-cloud tower\n\n"
        f"Converted from {source} by `lamm model convert`. The weights are under {about.licence}.\n"
    )

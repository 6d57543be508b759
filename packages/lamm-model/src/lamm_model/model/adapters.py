"""One LoRA adapter set per modality, routed token by token.

LAMM trains a separate LoRA set for images and for point clouds (arXiv 2306.06687, section 5.1: not shared). Here both
are injected by peft in one model and both are active; a hook multiplies each set's low-rank activation by the tokens'
modality, so rows of different modalities mix in one batch, in training and in generation. `shared` gives one set for
every token instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from lamm_model.errors import LammModelError, UsageError
from lamm_model.model.adapter_layers import SHARED, AdapterSettings, inject_adapters, let_learn, lora_layers
from lamm_model.model.modeling_lamm import LammForConditionalGeneration

MERGE_UP_TO = 3_000_000_000  # parameters; merging keeps a copy of the adapted weights


def add_adapters(
    model: LammForConditionalGeneration, settings: AdapterSettings | None = None, seed: int = 0
) -> LammForConditionalGeneration:
    """Freeze the language model and inject one LoRA set per modality; projectors become trainable.

    Args:
        model: A model without adapters.
        settings: Rank, targets and sets.
        seed: Of the adapters' first weights.

    Returns:
        The same model, changed in place; it remains a `LammForConditionalGeneration`.

    Raises:
        UsageError: The model has adapters already, or no layer has a targeted name.
    """
    chosen = settings or AdapterSettings()
    if adapter_settings(model) is not None:
        raise UsageError("Expected a model without adapters, got one with them. Merge or reload it first.")
    body = model.model
    chosen = replace(chosen, target_modules=_targets(body.language_model, chosen.target_modules))
    body.language_model.requires_grad_(False)
    model.lm_head.requires_grad_(False)
    model.config.adapters = chosen.as_dict()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # the CPU's alone: what is forked is what is put back
            inject_adapters(body)
    except UsageError:
        model.config.adapters = None
        raise
    for part in trainable_parts(model).values():
        let_learn(part)
    return model


def _targets(language_model: nn.Module, wanted: list[str]) -> list[str]:
    """Return the names of the layers to adapt: the wanted ones, each of which must exist, or the attention's own.

    Raises:
        UsageError: A name fits no layer, or there is no attention to find.
    """
    kinds = (nn.Linear, Conv1D)
    linear = [name for name, module in language_model.named_modules() if isinstance(module, kinds)]
    missing = [name for name in wanted if not any(f".{layer}".endswith(f".{name}") for layer in linear)]
    last = {name: name.rpartition(".")[2] for name in linear}
    inside = [name for name in linear if any("attn" in part or "attention" in part for part in name.split(".")[:-1])]
    if missing or not (wanted or inside):
        raise UsageError(
            f"Expected layers named {missing or 'as attention'}, got {', '.join(dict.fromkeys(last.values()))} in "
            f"{type(language_model).__name__}. Set adapters.target_modules to some of these."
        )
    outside = {last[name] for name in linear if name not in set(inside)}
    # A name that other layers bear too (GPT-2's `c_proj`) is told apart by the one before it.
    own = [".".join(name.split(".")[-2:]) if last[name] in outside else last[name] for name in inside]
    return wanted or list(dict.fromkeys(own))


def keep_adapter(model: LammForConditionalGeneration, name: str) -> None:
    """Remove every set but the one of a name, for good; the model is changed in place.

    Raises:
        UsageError: The model has no set of that name.
    """
    settings = adapter_settings(model)
    if settings is None or name not in settings.modalities:
        have = settings.modalities if settings is not None else []
        raise UsageError(f"Expected one of the model's adapter sets ({', '.join(have) or 'none'}), got {name!r}.")
    for layer in lora_layers(model.model.language_model):
        layer._active_adapter = [name]
        for other in settings.modalities:
            if other != name:
                layer.delete_adapter(other)
    known = getattr(model.model.language_model, "peft_config", {})
    for other in [other for other in known if other != name]:
        del known[other]
    model.config.adapters = replace(settings, modalities=[name]).as_dict()


def adapter_settings(model: LammForConditionalGeneration) -> AdapterSettings | None:
    """Return how the model's adapters were made, or None when it has none."""
    fields = model.config.adapters
    return None if fields is None else AdapterSettings(**fields)


def trainable_parts(model: LammForConditionalGeneration) -> dict[str, nn.Module]:
    """Name the parts besides the adapters that fine-tuning changes: projectors and towers that are not frozen.

    The projector of a tower that speaks in the language model's embeddings is the identity, and stays so.
    """
    body, config = model.model, model.config
    speaks = getattr(config.image_config, "in_embedding_space", False)
    parts = {
        "image_projector": None if speaks else body.image_projector,
        "point_cloud_projector": body.point_cloud_projector,
        "image_tower": None if config.freeze_image_tower else body.image_tower,
        "point_cloud_tower": None if config.freeze_point_cloud_tower else body.point_cloud_tower,
    }
    return {name: part for name, part in parts.items() if part is not None}


def adapter_state(model: LammForConditionalGeneration, name: str) -> dict[str, Tensor]:
    """Return one set's weights by peft's keys below its prefix, such as `layers.0.self_attn.q_proj.lora_A.weight`."""
    marker = f".{name}.weight"
    state = model.model.language_model.state_dict()
    return {
        key[: -len(marker)] + ".weight": value
        for key, value in state.items()
        if key.endswith(marker) and ".lora_" in key
    }


def fill(what: str, own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    """Copy tensors by name into those of a model, strictly; every process of a sharded one must do it.

    Args:
        what: What they are, for the message.
        own: The model's tensors, which may hold a share.
        state: Whole tensors.

    Raises:
        LammModelError: Keys are missing or left over, or a shape differs; all are listed.
    """
    missing = sorted(own.keys() - state.keys())
    extra = sorted(state.keys() - own.keys())
    shapes = [
        f"{key}: {list(own[key].shape)} expected, {list(state[key].shape)} found"
        for key in sorted(own.keys() & state.keys())
        if own[key].shape != state[key].shape
    ]
    if missing or extra or shapes:
        raise LammModelError(
            f"Expected the weights of {what} to fit this model, got missing keys {missing}, extra keys {extra}, "
            f"shapes {shapes}. Take weights and model that belong together: base model, settings, --kind."
        )
    for key, value in state.items():
        _put(own[key], value)


def can_merge(model: LammForConditionalGeneration) -> bool:
    """Return whether `merged_adapters` suits a model: with adapters on ordinary linear layers, and not too large."""
    if adapter_settings(model) is None or sum(p.numel() for p in model.parameters()) > MERGE_UP_TO:
        return False
    return all(type(layer.get_base_layer()) is nn.Linear for layer in lora_layers(model.model.language_model))


@contextmanager
def merged_adapters(model: LammForConditionalGeneration, name: str) -> Iterator[None]:
    """Add one set to the language model's weights for a while: every token then runs through it, at no extra cost.

    The weights are laid aside and put back exactly.

    Args:
        model: A model with adapters whose base layers are ordinary linear layers.
        name: The set; `text` where there is none of that name leaves the language model bare.

    Raises:
        UsageError: A set is merged already, or adapters are switched off: leaving the block could not restore that.
    """
    settings = adapter_settings(model)
    names = settings.modalities if settings is not None else []
    originals: list[tuple[nn.Parameter, Tensor]] = []
    layers = lora_layers(model.model.language_model)
    if any(layer.disable_adapters for layer in layers):
        raise UsageError(
            f"Expected adapters that are in use to merge {name!r}, got merged or disabled ones. Undo that."
        )
    try:
        for layer in layers:
            if set_name := name if name in names else SHARED if SHARED in names else "":
                weight = layer.get_base_layer().weight
                originals.append((weight, weight.data.clone()))
                weight.data += layer.get_delta_weight(set_name).to(weight.dtype)
            layer._disable_adapters = True
        yield
    finally:
        for weight, original in originals:
            weight.data.copy_(original)
        for layer in layers:
            layer._disable_adapters = False


def whole(value: Tensor) -> Tensor:
    """Return a tensor with all of its shares; every process must ask for it at the same time."""
    gather: Any = getattr(value, "full_tensor", None)
    return value if gather is None else gather()


def whole_state(state: Mapping[str, Tensor], prefix: str = "") -> dict[str, Tensor]:
    """Return tensors with all of their shares, contiguous, their names behind a prefix."""
    return {prefix + name: whole(value).contiguous() for name, value in state.items()}


def _put(own: Tensor, value: Tensor) -> None:
    """Copy a whole tensor into one that may hold a share of it; every process must do it at the same time."""
    placed: Any = own
    with torch.no_grad():
        if hasattr(own, "full_tensor"):
            from torch.distributed.tensor import distribute_tensor

            value = distribute_tensor(
                value.to(placed.to_local().device, placed.dtype), placed.device_mesh, placed.placements
            )
        own.copy_(value)

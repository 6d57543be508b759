"""Which part of a model a parameter is, by its name; a language model's layers; a copy around the same weights."""

import copy
from typing import Any, TypeVar

from torch import nn

from lamm_model.errors import UsageError

Model = TypeVar("Model", bound=nn.Module)


def twin_of(model: Model) -> Model:
    """Return a copy of a model around the same weights: a pass leaves state in modules, so each thread needs one."""
    return copy.deepcopy(model, {id(weight): weight for weight in (*model.parameters(), *model.buffers())})


def decoder_layers(language_model: Any) -> nn.ModuleList:
    """Return a language model's decoder layers, whatever they are called.

    Raises:
        UsageError: It has none.
    """
    named = getattr(language_model, "layers", None)
    if named is not None:
        return named  # type: ignore[no-any-return]
    count = language_model.config.num_hidden_layers
    for module in language_model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return module
    raise UsageError(
        f"Expected {count} decoder layers in a list, got {type(language_model).__name__} without. "
        "Set compute.compile = false, compute.checkpointing = 'none' and compute.sharding = 'none'."
    )


def part_of(name: str) -> str:
    """Return which part of the model a parameter belongs to: `adapter`, `projector`, `tower` or `language`."""
    if "_projector." in name:
        return "projector"
    if "_tower." in name:
        return "tower"
    return "adapter" if ".lora_" in name else "language"


def modality_of(name: str) -> str:
    """Return which modality a parameter serves: `point_cloud`, `image`, `text` or, for all, nothing."""
    if ".lora_" in name and ".text." in name:
        return "text"
    return "point_cloud" if "point_cloud" in name else "image" if "image" in name else ""

"""Save and load the weights that fine-tuning changes, and nothing else.

adapters/<set>/             one LoRA set in peft's own layout
parts.safetensors           projectors, the point-cloud tower, the image tower where it is trained
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from peft import LoraConfig
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from lamm_llm import atomic_path
from lamm_model.errors import LammModelError
from lamm_model.model.adapters import adapter_settings, adapter_state, fill, trainable_parts, whole_state
from lamm_model.model.modeling_lamm import LammForConditionalGeneration

PARTS = "parts.safetensors"
_WEIGHTS = "adapter_model.safetensors"
_PEFT_PREFIX = "base_model.model.model.language_model."


@contextmanager
def replaced_folder(target: Path) -> Iterator[Path]:
    """Give a new folder beside `target`; it takes the name, an older folder's too, when the block has ended well."""
    old = target.with_name(f".{target.name}.old")
    with atomic_path(target) as beside:
        beside.mkdir()
        yield beside
        shutil.rmtree(old, ignore_errors=True)  # of a process that was killed here
        if target.exists():
            os.replace(target, old)
    shutil.rmtree(old, ignore_errors=True)


def parts_state(model: LammForConditionalGeneration) -> dict[str, Tensor]:
    """Return the weights besides the adapters: `{"image_projector.linear.weight": ..., ...}`."""
    parts = dict(trainable_parts(model))
    if model.model.point_cloud_tower is not None:
        parts["point_cloud_tower"] = model.model.point_cloud_tower
    return {f"{part}.{key}": value for part, module in parts.items() for key, value in module.state_dict().items()}


def save_trained(model: LammForConditionalGeneration, folder: str | Path, write: bool = True) -> None:
    """Write adapters, projectors and trained towers into a folder, which the caller renames in place.

    A sharded model must be saved by every process; all but one, without `write`, only hand their shares over.

    Raises:
        LammModelError: The model has no adapters.
    """
    settings = adapter_settings(model)
    if settings is None:
        raise LammModelError("Expected a model with adapters, got one without. Use save_pretrained for a whole model.")
    sets = {name: whole_state(adapter_state(model, name), _PEFT_PREFIX) for name in settings.modalities}
    parts = whole_state(parts_state(model))
    if not write:
        return
    home = Path(folder)
    for name, state in sets.items():
        own = home / "adapters" / name
        own.mkdir(parents=True, exist_ok=True)
        save_file(state, own / _WEIGHTS)
        LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,
            lora_dropout=settings.dropout,
            target_modules=rf".*\blanguage_model\..*\.({'|'.join(map(re.escape, settings.target_modules))})",
            inference_mode=True,
        ).save_pretrained(own)
    save_file(parts, home / PARTS)


def load_trained(model: LammForConditionalGeneration, folder: str | Path) -> None:
    """Load what `save_trained` wrote, strictly, into a model with adapters of the same settings.

    Raises:
        LammModelError: A file is missing or damaged, or keys are missing or left over (all listed).
    """
    home = Path(folder)
    settings = adapter_settings(model)
    for name in settings.modalities if settings else []:
        state = read_tensors(home / "adapters" / name / _WEIGHTS)
        state = {key.removeprefix(_PEFT_PREFIX): value for key, value in state.items()}
        fill(f"adapter set {name!r}", adapter_state(model, name), state)
    fill("projectors and towers", parts_state(model), read_tensors(home / PARTS))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file.

    Raises:
        LammModelError: It is missing or damaged.
    """
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as fault:
        raise LammModelError(
            f"Expected safetensors weights, got {fault} ({path}). Use an intact checkpoint."
        ) from fault

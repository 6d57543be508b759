"""Save and load the weights that fine-tuning changes, and nothing else.

adapters/<set>/             one LoRA set in peft's own layout
checksums.json              SHA-256 of every file of the folder, written last
parts.safetensors           projectors, the point-cloud tower, the image tower where it is trained
"""

from __future__ import annotations

import hashlib
import json
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
CHECKSUMS = "checksums.json"
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


def seal(folder: Path) -> None:
    """Write the checksums of a finished folder and hand its files to the disk."""
    sums = {}
    for path in _files(folder):
        with path.open("rb") as file:
            sums[str(path.relative_to(folder))] = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
    (folder / CHECKSUMS).write_text(json.dumps(sums, indent=1) + "\n", encoding="utf-8")


def fault_of(folder: Path) -> str:
    """Return what is wrong with a sealed folder, or nothing."""
    try:
        expected = json.loads((folder / CHECKSUMS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return f"no {CHECKSUMS}"
    except (OSError, ValueError) as error:
        return f"{CHECKSUMS}: {error}"
    if not isinstance(expected, dict):
        return f"{CHECKSUMS} holds no table"
    present = {str(path.relative_to(folder)) for path in _files(folder)}
    if missing := sorted(expected.keys() - present):
        return f"missing {', '.join(missing)}"
    for name, wanted in expected.items():
        try:
            with (folder / name).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != wanted:
                    return f"{name} is not what was written"
        except OSError as error:
            return f"{name}: {error.strerror}"
    return ""


def refuse_changed(folder: Path) -> None:
    """Refuse a model's folder whose files are not those that were saved; one without checksums is taken as it is.

    Raises:
        LammModelError: A file is missing or was changed; it is named.
    """
    if (folder / CHECKSUMS).is_file() and (fault := fault_of(folder)):
        raise LammModelError(
            f"Expected the files that were saved in {folder}, got: {fault}. Use an intact copy, or remove "
            f"{CHECKSUMS} where you changed them yourself."
        )


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != CHECKSUMS)


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

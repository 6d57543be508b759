"""The weights that a run changes, as a checkpoint holds them, whatever the run trains."""

from pathlib import Path
from typing import TYPE_CHECKING

from safetensors.torch import save_file
from torch import Tensor

from lamm_model.checkpoints.trained_parts import load_trained, read_tensors, save_trained
from lamm_model.model.adapters import adapter_settings, check_keys, trainable_parts
from lamm_model.model.shared_tensors import put, whole

if TYPE_CHECKING:
    from lamm_model.model.modeling_lamm import LammForConditionalGeneration

CHANGED = "changed.safetensors"


def changed_state(model: "LammForConditionalGeneration") -> dict[str, Tensor]:
    """Return the trained parameters and the buffers of trained parts by name (a tied weight once)."""
    state: dict[str, Tensor] = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
    trained = tuple(f"model.{name}." for name in trainable_parts(model))
    return state | {name: buffer for name, buffer in model.named_buffers() if name.startswith(trained)}


def save_changed(model: "LammForConditionalGeneration", folder: Path, write: bool = True) -> None:
    """Write what a run changes: adapters and parts in their own layout, else every trained parameter in one file.

    Args:
        model: The model; where it is sharded, every process must save it, and one of them writes.
        folder: Where to.
        write: False only hands this process's shares over.
    """
    if adapter_settings(model) is not None:
        save_trained(model, folder, write)
        return
    state = {name: whole(value).contiguous() for name, value in changed_state(model).items()}
    if write:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(state, folder / CHANGED)


def load_changed(model: "LammForConditionalGeneration", folder: Path) -> None:
    """Load what `save_changed` wrote, strictly.

    Raises:
        LammModelError: A file is missing or damaged, or keys are missing or left over (all listed).
    """
    if adapter_settings(model) is not None:
        load_trained(model, folder)
        return
    own, found = changed_state(model), read_tensors(folder / CHANGED)
    check_keys("what is trained", own, found)
    for name, value in found.items():
        put(own[name], value)

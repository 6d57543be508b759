"""Checkpoints that can be trusted: written beside and renamed, checksummed, and the newest intact one is found.

A checkpoint holds what is trained, the optimiser, the schedule, the random state and the position in the data. Its
``checksums.json`` is written last. A folder that a kill, a full disk or a bad sector left torn fails its checksums and
is passed over; the one before it is taken.
"""

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from safetensors.torch import save_file
from torch import Tensor

from lamm_model.checkpoints.trained_parts import fault_of, load_trained, read_tensors, save_trained, seal
from lamm_model.model.adapters import adapter_settings, fill, trainable_parts, whole_state

if TYPE_CHECKING:
    from lamm_model.model.modeling_lamm import LammForConditionalGeneration

CHANGED = "changed.safetensors"
CHECKPOINT = re.compile(r"checkpoint-(\d+)$")
PARTIAL = ".partial"


def checkpoints(run: Path) -> list[Path]:
    """Return the checkpoints of a run, oldest first."""
    steps = {int(match[1]): path for path in run.glob("checkpoint-*") if (match := CHECKPOINT.search(path.name))}
    return [path for _, path in sorted(steps.items())]


class Found(NamedTuple):
    """Where a run can go on."""

    path: Path | None
    """The newest intact checkpoint."""
    torn: dict[str, str]
    """Newer ones that are not, and why."""


def newest_intact(run: Path) -> Found:
    """Return the newest checkpoint whose checksums hold."""
    torn: dict[str, str] = {}
    for path in reversed(checkpoints(run)):
        if not (fault := fault_of(path)):
            return Found(path, torn)
        torn[path.name] = fault
    return Found(None, torn)


def publish(run: Path, name: str, keep: int) -> None:
    """Seal ``run/.partial/name``, give it its place, and drop the oldest beyond ``keep``."""
    partial = run / PARTIAL
    seal(partial / name)
    shutil.rmtree(run / name, ignore_errors=True)
    os.replace(partial / name, run / name)
    shutil.rmtree(partial, ignore_errors=True)
    for old in checkpoints(run)[:-keep]:
        shutil.rmtree(old)


def changed_state(model: "LammForConditionalGeneration") -> dict[str, Tensor]:
    """Return the trained parameters and the buffers of trained parts by name (a tied weight once)."""
    state: dict[str, Tensor] = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
    trained = tuple(f"model.{name}." for name in trainable_parts(model))
    return state | {name: buffer for name, buffer in model.named_buffers() if name.startswith(trained)}


def save_changed(model: "LammForConditionalGeneration", folder: Path, write: bool = True) -> None:
    """Write what a run changes: adapters and parts in their own layout, else every trained parameter in one file.

    A sharded model must be saved by every process; all but one, without ``write``, only hand their shares over.
    """
    if adapter_settings(model) is not None:
        save_trained(model, folder, write)
        return
    state = whole_state(changed_state(model))
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
    fill("what is trained", changed_state(model), read_tensors(folder / CHANGED))

"""What must hold for a run to mean anything, checked while it is cheap to stop."""

from collections.abc import Sequence
from typing import Any

import torch
from accelerate.utils import reduce
from torch import Tensor, nn
from transformers import TrainerCallback

from lamm_model.errors import LammModelError
from lamm_model.model.adapters import whole
from lamm_model.model.parameter_parts import modality_of, part_of
from lamm_model.model.routing import MODALITY_IDS, TEXT
from lamm_model.training.callbacks import Trained


def check_finite(loss: Tensor, step: int, ids: Sequence[str]) -> None:
    """Stop at a loss that is not a number.

    Raises:
        LammModelError: With the step and the records of the batch.
    """
    if not bool(loss.isfinite()):
        raise LammModelError(
            f"Expected a finite loss, got {loss.item()} at step {step} "
            f"for the records {', '.join(ids)}. Lower the learning rate, or look at these records."
        )


def silent_parts(model: nn.Module, modalities: set[str]) -> list[str]:
    """Return trained parts of the given modalities without any gradient, and frozen parameters that got one."""
    heard: dict[str, bool] = {}
    wrong = []
    for name, parameter in model.named_parameters():
        gradient = parameter.grad
        moved = gradient is not None and bool(whole(gradient.abs().max()) > 0)
        if not parameter.requires_grad:
            if moved:
                wrong.append(f"{name} (frozen, yet it got a gradient)")
            continue
        modality = modality_of(name)
        if not modality or modality in modalities:
            part = f"{modality or 'shared'} {part_of(name)}"
            heard[part] = heard.get(part, False) or moved
    return [part for part, moved in heard.items() if not moved] + wrong


def drop_unseen(model: nn.Module, kinds: set[int], device: torch.device) -> None:
    """Drop the gradients of what belongs to a modality that no process saw in this step; this one saw ``kinds``."""
    names = [name for name, number in MODALITY_IDS.items() if number != TEXT]
    seen = torch.tensor([int(MODALITY_IDS[name] in kinds) for name in names], device=device)
    unseen = {name for name, count in zip(names, reduce(seen, "sum").tolist(), strict=True) if not count}
    for name, parameter in model.named_parameters() if unseen else ():
        if modality_of(name) in unseen:
            parameter.grad = None


class GradientGuard(TrainerCallback):  # type: ignore[misc]
    """Before every optimiser step drop the gradients of modalities that no process saw; before the first, check all."""

    def __init__(self, trainer: Trained) -> None:
        self.trainer = trainer
        self.proven = False

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Raise when a trained part of a modality that was seen got no gradient, or a frozen one got some."""
        model = self.trainer.accelerator.unwrap_model(self.trainer.model)
        drop_unseen(model, self.trainer.step_kinds, args.device)
        if self.proven:
            return
        self.proven = True
        if silent := silent_parts(model, self.trainer.seen):
            raise LammModelError(
                "Expected every trained part to receive a gradient in the first step, "
                f"found none for {', '.join(silent)}."
            )

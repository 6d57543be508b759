"""What must hold for a run to mean anything, checked while it is cheap to stop."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from transformers import TrainerCallback

from lamm_model.errors import LammModelError
from lamm_model.model.shared_tensors import whole
from lamm_model.training.dialogue import Dialogue

if TYPE_CHECKING:
    from lamm_model.processing.processing_lamm import LammProcessor
    from lamm_model.training.run.trainer import LammTrainer


def fault_of(dialogue: Dialogue, ceiling: int, processor: "LammProcessor") -> str:
    """Return why a dialogue cannot be learnt, or nothing.

    Args:
        dialogue: As tokens.
        ceiling: Most tokens of a row.
        processor: Knows how many tokens one medium is.
    """
    each = {"image": processor.image_tokens, "point_cloud": processor.point_cloud_tokens}
    ids = {"image": processor.image_token_id, "point_cloud": processor.point_cloud_token_id}
    for kind, count in each.items():
        expected = count * sum(medium[0] == kind for medium in dialogue.media)
        found = sum(token == ids[kind] for token in dialogue.input_ids)
        if found != expected:
            return f"{kind} tokens differ from the features of its media"
    if len(dialogue.input_ids) > ceiling:
        return f"longer than row_tokens = {ceiling}"
    return "" if dialogue.learnt else "no response to learn"


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


def part_of(name: str) -> str:
    """Return which part of the model a parameter belongs to: ``adapter``, ``projector``, ``tower`` or ``language``."""
    if "_projector." in name:
        return "projector"
    if "_tower." in name:
        return "tower"
    return "adapter" if ".lora_" in name else "language"


def modality_of(name: str) -> str:
    """Return which modality a parameter serves: ``point_cloud``, ``image`` or, for all, nothing."""
    return "point_cloud" if "point_cloud" in name else "image" if "image" in name else ""


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


class GradientGuard(TrainerCallback):  # type: ignore[misc]
    """Check once, before the first optimiser step, who received a gradient."""

    def __init__(self, trainer: "LammTrainer") -> None:
        self.trainer = trainer
        self.proven = False

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Raise when a trained part of a modality that was seen got none, or a frozen one got some."""
        if self.proven:
            return
        self.proven = True
        model = self.trainer.accelerator.unwrap_model(self.trainer.model)
        silent = silent_parts(model, self.trainer.seen)
        if silent:
            raise LammModelError(
                "Expected every trained part to receive a gradient in the first step, "
                f"found none for {', '.join(silent)}."
            )

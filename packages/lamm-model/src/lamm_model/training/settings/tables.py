"""The table ``[training]``: the recipe."""

from dataclasses import dataclass
from typing import Literal

TRACKERS = ("tensorboard", "wandb", "trackio")


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How the model is tuned; the defaults are the paper's recipe where it gives one.

    Attributes:
        epochs: Passes over the rows; ignored when ``max_steps`` is set.
        max_steps: Optimiser steps; 0 means by epochs.
        batch_rows: Rows in one forward pass on one device.
        accumulation: Forward passes in one optimiser step.
        learning_rate: Peak rate of the LoRA adapters, or of the language model where all of it learns.
        projector_learning_rate: Peak rate of the projectors; 0 means the same.
        tower_learning_rate: Peak rate of a trained point-cloud tower; 0 means the same.
        warmup: Share of the steps with a rising rate.
        schedule: Shape of the fall after the warm-up.
        precision: ``bf16`` computes in bfloat16 (autocast; the weights that are trained stay float32), or ``fp32``.
        save_every: Steps between checkpoints.
        keep_last: Checkpoints kept.
        log_every: Steps between log lines.
        average: Decay of an exponential moving average of the trained weights, which is then evaluated and kept; 0 for
            none, else close to 1 (0.999).
        trackers: Names of trackers that the log also goes to: ``tensorboard``, ``wandb``, ``trackio``.
        keep_untuned: Also save the model as it is before the first step, in ``untuned/``, to compare with.
        seed: Seeds initial weights, order and dropout.
    """

    epochs: float = 2.0
    max_steps: int = 0
    batch_rows: int = 2
    accumulation: int = 8
    learning_rate: float = 5e-4
    projector_learning_rate: float = 0.0
    tower_learning_rate: float = 0.0
    weight_decay: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.95
    clip: float = 1.0
    warmup: float = 0.1
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    precision: Literal["bf16", "fp32"] = "bf16"
    save_every: int = 500
    keep_last: int = 2
    log_every: int = 10
    workers: int = 0
    average: float = 0.0
    trackers: tuple[str, ...] = ()
    keep_untuned: bool = False
    seed: int = 0

    def faults(self) -> list[str]:
        """Return what is out of range."""
        found = [
            f"training.{name}: expected at least 1, found {getattr(self, name)}"
            for name in ("batch_rows", "accumulation", "save_every", "keep_last", "log_every")
            if getattr(self, name) < 1
        ]
        found += [
            f"training.{name}: expected less than 1, found {getattr(self, name)}"
            for name in ("beta1", "beta2", "warmup", "average")
            if getattr(self, name) >= 1
        ]
        known = ", ".join(TRACKERS)
        found += [
            f"training.trackers: expected {known}, found {name!r}" for name in self.trackers if name not in TRACKERS
        ]
        if not self.max_steps and not self.epochs:
            found.append("training: expected max_steps or epochs above 0")
        return found

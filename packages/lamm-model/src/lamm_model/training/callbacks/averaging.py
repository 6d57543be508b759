"""An exponential moving average of the trained weights, and the means to use it for a while or for good."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import TrainerCallback

from lamm_model.model.adapters import fill
from lamm_model.training.processes import processes as distributed
from lamm_model.training.processes.fsdp2 import let_go, local


class WeightAverage(TrainerCallback):  # type: ignore[misc]
    """``average = decay * average + (1 - decay) * weight`` after every optimiser step.

    Args:
        model: With its trained part chosen; a share of it where it is sharded.
        decay: Close to 1; 0.999 remembers about a thousand steps.
        sharded: Whether every process holds other values.
    """

    def __init__(self, model: nn.Module, decay: float, sharded: bool) -> None:
        self.model = model
        self.decay = decay
        self.sharded = sharded
        self.weights = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.average = {name: local(p).clone() for name, p in self.weights.items()}

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Move the average towards the new weights."""
        for name, weight in self.weights.items():
            self.average[name].lerp_(local(weight), 1.0 - self.decay)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Let the model hold the average for a while."""
        own = {name: local(weight).clone() for name, weight in self.weights.items()}
        self.apply()
        try:
            yield
        finally:
            self._put(own)

    def apply(self) -> None:
        """Let the model hold the average for good."""
        self._put(self.average)

    @torch.no_grad()
    def _put(self, values: dict[str, Tensor]) -> None:
        for name, weight in self.weights.items():
            local(weight).copy_(values[name])
        let_go(self.model)

    def _file(self, folder: Path) -> Path:
        mine = f"-{distributed.rank()}-of-{distributed.world_size()}" if self.sharded else ""
        return folder / f"average{mine}.safetensors"

    def save(self, folder: Path) -> None:
        """Write the average into a checkpoint; the main process alone where all hold the same."""
        if self.sharded or distributed.rank() == 0:
            save_file({name: value.contiguous() for name, value in self.average.items()}, self._file(folder))

    def load(self, folder: Path) -> None:
        """Load what `save` wrote, strictly."""
        fill("the weights' average", self.average, load_file(self._file(folder)))

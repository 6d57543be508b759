"""How fast a run is, in numbers that can be compared: useful tokens, samples, model FLOP/s, memory, waiting.

Conventions. *Useful tokens* are the tokens that are computed, padding not counted, a shared prefix counted once.
*Dialogue tokens* count every dialogue as if it were alone in its row: what one-by-one training would have to compute.
*Model FLOP/s* is ``4 P`` a useful token while the language model is frozen (forward ``2 P``, gradient of the
activations ``2 P``) and ``6 P`` where it learns, ``P`` being the language model's weights without its input embedding;
what is computed a second time to save memory does not count, nor do towers and attention scores.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from lamm_model.training.rows.packing import BatchFacts


class SpeedMeter:
    """Counts what was computed since the last look.

    Args:
        flops_per_token: Of the model, as the convention says.
        clock: Seconds.
    """

    def __init__(self, flops_per_token: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.flops_per_token = flops_per_token
        self.clock = clock
        self.start()

    def start(self) -> None:
        """Begin anew."""
        self.since = self.clock()
        self.tokens = self.alone = self.samples = 0
        self.waited = 0.0

    def add(self, facts: BatchFacts) -> None:
        """Count one batch."""
        self.tokens += facts.tokens
        self.alone += facts.alone
        self.samples += len(facts.ids)

    def wait(self, seconds: float) -> None:
        """Count time spent waiting for data."""
        self.waited += seconds

    def look(self) -> dict[str, float]:
        """Return the speeds since the last look, and begin anew."""
        passed = max(self.clock() - self.since, 1e-9)
        speeds = {
            "tokens_per_second": round(self.tokens / passed, 1),
            "dialogue_tokens_per_second": round(self.alone / passed, 1),
            "samples_per_second": round(self.samples / passed, 3),
            "model_tflops": round(self.tokens * self.flops_per_token / passed / 1e12, 4),
            "loader_wait": round(self.waited / passed, 4),
            "peak_memory_gib": round(peak_memory() / (1 << 30), 3),
        }
        self.start()
        return speeds


def peak_memory() -> int:
    """Return the most bytes this process has held so far, on its GPU where it has one."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def flops_per_token(model: Any) -> float:
    """Return ``4 P`` where the language model is frozen, else ``6 P``."""
    body: nn.Module = model.model.language_model
    seen = {id(model.get_input_embeddings().weight)}
    weights, learns = 0, False
    for name, parameter in [*body.named_parameters(), *model.lm_head.named_parameters()]:
        if ".lora_" in name:
            continue
        learns = learns or parameter.requires_grad
        if id(parameter) not in seen:
            seen.add(id(parameter))
            weights += _elements(parameter)
    if model.lm_head.weight is model.get_input_embeddings().weight:
        weights += _elements(model.lm_head.weight)
    return (6.0 if learns else 4.0) * weights


def _elements(parameter: nn.Parameter) -> int:
    # Four-bit weights are stored two in a byte, and say their true shape in their quantisation state.
    state = getattr(parameter, "quant_state", None)
    return int(state.shape.numel() if state is not None else parameter.numel())

"""Choose which decoder layers are computed again in the backward pass, by what fits in memory."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from lamm_model.errors import UsageError
from lamm_model.model.memory_plan import GIB, plan_training
from lamm_model.model.parameter_parts import decoder_layers
from lamm_model.training.processes import processes as distributed
from lamm_model.training.settings.tables import ComputeSettings

SPARE = 0.9  # share of the memory that a plan may use; the rest is the allocator's and the kernels' scratch space
# Activations over the plan's count. Measured with 7B shapes and 8,192 tokens on one H200: 0.92 and 0.68
# (benchmarks/results/training_gpu.json).
EAGER, COMPILED = 1.0, 0.75


@dataclass(frozen=True, slots=True)
class StepPlan:
    """What one forward and backward pass is planned to need."""

    layers: int  # decoder layers
    recomputed: int  # how many of them keep their input only
    bytes: int  # planned memory at the peak
    budget: int  # memory that may be used; 0 where it is not known (a CPU)

    def __str__(self) -> str:
        """Return one line for a log."""
        limit = f" of {self.budget / GIB:.1f}" if self.budget else ""
        return f"{self.bytes / GIB:.1f}{limit} GiB, {self.recomputed} of {self.layers} layers computed again"


def plan_step(model: nn.Module, tokens: int, settings: ComputeSettings, budget: int, half: bool) -> StepPlan:
    """Choose the fewest recomputed layers whose plan fits.

    Args:
        model: A `LammForConditionalGeneration`, ready to train.
        tokens: Tokens of one forward pass, padding included.
        settings: ``checkpointing`` decides, ``auto`` by the plan.
        budget: Bytes that may be used, 0 for no limit known.
        half: Whether activations are 16-bit.

    Raises:
        UsageError: Even with every layer recomputed it cannot fit; the message says what would.
    """
    config: Any = model.config
    layers = int(config.text_config.num_hidden_layers)
    full, lean = (_needed(model, tokens, half, settings, every) for every in (False, True))
    fixed = {"none": 0, "all": layers, "some": min(layers, settings.checkpointed_layers)}
    if settings.checkpointing in fixed:
        chosen = fixed[settings.checkpointing]
        return StepPlan(layers, chosen, _mixed(full, lean, chosen, layers), budget)
    limit = int(SPARE * budget)
    for chosen in range(layers + 1):
        needed = _mixed(full, lean, chosen, layers)
        if not budget or needed <= limit:
            return StepPlan(layers, chosen, needed, budget)
    empty = _needed(model, 0, half, settings, True)
    most = int(tokens * max(0, limit - empty) / max(1, lean - empty))
    advice = (
        f"At most {most} tokens would: lower training.batch_rows or data.row_tokens and raise training.accumulation"
        if most
        else "The weights alone do not: set model.quantize = '4bit', take a smaller language model, or set "
        "compute.sharding = 'fsdp2' on several GPUs"
    )
    raise UsageError(
        f"Expected a pass of {tokens} tokens to fit in {limit / GIB:.1f} GiB ({SPARE:.0%} of the device), planned "
        f"{lean / GIB:.1f} GiB with every layer computed again. {advice}."
    )


def _needed(model: nn.Module, tokens: int, half: bool, settings: ComputeSettings, checkpointing: bool) -> int:
    config: Any = model.config
    plan = plan_training(
        config.text_config,
        0,
        sum(p.numel() for p in model.parameters() if p.requires_grad),
        tokens,
        bytes_per_value=2 if half else 4,
        checkpointing=checkpointing,
    )
    shares = distributed.world_size() if settings.sharding != "none" else 1
    held = _weights(model, shares) + plan.optimizer / shares
    return int(held + plan.activations * (COMPILED if settings.compile else EAGER) + plan.logits)


def _weights(model: nn.Module, shares: int) -> float:
    """Return the bytes of weights one process holds: of the decoder layers its share, and two of them gathered."""
    held = sum(p.numel() * p.element_size() for p in model.parameters())
    if shares == 1:
        return held
    body: Any = model
    layers = decoder_layers(body.model.language_model)
    inside = sum(p.numel() * p.element_size() for p in layers.parameters())
    return float(held - inside + inside / shares + 2 * inside / len(layers))


def _mixed(full: int, lean: int, chosen: int, layers: int) -> int:
    return lean + (full - lean) * (layers - chosen) // layers if chosen < layers else lean


def free_memory(settings: ComputeSettings, device: torch.device) -> int:
    """Return the bytes that may be used on a device, this process's own included; 0 on a CPU without a given limit."""
    if settings.memory:
        return int(settings.memory * GIB)
    if device.type != "cuda":
        return 0
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device)


def recompute(language_model: nn.Module, count: int) -> None:
    """Let ``count`` decoder layers, evenly spread, keep only their input and compute the rest again.

    Raises:
        UsageError: Its layers cannot.
    """
    layers: Any = decoder_layers(language_model)
    if count and not all(hasattr(layer, "gradient_checkpointing") for layer in layers):
        raise UsageError(
            f"Expected decoder layers that can be computed again, got {type(layers[0]).__name__}. "
            "Set compute.checkpointing = 'none'."
        )
    for number, layer in enumerate(layers):
        layer.gradient_checkpointing = (number + 1) * count // len(layers) > number * count // len(layers)
        layer._gradient_checkpointing_func = functools.partial(checkpoint, use_reentrant=False)

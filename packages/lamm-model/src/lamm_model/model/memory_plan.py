"""How much memory fine-tuning and inference need, from a configuration alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

GIB = 1 << 30
ADAM_BYTES = 4 + 4 + 8  # float32 master weight, gradient and two moments of each trainable parameter


@dataclass(frozen=True)
class MemoryPlan:
    """Bytes by purpose for one device.

    Attributes:
        weights: Frozen and trained weights in the compute type.
        optimizer: Float32 weights, gradients and moments of what is trained.
        activations: Kept for the backward pass.
        logits: Answer rows through the head, with gradient.
        total: The sum.
    """

    weights: int
    optimizer: int
    activations: int
    logits: int

    @property
    def total(self) -> int:
        """All bytes."""
        return self.weights + self.optimizer + self.activations + self.logits


def activation_elements(text_config: Any, checkpointing: bool) -> int:
    """Count the activations one token leaves for the backward pass, over all layers.

    A decoder layer with gated feed-forward and flash attention keeps the inputs of its two norms, their outputs,
    queries, keys, values, the attention's output and projection, and four feed-forward tensors. With checkpointing
    each layer keeps its input, and one layer at a time is recomputed.
    """
    width, layers = int(text_config.hidden_size), int(text_config.num_hidden_layers)
    heads = int(text_config.num_attention_heads)
    groups = int(getattr(text_config, "num_key_value_heads", None) or heads)
    inner = int(getattr(text_config, "intermediate_size", None) or 4 * width)
    layer = 6 * width + 2 * width * groups // heads + 4 * inner
    return layers * width + layer if checkpointing else layers * layer


def plan_training(
    text_config: Any,
    parameters: int,
    trainable: int,
    tokens: int,
    *,
    answer_share: float = 0.25,
    bytes_per_value: int = 2,
    checkpointing: bool = False,
) -> MemoryPlan:
    """Estimate one training step's memory on one device.

    Args:
        text_config: The language model's configuration.
        parameters: All parameters.
        trainable: Trained parameters.
        tokens: Tokens of one micro-batch, media included.
        answer_share: Share of tokens that are answers and so meet the head.
        bytes_per_value: 2 for bfloat16, 4 for float32.
        checkpointing: Recompute activations.

    Returns:
        The plan. Calculated, not measured; allow a tenth for the allocator and kernels' scratch space.
    """
    rows = int(tokens * answer_share)
    return MemoryPlan(
        weights=parameters * bytes_per_value,
        optimizer=trainable * ADAM_BYTES,
        activations=tokens * activation_elements(text_config, checkpointing) * bytes_per_value,
        logits=rows * int(text_config.vocab_size) * (bytes_per_value + 4 + 4),
    )


def plan_inference(text_config: Any, parameters: int, tokens: int) -> int:
    """Estimate the bytes that answering in 16 bits needs on one device: weights and the cache of keys and values.

    Args:
        text_config: The language model's configuration.
        parameters: All parameters.
        tokens: Tokens of all rows together, media and answers included.
    """
    heads = int(text_config.num_attention_heads)
    groups = int(getattr(text_config, "num_key_value_heads", None) or heads)
    head = int(getattr(text_config, "head_dim", None) or int(text_config.hidden_size) // heads)
    per_token = 2 * int(text_config.num_hidden_layers) * groups * head
    return 2 * (parameters + tokens * per_token)


def largest_micro_batch(text_config: Any, parameters: int, trainable: int, budget: int, *, checkpointing: bool) -> int:
    """Return the most tokens of one micro-batch whose plan stays within nine tenths of `budget` bytes (0: none)."""
    empty, with_1024 = (
        plan_training(text_config, parameters, trainable, tokens, checkpointing=checkpointing).total
        for tokens in (0, 1024)
    )
    return max(0, int((0.9 * budget - empty) * 1024 / (with_1024 - empty)))

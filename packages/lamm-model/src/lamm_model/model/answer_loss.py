"""Summed cross-entropy of rows of hidden states, a few rows at a time where the vocabulary is large.

All logits at once take `rows x vocabulary` values three times over (16-bit, float32, gradient): 1.3 MB a row for a
vocabulary of 128k. In pieces, only one piece's logits exist at any time, and where the head is frozen the gradient of
the hidden states is computed on the way forward, so nothing is computed twice.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

IGNORED = -100  # label of a token that is not learnt
LOGITS = 1 << 28  # values of all logits above which they are computed in pieces: 1 GiB in float32


class AnswerHead(nn.Linear):
    """A head whose logits are scaled and bent as some language models' own heads do it."""

    def __init__(self, width: int, vocabulary: int, bias: bool, scale: float, softcap: float) -> None:
        super().__init__(width, vocabulary, bias=bias)
        self.scale, self.softcap = scale, softcap

    def forward(self, hidden: Tensor) -> Tensor:
        """Return logits `[..., V]` of `[..., D]`."""
        logits = super().forward(hidden)
        if self.scale != 1.0:
            logits = logits * self.scale
        return self.softcap * torch.tanh(logits / self.softcap) if self.softcap else logits


def answer_head(width: int, text_config: Any, bias: bool) -> nn.Linear:
    """Make the head of a language model: a plain product, or more where its configuration says so.

    Args:
        width: Of its embeddings.
        text_config: `logit_scale` multiplies the logits, `logits_scaling` divides them, `final_logit_softcapping` bends
            them.
        bias: Whether it adds one.
    """
    scale = (getattr(text_config, "logit_scale", None) or 1.0) / (getattr(text_config, "logits_scaling", None) or 1.0)
    softcap = getattr(text_config, "final_logit_softcapping", None) or 0.0
    if scale == 1.0 and not softcap:
        return nn.Linear(width, text_config.vocab_size, bias=bias)
    return AnswerHead(width, text_config.vocab_size, bias, scale, softcap)


def rows_at_once(rows: int, vocabulary: int, wanted: int = 0) -> int:
    """Return how many rows meet the head at once: `wanted`, or all of them while their logits are few."""
    if wanted:
        return wanted
    return rows if rows * vocabulary <= LOGITS else max(1, LOGITS // 4 // vocabulary)


def summed_answer_loss(hidden: Tensor, head: nn.Module, targets: Tensor, wanted: int = 0) -> Tensor:
    """Return the sum of `-log softmax(head(hidden))[target]` over rows.

    Args:
        hidden: `[N, D]`.
        head: Linear layer onto the vocabulary.
        targets: `[N]` long.
        wanted: Rows that meet the head at once; 0 lets the vocabulary's size decide.

    Returns:
        Scalar in float32 (float64 for float64 input); the sum over all rows at once, up to the order of addition.
    """
    size = rows_at_once(len(hidden), int(getattr(head, "out_features", 1)), wanted)
    if size >= len(hidden):
        return _piece(hidden, head, targets)
    weight: Any = head.weight
    if type(head) is nn.Linear and getattr(head, "bias", None) is None and not weight.requires_grad:
        total: Tensor = _FrozenHead.apply(hidden, weight, targets, size)  # type: ignore[no-untyped-call]
        return total
    pieces = zip(torch.split(hidden, size), torch.split(targets, size), strict=True)
    sums = [checkpoint(_piece, part, head, wanted_ids, use_reentrant=False) for part, wanted_ids in pieces]
    return torch.stack(sums).sum()


def _piece(hidden: Tensor, head: nn.Module, targets: Tensor) -> Tensor:
    logits = head(hidden)
    return F.cross_entropy(logits.to(torch.promote_types(logits.dtype, torch.float32)), targets, reduction="sum")


class _FrozenHead(torch.autograd.Function):
    """The loss and the hidden states' gradient in one pass; the head gets none."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, size: int) -> Tensor:
        kind = hidden.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden.dtype
        wide = torch.promote_types(dtype, torch.float32)
        total = torch.zeros((), dtype=wide, device=hidden.device)
        gradient = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        matrix = weight.to(dtype)
        with torch.autocast(kind, enabled=False):
            for start in range(0, len(hidden), size):
                rows = slice(start, start + size)
                logits = (hidden[rows].to(dtype) @ matrix.T).to(wide)
                chosen = targets[rows, None]
                level = logits.logsumexp(-1, keepdim=True)
                total += (level - logits.gather(1, chosen)).sum()
                if gradient is not None:
                    slope = logits.sub_(level).exp_()
                    slope.scatter_add_(1, chosen, slope.new_full(chosen.shape, -1.0))
                    gradient[rows] = (slope.to(dtype) @ matrix).to(gradient.dtype)
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return (None if gradient is None else gradient * outputs[0].to(gradient.dtype)), None, None, None

"""Group, first layer, ReLU, second layer, maximum as one operator that never holds the grouped tensor."""

from typing import Any

import torch
from torch import Tensor

from lamm_model.kernels.checks import check_range
from lamm_model.kernels.ops import sum_rows
from lamm_model.kernels.reference import group
from lamm_model.kernels.selection import load

_ROWS = 1 << 14  # grouped rows that the backward pass holds at a time


@torch.library.custom_op("lamm::pool_groups", mutates_args=())
def pool_groups(
    lifted: Tensor,
    offsets: Tensor,
    index: Tensor,
    counts: Tensor,
    weight: Tensor,
    bias: Tensor,
    implementation: str,
    validate: bool,
) -> Tensor:
    """`max over k of relu(lifted[index] - offsets) @ weight.T + bias`, `[B, M, O]`; see the reference."""
    if validate or lifted.device.type == "cpu":
        check_range("the index", index, lifted.shape[1])
    module = load("pool_groups", lifted.device, implementation)
    result: Tensor = module.pool_groups(lifted, offsets, index, counts, weight, bias)
    return result


@pool_groups.register_fake
def _(
    lifted: Tensor,
    offsets: Tensor,
    index: Tensor,
    counts: Tensor,
    weight: Tensor,
    bias: Tensor,
    implementation: str,
    validate: bool,
) -> Tensor:
    return weight.new_empty(offsets.shape[0], offsets.shape[1], weight.shape[0])


@torch.library.custom_op("lamm::pool_groups_backward", mutates_args=())
def pool_groups_backward(
    gradient: Tensor, lifted: Tensor, offsets: Tensor, index: Tensor, weight: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients for lifted, offsets, weight and bias, recomputed a few centres at a time.

    The gradient of a maximum goes to the first slot that attains it, so that padding never receives any.
    """
    to_lifted, to_offsets = torch.zeros_like(lifted), torch.zeros_like(offsets)
    to_weight, to_bias = torch.zeros_like(weight), torch.zeros_like(bias)
    step = max(1, _ROWS // max(1, index.shape[0] * index.shape[2]))
    for first in range(0, index.shape[1], step):
        cut = slice(first, first + step)
        before = group(lifted, index[:, cut]) - offsets[:, cut, None]
        hidden = before.relu().to(weight.dtype)
        winner = torch.nn.functional.linear(hidden, weight, bias).argmax(2, keepdim=True)
        outer = torch.zeros(*index[:, cut].shape, weight.shape[0], dtype=weight.dtype, device=weight.device)
        outer.scatter_(2, winner, gradient[:, cut, None].to(weight.dtype))
        inner = (outer @ weight).to(lifted.dtype) * (before > 0)
        to_lifted += sum_rows(inner.flatten(1, 2), index[:, cut].flatten(1, 2), lifted.shape[1])
        to_offsets[:, cut] = -inner.sum(2)
        to_weight += outer.flatten(0, 2).T @ hidden.flatten(0, 2)
        to_bias += outer.flatten(0, 2).sum(0)
    return to_lifted, to_offsets, to_weight, to_bias


@pool_groups_backward.register_fake
def _(
    gradient: Tensor, lifted: Tensor, offsets: Tensor, index: Tensor, weight: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return torch.empty_like(lifted), torch.empty_like(offsets), torch.empty_like(weight), torch.empty_like(bias)


def _context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    lifted, offsets, index, _, weight, bias = inputs[:6]
    ctx.save_for_backward(lifted, offsets, index, weight, bias)


def _backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    lifted, offsets, index, weight, bias = ctx.saved_tensors
    first, second, third, fourth = pool_groups_backward(gradient.contiguous(), lifted, offsets, index, weight, bias)
    return first, second, None, None, third, fourth, None, None


pool_groups.register_autograd(_backward, setup_context=_context)

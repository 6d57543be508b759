"""The kernels as torch operators: opaque to the compiler, with shapes for tracing and gradients where there are any.

`torch.ops.lamm.*` take checked shapes and do the checks of values themselves, because those read the data. The public
functions in `lamm_model.kernels.api` are thin wrappers around them.
"""

from typing import Any

import torch
from torch import Tensor

from lamm_model.kernels import reference
from lamm_model.kernels.checks import check_range, check_values
from lamm_model.kernels.selection import load

_ROWS = 1 << 14  # grouped rows that the backward pass of `pool_groups` holds at a time


@torch.library.custom_op("lamm::farthest_point_sample", mutates_args=())
def farthest_point_sample(
    points: Tensor, n: int, start: Tensor, lengths: Tensor, pointnet2: bool, implementation: str, validate: bool
) -> Tensor:
    """Indices `[B, n]` of the farthest point sampling of float32 points `[B, N, 3]`."""
    if validate or points.device.type == "cpu":
        check_values("points", points, lengths)
        check_range("start", start, lengths)
    result: Tensor = load("farthest_point_sample", points.device, implementation)(points, n, start, lengths, pointnet2)
    return result


farthest_point_sample.register_fake(lambda points, n, *_: points.new_empty(points.shape[0], n, dtype=torch.int64))


@torch.library.custom_op("lamm::ball_query", mutates_args=())
def ball_query(
    radius: float,
    k: int,
    points: Tensor,
    centres: Tensor,
    lengths: Tensor,
    fused: bool,
    implementation: str,
    validate: bool,
) -> tuple[Tensor, Tensor]:
    """Indices `[B, M, k]` of the points of each ball and how many are no padding `[B, M]`."""
    if validate or points.device.type == "cpu":
        check_values("points", points, lengths)
        check_values("centres", centres)
    index, counts = load("ball_query", points.device, implementation)(radius, k, points, centres, lengths, fused)
    return index, counts


@ball_query.register_fake
def _(radius: float, k: int, points: Tensor, centres: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    counts = centres.new_empty(centres.shape[:2], dtype=torch.int64)
    return counts.new_empty(*counts.shape, k), counts


@torch.library.custom_op("lamm::nearest", mutates_args=())
def nearest(
    points: Tensor, queries: Tensor, k: int, lengths: Tensor, implementation: str, validate: bool
) -> tuple[Tensor, Tensor]:
    """Squared distances and indices `[B, M, k]` of the nearest points."""
    if validate or points.device.type == "cpu":
        check_values("points", points, lengths)
        check_values("queries", queries)
    distances, index = load("nearest", points.device, implementation)(points, queries, k, lengths)
    return distances, index


@nearest.register_fake
def _(points: Tensor, queries: Tensor, k: int, *_: Any) -> tuple[Tensor, Tensor]:
    distances = points.new_empty(*queries.shape[:2], k)
    return distances, torch.empty_like(distances, dtype=torch.int64)


@torch.library.custom_op("lamm::sum_rows", mutates_args=())
def sum_rows(values: Tensor, index: Tensor, size: int) -> Tensor:
    """The gradient of a row gather: `out[b, index[b, r]] += values[b, r]`, `[B, size, C]`.

    Under `torch.use_deterministic_algorithms` the rows are sorted by index, in their order, and summed a segment at a
    time; otherwise the device adds them in the order they arrive, which on a GPU changes from run to run.
    """
    batch, _, channels = values.shape
    flat = (index + size * torch.arange(batch, device=index.device)[:, None]).flatten()
    rows = values.flatten(0, 1)
    if not torch.are_deterministic_algorithms_enabled():
        return values.new_zeros(batch * size, channels).index_add_(0, flat, rows).view(batch, size, channels)
    order = flat.sort(stable=True).indices
    lengths = _count(flat, batch * size)
    summed = torch.segment_reduce(rows[order], "sum", lengths=lengths, initial=0.0)
    return summed.view(batch, size, channels)


def _count(flat: Tensor, size: int) -> Tensor:
    """How often each of `size` numbers occurs, by searching the sorted list: exact and free of atomics."""
    ordered = flat.sort().values
    edges = torch.searchsorted(ordered, torch.arange(size + 1, device=flat.device))
    return edges.diff()


sum_rows.register_fake(lambda values, index, size: values.new_empty(values.shape[0], size, values.shape[2]))


@torch.library.custom_op("lamm::group", mutates_args=())
def group(features: Tensor, index: Tensor, implementation: str, validate: bool) -> Tensor:
    """Rows of `[B, N, C]` features by index `[B, M, k]`: `[B, M, k, C]`."""
    if validate or features.device.type == "cpu":
        check_range("the index", index, features.shape[1])
    result: Tensor = load("group", features.device, implementation)(features, index)
    return result


group.register_fake(lambda features, index, *_: features.new_empty(*index.shape, features.shape[2]))


def _group_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    features, index = inputs[0], inputs[1]
    ctx.save_for_backward(index)
    ctx.size = features.shape[1]


def _group_backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    (index,) = ctx.saved_tensors
    return sum_rows(gradient.flatten(1, 2).contiguous(), index.flatten(1, 2), ctx.size), None, None, None


group.register_autograd(_group_backward, setup_context=_group_context)


@torch.library.custom_op("lamm::three_interpolate", mutates_args=())
def three_interpolate(features: Tensor, index: Tensor, weights: Tensor, implementation: str, validate: bool) -> Tensor:
    """Weighted sums `[B, M, C]` of rows of `[B, N, C]` features."""
    if validate or features.device.type == "cpu":
        check_range("the index", index, features.shape[1])
    result: Tensor = load("three_interpolate", features.device, implementation)(features, index, weights)
    return result


three_interpolate.register_fake(lambda features, index, *_: features.new_empty(*index.shape[:2], features.shape[2]))


def _interpolate_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    features, index, weights = inputs[:3]
    ctx.save_for_backward(features, index, weights)


def _interpolate_backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    features, index, weights = ctx.saved_tensors
    to_features = to_weights = None
    if ctx.needs_input_grad[0]:
        rows = (gradient[:, :, None] * weights[..., None]).flatten(1, 2)
        to_features = sum_rows(rows, index.flatten(1, 2), features.shape[1])
    if ctx.needs_input_grad[2]:
        neighbours = group(features, index, "auto", False)
        to_weights = (neighbours * gradient[:, :, None]).sum(-1)
    return to_features, None, to_weights, None, None


three_interpolate.register_autograd(_interpolate_backward, setup_context=_interpolate_context)


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
    result: Tensor = load("pool_groups", lifted.device, implementation)(lifted, offsets, index, counts, weight, bias)
    return result


@pool_groups.register_fake
def _(lifted: Tensor, offsets: Tensor, index: Tensor, counts: Tensor, weight: Tensor, *_: Any) -> Tensor:
    return weight.new_empty(*offsets.shape[:2], weight.shape[0])


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
        before = reference.group(lifted, index[:, cut]) - offsets[:, cut, None]
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
def _(gradient: Tensor, lifted: Tensor, offsets: Tensor, index: Tensor, weight: Tensor, bias: Tensor) -> list[Tensor]:
    return [torch.empty_like(tensor) for tensor in (lifted, offsets, weight, bias)]


def _pooling_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    lifted, offsets, index, _, weight, bias = inputs[:6]
    ctx.save_for_backward(lifted, offsets, index, weight, bias)


def _pooling_backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    lifted, offsets, index, weight, bias = ctx.saved_tensors
    first, second, third, fourth = pool_groups_backward(gradient.contiguous(), lifted, offsets, index, weight, bias)
    return first, second, None, None, third, fourth, None, None


pool_groups.register_autograd(_pooling_backward, setup_context=_pooling_context)

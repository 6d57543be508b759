"""The kernels as torch operators: opaque to the compiler, with shapes for tracing and gradients where there are any.

`torch.ops.lamm.*` take checked shapes and do the checks of values themselves, because those read the data. The public
functions in `lamm_model.kernels.api` are thin wrappers around them.
"""

from typing import Any

import torch
from torch import Tensor

from lamm_model.kernels.checks import check_range, check_values
from lamm_model.kernels.selection import load


@torch.library.custom_op("lamm::farthest_point_sample", mutates_args=())
def farthest_point_sample(
    points: Tensor, n: int, start: Tensor, lengths: Tensor, pointnet2: bool, implementation: str, validate: bool
) -> Tensor:
    """Indices `[B, n]` of the farthest point sampling of float32 points `[B, N, 3]`."""
    if validate or points.device.type == "cpu":
        check_values("points", points, lengths)
        check_range("start", start, lengths)
    module = load("farthest_point_sample", points.device, implementation)
    result: Tensor = module.farthest_point_sample(points, n, start, lengths, pointnet2)
    return result


@farthest_point_sample.register_fake
def _(
    points: Tensor, n: int, start: Tensor, lengths: Tensor, pointnet2: bool, implementation: str, validate: bool
) -> Tensor:
    return points.new_empty(points.shape[0], n, dtype=torch.int64)


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
    module = load("ball_query", points.device, implementation)
    index, counts = module.ball_query(radius, k, points, centres, lengths, fused)
    return index, counts


@ball_query.register_fake
def _(
    radius: float,
    k: int,
    points: Tensor,
    centres: Tensor,
    lengths: Tensor,
    fused: bool,
    implementation: str,
    validate: bool,
) -> tuple[Tensor, Tensor]:
    batch, count = centres.shape[:2]
    index = points.new_empty(batch, count, k, dtype=torch.int64)
    return index, points.new_empty(batch, count, dtype=torch.int64)


@torch.library.custom_op("lamm::nearest", mutates_args=())
def nearest(
    points: Tensor, queries: Tensor, k: int, lengths: Tensor, implementation: str, validate: bool
) -> tuple[Tensor, Tensor]:
    """Squared distances and indices `[B, M, k]` of the nearest points."""
    if validate or points.device.type == "cpu":
        check_values("points", points, lengths)
        check_values("queries", queries)
    distances, index = load("nearest", points.device, implementation).nearest(points, queries, k, lengths)
    return distances, index


@nearest.register_fake
def _(
    points: Tensor, queries: Tensor, k: int, lengths: Tensor, implementation: str, validate: bool
) -> tuple[Tensor, Tensor]:
    batch, count = queries.shape[:2]
    return points.new_empty(batch, count, k), points.new_empty(batch, count, k, dtype=torch.int64)


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


@sum_rows.register_fake
def _(values: Tensor, index: Tensor, size: int) -> Tensor:
    return values.new_empty(values.shape[0], size, values.shape[2])


@torch.library.custom_op("lamm::group", mutates_args=())
def group(features: Tensor, index: Tensor, implementation: str, validate: bool) -> Tensor:
    """Rows of `[B, N, C]` features by index `[B, M, k]`: `[B, M, k, C]`."""
    if validate or features.device.type == "cpu":
        check_range("the index", index, features.shape[1])
    result: Tensor = load("group", features.device, implementation).group(features, index)
    return result


@group.register_fake
def _(features: Tensor, index: Tensor, implementation: str, validate: bool) -> Tensor:
    return features.new_empty(*index.shape, features.shape[2])


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
    module = load("three_interpolate", features.device, implementation)
    result: Tensor = module.three_interpolate(features, index, weights)
    return result


@three_interpolate.register_fake
def _(features: Tensor, index: Tensor, weights: Tensor, implementation: str, validate: bool) -> Tensor:
    return features.new_empty(index.shape[0], index.shape[1], features.shape[2])


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

"""The voxel operations as torch operators; as in `ops`, the checks that read data are done here."""

from typing import Any

import torch
from torch import Tensor

from lamm_model.kernels.checks import (
    KernelInputError,
    check_extent,
    check_packed,
    check_range,
)
from lamm_model.kernels.selection import load
from lamm_model.kernels.voxel_reference import extremes_of_samples, sample_of_row

MOST_BITS = 20  # of a coordinate: three of them and a sign fill a code


@torch.library.custom_op("lamm::unique_voxels", mutates_args=())
def unique_voxels(
    cells: Tensor, lengths: Tensor, implementation: str, validate: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """First rows `[M]`, inverse `[N]`, counts `[M]` and lengths `[B]` of the occupied cells."""
    if validate or cells.device.type == "cpu":
        check_packed(lengths, len(cells))
    if len(cells) == 0:
        return cells.new_empty(0), cells.new_empty(0), cells.new_empty(0), lengths.clone()
    if validate or cells.device.type == "cpu":
        check_extent(cells, len(lengths))
    first, inverse, counts = load("unique_voxels", cells.device, implementation)(cells, lengths)
    sample = sample_of_row(lengths, len(cells))[first]
    return first, inverse, counts, torch.zeros_like(lengths).index_add_(0, sample, torch.ones_like(sample))


@unique_voxels.register_fake
def _(cells: Tensor, lengths: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    size = torch.library.get_ctx().new_dynamic_size()
    return cells.new_empty(size), cells.new_empty(len(cells)), cells.new_empty(size), torch.empty_like(lengths)


@torch.library.custom_op("lamm::serialize_points", mutates_args=())
def serialize_points(
    cells: Tensor, curves: list[int], depths: Tensor, lengths: Tensor, implementation: str, validate: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Codes, orders and inverse orders `[O, N]`."""
    if validate or cells.device.type == "cpu":
        check_packed(lengths, len(cells))
        _check_depths(cells, depths, lengths)
    if len(cells) == 0 or not curves:
        return tuple(cells.new_empty(len(curves), len(cells)) for _ in range(3))  # type: ignore[return-value]
    function = load("serialize_points", cells.device, implementation)
    codes, order, inverse = function(cells, curves, depths, lengths)
    return codes, order, inverse


def _check_depths(cells: Tensor, depths: Tensor, lengths: Tensor) -> None:
    if len(cells) == 0:
        return
    lowest, largest = extremes_of_samples(cells, lengths)
    if int(lowest.min()) < 0:
        raise KernelInputError(
            f"Expected cells of at least 0, got {int(lowest.min())}. Subtract each sample's minimum first."
        )
    if int(depths.max()) > MOST_BITS or int(depths.min()) < 0 or bool((largest >> depths.clamp(0, 62) > 0).any()):
        raise KernelInputError(
            f"Expected cells below 2^depth with a depth of at most {MOST_BITS}, got cells up to {int(largest.max())} "
            f"and depths up to {int(depths.max())}. Subtract each sample's minimum, or take a larger voxel."
        )


@serialize_points.register_fake
def _(cells: Tensor, curves: list[int], *_: Any) -> tuple[Tensor, Tensor, Tensor]:
    return tuple(cells.new_empty(len(curves), len(cells)) for _ in range(3))  # type: ignore[return-value]


@torch.library.custom_op("lamm::submanifold_kernel_map", mutates_args=())
def submanifold_kernel_map(
    cells: Tensor, lengths: Tensor, kernel_size: int, implementation: str, validate: bool
) -> Tensor:
    """Neighbour rows int32 `[K³, N]`, -1 where there is none."""
    if validate or cells.device.type == "cpu":
        check_packed(lengths, len(cells))
    if len(cells) == 0:
        return cells.new_empty(kernel_size**3, 0, dtype=torch.int32)
    if validate or cells.device.type == "cpu":
        check_extent(cells, len(lengths), kernel_size // 2)
        _check_twins(cells, lengths, implementation)
    table: Tensor = load("submanifold_kernel_map", cells.device, implementation)(cells, lengths, kernel_size)
    return table


def _check_twins(cells: Tensor, lengths: Tensor, implementation: str) -> None:
    """Refuse two rows in one cell: which of them a neighbour would see is not defined."""
    first, inverse, _ = load("unique_voxels", cells.device, implementation)(cells, lengths)
    if len(first) == len(cells):
        return
    twin = int((first[inverse] != torch.arange(len(cells), device=cells.device)).nonzero()[0])
    raise KernelInputError(
        f"Expected one row for each cell, got cell {cells[twin].tolist()} in rows {int(first[inverse[twin]])} and "
        f"{twin}. Merge them first with unique_voxels or voxel_grid_sample."
    )


@submanifold_kernel_map.register_fake
def _(cells: Tensor, lengths: Tensor, kernel_size: int, *_: Any) -> Tensor:
    return cells.new_empty(kernel_size**3, len(cells), dtype=torch.int32)


@torch.library.custom_op("lamm::submanifold_conv3d", mutates_args=())
def submanifold_conv3d(
    features: Tensor, weight: Tensor, bias: Tensor | None, table: Tensor, implementation: str, validate: bool
) -> Tensor:
    """`[N, O]` from features `[N, C]`, weight `[O, K³, C]`, bias `[O]` and a table `[K³, N]`."""
    if len(features) == 0:
        return features.new_empty(0, len(weight))
    if validate or features.device.type == "cpu":
        check_range("the kernel map", table, len(features), least=-1)
    function = load("submanifold_conv3d", features.device, implementation)
    with torch.autocast(features.device.type, enabled=False):  # it would round what is summed in float32
        result: Tensor = function(features, weight, bias, table)
    return result


submanifold_conv3d.register_fake(lambda features, weight, *_: features.new_empty(len(features), len(weight)))


@torch.library.custom_op("lamm::submanifold_weight_gradient", mutates_args=())
def submanifold_weight_gradient(gradient: Tensor, features: Tensor, table: Tensor, implementation: str) -> Tensor:
    """The gradient of the weight `[O, K³, C]`."""
    if len(features) == 0:
        return features.new_zeros(gradient.shape[1], len(table), features.shape[1])
    function = load("submanifold_weight_gradient", features.device, implementation)
    with torch.autocast(features.device.type, enabled=False):
        result: Tensor = function(gradient, features, table)
    return result


submanifold_weight_gradient.register_fake(
    lambda gradient, features, table, *_: features.new_empty(gradient.shape[1], len(table), features.shape[1])
)


def _conv_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    features, weight, bias, table, ctx.implementation, _ = inputs
    ctx.save_for_backward(features, weight, table)
    ctx.has_bias = bias is not None


def _conv_backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    """The mirrored kernel carries the gradient back: row i sees j at an offset where j sees i at the opposite one."""
    features, weight, table = ctx.saved_tensors
    gradient = gradient.contiguous()
    to_features = to_weight = to_bias = None
    if ctx.needs_input_grad[0]:
        mirrored = weight.flip(1).transpose(0, 2).contiguous()
        to_features = submanifold_conv3d(gradient, mirrored, None, table, ctx.implementation, False)
    if ctx.needs_input_grad[1]:
        to_weight = submanifold_weight_gradient(gradient, features, table, ctx.implementation)
    if ctx.has_bias and ctx.needs_input_grad[2]:
        to_bias = gradient.sum(0)
    return to_features, to_weight, to_bias, None, None, None


submanifold_conv3d.register_autograd(_conv_backward, setup_context=_conv_context)


@torch.library.custom_op("lamm::segment_pool", mutates_args=())
def segment_pool(
    features: Tensor, inverse: Tensor, size: int, reduce: str, implementation: str, validate: bool
) -> tuple[Tensor, Tensor]:
    """Values `[M, C]`, and for a maximum the rows that attain it `[M, C]` (-1: none), else `[0, C]`."""
    if validate or features.device.type == "cpu":
        check_range("the segment of a row", inverse, size)
    values, winner = load("segment_pool", features.device, implementation)(features, inverse, size, reduce)
    return values, winner


@segment_pool.register_fake
def _(features: Tensor, inverse: Tensor, size: int, reduce: str, *_: Any) -> tuple[Tensor, Tensor]:
    channels = features.shape[1]
    return features.new_empty(size, channels), inverse.new_empty(size if reduce == "max" else 0, channels)


def _pool_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    features, inverse, ctx.size, ctx.reduce = inputs[:4]
    ctx.rows = len(features)
    ctx.save_for_backward(inverse, output[1])
    ctx.mark_non_differentiable(output[1])


def _pool_backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    inverse, winner = ctx.saved_tensors
    if ctx.reduce == "max":  # a row has one segment, so that no two summands meet
        rows = gradient.new_zeros(ctx.rows + 1, gradient.shape[1])
        rows = rows.scatter(0, torch.where(winner < 0, ctx.rows, winner), gradient)[:-1]
        return rows, None, None, None, None, None
    if ctx.reduce == "mean":
        counts = torch.bincount(inverse, minlength=ctx.size).clamp(min=1)
        gradient = gradient / counts[:, None].to(gradient.dtype)
    return gradient[inverse], None, None, None, None, None


segment_pool.register_autograd(_pool_backward, setup_context=_pool_context)


@torch.library.custom_op("lamm::segment_unpool", mutates_args=())
def segment_unpool(features: Tensor, inverse: Tensor, validate: bool) -> Tensor:
    """`features[inverse]`, `[N, C]`."""
    if validate or features.device.type == "cpu":
        check_range("the segment of a row", inverse, len(features))
    return features.index_select(0, inverse)


@segment_unpool.register_fake
def _(features: Tensor, inverse: Tensor, validate: bool) -> Tensor:
    return features.new_empty(len(inverse), features.shape[1])


def _unpool_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.size = len(inputs[0])
    ctx.save_for_backward(inputs[1])


def _unpool_backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    (inverse,) = ctx.saved_tensors
    total, _ = segment_pool(gradient.contiguous(), inverse, ctx.size, "sum", "auto", False)
    return total, None, None


segment_unpool.register_autograd(_unpool_backward, setup_context=_unpool_context)

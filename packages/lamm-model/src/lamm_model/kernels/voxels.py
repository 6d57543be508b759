"""The public functions on voxels: grid sampling, serialisation, submanifold convolution, pooling.

Samples of a batch are packed: their rows stand below one another, `[N, ...]`, and `lengths` `[B]` says how many rows
each has (None: one sample; 0 is allowed). Nothing depends on which samples share a batch, and rows keep their order.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from lamm_model.errors import UsageError
from lamm_model.kernels import voxel_ops as ops
from lamm_model.kernels.checks import (
    KernelInputError,
    check_cells,
    check_floating,
    check_packed,
    check_points,
    check_values,
    packed_lengths,
)
from lamm_model.kernels.voxel_reference import CURVES, extremes_of_samples, sample_of_row

Lengths = Tensor | Sequence[int] | None


class Voxels(NamedTuple):
    """The occupied cells of packed samples, ascending by sample, x, y, z."""

    grid: Tensor  # int64 [M, 3]: the cells
    lengths: Tensor  # int64 [B]: cells of each sample
    first: Tensor  # int64 [M]: the lowest row in each cell
    inverse: Tensor  # int64 [N]: the cell of each row
    counts: Tensor  # int64 [M]: the rows in each cell, at least 1


class Serialization(NamedTuple):
    """Packed cells along space-filling curves."""

    code: Tensor  # int64 [O, N]: without the sample's number
    order: Tensor  # int64 [O, N]: the rows in the order of the curve, sample by sample
    inverse: Tensor  # int64 [O, N]: where each row stands in that order
    depth: Tensor  # int64 [B]: bits of a coordinate


def unique_voxels(
    grid: Tensor, lengths: Lengths = None, implementation: str | None = None, validate: bool = True
) -> Voxels:
    """Find the occupied cells of integer coordinates: `grid // 2` of a level is the grid of the next.

    Args:
        grid: int32 or int64 cells `[N, 3]`, of any sign.
        lengths: Rows of each sample `[B]`. Default: all are one sample.
        implementation: "numba" or "reference"; default: the best that can run.
        validate: Check the values on a GPU too, which waits for the device; on the CPU they always are.

    Returns:
        `Voxels`: cells in the order of sample, x, y, z; of the rows in a cell, `first` is the lowest.

    Raises:
        KernelInputError: Wrong rank, dtype or lengths, or a grid of 2^63 cells and more.
        UsageError: An implementation that cannot run here.
    """
    cells = check_cells(grid)
    sizes = packed_lengths(lengths, cells)
    first, inverse, counts, found = ops.unique_voxels(cells, sizes, implementation or "auto", validate)
    return Voxels(cells[first], found, first, inverse, counts)


def voxel_grid_sample(
    points: Tensor,
    size: float,
    lengths: Lengths = None,
    implementation: str | None = None,
    validate: bool = True,
) -> Voxels:
    """Put points into cubic cells; `points[result.first]` is one point of each, the one of lowest index.

    A cell is `floor(coordinate / size)` in float64, minus the sample's lowest cell along each axis. (A divisor in
    float32, as older releases of numpy have it, puts some points on a border elsewhere.)

    Args:
        points: `[N, 3]`, any floating dtype; packed samples.
        size: The edge of a cell in the unit of the points, above 0.
        lengths: Points of each sample `[B]`. Default: all are one sample.
        implementation: "numba" or "reference"; default: the best that can run.
        validate: Check the values on a GPU too, which waits for the device; on the CPU they always are.

    Returns:
        `Voxels`, whose cells begin at 0 along each axis of each sample. Not differentiable: index the points with it.

    Raises:
        KernelInputError: Wrong rank, dtype, lengths or size, values that are not finite, or a grid of 2^63 cells.
        UsageError: An implementation that cannot run here.
    """
    if not 0 < size < float("inf"):
        raise KernelInputError(f"Expected a finite voxel size above 0, got {size}. Give it in the points' unit.")
    check_points("points", points[None])
    sizes = packed_lengths(lengths, points)
    if validate or points.device.type == "cpu":
        check_packed(sizes, len(points))
        check_values("points", points[None])
    cells = (points.detach().double() / size).floor()
    if len(cells):
        sample = sample_of_row(sizes, len(cells))
        low = cells.new_full((len(sizes), 3), torch.inf)
        cells = cells - low.scatter_reduce(0, sample[:, None].expand(-1, 3), cells, "amin")[sample]
    if (validate or points.device.type == "cpu") and len(cells) and float(cells.max()) >= 2**62:
        raise KernelInputError(
            f"Expected points within 2^62 cells of {size}, got an extent of {float(cells.max()):.3g} cells. "
            "Check the unit of the points."
        )
    return unique_voxels(cells.long(), sizes, implementation, validate)


def serialize_points(
    grid: Tensor,
    lengths: Lengths = None,
    orders: Sequence[str] = CURVES,
    depth: int | Tensor | Sequence[int] | None = None,
    implementation: str | None = None,
    validate: bool = True,
) -> Serialization:
    """Order the cells of each sample along space-filling curves.

    `z` interleaves the bits, x highest. `hilbert` is Skilling's curve: consecutive cells differ by one step. `-trans`
    swaps x and y first. Rows in one cell keep their order. (1, 2, 3) at depth 4 has the codes 29, 43 (trans), 36, 20.

    Args:
        grid: int32 or int64 cells `[N, 3]`, at least 0.
        lengths: Rows of each sample `[B]`. Default: all are one sample.
        orders: Names out of "z", "z-trans", "hilbert", "hilbert-trans".
        depth: Bits of a coordinate, at most 20: one for all, or `[B]`. It turns the Hilbert curve (depths that
            differ by 3 agree). Default: for each sample alone the bits of its largest coordinate plus
            one, as published models have it for a batch of one; this waits for a GPU.
        implementation: "triton", "numba" or "reference"; default: the best that can run.
        validate: Check the values on a GPU too, which waits for the device; on the CPU they always are.

    Returns:
        `Serialization`, a row for each of the orders. `code << 3 * depth` leaves room for the sample's number to join:
        published codes are `sample << 3 * depth | code`.

    Raises:
        KernelInputError: Wrong rank, dtype, lengths, or cells that are negative or need more bits.
        UsageError: An unknown order or an implementation that cannot run here.
    """
    cells = check_cells(grid)
    sizes = packed_lengths(lengths, cells)
    unknown = [name for name in orders if name not in CURVES]
    if unknown:
        raise UsageError(f"Expected orders out of {', '.join(CURVES)}, got {unknown[0]!r}. Name one of these.")
    if depth is None:
        check_packed(sizes, len(cells))
        powers = 1 << torch.arange(62, device=cells.device)
        bits = (extremes_of_samples(cells, sizes)[1][:, None] + 1 >= powers).sum(1)
    elif isinstance(depth, int):
        bits = torch.full_like(sizes, depth)
    else:
        bits = packed_lengths(depth, cells)
    if len(bits) != len(sizes):
        raise KernelInputError(
            f"Expected one depth for each of the {len(sizes)} samples, got {len(bits)}. Pass an int64 tensor [batch]."
        )
    numbers = [CURVES.index(name) for name in orders]
    code, order, inverse = ops.serialize_points(cells, numbers, bits, sizes, implementation or "auto", validate)
    return Serialization(code, order, inverse, bits)


def submanifold_kernel_map(
    grid: Tensor,
    lengths: Lengths = None,
    kernel_size: int = 3,
    implementation: str | None = None,
    validate: bool = True,
) -> Tensor:
    """Look up the neighbours of every voxel once, for all submanifold convolutions of a level.

    Args:
        grid: int32 or int64 cells `[N, 3]`, of any sign, each at most once in a sample.
        lengths: Rows of each sample `[B]`; voxels of different samples are never neighbours. Default: one sample.
        kernel_size: Odd, at least 1; 3 and 5 in published towers.
        implementation: "numba" or "reference"; default: the best that can run.
        validate: Check the values on a GPU too, which waits for the device; on the CPU they always are.

    Returns:
        int32 `[K³, N]`: the row of the voxel at each offset, -1 where there is none. Offsets ascend by x, y, z, z
        fastest, from `-(K // 2)`: for K = 3 row 13 is the voxel itself, and row 14 the one at z + 1.

    Raises:
        KernelInputError: Wrong rank, dtype, lengths or kernel size, or two rows in one cell.
        UsageError: An implementation that cannot run here.
    """
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise KernelInputError(f"Expected an odd kernel size of at least 1, got {kernel_size}. Take 3 or 5.")
    cells = check_cells(grid)
    sizes = packed_lengths(lengths, cells)
    table: Tensor = ops.submanifold_kernel_map(cells, sizes, kernel_size, implementation or "auto", validate)
    return table


def submanifold_conv3d(
    features: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    kernel_map: Tensor,
    implementation: str | None = None,
    validate: bool = True,
) -> Tensor:
    """Convolve features where there are voxels: `out[i] = bias + Σ weight[:, k] @ features[kernel_map[k, i]]`.

    A correlation (no flip) with stride 1; voxels that are not there add nothing. float16 and bfloat16 are summed in
    float32 and rounded once. Under autocast features, weight and bias are cast as for a linear layer.

    Args:
        features: `[N, C]`, any floating dtype.
        weight: `[O, K, K, K, C]` of the same dtype, axes x, y, z: the layout of spconv 2 files.
        bias: `[O]` or None.
        kernel_map: int32 `[K³, N]` from `submanifold_kernel_map`.
        implementation: "triton", "numba" or "reference"; default: the best that can run.
        validate: Check the map on a GPU too, which waits for the device; on the CPU it always is.

    Returns:
        `[N, O]` of the features' dtype. Differentiable in features, weight and bias, the gradients in a fixed order;
        that in the features takes the map's symmetry for granted.

    Raises:
        KernelInputError: Shapes, dtypes or devices do not fit, or the map names rows that are not there.
        UsageError: An implementation that cannot run here.
    """
    if torch.is_autocast_enabled(features.device.type):
        dtype = torch.get_autocast_dtype(features.device.type)
        features, weight = features.to(dtype), weight.to(dtype)
        bias = None if bias is None else bias.to(dtype)
    _check_conv(features, weight, bias, kernel_map)
    flat = weight.reshape(weight.shape[0], len(kernel_map), weight.shape[-1])
    name = implementation or "auto"
    table = kernel_map.contiguous()
    result: Tensor = ops.submanifold_conv3d(features.contiguous(), flat, bias, table, name, validate)
    return result


def _check_conv(features: Tensor, weight: Tensor, bias: Tensor | None, kernel_map: Tensor) -> None:
    """Raise unless the tensors of a convolution fit together."""
    if features.dim() != 2:
        raise KernelInputError(f"Expected features of shape [voxels, channels], got {list(features.shape)}. Reshape.")
    check_floating("features", features)
    size = weight.shape[1] if weight.dim() == 5 else 0
    wanted = [weight.shape[0], size, size, size, features.shape[1]]
    if not size or list(weight.shape) != wanted or (bias is not None and list(bias.shape) != wanted[:1]):
        raise KernelInputError(
            f"Expected a weight [out, K, K, K, {features.shape[1]}] and a bias [out] or None, got {list(weight.shape)} "
            f"and {None if bias is None else list(bias.shape)}. Permute weights of other layouts."
        )
    if list(kernel_map.shape) != [size**3, len(features)] or kernel_map.dtype != torch.int32:
        raise KernelInputError(
            f"Expected an int32 kernel map [{size**3}, {len(features)}], got {kernel_map.dtype} "
            f"{list(kernel_map.shape)}. Make one with submanifold_kernel_map for this grid and kernel size."
        )
    for name, tensor in (("weight", weight), ("bias", bias), ("kernel_map", kernel_map)):
        if tensor is None:
            continue
        if tensor.device != features.device or (tensor.is_floating_point() and tensor.dtype != features.dtype):
            raise KernelInputError(
                f"Expected {name} on {features.device} in {features.dtype}, got {tensor.dtype} on {tensor.device}. "
                "Convert features, weight and bias alike."
            )


def _check_segments(features: Tensor, inverse: Tensor) -> Tensor:
    """Return an inverse as contiguous int64 `[N]`."""
    if features.dim() != 2:
        raise KernelInputError(f"Expected features of shape [rows, channels], got {list(features.shape)}. Reshape.")
    check_floating("features", features)
    if inverse.dim() != 1 or inverse.dtype not in (torch.int32, torch.int64) or inverse.device != features.device:
        raise KernelInputError(
            f"Expected an inverse of int64 [rows] on {features.device}, got {inverse.dtype} {list(inverse.shape)} on "
            f"{inverse.device}. Take that of unique_voxels."
        )
    return inverse.long().contiguous()


def segment_pool(
    features: Tensor,
    inverse: Tensor,
    size: int,
    reduce: Literal["max", "mean", "sum"] = "max",
    implementation: str | None = None,
    validate: bool = True,
) -> Tensor:
    """Pool the rows of each segment: `out[m] = reduce of features[i] over all i with inverse[i] = m`.

    Rows are added in ascending order, float16 and bfloat16 in float32. A segment without rows is 0.

    Args:
        features: `[N, C]`, any floating dtype.
        inverse: int32 or int64 `[N]`, values in `[0, size)`, in any order; usually `Voxels.inverse`.
        size: Segments, M.
        reduce: "max", "mean" or "sum".
        implementation: "triton", "numba" or "reference"; default: the best that can run.
        validate: Check the index on a GPU too, which waits for the device; on the CPU it always is.

    Returns:
        `[M, C]` of the features' dtype. Differentiable; the gradient of a maximum goes to the lowest row that attains
        it. Not a number beats every number.

    Raises:
        KernelInputError: Wrong rank, dtype or device, or an index out of range.
        UsageError: An unknown `reduce` or an implementation that cannot run here.
    """
    if reduce not in ("max", "mean", "sum"):
        raise UsageError(f"Expected reduce out of max, mean, sum, got {reduce!r}. Name one of these.")
    index = _check_segments(features, inverse)
    if len(index) != len(features):
        raise KernelInputError(
            f"Expected one segment for each of {len(features)} rows, got {len(index)}. Pass them all."
        )
    name = implementation or "auto"
    values, _ = ops.segment_pool(features.contiguous(), index, size, reduce, name, validate)
    result: Tensor = values
    return result


def segment_unpool(features: Tensor, inverse: Tensor, validate: bool = True) -> Tensor:
    """Give each row its segment's features: `out[i] = features[inverse[i]]`, `[M, C]` and `[N]` to `[N, C]`.

    The same contract as `segment_pool`; the gradient is its sum, in a fixed order.
    """
    index = _check_segments(features, inverse)
    result: Tensor = ops.segment_unpool(features.contiguous(), index, validate)
    return result

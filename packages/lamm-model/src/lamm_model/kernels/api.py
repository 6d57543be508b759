"""The public functions. Their docstrings are the contract that every implementation keeps and the tests check."""

from collections.abc import Sequence
from typing import Literal, overload

from torch import Tensor

from lamm_model.errors import UsageError
from lamm_model.kernels import ops
from lamm_model.kernels.checks import (
    KernelInputError,
    check_alike,
    check_clouds,
    check_count,
    check_index,
    check_points,
    per_cloud,
)

Lengths = Tensor | Sequence[int] | None


def _is_pointnet2(compat: str | None) -> bool:
    if compat not in (None, "pointnet2"):
        raise UsageError(f"Expected compat None or 'pointnet2', got {compat!r}. Leave it out for the default contract.")
    return compat == "pointnet2"


def farthest_point_sample(
    points: Tensor,
    n: int,
    start: int | Tensor = 0,
    lengths: Lengths = None,
    compat: str | None = None,
    implementation: str | None = None,
    validate: bool = True,
) -> Tensor:
    """Sample points so that each one is as far as possible from those before it.

    Squared distances are float32, `(dx * dx + dy * dy) + dz * dz`, each operation rounded. Of equally far points the
    one with the lowest index is taken. Once every position is covered all distances are zero, and by the same rule
    the rest of the samples repeats index 0 (so more samples than points is defined). The first m samples of a longer
    sampling are the sampling of length m, and so is, from start 0, the sampling of length m of the sampled points.

    `compat="pointnet2"` is the published CUDA extension: points with |p|² <= 1e-3 are never taken (only as `start`), a
    distance never exceeds 1e10, ties go to the thread whose number is smallest with its bits reversed (thread
    `k mod T`, T the largest power of two up to N and 512), distances use fused multiply-adds as nvcc contracts them,
    and a cloud of skipped points gives index 0.

    Args:
        points: `[B, N, 3]`, any floating dtype (computed in float32), any strides, any unit.
        n: Samples a cloud, at least 0.
        start: Index of the first sample, one for all clouds or `[B]`.
        lengths: Valid points of each cloud `[B]`, 1 to N; what follows them is never read as data. Default: all N.
        compat: None or "pointnet2".
        implementation: "cuda", "triton", "numba" or "reference"; default: the best that can run.
        validate: Check the values as well as the shapes on a GPU, which waits for the device; without it, a point that
            is not finite gives indices without meaning, though always within the cloud, and `start` and `lengths` are
            trusted. On the CPU values are always checked.

    Returns:
        int64 `[B, n]`. Not differentiable.

    Raises:
        KernelInputError: Empty clouds, wrong rank or dtype, mixed devices, values that are not finite, a bad length or
            start.
        UsageError: An unknown `compat` or an implementation that cannot run here.
    """
    check_count("n", n, 0)
    checked, sizes = check_clouds(points, lengths)
    first = per_cloud("start", start, checked)
    name = implementation or "auto"
    result: Tensor = ops.farthest_point_sample(checked, n, first, sizes, _is_pointnet2(compat), name, validate)
    return result


@overload
def ball_query(
    radius: float,
    k: int,
    points: Tensor,
    centres: Tensor,
    lengths: Lengths = None,
    compat: str | None = None,
    implementation: str | None = None,
    validate: bool = True,
    *,
    return_counts: Literal[False] = False,
) -> Tensor: ...


@overload
def ball_query(
    radius: float,
    k: int,
    points: Tensor,
    centres: Tensor,
    lengths: Lengths = None,
    compat: str | None = None,
    implementation: str | None = None,
    validate: bool = True,
    *,
    return_counts: Literal[True],
) -> tuple[Tensor, Tensor]: ...


def ball_query(
    radius: float,
    k: int,
    points: Tensor,
    centres: Tensor,
    lengths: Lengths = None,
    compat: str | None = None,
    implementation: str | None = None,
    validate: bool = True,
    *,
    return_counts: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """Find, for each centre, the first k points in index order that lie strictly within a radius.

    These are the points of lowest index, not the nearest. Both sides of `d² < radius²` are float32. Slots left over
    repeat the first hit; a centre without any hit gets index 0 in every slot, and a count of 0.

    Args:
        radius: In the unit of the points, at least 0.
        k: Slots for each centre, at least 1.
        points: `[B, N, 3]`, any floating dtype (computed in float32).
        centres: `[B, M, 3]`, on the same device.
        lengths: Valid points of each cloud `[B]`. Default: all N.
        compat: "pointnet2" computes distances with fused multiply-adds, as the published extension's binary does; the
            rules are the same.
        implementation: "triton", "numba" or "reference"; default: the best that can run.
        validate: Check the values on a GPU too, which waits for the device; on the CPU they always are.
        return_counts: Also return the number of slots that are no padding.

    Returns:
        int64 `[B, M, k]`, and with `return_counts` int64 `[B, M]`. Not differentiable.

    Raises:
        KernelInputError: As for `farthest_point_sample`, or a radius that is negative or not finite.
        UsageError: An unknown `compat` or an implementation that cannot run here.
    """
    check_count("k", k, 1)
    if not 0 <= radius < float("inf"):
        raise KernelInputError(f"Expected a finite radius of at least 0, got {radius}. Give it in the points' unit.")
    checked, sizes = check_clouds(points, lengths)
    middle = check_points("centres", centres, like=checked)
    name, fused = implementation or "auto", _is_pointnet2(compat)
    index, counts = ops.ball_query(float(radius), k, checked, middle, sizes, fused, name, validate)
    return (index, counts) if return_counts else index


def knn(
    k: int,
    points: Tensor,
    queries: Tensor,
    lengths: Lengths = None,
    implementation: str | None = None,
    validate: bool = True,
) -> tuple[Tensor, Tensor]:
    """Find the k nearest points of each query, nearest first, equally near ones by ascending index.

    Args:
        k: Neighbours, at least 1. Slots beyond the number of points hold an infinite distance and index 0.
        points: `[B, N, 3]`, any floating dtype (computed in float32).
        queries: `[B, M, 3]`, on the same device.
        lengths: Valid points of each cloud `[B]`. Default: all N.
        implementation: "triton", "numba" or "reference"; default: the best that can run.
        validate: Check the values on a GPU too, which waits for the device; on the CPU they always are.

    Returns:
        Euclidean distances float32 `[B, M, k]` in the unit of the points, and indices int64 `[B, M, k]`. Not
        differentiable.

    Raises:
        KernelInputError: As for `farthest_point_sample`.
        UsageError: An implementation that cannot run here.
    """
    check_count("k", k, 1)
    checked, sizes = check_clouds(points, lengths)
    asked = check_points("queries", queries, like=checked)
    squared, index = ops.nearest(checked, asked, k, sizes, implementation or "auto", validate)
    return squared.sqrt(), index


def three_nn(
    points: Tensor,
    queries: Tensor,
    lengths: Lengths = None,
    implementation: str | None = None,
    validate: bool = True,
) -> tuple[Tensor, Tensor]:
    """Find the three nearest points of each query: `knn` with k = 3, as feature propagation needs it.

    The same contract as `knn`: Euclidean distances, ties by ascending index, missing points at an infinite distance.
    """
    return knn(3, points, queries, lengths, implementation, validate)


def group(features: Tensor, index: Tensor, implementation: str | None = None, validate: bool = True) -> Tensor:
    """Collect rows by index: `out[b, m, s] = features[b, index[b, m, s]]`.

    Args:
        features: `[B, N, C]`, any floating dtype.
        index: int64 or int32 `[B, M, k]`, values in `[0, N)`.
        implementation: "triton" or "reference"; default: the best that can run.
        validate: Check the index on a GPU too, which waits for the device; on the CPU it always is.

    Returns:
        `[B, M, k, C]` of the same dtype. Differentiable in `features`; under `torch.use_deterministic_algorithms` the
        gradient is summed in a fixed order.

    Raises:
        KernelInputError: Wrong rank, dtype or device, or an index out of range.
        UsageError: An implementation that cannot run here.
    """
    checked = check_index(index, 3, features)
    result: Tensor = ops.group(features.contiguous(), checked, implementation or "auto", validate)
    return result


def gather(features: Tensor, index: Tensor, implementation: str | None = None, validate: bool = True) -> Tensor:
    """Collect rows by index: `out[b, m] = features[b, index[b, m]]`, `[B, N, C]` and `[B, M]` to `[B, M, C]`.

    The same contract as `group`.
    """
    checked = check_index(index, 2, features)[..., None]
    rows: Tensor = ops.group(features.contiguous(), checked, implementation or "auto", validate)
    return rows.squeeze(2)


def knn_group(
    k: int,
    points: Tensor,
    centres: Tensor,
    features: Tensor | None = None,
    lengths: Lengths = None,
    implementation: str | None = None,
    validate: bool = True,
) -> tuple[Tensor, Tensor | None, Tensor]:
    """Group the k nearest points of each centre, as Point-BERT and its kin do: nearest first, ties by ascending index.

    Args:
        k: Members of a group, 1 to the points of the smallest cloud.
        points: `[B, N, 3]`, any floating dtype (distances are computed in float32).
        centres: `[B, M, 3]`, on the same device; usually sampled points.
        features: `[B, N, C]`, for example colours, or None.
        lengths: Valid points of each cloud `[B]`. Default: all N.
        implementation: As for `knn`; default: the best that can run.
        validate: Check the values on a GPU too, which waits for the device; on the CPU they always are.

    Returns:
        Offsets of the members from their centre `[B, M, k, 3]` in the unit of the points, the members' features
        `[B, M, k, C]` or None, and their indices int64 `[B, M, k]`. Differentiable in points, centres and features.

    Raises:
        KernelInputError: As for `knn`, or a cloud of fewer than k points.
        UsageError: An implementation that cannot run here.
    """
    _, sizes = check_clouds(points, lengths)
    if (validate or points.device.type == "cpu") and len(sizes) and int(sizes.min()) < k:
        raise KernelInputError(
            f"Expected clouds of at least k = {k} points, got one of {int(sizes.min())}. Take a smaller k."
        )
    _, index = knn(k, points, centres, sizes, implementation, validate)
    offsets = group(points, index, implementation, False) - centres[:, :, None]
    members = None if features is None else group(features, index, implementation, False)
    return offsets, members, index


def inverse_distance_weights(distances: Tensor) -> Tensor:
    """Weights `1 / (d + 1e-8)`, scaled to sum 1 over the last dimension; an infinite distance gets weight 0."""
    inverse = 1.0 / (distances + 1e-8)
    return inverse / inverse.sum(-1, keepdim=True)


def three_interpolate(
    features: Tensor, index: Tensor, weights: Tensor, implementation: str | None = None, validate: bool = True
) -> Tensor:
    """Weighted sums of rows: `out[b, m] = Σ weights[b, m, s] * features[b, index[b, m, s]]`, added in slot order.

    Args:
        features: `[B, N, C]`, any floating dtype.
        index: int64 or int32 `[B, M, k]`, usually from `three_nn`; any k of at least 1.
        weights: `[B, M, k]` of the features' dtype, usually `inverse_distance_weights`; used as they are.
        implementation: "triton" or "reference"; default: the best that can run.
        validate: Check the index on a GPU too, which waits for the device; on the CPU it always is.

    Returns:
        `[B, M, C]`. Differentiable in `features` and `weights`.

    Raises:
        KernelInputError: Wrong rank, shape, dtype or device, or an index out of range.
        UsageError: An implementation that cannot run here.
    """
    checked = check_index(index, 3, features)
    check_count("k", index.shape[2], 1)
    check_alike("weights", weights, features)
    if weights.shape != index.shape or weights.dtype != features.dtype:
        raise KernelInputError(
            f"Expected weights {list(index.shape)} of {features.dtype}, got {list(weights.shape)} of {weights.dtype}. "
            "Pass one weight for each index, in the features' dtype."
        )
    name = implementation or "auto"
    result: Tensor = ops.three_interpolate(features.contiguous(), checked, weights.contiguous(), name, validate)
    return result

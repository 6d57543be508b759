"""What the kernels accept. Shapes are checked where the caller stands, values inside the operations."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lamm_model.errors import LammModelError


class KernelInputError(LammModelError):
    """A tensor that no kernel accepts: wrong rank, dtype, device, length or a value that is not finite."""


def check_floating(name: str, tensor: Tensor) -> None:
    """Refuse a tensor of integers."""
    if not tensor.is_floating_point():
        raise KernelInputError(f"Expected {name} of a floating dtype, got {tensor.dtype}. Convert with .float().")


def check_points(name: str, points: Tensor, like: Tensor | None = None) -> Tensor:
    """Return positions `[B, N, 3]` as contiguous float32 without gradient, from any floating dtype.

    Raises:
        KernelInputError: Rank, last dimension or dtype do not fit, or batch size or device are not those of `like`.
    """
    if points.dim() != 3 or points.shape[2] != 3:
        raise KernelInputError(
            f"Expected {name} of shape [batch, points, 3], got {list(points.shape)}. "
            "Add a batch dimension, or keep x, y, z only and pass the rest as features."
        )
    check_floating(name, points)
    if like is not None:
        check_alike(name, points, like)
    return points.detach().float().contiguous()


def check_clouds(points: Tensor, lengths: Tensor | Sequence[int] | None) -> tuple[Tensor, Tensor]:
    """Return clouds as `check_points` does, and the number of valid points of each, int64 `[B]` on their device.

    Raises:
        KernelInputError: As there, or clouds hold no points at all, or there is not one integer a cloud.
    """
    checked = check_points("points", points)
    if checked.shape[0] > 0 and checked.shape[1] == 0:
        raise KernelInputError("Expected at least one point in points, got empty clouds. Leave such clouds out.")
    return checked, per_cloud("lengths", checked.shape[1] if lengths is None else lengths, checked)


def check_alike(name: str, tensor: Tensor, like: Tensor) -> None:
    """Raise unless batch size and device of two tensors agree."""
    if tensor.device != like.device:
        raise KernelInputError(
            f"Expected {name} on {like.device} like the first tensor, got {tensor.device}. Move both to one device."
        )
    if tensor.shape[0] != like.shape[0]:
        raise KernelInputError(
            f"Expected {name} of batch size {like.shape[0]} like the first tensor, got {tensor.shape[0]}. "
            "Pass as many clouds in both."
        )


def check_count(name: str, value: int, least: int) -> None:
    """Raise when a number of samples or neighbours is too small."""
    if value < least:
        raise KernelInputError(f"Expected {name} to be at least {least}, got {value}. Ask for more.")


def check_index(index: Tensor, rank: int, features: Tensor) -> Tensor:
    """Return an index tensor as contiguous int64.

    Raises:
        KernelInputError: Rank, dtype, batch size or device do not fit, or `features` is not `[B, N, C]`.
    """
    if features.dim() != 3:
        raise KernelInputError(
            f"Expected features of shape [batch, points, channels], got {list(features.shape)}. Transpose or unsqueeze."
        )
    check_floating("features", features)
    if index.dim() != rank:
        raise KernelInputError(f"Expected an index of rank {rank}, got shape {list(index.shape)}. Reshape it.")
    if index.dtype not in (torch.int32, torch.int64):
        raise KernelInputError(f"Expected an int32 or int64 index, got {index.dtype}. Convert with .long().")
    check_alike("index", index, features)
    return index.long().contiguous()


def per_cloud(name: str, values: int | Tensor | Sequence[int], points: Tensor) -> Tensor:
    """Return one int64 a cloud, `[B]`, on the points' device.

    Raises:
        KernelInputError: Not one integer a cloud.
    """
    batch = points.shape[0]
    if isinstance(values, int):
        return torch.full((batch,), values, dtype=torch.int64, device=points.device)
    tensor = values if isinstance(values, Tensor) else torch.tensor(list(values), device=points.device)
    integers = not tensor.is_floating_point() and tensor.dtype != torch.bool
    if (tensor.numel() and (tensor.shape != (batch,) or not integers)) or tensor.numel() != batch:
        raise KernelInputError(
            f"Expected {name} to hold one integer for each of the {batch} clouds, "
            f"got {tensor.dtype} of shape {list(tensor.shape)}. Pass an int64 tensor [batch]."
        )
    return tensor.to(device=points.device, dtype=torch.int64)


def check_values(name: str, points: Tensor, lengths: Tensor | None = None) -> None:
    """Raise on positions that are not finite and on lengths that are no lengths. Waits for the device.

    Raises:
        KernelInputError: With the first cloud, and the first point in it, that is at fault.
    """
    if lengths is not None and points.shape[0]:
        bad_length = (lengths < 1) | (lengths > points.shape[1])
        if bool(bad_length.any()):
            cloud = int(bad_length.int().argmax())
            raise KernelInputError(
                f"Expected lengths from 1 to {points.shape[1]}, got {int(lengths[cloud])} for cloud {cloud}. "
                "Leave empty clouds out of the batch."
            )
    bad = ~torch.isfinite(points).all(-1)
    if lengths is not None:
        bad &= torch.arange(points.shape[1], device=points.device) < lengths[:, None]
    if bool(bad.any()):
        cloud, point = (int(i) for i in bad.nonzero()[0])
        raise KernelInputError(
            f"Expected finite {name}, got {points[cloud, point].tolist()} at point {point} of cloud {cloud}. "
            "Remove such points before sampling."
        )


def check_range(name: str, values: Tensor, limit: int | Tensor, least: int = 0) -> None:
    """Raise when an index lies outside `[least, limit)`. Waits for the device."""
    bad = (values < least) | (values >= limit)
    if bool(bad.any()):
        value = int(values[bad][0])
        raise KernelInputError(
            f"Expected {name} within the points of its cloud, got {value}. Check where it comes from."
        )


def check_cells(cells: Tensor) -> Tensor:
    """Return integer cells `[N, 3]` as contiguous int64.

    Raises:
        KernelInputError: Rank, last dimension or dtype do not fit.
    """
    if cells.dim() != 2 or cells.shape[1] != 3:
        raise KernelInputError(
            f"Expected grid of shape [voxels, 3], got {list(cells.shape)}. Put samples below one another, with lengths."
        )
    if cells.dtype not in (torch.int32, torch.int64):
        raise KernelInputError(f"Expected grid of int32 or int64 cells, got {cells.dtype}. Convert with .long().")
    return cells.long().contiguous()


def packed_lengths(lengths: Tensor | Sequence[int] | None, rows: Tensor) -> Tensor:
    """Return the rows of each sample, int64 `[B]` on the rows' device; None is one sample.

    Raises:
        KernelInputError: Not a list of integers.
    """
    values = [rows.shape[0]] if lengths is None else lengths
    tensor = values if isinstance(values, Tensor) else torch.tensor(list(values), dtype=torch.int64)
    if tensor.dim() != 1 or tensor.is_floating_point() or tensor.dtype == torch.bool:
        raise KernelInputError(
            f"Expected lengths to be a list of integers, got {tensor.dtype} of shape {list(tensor.shape)}. "
            "Pass the rows of each sample, int64 [batch]."
        )
    return tensor.to(device=rows.device, dtype=torch.int64)


def check_packed(lengths: Tensor, rows: int) -> None:
    """Raise unless lengths are at least 0 and sum to the rows. Waits for the device."""
    if bool((lengths < 0).any()) or int(lengths.sum()) != rows:
        raise KernelInputError(
            f"Expected lengths of at least 0 that sum to the {rows} rows, got {lengths.tolist()}. "
            "Pass the rows of each sample."
        )


def check_extent(cells: Tensor, samples: int, reach: int = 0) -> None:
    """Raise when cells of several samples cannot be numbered in 63 bits. Waits for the device."""
    extent = [int(high) - int(low) + 1 + 2 * reach for low, high in zip(cells.amin(0), cells.amax(0), strict=True)]
    if samples * extent[0] * extent[1] * extent[2] >= 1 << 63:
        raise KernelInputError(
            f"Expected a grid of fewer than 2^63 cells over {samples} samples, got extents {extent}. "
            "Check the unit of the points, remove outliers, or take a larger voxel."
        )

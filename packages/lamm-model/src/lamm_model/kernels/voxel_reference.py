"""The contract of the voxel operations in plain torch: slow, on any device, short enough to be checked by eye.

Every other implementation is tested against these functions. They see checked input only: int64 cells `[N, 3]`, int64
lengths `[B]` whose sum is N, at least one row, everything on one device.
"""

import torch
from torch import Tensor

#: The curves in the order of their numbers: by twos the swap of x and y, by halves the kind.
CURVES = ("z", "z-trans", "hilbert", "hilbert-trans")


def sample_of_row(lengths: Tensor, rows: int) -> Tensor:
    """int64 `[N]`: the sample that each of `rows` packed rows belongs to."""
    return torch.repeat_interleave(torch.arange(len(lengths), device=lengths.device), lengths, output_size=rows)


def extremes_of_samples(cells: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """int64 `[B]` each: the smallest and the largest coordinate of each sample, 0 for one without rows."""
    parts = [part if len(part) else cells.new_zeros(1) for part in torch.split(cells, lengths.tolist())]
    low, high = zip(*map(_extremes, parts), strict=True)
    return torch.stack(low), torch.stack(high)


def _extremes(part: Tensor) -> tuple[Tensor, Tensor]:
    """Smallest and largest; on a CPU in pieces that torch does not share out: its idle threads spin beside ours."""
    if part.device.type != "cpu":
        return part.aminmax()
    low, high = zip(*(piece.aminmax() for piece in torch.split(part.flatten(), 1 << 15)), strict=True)
    return torch.stack(low).min(), torch.stack(high).max()


def cell_keys(cells: Tensor, lengths: Tensor, reach: int = 0) -> tuple[Tensor, Tensor]:
    """Number cells so that keys ascend by sample, x, y, z and no step of at most `reach` runs into another line.

    Returns:
        Keys int64 `[N]`, and what a step along x, y and z adds to a key, int64 `[3]`.
    """
    low = cells.amin(0)
    extent = cells.amax(0) - low + 1 + 2 * reach
    step = torch.stack([extent[1] * extent[2], extent[2], torch.ones_like(extent[2])])
    return sample_of_row(lengths, len(cells)) * (extent[0] * step[0]) + ((cells - low + reach) * step).sum(1), step


def unique_voxels(cells: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """First rows and counts `[M]`, inverse `[N]`; see `lamm_model.kernels.unique_voxels`."""
    keys, _ = cell_keys(cells, lengths)
    _, inverse, counts = torch.unique(keys, return_inverse=True, return_counts=True)
    rows = torch.arange(len(cells), device=cells.device)
    first = torch.full_like(counts, len(cells)).scatter_reduce(0, inverse, rows, "amin")
    return first, inverse, counts


def z_code(x: Tensor, y: Tensor, z: Tensor, depth: int) -> Tensor:
    """The z-order code: from the highest bit on, a bit of x, of y, of z."""
    code = torch.zeros_like(x)
    for bit in range(depth):
        for place, axis in enumerate((z, y, x)):
            code |= (axis >> bit & 1) << (3 * bit + place)
    return code


def hilbert_code(x: Tensor, y: Tensor, z: Tensor, depth: int) -> Tensor:
    """The Hilbert code by Skilling's transform: undo the turns from the highest bit down, then read a Gray code."""
    axes = [x, y, z]
    for bit in range(depth - 1, -1, -1):
        below = (1 << bit) - 1
        for axis in range(3):
            swapped = (axes[0] ^ axes[axis]) & below
            turned = (axes[axis] >> bit & 1).bool()
            axes[0] = axes[0] ^ torch.where(turned, below, swapped)
            if axis:
                axes[axis] = axes[axis] ^ torch.where(turned, 0, swapped)
    code = z_code(axes[0], axes[1], axes[2], depth)
    shift = 1
    while shift < 3 * depth:
        code = code ^ code >> shift
        shift *= 2
    return code


def order_of_codes(codes: Tensor, sample: Tensor) -> tuple[Tensor, Tensor]:
    """Orders `[O, N]` by sample, then code, then row, and their inverse."""
    by_code = codes.argsort(dim=1, stable=True)
    order = by_code.gather(1, sample[by_code].argsort(dim=1, stable=True))
    rows = torch.arange(codes.shape[1], device=codes.device).expand_as(order)
    return order, torch.empty_like(order).scatter_(1, order, rows)


def serialize_points(cells: Tensor, curves: list[int], depths: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
    """Codes, orders and inverse orders int64 `[O, N]`; see `lamm_model.kernels.serialize_points`."""
    sample = sample_of_row(lengths, len(cells))
    codes = torch.empty(len(curves), len(cells), dtype=torch.int64, device=cells.device)
    for row, curve in enumerate(curves):
        encode = hilbert_code if CURVES[curve].startswith("hilbert") else z_code
        x, y, z = (cells[:, [1, 0, 2]] if CURVES[curve].endswith("trans") else cells).unbind(1)
        for depth in set(depths.tolist()):
            chosen = depths[sample] == depth
            codes[row, chosen] = encode(x[chosen], y[chosen], z[chosen], depth)
    return codes, *order_of_codes(codes, sample)


def submanifold_kernel_map(cells: Tensor, lengths: Tensor, kernel_size: int) -> Tensor:
    """int32 `[K³, N]`; see `lamm_model.kernels.submanifold_kernel_map`."""
    reach = kernel_size // 2
    keys, step = cell_keys(cells, lengths, reach)
    ordered, order = keys.sort()
    axis = torch.arange(-reach, reach + 1, device=cells.device)
    moves = torch.cartesian_prod(axis, axis, axis) @ step
    table = torch.empty(len(moves), len(cells), dtype=torch.int32, device=cells.device)
    for offset, move in enumerate(moves):
        place = torch.searchsorted(ordered, keys + move).clamp_(max=len(cells) - 1)
        table[offset] = torch.where(ordered[place] == keys + move, order[place], -1)
    return table


def wide(dtype: torch.dtype) -> torch.dtype:
    """What a dtype is summed in: at least float32."""
    return torch.promote_types(dtype, torch.float32)


def submanifold_conv3d(features: Tensor, weight: Tensor, bias: Tensor | None, table: Tensor) -> Tensor:
    """`[N, O]` from features `[N, C]` and weight `[O, K³, C]`; see `lamm_model.kernels.submanifold_conv3d`."""
    source, kernel = features.to(wide(features.dtype)), weight.to(wide(features.dtype))
    out = source.new_zeros(len(features), len(weight))
    for offset, neighbour in enumerate(table):
        rows = (neighbour >= 0).nonzero().flatten()
        out[rows] += source[neighbour[rows]] @ kernel[:, offset].T
    if bias is not None:
        out += bias
    return out.to(features.dtype)


def submanifold_weight_gradient(gradient: Tensor, features: Tensor, table: Tensor) -> Tensor:
    """The gradient of the weight, `[O, K³, C]`, from those of the result `[N, O]`."""
    source, outer = features.to(wide(features.dtype)), gradient.to(wide(features.dtype))
    out = source.new_zeros(outer.shape[1], len(table), source.shape[1])
    for offset, neighbour in enumerate(table):
        rows = (neighbour >= 0).nonzero().flatten()
        out[:, offset] = outer[rows].T @ source[neighbour[rows]]
    return out.to(features.dtype)


def segment_pool(features: Tensor, inverse: Tensor, size: int, reduce: str) -> tuple[Tensor, Tensor]:
    """Values, and for a maximum the row that attains it, both `[M, C]`; see `lamm_model.kernels.segment_pool`."""
    rows, channels = features.shape
    index = inverse[:, None].expand(rows, channels)
    if reduce == "max":
        best = features.new_full((size, channels), -torch.inf).scatter_reduce(0, index, features, "amax")
        row = torch.arange(rows, device=features.device)[:, None].expand(rows, channels)
        attained = torch.where((features == best[inverse]) | features.isnan(), row, rows)
        winner = torch.full_like(best, rows, dtype=torch.int64).scatter_reduce(0, index, attained, "amin")
        return torch.where(winner < rows, best, 0), torch.where(winner < rows, winner, -1)
    total = features.new_zeros(size, channels, dtype=wide(features.dtype))
    total.index_add_(0, inverse, features.to(total.dtype))
    if reduce == "mean":
        total /= torch.bincount(inverse, minlength=size).clamp(min=1)[:, None]
    return total.to(features.dtype), inverse.new_empty(0, channels)

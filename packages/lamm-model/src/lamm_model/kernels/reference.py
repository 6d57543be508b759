"""The contract in plain torch: slow, on any device, short enough to be checked by eye.

Every other implementation is tested against these functions bit for bit. They see checked input only: float32 points,
int64 lengths, everything on one device.
"""

import torch
from torch import Tensor

_CHUNK = 1 << 24  # elements of the largest intermediate: 64 MiB of float32


def squared_distances(left: Tensor, right: Tensor, fused: bool = False) -> Tensor:
    """Squared distances of broadcast `[..., 3]` float32 positions, in the arithmetic that the contract fixes.

    Args:
        left: float32 `[..., 3]`.
        right: float32 `[..., 3]`.
        fused: `fma(dz, dz, fma(dx, dx, dy * dy))` instead of `(dx * dx + dy * dy) + dz * dz`. The product of two floats
            is exact in double precision, so that each fused step is one double operation and one rounding.
    """
    dx, dy, dz = (left - right).unbind(-1)
    if not fused:
        return (dx * dx + dy * dy) + dz * dz
    partial = (dx.double() * dx.double() + (dy * dy).double()).float()
    return (dz.double() * dz.double() + partial.double()).float()


def farthest_point_sample(points: Tensor, n: int, start: Tensor, lengths: Tensor, pointnet2: bool) -> Tensor:
    """`[B, n]` int64; see `lamm_model.kernels.farthest_point_sample`."""
    size = points.shape[1]
    index = torch.arange(size, device=points.device)
    out = torch.zeros(points.shape[0], n, dtype=torch.int64, device=points.device)
    for cloud in range(points.shape[0]):
        rank = tie_rank(int(lengths[cloud]), size, points.device) if pointnet2 else index
        skipped = index >= lengths[cloud]
        if pointnet2:
            skipped = skipped | origin_skip(points[cloud])
        nearest = torch.where(skipped, -1.0, 1e10 if pointnet2 else torch.inf)
        chosen = start[cloud]
        for step in range(n):
            if step:
                farthest = nearest == nearest.max()
                chosen = torch.where(farthest, rank, size * size + 1).argmin()
                chosen = torch.where(nearest.max() < 0, 0, chosen)
            out[cloud, step] = chosen
            distance = squared_distances(points[cloud], points[cloud, chosen], pointnet2)
            nearest = torch.where(distance < nearest, distance, nearest)
    return out


def origin_skip(points: Tensor) -> Tensor:
    """Bool `[N]`: the points that the published extension never samples, `|p|² <= 1e-3` (compared in double)."""
    return squared_distances(points, torch.zeros_like(points), fused=True).double() <= 1e-3


def tie_rank(count: int, size: int, device: torch.device) -> Tensor:
    """int64 `[size]`: the order in which the published extension prefers equally far points of a cloud of `count`.

    Its block has T threads, the largest power of two up to `count`, at most 512. Thread `k mod T` looks at point k. The
    tree reduction keeps its left operand on a tie: the winner is the smallest bit-reversed thread number, then the
    lowest index within that thread.
    """
    threads = min(512, 1 << max(count.bit_length() - 1, 0))
    bits = threads.bit_length() - 1
    index = torch.arange(size, device=device)
    thread = index % threads
    reversed_thread = torch.zeros_like(thread)
    for bit in range(bits):
        reversed_thread |= ((thread >> bit) & 1) << (bits - 1 - bit)
    return reversed_thread * size + index // threads


def ball_query(
    radius: float, k: int, points: Tensor, centres: Tensor, lengths: Tensor, fused: bool
) -> tuple[Tensor, Tensor]:
    """`[B, M, k]` and `[B, M]` int64; see `lamm_model.kernels.ball_query`."""
    batch, size = points.shape[:2]
    limit = torch.tensor(radius, dtype=torch.float32, device=points.device).square()
    index = torch.arange(size, device=points.device)
    inside = index < lengths[:, None, None]
    parts = []
    for part in torch.split(centres, max(1, _CHUNK // max(1, batch * size)), dim=1):
        hit = squared_distances(points[:, None], part[:, :, None], fused) < limit
        key = torch.where(hit & inside, index, size)
        parts.append(key.topk(min(k, size), largest=False, sorted=True).values)
    found = torch.cat(parts, dim=1) if parts else points.new_zeros(batch, 0, min(k, size), dtype=torch.int64)
    found = torch.nn.functional.pad(found, (0, k - found.shape[2]), value=size)
    counts = (found < size).sum(-1)
    first = torch.where(counts > 0, found[..., 0], 0)[..., None]
    return torch.where(found < size, found, first), counts


def nearest(points: Tensor, queries: Tensor, k: int, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Squared distances and indices `[B, M, k]` of the nearest points, ties by index; see `lamm_model.kernels.knn`."""
    batch, size = points.shape[:2]
    outside = torch.arange(size, device=points.device) >= lengths[:, None, None]
    distances, indices = [], []
    for part in torch.split(queries, max(1, _CHUNK // max(1, batch * size)), dim=1):
        all_distances = squared_distances(points[:, None], part[:, :, None]).masked_fill(outside, torch.inf)
        value, index = all_distances.sort(dim=-1, stable=True)
        distances.append(value[..., :k])
        indices.append(index[..., :k].masked_fill(index[..., :k] >= lengths[:, None, None], 0))
    distance = torch.cat(distances, 1) if distances else points.new_zeros(batch, 0, min(k, size))
    index = torch.cat(indices, 1) if indices else points.new_zeros(batch, 0, min(k, size), dtype=torch.int64)
    missing = (0, k - distance.shape[2])
    return torch.nn.functional.pad(distance, missing, value=torch.inf), torch.nn.functional.pad(index, missing)


def group(features: Tensor, index: Tensor) -> Tensor:
    """`[B, M, k, C]`; see `lamm_model.kernels.group`."""
    cloud = torch.arange(features.shape[0], device=features.device)[:, None, None]
    return features[cloud, index]


def three_interpolate(features: Tensor, index: Tensor, weights: Tensor) -> Tensor:
    """`[B, M, C]`; see `lamm_model.kernels.three_interpolate`. The terms are added in the order of the slots."""
    neighbours = group(features, index)
    total = neighbours[:, :, 0] * weights[:, :, 0, None]
    for slot in range(1, index.shape[2]):
        total = total + neighbours[:, :, slot] * weights[:, :, slot, None]
    return total


def pool_groups(lifted: Tensor, offsets: Tensor, index: Tensor, counts: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """`max over k of relu(lifted[index] - offsets) @ weight.T + bias`, `[B, M, O]`, with every intermediate tensor.

    Args:
        lifted: `[B, N, H]`, the first layer applied to every point.
        offsets: `[B, M, H]`, the first layer applied to every centre.
        index: int64 `[B, M, k]`.
        counts: int64 `[B, M]`; slots from `counts` on repeat the first, which changes no maximum: not needed here.
        weight: `[O, H]`.
        bias: `[O]`.
    """
    hidden = (group(lifted, index) - offsets[:, :, None]).relu()
    return torch.nn.functional.linear(hidden.to(weight.dtype), weight, bias).amax(2)

"""Attention within patches of points that follow one another along a space-filling curve."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from lamm_model.kernels.checks import KernelInputError, check_count, check_floating
from lamm_model.kernels.voxel_ops import segment_unpool


class AttentionPatches(NamedTuple):
    """Where the patches of packed samples lie in a serialised order."""

    groups: tuple[Tensor, ...]  # int64 [P, S], one for each patch size S: positions in the order
    slots: Tensor  # int64 [N]: where a position's own result lies, the groups' rows below one another


def attention_patches(
    lengths: Sequence[int] | Tensor, patch_size: int, device: torch.device | str = "cpu"
) -> AttentionPatches:
    """Cut the order of each sample into patches, once for all blocks and curves of a level.

    A sample of n rows is cut alone, whatever shares its batch: up to `patch_size` rows are one patch; of more, the last
    patch is filled up, in front of nothing and behind its own r rows, with the rows from r on of the patch before it.
    Those are seen as keys and values a second time, and their results are dropped.

    Args:
        lengths: Rows of each sample `[B]`, at least 0. A tensor on a GPU makes it wait.
        patch_size: Rows of a patch, at least 1.
        device: Where the features are.

    Returns:
        `AttentionPatches`: one group of all full patches, and one for each size of a sample that is smaller.
    """
    check_count("patch_size", patch_size, 1)
    sizes = lengths.tolist() if isinstance(lengths, Tensor) else list(lengths)
    groups: dict[int, list[Tensor]] = {}
    own: dict[int, list[Tensor]] = {}
    begin = 0
    for count in sizes:
        check_count("each of lengths", count, 0)
        size = min(count, patch_size)
        rows = torch.arange(begin, begin + count)
        begin += count
        if count == 0:
            continue
        left = count % size
        own.setdefault(size, []).append(rows)
        whole = rows if left == 0 else torch.cat([rows, rows[count - size : count - left]])
        groups.setdefault(size, []).append(whole.view(-1, size))
    slots, filled = torch.empty(begin, dtype=torch.int64), 0
    for size, parts in groups.items():
        for part, rows in zip(parts, own[size], strict=True):
            slots[rows] = torch.arange(filled, filled + len(rows))
            filled += part.numel()
    return AttentionPatches(tuple(torch.cat(parts).to(device) for parts in groups.values()), slots.to(device))


def serialized_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    order: Tensor,
    patches: AttentionPatches,
    bias: Callable[[Tensor], Tensor] | None = None,
    scale: float | None = None,
) -> Tensor:
    """Let each row attend to the rows of its patch: `softmax(q kᵀ · scale + bias) v`, no row masked.

    Args:
        query: `[N, H, D]`, any floating dtype, packed samples. Rotary positions belong in it already.
        key: `[N, H, D]` of the same dtype.
        value: `[N, H, E]` of the same dtype.
        order: int64 `[N]`: one row of `Serialization.order`.
        patches: From `attention_patches`, for the lengths of the same samples.
        bias: Called with the rows of a group of patches, int64 `[P, S]`; returns what is added to the
            scores, `[P, H, S, S]` or broadcast to it, as relative positions need it.
        scale: Default: `1 / sqrt(D)`.

    Returns:
        `[N, H, E]`, in the rows' own order. Differentiable in query, key, value and what `bias` depends on. The softmax
        is that of `torch.nn.functional.scaled_dot_product_attention`: in float32 for float16 and bfloat16.

    Raises:
        KernelInputError: Shapes or dtypes do not fit.
    """
    _check(query, key, value, order, patches)
    if len(query) == 0:
        return value.new_empty(value.shape)
    results = []
    for positions in patches.groups:
        rows = order[positions]
        mask = None if bias is None else bias(rows).to(query.dtype)
        wanted, offered, held = (_rows_of(tensor, rows) for tensor in (query, key, value))
        out = scaled_dot_product_attention(wanted, offered, held, attn_mask=mask, scale=scale)
        results.append(out.transpose(1, 2).flatten(0, 1))
    own = torch.empty_like(order).scatter_(0, order, patches.slots)
    return torch.cat(results)[own]


def _rows_of(tensor: Tensor, rows: Tensor) -> Tensor:
    """`[P, H, S, D]` of `[N, H, D]` by rows `[P, S]`, whose gradient is summed in a fixed order."""
    taken = segment_unpool(tensor.flatten(1).contiguous(), rows.flatten(), False)
    patch: Tensor = taken.view(*rows.shape, *tensor.shape[1:])
    return patch.transpose(1, 2)


def _check(query: Tensor, key: Tensor, value: Tensor, order: Tensor, patches: AttentionPatches) -> None:
    for name, tensor in (("query", query), ("key", key), ("value", value)):
        check_floating(name, tensor)
        if tensor.dim() != 3 or tensor.shape[:2] != query.shape[:2] or tensor.dtype != query.dtype:
            raise KernelInputError(
                f"Expected {name} [rows, heads, channels] like the query's {list(query.shape)} {query.dtype}, got "
                f"{list(tensor.shape)} {tensor.dtype}. Split heads first."
            )
    if query.shape[2] != key.shape[2] or len(order) != len(query) or len(patches.slots) != len(query):
        raise KernelInputError(
            f"Expected keys of {query.shape[2]} channels, and an order and patches of {len(query)} rows, got "
            f"{key.shape[2]}, {list(order.shape)} and {len(patches.slots)}. Serialise and cut the same samples."
        )

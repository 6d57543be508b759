"""Fused set abstraction in Triton: gather, subtract, ReLU, matrix product and maximum without leaving the chip."""

from dataclasses import dataclass, replace

import torch
import triton
from torch import Tensor

from lamm_model.kernels import reference
from lamm_model.kernels.triton_ops import interpreting, pooling_kernels

PRECISION = "tf32x3"  # float32 products as three of the matrix units': as exact as rounding every product
_KEPT_WEIGHTS = 32 * 1024  # bytes of weights that leave room for four programs on a multiprocessor


@dataclass(frozen=True)
class Launch:
    """Which kernel runs, and in what tiles."""

    kernel: str
    slots: int
    hidden: int
    outputs: int
    warps: int
    stages: int


def plan(hidden: int, outputs: int, k: int, itemsize: int, shared_limit: int) -> Launch:
    """Choose the kernel by what fits: the weights, the rows of a tile, or neither.

    Args:
        hidden: Channels between the two layers.
        outputs: Channels of the result.
        k: Slots of a group.
        itemsize: Bytes of one weight.
        shared_limit: Bytes of shared memory that a block may have.
    """
    depth = max(16, triton.next_power_of_2(hidden))
    wide = max(16, triton.next_power_of_2(outputs))
    slots = max(16, triton.next_power_of_2(k))
    kept = min(wide, 256, _KEPT_WEIGHTS // (depth * itemsize))
    if kept >= min(wide, 128):
        return Launch("keep_weights", min(32, slots), depth, kept, 4, 1)
    if itemsize == 4:
        return Launch("keep_nothing", min(64, slots), min(32, depth), min(128, wide), 4, 3)
    rows, block = min(64, slots) * depth * itemsize, depth * min(64, wide) * itemsize
    for stages in (2, 1):
        if rows + stages * block + 1024 <= shared_limit:
            return Launch("keep_rows", min(64, slots), depth, min(64, wide), 4, stages)
    return Launch("keep_nothing", min(64, slots), min(64, depth), min(128, wide), 4, 3)


def pool_groups(lifted: Tensor, offsets: Tensor, index: Tensor, counts: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """As `lamm_model.kernels.reference.pool_groups`; sums in float32, leaves float64 to the reference."""
    if torch.float64 in (lifted.dtype, weight.dtype):
        return reference.pool_groups(lifted, offsets, index, counts, weight, bias)
    out = torch.empty(*index.shape[:2], weight.shape[0], dtype=weight.dtype, device=weight.device)
    if out.numel():
        tensors = [tensor.contiguous() for tensor in (lifted, offsets, index, counts, weight, bias)]
        multiprocessors, shared_limit = _device(weight.device)
        chosen = plan(weight.shape[1], weight.shape[0], index.shape[2], weight.element_size(), shared_limit)
        if interpreting():
            chosen = replace(chosen, slots=16, outputs=16)
        _launch(chosen, tensors, out, multiprocessors)
    return out


def _device(device: torch.device) -> tuple[int, int]:
    """Multiprocessors, and bytes of shared memory that a block may have."""
    if device.type != "cuda":
        return 1, 232_448  # interpreted
    properties = torch.cuda.get_device_properties(device)
    return properties.multi_processor_count, properties.shared_memory_per_block_optin  # type: ignore[attr-defined]


def _launch(chosen: Launch, tensors: list[Tensor], out: Tensor, multiprocessors: int) -> None:
    lifted, _, index, counts, weight, bias = tensors
    batch, count, k = index.shape
    outputs, hidden = weight.shape
    rows, blocks = batch * count, triton.cdiv(outputs, chosen.outputs)
    tiling = {"SLOTS": chosen.slots, "HIDDEN": chosen.hidden, "OUTPUTS": chosen.outputs, "PRECISION": PRECISION}
    options = {"num_warps": chosen.warps, "num_stages": chosen.stages}
    if chosen.kernel == "keep_weights":
        programs = min(rows, max(1, 4 * multiprocessors // blocks))
        grid = (programs, blocks)
        sizes = [lifted.shape[1], count, rows, programs, k, hidden, outputs]
        pooling_kernels.keep_weights[grid](*tensors, out, *sizes, **tiling, **options)
    elif chosen.kernel == "keep_rows":
        tiles = triton.cdiv(k, chosen.slots)
        partial = torch.empty(rows, tiles, outputs, dtype=torch.float32, device=out.device)
        sizes = [lifted.shape[1], count, tiles, k, hidden, outputs]
        pooling_kernels.keep_rows[(rows * tiles,)](*tensors[:5], partial, *sizes, **tiling, **options)
        width = min(1024, triton.next_power_of_2(outputs))
        grid = (rows, triton.cdiv(outputs, width))
        pooling_kernels.join_tiles[grid](
            partial, counts, bias, out, tiles, k, outputs, SLOTS=chosen.slots, OUTPUTS=width
        )
    else:
        sizes = [lifted.shape[1], count, k, hidden, outputs]
        pooling_kernels.keep_nothing[(rows, blocks)](*tensors, out, *sizes, **tiling, **options)

"""Fused set abstraction in Triton: gather, subtract, ReLU, matrix product and maximum without leaving the chip."""

# Compiled functions carry no annotations: their types are those of the arguments they are compiled for.
# ruff: noqa: ANN001, ANN202, N803
# mypy: disable-error-code="no-untyped-def,untyped-decorator"

import torch
import triton
import triton.language as tl
from torch import Tensor

from lamm_model.kernels import reference
from lamm_model.kernels.selection import interpreting


@triton.jit
def _pool_groups(
    lifted,
    offsets,
    index,
    counts,
    weight,
    bias,
    out,
    size,
    centre_count,
    k,
    hidden: tl.constexpr,
    outputs,
    SLOTS: tl.constexpr,
    HIDDEN: tl.constexpr,
    OUTPUTS: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    cloud = row // centre_count
    output = tl.program_id(1) * OUTPUTS + tl.arange(0, OUTPUTS)
    wanted = output < outputs
    count = tl.minimum(tl.maximum(tl.load(counts + row).to(tl.int32), 1), k)
    best = tl.full([OUTPUTS], float("-inf"), tl.float32)
    broken = tl.zeros([OUTPUTS], tl.int32)
    begin = 0
    while begin < count:
        slot = begin + tl.arange(0, SLOTS)
        used = slot < count
        source = (cloud * size + tl.load(index + row * k + slot, mask=used, other=0)) * hidden
        product = tl.zeros([SLOTS, OUTPUTS], tl.float32)
        for first in range(0, hidden, HIDDEN):
            channel = first + tl.arange(0, HIDDEN)
            real = channel < hidden
            mask = used[:, None] & real[None, :]
            point = tl.load(lifted + source[:, None] + channel[None, :], mask=mask, other=0.0)
            centre = tl.load(offsets + row * hidden + channel, mask=real, other=0.0)
            offset = point - centre[None, :]
            values = tl.where(mask & ~(offset <= 0.0), offset, 0.0)  # not a number stays what it is
            block = tl.load(
                weight + output[None, :] * hidden + channel[:, None], mask=real[:, None] & wanted[None, :], other=0.0
            )
            product = tl.dot(values.to(block.dtype), block, product, input_precision="ieee")
        broken |= tl.max((used[:, None] & (product != product)).to(tl.int32), 0)
        best = tl.maximum(best, tl.max(tl.where(used[:, None], product, float("-inf")), 0))
        begin += SLOTS
    best = tl.where(broken > 0, float("nan"), best)  # a reduction loses what is not a number; torch does not
    shift = tl.load(bias + output, mask=wanted, other=0.0).to(tl.float32)
    tl.store(out + row * outputs + output, (best + shift).to(out.dtype.element_ty), mask=wanted)


def pool_groups(lifted: Tensor, offsets: Tensor, index: Tensor, counts: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """As `lamm_model.kernels.reference.pool_groups`; sums in float32, leaves float64 to the reference."""
    if torch.float64 in (lifted.dtype, weight.dtype):
        return reference.pool_groups(lifted, offsets, index, counts, weight, bias)
    batch, count, k = index.shape
    outputs, hidden = weight.shape
    out = torch.empty(batch, count, outputs, dtype=weight.dtype, device=weight.device)
    if out.numel():
        # Two stages of float32 tiles of 128 outputs would not fit the shared memory of consumer devices (99 KiB).
        widest = 16 if interpreting() else 64 if weight.dtype == torch.float32 else 128
        width = max(16, min(widest, triton.next_power_of_2(outputs)))
        slots = max(16, min(64, triton.next_power_of_2(k)))
        depth = max(16, min(64, triton.next_power_of_2(hidden)))
        _pool_groups[(batch * count, triton.cdiv(outputs, width))](
            lifted.contiguous(),
            offsets.contiguous(),
            index,
            counts,
            weight.contiguous(),
            bias.contiguous(),
            out,
            lifted.shape[1],
            count,
            k,
            hidden,
            outputs,
            SLOTS=slots,
            HIDDEN=depth,
            OUTPUTS=width,
        )
    return out

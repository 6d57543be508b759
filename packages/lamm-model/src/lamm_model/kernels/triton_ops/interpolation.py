"""Weighted sums of rows in Triton, the terms added in slot order; half precision is summed in float32."""

# Compiled functions carry no annotations: their types are those of the arguments they are compiled for.
# ruff: noqa: ANN001, ANN202, N803
# mypy: disable-error-code="no-untyped-def,untyped-decorator"

import torch
import triton
import triton.language as tl
from torch import Tensor


@triton.jit
def _interpolate(
    features,
    index,
    weights,
    out,
    size,
    channels,
    rows_per_cloud,
    rows,
    k: tl.constexpr,
    WIDE: tl.constexpr,
    ROWS: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    wanted = row < rows
    mask = wanted[:, None] & (channel < channels)[None, :]
    base = row // rows_per_cloud * size
    total = tl.zeros([ROWS, CHANNELS], WIDE)
    for slot in range(k):
        source = base + tl.load(index + row * k + slot, mask=wanted, other=0)
        weight = tl.load(weights + row * k + slot, mask=wanted, other=0.0).to(WIDE)
        value = tl.load(features + source[:, None] * channels + channel[None, :], mask=mask, other=0.0).to(WIDE)
        total += value * weight[:, None]
    tl.store(out + row[:, None] * channels + channel[None, :], total.to(out.dtype.element_ty), mask=mask)


def three_interpolate(features: Tensor, index: Tensor, weights: Tensor) -> Tensor:
    """As `lamm_model.kernels.reference.three_interpolate`."""
    batch, size, channels = features.shape
    out = torch.empty(*index.shape[:2], channels, dtype=features.dtype, device=features.device)
    if out.numel():
        width = min(128, triton.next_power_of_2(channels))
        height = max(1, 1024 // width)
        rows = index.shape[0] * index.shape[1]
        grid = (triton.cdiv(rows, height), triton.cdiv(channels, width))
        wide = tl.float64 if features.dtype == torch.float64 else tl.float32
        _interpolate[grid](
            features,
            index,
            weights,
            out,
            size,
            channels,
            rows // batch,
            rows,
            index.shape[2],
            WIDE=wide,
            ROWS=height,
            CHANNELS=width,
            enable_fp_fusion=False,
        )
    return out

"""The operations on rows in Triton, tiles of rows and channels: the gather, and weighted sums added in slot order."""

import torch
import triton
import triton.language as tl
from torch import Tensor


def _tiles(rows: int, channels: int) -> tuple[tuple[int, int], int, int]:
    """The grid, and rows and channels of a tile."""
    width = min(128, triton.next_power_of_2(channels))
    height = max(1, 1024 // width)
    return (triton.cdiv(rows, height), triton.cdiv(channels, width)), height, width


@triton.jit
def _group(
    features,
    index,
    out,
    size,
    channels,
    rows_per_cloud,
    rows,
    ROWS: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    wanted = row < rows
    source = row // rows_per_cloud * size + tl.load(index + row, mask=wanted, other=0)
    mask = wanted[:, None] & (channel < channels)[None, :]
    values = tl.load(features + source[:, None] * channels + channel[None, :], mask=mask)
    tl.store(out + row[:, None] * channels + channel[None, :], values, mask=mask)


def group(features: Tensor, index: Tensor) -> Tensor:
    """As `lamm_model.kernels.reference.group`."""
    batch, size, channels = features.shape
    out = torch.empty(*index.shape, channels, dtype=features.dtype, device=features.device)
    if out.numel():
        rows = index.numel()
        grid, height, width = _tiles(rows, channels)
        _group[grid](features, index, out, size, channels, rows // batch, rows, ROWS=height, CHANNELS=width)
    return out


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
    """As `lamm_model.kernels.reference.three_interpolate`; half precision is summed in float32."""
    batch, size, channels = features.shape
    out = torch.empty(*index.shape[:2], channels, dtype=features.dtype, device=features.device)
    if out.numel():
        rows = index.shape[0] * index.shape[1]
        grid, height, width = _tiles(rows, channels)
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

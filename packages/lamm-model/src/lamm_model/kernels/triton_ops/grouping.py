"""Row gather in Triton: tiles of rows and channels, no arithmetic."""

# Compiled functions carry no annotations: their types are those of the arguments they are compiled for.
# ruff: noqa: ANN001, ANN202, N803
# mypy: disable-error-code="no-untyped-def,untyped-decorator"

import torch
import triton
import triton.language as tl
from torch import Tensor


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
        width = min(128, triton.next_power_of_2(channels))
        height = max(1, 1024 // width)
        rows = index.numel()
        grid = (triton.cdiv(rows, height), triton.cdiv(channels, width))
        _group[grid](features, index, out, size, channels, rows // batch, rows, ROWS=height, CHANNELS=width)
    return out

"""Tensors that may lie in shares over several processes: gathered to be written, cut to be read."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def whole(value: Tensor) -> Tensor:
    """Return a tensor with all of its shares; every process must ask for it at the same time."""
    gather: Any = getattr(value, "full_tensor", None)
    return value if gather is None else gather()


def put(own: Tensor, value: Tensor) -> None:
    """Copy a whole tensor into one that may hold a share of it; every process must do it at the same time."""
    placed: Any = own
    with torch.no_grad():
        if hasattr(own, "full_tensor"):
            from torch.distributed.tensor import distribute_tensor

            value = distribute_tensor(
                value.to(placed.to_local().device, placed.dtype), placed.device_mesh, placed.placements
            )
        own.copy_(value)

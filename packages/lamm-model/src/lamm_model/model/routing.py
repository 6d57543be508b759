"""Which adapter set each token uses: modality ids, and the state that LoRA layers read during a pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

TEXT, IMAGE, POINT_CLOUD = 0, 1, 2
MODALITY_IDS = {"text": TEXT, "image": IMAGE, "point_cloud": POINT_CLOUD}


def infer_modality_ids(input_ids: Tensor, image_token_id: int, point_cloud_token_id: int) -> Tensor:
    """Give every token the modality of the last medium before it; tokens before the first medium take the first's.

    Args:
        input_ids: `[B, S]`.
        image_token_id: Placeholder of images.
        point_cloud_token_id: Placeholder of point clouds.

    Returns:
        `[B, S]` long: 0 in rows without media, else 1 (image) or 2 (point cloud).
    """
    seen = (input_ids == image_token_id).long() * IMAGE + (input_ids == point_cloud_token_id).long() * POINT_CLOUD
    positions = torch.arange(input_ids.shape[1], device=input_ids.device).expand_as(input_ids)
    marked = torch.where(seen > 0, positions, -1)
    last = marked.cummax(dim=1).values
    first = (seen > 0).long().argmax(dim=1, keepdim=True)
    return seen.gather(1, torch.where(last >= 0, last, first))


class ModalityRouting:
    """Shared by the model and the hooks on its LoRA layers: the modality ids of the pass under way.

    Attributes:
        enabled: Whether routed adapters are injected.
        modality_ids: `[B, S]` of the current pass, or None to let every active adapter see every token.
    """

    def __init__(self) -> None:
        self.enabled = False
        self.modality_ids: Tensor | None = None
        self._masks: dict[tuple[int, torch.dtype], Tensor] = {}

    @contextmanager
    def over(self, modality_ids: Tensor | None) -> Iterator[None]:
        """Set the ids for one pass.

        They stay set afterwards: activation checkpointing runs the layers again during the backward pass.
        """
        self.modality_ids = modality_ids
        self._masks.clear()
        yield

    def mask(self, modality: int, like: Tensor) -> Tensor | None:
        """Return the `[B, S, 1]` mask of one modality in the dtype of `like`, or None where routing is off."""
        if self.modality_ids is None:
            return None
        key = (modality, like.dtype)
        if key not in self._masks:
            self._masks[key] = (self.modality_ids == modality).unsqueeze(-1).to(like.device, like.dtype)
        return self._masks[key]


class RoutingHook:
    """Zeroes one set's low-rank activation `[B, S, r]` where a token belongs to another modality."""

    def __init__(self, routing: ModalityRouting, modality: int) -> None:
        self.routing = routing
        self.modality = modality

    def __call__(self, module: nn.Module, args: Any, output: Tensor) -> Tensor:
        """Return the activation of this set's tokens."""
        mask = self.routing.mask(self.modality, output)
        return output if mask is None else output * mask

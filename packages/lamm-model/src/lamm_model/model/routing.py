"""Which adapter set each token uses: modality ids, and the state that LoRA layers read during a pass."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

TEXT, IMAGE, POINT_CLOUD = 0, 1, 2
MODALITY_IDS = {"text": TEXT, "image": IMAGE, "point_cloud": POINT_CLOUD}


def infer_modality_ids(input_ids: Tensor, image_token_id: int, point_cloud_token_id: int) -> Tensor:
    """Give every token the modality of the last medium before it; tokens before the first medium take the first's.

    Returns:
        `[B, S]` long, as `input_ids`: 0 in rows without media, else 1 (image) or 2 (point cloud).
    """
    seen = (input_ids == image_token_id).long() * IMAGE + (input_ids == point_cloud_token_id).long() * POINT_CLOUD
    positions = torch.arange(input_ids.shape[1], device=input_ids.device).expand_as(input_ids)
    marked = torch.where(seen > 0, positions, -1)
    last = marked.cummax(dim=1).values
    first = (seen > 0).long().argmax(dim=1, keepdim=True)
    return seen.gather(1, torch.where(last >= 0, last, first))


@dataclass(eq=False)
class ModalityRouting:
    """Shared by the model and the hooks on its LoRA layers: the modality ids of the pass under way.

    Each pass sets the ids anew and empties the masks. Both stay afterwards: activation checkpointing runs the layers
    again during the backward pass.

    Attributes:
        enabled: Whether routed adapters are injected.
        modality_ids: `[B, S]` of the current pass, or None to let every active adapter see every token.
        masks: `[B, S, 1]` of the current pass by modality, dtype and device, as they were asked for.
    """

    enabled: bool = False
    modality_ids: Tensor | None = None
    masks: dict[tuple[int, torch.dtype, torch.device], Tensor] = field(default_factory=dict)

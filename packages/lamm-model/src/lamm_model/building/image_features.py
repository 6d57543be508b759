"""How many features a vision tower makes of a picture, and how wide they are: found out by running its shapes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel

from lamm_model.errors import UsageError
from lamm_model.model.projector import tower_features
from lamm_model.processing.image_processing_lamm import LammImageProcessor

MOST_BEFORE = 16  # class and register tokens of a tower


def count_image_features(
    image_tower: str | Path, config: Any, layer: int | None = -1, select: str = "patch"
) -> tuple[int, int]:
    """Count what a vision tower makes of the pictures that its processor gives it.

    Args:
        image_tower: Folder or hub name; its processor gives the size.
        config: The tower's configuration.
        layer: As `LammConfig.image_feature_layer`.
        select: As `LammConfig.image_feature_select`.

    Returns:
        Features of one image, and the channels of each.

    Raises:
        UsageError: The tower cannot read pictures of that size.
    """
    side = LammImageProcessor.for_tower(image_tower).size
    patch = getattr(config, "patch_size", None)
    grid = (side // patch) ** 2 if isinstance(patch, int) else 0
    try:
        with torch.device("meta"):  # shapes only
            tower = AutoModel.from_config(config).eval()
            features = tower_features(tower, torch.zeros(1, 3, side, side), layer)
    except NotImplementedError:  # shapes that depend on values
        return grid, int(config.hidden_size)
    except (RuntimeError, ValueError, TypeError) as fault:
        reason = " ".join(str(fault).split())[:200]
        raise UsageError(
            f"Expected an image tower that reads the pictures of {side} x {side} pixels that its processor gives, "
            f"got {config.model_type}, which says: {reason}. Choose another, or correct its preprocessor_config.json."
        ) from fault
    found, width = int(features.shape[1]), int(features.shape[2])
    # Class and register tokens come before the grid; pooling towers give fewer tokens than the grid of their stem.
    before = found - grid if grid and 0 <= found - grid <= MOST_BEFORE else 0
    return found - (before if select == "patch" else 0), width

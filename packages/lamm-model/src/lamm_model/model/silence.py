"""Tokens that say nothing: a tower that reads tells much of one medium and little of another.

Such a tower (`silent_tokens` of its configuration) fills up with zeros. What is zero takes no place in a prompt, so a
picture that is told in three tokens costs three. How many a medium needs is known once its tower has run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from lamm_model.errors import LammModelError


def spoken(features: Tensor) -> Tensor:
    """Tell which tokens say something: features `[..., T, C]` to bool `[..., T]`."""
    return (features != 0).any(dim=-1)


def spoken_places(ids: Sequence[int], media: Sequence[tuple[int, int, int]]) -> Iterator[int]:
    """Yield the places of a prompt's tokens, except of placeholders whose features say nothing.

    Args:
        ids: Token ids, with all placeholders of each medium.
        media: Of each medium in order: its placeholder, how many of them stand for it, and how many speak.
    """
    placeholders, waiting = {token for token, _, _ in media}, iter(media)
    left = speaking = 0
    for place, token in enumerate(ids):
        if token in placeholders:
            if not left:
                _, left, speaking = next(waiting)
            left, speaking = left - 1, speaking - 1
            if speaking < 0:
                continue
        yield place


def heard(
    config: Any, input_ids: Tensor, mask: Tensor | None, image_features: Tensor | None, cloud_features: Tensor | None
) -> Tensor:
    """Mask the placeholders of tokens that say nothing.

    Args:
        config: Of the model.
        input_ids: `[B, S]`.
        mask: `[B, S]`, 1 for what is seen; None for all.
        image_features: `[n, T, C]`, before the projector; None without images.
        cloud_features: The same of point clouds.

    Returns:
        Such a mask.

    Raises:
        LammModelError: Placeholders and features differ in number.
    """
    mask = torch.ones_like(input_ids) if mask is None else mask
    features = {"image": image_features, "point_cloud": cloud_features}
    for kind, (token, _) in config.silent_media.items():
        places, given = input_ids == token, features[kind]
        told = places.new_zeros(0) if given is None else spoken(given).flatten()
        if len(told) != int(places.sum()):
            raise LammModelError(
                f"Expected {int(places.sum())} {kind} features for as many placeholders in input_ids, got {len(told)}. "
                "Give all media of the dialogue."
            )
        mask = mask.masked_scatter(places, told.to(mask.dtype))
    return mask

"""Tokens that say nothing: a tower that reads tells much of one medium and little of another.

Such a tower (`silent_tokens` of its configuration) fills up with zeros. What is zero takes no place in a prompt, so a
picture that is told in three tokens costs three. How many a medium needs is known once its tower has run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor


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

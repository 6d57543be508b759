"""What templates are drawn by and filled with: random streams of single items, and `{placeholders}`."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Mapping
from functools import lru_cache

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def item_rng(seed: int, *names: str) -> random.Random:
    """Make the random stream of one item, which depends on nothing but its names and the seed."""
    digest = hashlib.blake2b("\x1f".join((str(seed), *names)).encode(), digest_size=8).digest()
    return random.Random(int.from_bytes(digest, "big"))


@lru_cache(maxsize=8192)
def _pieces(template: str) -> tuple[str, ...]:
    """Cut a template into literal text (even positions) and names of placeholders (odd positions)."""
    return tuple(_PLACEHOLDER.split(template))


def fill(template: str, values: Mapping[str, str]) -> str:
    """Put values into the `{placeholders}` of a template; braces inside values are left alone.

    Raises:
        KeyError: A placeholder has no value.
    """
    pieces = list(_pieces(template))
    for at in range(1, len(pieces), 2):
        pieces[at] = values[pieces[at]]
    return "".join(pieces)


def placeholders(template: str) -> frozenset[str]:
    """Name the placeholders of a template."""
    return frozenset(_PLACEHOLDER.findall(template))

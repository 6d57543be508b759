"""Texts as words, and texts that say nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from operator import attrgetter
from typing import Any, TypeVar

Value = TypeVar("Value")

_SIGNS = "".join(chr(code) for code in range(128) if not chr(code).isalnum()) + "‘’“”—–…•«»"
_TO_SPACES = str.maketrans(_SIGNS, " " * len(_SIGNS))


def words_of(text: str) -> list[str]:
    """Split a text into words: runs of letters and digits, in lower case.

    >>> words_of("A dog's bowl, red-brown; 2 cats_")
    ['a', 'dog', 's', 'bowl', 'red', 'brown', '2', 'cats']
    """
    return text.lower().translate(_TO_SPACES).split()


def worded(values: Iterable[Value], key: str, left_out: Counter[str], reason: str) -> list[tuple[int, Value]]:
    """Return annotations that say something, with their numbers; the others are counted.

    Args:
        values: Annotations, or plain texts when `key` is empty.
        key: Attribute with the text.
        left_out: Receives how many say nothing.
        reason: What they are.
    """
    text: Any = attrgetter(key) if key else str
    everything = list(enumerate(values))
    there = [(number, value) for number, value in everything if text(value)]
    if len(there) < len(everything):
        left_out[reason] += len(everything) - len(there)
    return there

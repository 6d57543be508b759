"""Texts as words."""

from __future__ import annotations

_SIGNS = "".join(chr(code) for code in range(128) if not chr(code).isalnum()) + "‘’“”—–…•«»"
_TO_SPACES = str.maketrans(_SIGNS, " " * len(_SIGNS))


def words_of(text: str) -> list[str]:
    """Split a text into words: runs of letters and digits, in lower case.

    >>> words_of("A dog's bowl, red-brown; 2 cats_")
    ['a', 'dog', 's', 'bowl', 'red', 'brown', '2', 'cats']
    """
    return text.lower().translate(_TO_SPACES).split()

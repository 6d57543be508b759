"""What kind of answer a short answer is, and whether two answers could both be right."""

from __future__ import annotations

import re

from lamm_data.files.settings import packaged_toml

_WORD = re.compile(r"[a-z0-9]+")
DESCRIBED = ("colour", "material", "shape")
"""Types of answers all of whose words describe."""


_TABLE = packaged_toml("writing", "answer_words.toml")
_LISTS = {name: frozenset(_TABLE[name].split()) for name in (*DESCRIBED, "place", "link")}
_NUMBERS = {word: str(value) for value, word in enumerate(_TABLE["number"].split())}
_FOLDED = _NUMBERS | _TABLE["alike"]


def content_words(text: str) -> frozenset[str]:
    """Return the words that carry an answer's meaning: spelling variants and number words folded, link words dropped.

    >>> sorted(content_words("Two of the grey chairs"))
    ['2', 'chairs', 'gray']
    """
    folded = {_FOLDED.get(word, word) for word in _WORD.findall(text.lower())}
    return frozenset(folded - _LISTS["link"] - {"color", "colored"})


def answer_type(text: str) -> str:
    """Sort a short answer: `yes or no`, `number`, `colour`, `material`, `shape`, `place` or `thing`.

    >>> [answer_type(text) for text in ("no", "2 monitors", "dark brown", "to the left of the door", "trash can")]
    ['yes or no', 'number', 'colour', 'place', 'thing']
    """
    words = _WORD.findall(text.lower())
    if not words:
        return "thing"
    if words[0] in ("yes", "no") and len(words) == 1:
        return "yes or no"
    if words[0].isdigit() or words[0] in _NUMBERS:
        return "number"
    for name in DESCRIBED:
        if set(words) <= _LISTS[name] | _LISTS["link"]:
            return name
    first = words[1] if words[0] in ("the", "a", "an") and len(words) > 1 else words[0]
    return "place" if first in _LISTS["place"] else "thing"


def overlap(one: frozenset[str], other: frozenset[str]) -> bool:
    """Tell whether one answer says no more than another ("brown", "dark brown"): then both might be accepted.

    Both are given by their content words; answers without any ("on") overlap with their like only.
    """
    return one == other or bool(one and other and (one <= other or other <= one))

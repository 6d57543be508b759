"""What kind of answer a short answer is, and whether two answers could both be right."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

_WORD = re.compile(r"[a-z0-9]+")
DESCRIBED = ("colour", "material", "shape")
"""Types of answers all of whose words describe."""


@dataclass(frozen=True, slots=True)
class _Words:
    """The word lists of `answer_words.toml`."""

    numbers: dict[str, str]
    alike: dict[str, str]
    lists: dict[str, frozenset[str]]


@cache
def _words() -> _Words:
    table = tomllib.loads(resources.files("lamm_data.writing").joinpath("answer_words.toml").read_text("utf-8"))
    lists = {name: frozenset(table[name].split()) for name in (*DESCRIBED, "place", "link")}
    return _Words({word: str(value) for value, word in enumerate(table["number"].split())}, table["alike"], lists)


def content_words(text: str) -> frozenset[str]:
    """Return the words that carry an answer's meaning: spelling variants and number words folded, link words dropped.

    >>> sorted(content_words("Two of the grey chairs"))
    ['2', 'chairs', 'gray']
    """
    known = _words()
    folded = (known.alike.get(word, known.numbers.get(word, word)) for word in _WORD.findall(text.lower()))
    return frozenset(word for word in folded if word not in known.lists["link"] and word not in ("color", "colored"))


def answer_type(text: str) -> str:
    """Sort a short answer: `yes or no`, `number`, `colour`, `material`, `shape`, `place` or `thing`.

    >>> [answer_type(text) for text in ("no", "2 monitors", "dark brown", "to the left of the door", "trash can")]
    ['yes or no', 'number', 'colour', 'place', 'thing']
    """
    words, known = _WORD.findall(text.lower()), _words()
    if not words:
        return "thing"
    if words[0] in ("yes", "no") and len(words) == 1:
        return "yes or no"
    if words[0].isdigit() or words[0] in known.numbers:
        return "number"
    for name in DESCRIBED:
        if set(words) <= known.lists[name] | known.lists["link"]:
            return name
    first = words[1] if words[0] in ("the", "a", "an") and len(words) > 1 else words[0]
    return "place" if first in known.lists["place"] else "thing"


def overlap(one: frozenset[str], other: frozenset[str]) -> bool:
    """Tell whether one answer says no more than another ("brown", "dark brown"): then both might be accepted.

    Answers without content words ("on") overlap with their like only.

    Args:
        one: Content words of an answer.
        other: Content words of another.
    """
    return one == other or bool(one and other and (one <= other or other <= one))

"""Words by which texts name classes and numbers."""

from __future__ import annotations

from functools import cache

from lamm_data.files.settings import packaged_toml
from lamm_data.writing.english import plural

_WORDS = packaged_toml("quality/checks", "words.toml")
NUMBERS: dict[str, int] = _WORDS["numbers"]
"""Numbers in words."""
ADJECTIVES: frozenset[str] = frozenset(_WORDS["adjectives"])
"""Class names that before a noun mean something else."""
COLOURS: frozenset[str] = frozenset(_WORDS["colours"])
"""Colours, which follow such a word by "and" when it is one itself."""
OPPOSITES: dict[str, str] = _WORDS["opposites"]
"""Words of places, each with what contradicts it in its place."""
_SAME: dict[str, list[str]] = _WORDS["same"]
_SYNONYMS: dict[str, list[str]] = _WORDS["synonyms"]


def label_words(label: str) -> list[str]:
    """Give the words that name a class, in the singular and in lower case.

    >>> label_words("Couch"), label_words("kite")
    (['couch', 'sofa'], ['kite'])
    """
    return _SYNONYMS.get(label.lower(), [label.lower()])


@cache
def exact_words(label: str) -> frozenset[str]:
    """Give the words that mean all of a class, in singular and plural, in lower case.

    >>> sorted(exact_words("kite")), "women" in exact_words("person")
    (['kite', 'kites'], False)
    """
    words = _SAME.get(label.lower(), [label.lower()])
    return frozenset(form for word in words for form in plural_forms(word))


@cache
def plural_forms(word: str) -> frozenset[str]:
    """Give a word and its plural.

    >>> sorted(plural_forms("knife")), sorted(plural_forms("giraffe"))
    (['knife', 'knives'], ['giraffe', 'giraffes'])
    """
    return frozenset({word, plural(word)})

"""Finds where a text names a class of a vocabulary, and how many of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from lamm_data.quality.checks.vocabulary import ADJECTIVES, COLOURS, NUMBERS, label_words, plural_forms
from lamm_data.writing.words import words_of

_TOKEN = re.compile(r"[^\W_]+")
_JOINT = re.compile(r"[ \t\n-]+")
Token = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Mention:
    """A class that a text names.

    Attributes:
        labels: The class; several for an ambiguous word ("bike").
        word: The word that names it, as written, from `start` to `end` of the text.
        number: The number before it, in words or digits, with at most one word between; empty when there is none.
    """

    labels: tuple[str, ...]
    word: str
    start: int
    end: int
    number: str


class MentionFinder:
    """Finds the classes of a vocabulary by their names, synonyms and plurals.

    Attributes:
        first_words: Words with which a name may begin: a text without any of them names no class.
        labels_by_word: Classes whose name may begin with each of them.
    """

    def __init__(self, labels: Iterable[str]) -> None:
        names: dict[tuple[str, ...], list[str]] = {}
        for label in labels:
            for form in sorted({form for word in label_words(label) for form in plural_forms(word)}):
                names.setdefault(tuple(words_of(form)), []).append(label)
        self._forms: dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]] = {}
        for words in sorted(filter(None, names), key=len, reverse=True):
            self._forms.setdefault(words[0], []).append((words, tuple(names[words])))
        self.first_words = frozenset(self._forms)
        self.labels_by_word = {
            word: frozenset(label for _, labels in forms for label in labels) for word, forms in self._forms.items()
        }

    def find(self, text: str) -> Iterator[Mention]:
        """Find mentions, longest names first and without overlaps."""
        tokens = [(found[0].lower(), found.start(), found.end()) for found in _TOKEN.finditer(text)]
        at = 0
        while at < len(tokens):
            size, labels = self._name_at(tokens, at, text) if tokens[at][0] in self._forms else (1, ())
            if labels and not _adjective(tokens, at, size, text):
                start, end = tokens[at][1], tokens[at + size - 1][2]
                yield Mention(labels, text[start:end], start, end, _number_before(tokens, at, text))
            at += size

    def _name_at(self, tokens: list[Token], at: int, text: str) -> tuple[int, tuple[str, ...]]:
        for form, labels in self._forms[tokens[at][0]]:
            part = tokens[at : at + len(form)]
            if tuple(token[0] for token in part) == form and all(
                _joined(text, one, other) for one, other in pairwise(part)
            ):
                return len(form), labels
        return 1, ()


def _joined(text: str, one: Token, other: Token) -> bool:
    return _JOINT.fullmatch(text, one[2], other[1]) is not None


def _adjective(tokens: list[Token], at: int, size: int, text: str) -> bool:
    """Tell whether a word such as "orange" stands before a noun and means a colour."""
    if size > 1 or tokens[at][0] not in ADJECTIVES or at + 1 == len(tokens):
        return False
    following = tokens[at + 1]
    if following[0] in ("and", "or") and at + 2 < len(tokens):
        return tokens[at + 2][0] in COLOURS
    return _joined(text, tokens[at], following) and following[0] not in ("is", "are", "and", "or", "on", "in", "with")


def _number_before(tokens: list[Token], at: int, text: str) -> str:
    for back in (1, 2):
        if at < back or not _joined(text, tokens[at - back], tokens[at - back + 1]):
            return ""
        word = tokens[at - back][0]
        if word in NUMBERS or (word.isdecimal() and len(word) <= 3):
            return word
    return ""

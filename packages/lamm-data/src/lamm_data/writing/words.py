"""Texts as words, texts that say nothing, and what no text may hold: most such patterns its words alone rule out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Set
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

from lamm_data.files.settings import packaged_toml

Value = TypeVar("Value")

_ASCII_SIGNS = "".join(chr(code) for code in range(128) if not chr(code).isalnum())
_SIGNS = _ASCII_SIGNS + "‘’“”„—–…•«»¿¡،؟۔।。，、！？；：（）「」"
_TO_SPACES = str.maketrans(_SIGNS, " " * len(_SIGNS))
_RARE = "*@#$<{[`=!1:_~&%-\\"
_NEED = re.compile(r"\(\?#([^)]*)\)")


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


@dataclass(frozen=True, slots=True)
class Phrase:
    """A pattern of a kind of finding, and what it needs: of each group, one word or one run of other characters."""

    kind: str
    source: str
    needs: tuple[tuple[frozenset[str], tuple[str, ...]], ...]

    @property
    def pattern(self) -> re.Pattern[str]:
        """The pattern, compiled when it is first needed: most never are, and all take a third of a second."""
        return _compiled(self.source)

    def possible(self, text: str, vocabulary: Set[str]) -> bool:
        """Tell whether the pattern can match anywhere in a text in lower case with these different words."""
        for words, signs in self.needs:
            if vocabulary.isdisjoint(words) and not (signs and any(sign in text for sign in signs)):
                return False
        return True


@cache
def _compiled(source: str) -> re.Pattern[str]:
    return re.compile(source, re.IGNORECASE)


class PhraseIndex:
    """All patterns, found by what their first group needs: most texts have few of these words."""

    def __init__(self, phrases: Iterable[Phrase]) -> None:
        self._phrases = tuple(phrases)
        self._by_word: dict[str, list[int]] = {}
        by_sign: dict[str, dict[str, list[int]]] = {}
        for number, phrase in enumerate(self._phrases):
            words, signs = phrase.needs[0]
            for word in words:
                self._by_word.setdefault(word, []).append(number)
            for sign in signs:
                # Signs are grouped by a rare character or by their start, so that one look rules out the group.
                rare = next((character for character in _RARE if character in sign), sign[:2])
                by_sign.setdefault(rare, {}).setdefault(sign, []).append(number)
        self._words = frozenset(self._by_word)
        self._ascii_signs = [(rare, signs) for rare, signs in by_sign.items() if rare.isascii()]
        self._all_signs = list(by_sign.items())

    def possible(self, text: str, vocabulary: Set[str]) -> dict[str, list[re.Pattern[str]]]:
        """Give the patterns that can match in a text in lower case with these different words, by kind."""
        numbers = {number for word in self._words & vocabulary for number in self._by_word[word]}
        for rare, signs in self._ascii_signs if text.isascii() else self._all_signs:
            if rare in text:
                numbers.update(number for sign, found in signs.items() if sign in text for number in found)
        kinds: dict[str, list[re.Pattern[str]]] = {}
        for number in sorted(numbers):
            phrase = self._phrases[number]
            if phrase.possible(text, vocabulary):
                kinds.setdefault(phrase.kind, []).append(phrase.pattern)
        return kinds


def compile_phrase(kind: str, pattern: str) -> Phrase:
    """Compile a pattern; its comments `(?#a b)` name what it needs.

    >>> phrase = compile_phrase("leakage", "(?#caption captions)captions? say")
    >>> phrase.needs == ((frozenset({"caption", "captions"}), ()),)
    True
    """
    groups = [found.split() for found in _NEED.findall(pattern)]
    needs = tuple(
        (
            frozenset(item for item in group if item.isalnum()),
            tuple(item.removeprefix("~") for item in group if not item.isalnum()),
        )
        for group in groups
    )
    return Phrase(kind, _NEED.sub("", pattern), needs)


@cache
def load_phrases() -> tuple[Phrase, ...]:
    """Load the patterns of `phrases.toml`, and those of `offensive.toml` with its words as one more a kind."""
    lists = packaged_toml("quality/checks", "phrases.toml")
    tables = packaged_toml("quality/checks", "offensive.toml")
    lists |= {kind: table["patterns"] for kind, table in tables.items()}
    phrases = [compile_phrase(kind, pattern) for kind, patterns in lists.items() for pattern in patterns]
    return (*phrases, *(word_phrase(kind, table["words"].split()) for kind, table in tables.items()))


@cache
def phrase_index(*kinds: str) -> PhraseIndex:
    """Index the packaged patterns, of some kinds or of all."""
    return PhraseIndex(phrase for phrase in load_phrases() if not kinds or phrase.kind in kinds)


def first_fault(text: str, *kinds: str) -> tuple[str, str] | None:
    """Find a phrase of some kinds in a text: its kind, and the words as they stand.

    >>> first_fault("I'm sorry, but I can't assist with that.", "refusal")
    ('refusal', "sorry, but I can't")
    """
    lower = text.lower()
    for kind, patterns in phrase_index(*kinds).possible(lower, frozenset(words_of(lower))).items():
        for pattern in patterns:
            if match := pattern.search(text):
                return kind, match[0].strip()
    return None


def word_phrase(kind: str, words: Iterable[str]) -> Phrase:
    """Make one pattern of whole words."""
    words = sorted(words)
    pattern = rf"(?<![^\W_])(?:{'|'.join(map(re.escape, words))})(?![^\W_])"
    return Phrase(kind, pattern, ((frozenset(words), ()),))

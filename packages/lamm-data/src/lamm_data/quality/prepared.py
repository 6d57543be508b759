"""A record made ready for the checks: its words are found once, and most patterns are ruled out by them alone."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from lamm_data.records import InstructionRecord

_SIGNS = "".join(chr(code) for code in range(128) if not chr(code).isalnum()) + "‘’“”—–…•«»"
_TO_SPACES = str.maketrans(_SIGNS, " " * len(_SIGNS))
_NEED = re.compile(r"\(\?#([^)]*)\)")


def words_of(text: str) -> list[str]:
    """Split a text into words: runs of letters and digits, in lower case.

    >>> words_of("A dog's bowl, red-brown; 2 cats_")
    ['a', 'dog', 's', 'bowl', 'red', 'brown', '2', 'cats']
    """
    return text.lower().translate(_TO_SPACES).split()


class PreparedRecord:
    """A record with what several checks need of it.

    Args:
        record: The record.

    Attributes:
        record: The record.
        text: Its turns in lower case, a line each.
        words: Words of all turns, in order; a mark that is no word ends each turn.
        vocabulary: Its different words.
    """

    __slots__ = ("record", "text", "vocabulary", "words")

    def __init__(self, record: InstructionRecord) -> None:
        self.record = record
        self.text = "\n".join([turn.text for turn in record.conversations]).lower()
        self.words = self.text.translate(_TO_SPACES).split()
        self.vocabulary = frozenset(self.words)


@dataclass(frozen=True, slots=True)
class Phrase:
    """A pattern with the words without which it cannot match.

    Attributes:
        pattern: The compiled pattern.
        needs: Of each group, one word or one run of other characters must occur.
    """

    pattern: re.Pattern[str]
    needs: tuple[tuple[frozenset[str], tuple[str, ...]], ...]

    def possible(self, prepared: PreparedRecord) -> bool:
        """Tell whether the pattern can match anywhere in a record."""
        for words, signs in self.needs:
            if prepared.vocabulary.isdisjoint(words) and not any(sign in prepared.text for sign in signs):
                return False
        return True


def compile_phrase(pattern: str) -> Phrase:
    """Compile a pattern; its comments `(?#a b)` name what it needs.

    >>> phrase = compile_phrase("(?#caption captions)captions? say")
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
    return Phrase(re.compile(_NEED.sub("", pattern), re.IGNORECASE), needs)


@cache
def load_phrases(kind: str) -> tuple[Phrase, ...]:
    """Load the patterns of a kind of finding: of `phrases.toml`, or of `offensive.toml` with its words as one more."""
    folder = files("lamm_data.quality")
    lists = tomllib.loads((folder / "phrases.toml").read_text(encoding="utf-8"))
    if kind in lists:
        return tuple(map(compile_phrase, lists[kind]))
    table = tomllib.loads((folder / "offensive.toml").read_text(encoding="utf-8"))[kind]
    return (*map(compile_phrase, table["patterns"]), word_phrase(table["words"].split()))


def word_phrase(words: Iterable[str]) -> Phrase:
    """Make one pattern of whole words."""
    words = sorted(words)
    pattern = re.compile(rf"(?<![^\W_])(?:{'|'.join(map(re.escape, words))})(?![^\W_])", re.IGNORECASE)
    return Phrase(pattern, ((frozenset(words), ()),))

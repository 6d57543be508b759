"""Find the names of a closed set in a text: whole words, any inflection of number, longest name first."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+(?:'(?=[^\W\d_]{2,})[^\W_]+)?")
_NEXT_WORD = re.compile(r"[ \n_/'-]{0,3}([^\W_]{1,40}+)")
_IRREGULAR = {
    "person": ("people", "persons"),
    "man": ("men",),
    "woman": ("women",),
    "child": ("children",),
    "mouse": ("mice",),
    "goose": ("geese",),
    "foot": ("feet",),
    "tooth": ("teeth",),
    "knife": ("knives",),
    "leaf": ("leaves",),
    "shelf": ("shelves",),
    "bookshelf": ("bookshelves",),
    "wolf": ("wolves",),
    "loaf": ("loaves",),
    "calf": ("calves",),
    "half": ("halves",),
    "sheep": (),
    "deer": (),
    "fish": ("fishes",),
    "aircraft": (),
}


# Their plurals are spelled like other, far commoner words.
_NO_PLURAL = frozenset({"doe"})


def plurals(word: str) -> tuple[str, ...]:
    """Return the plural spellings of a lower-case English noun.

    Example:
        >>> plurals("bus"), plurals("baby"), plurals("sheep")
        (('buses', 'busses'), ('babies',), ())
    """
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word in _NO_PLURAL:
        return ()
    for ending, forms in _IRREGULAR.items():
        if word.endswith(ending) and ending in {"man", "woman", "person", "child", "shelf"}:
            return tuple(word.removesuffix(ending) + form for form in forms)
    if word.endswith("us"):
        return (word + "es", word + "ses")
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return (word + "es",)
    if word.endswith("y") and len(word) > 1 and word[-2] not in "aeiou":
        return (word[:-1] + "ies",)
    if word.endswith("o"):
        return (word + "s", word + "es")
    return (word + "s",)


def words_of(text: str) -> list[str]:
    """Return lower-case words of a name; underscores and hyphens separate words."""
    return [word.lower() for word in _WORD.findall(text)]


@dataclass(frozen=True, slots=True)
class NameHit:
    """One name of the set found in a text.

    Attributes:
        label: The label whose name it is.
        start: Index of its first character.
        end: Index behind its last character.
    """

    label: str
    start: int
    end: int


class NameIndex:
    """The names of a closed set of labels, by first word.

    Args:
        labels: The closed set.
        synonyms: Further names per label.
        traps: Phrases that contain a name but mean something else ("hot dog"); they hide the names in them.
        inflect: Whether plural forms count as the name.
    """

    def __init__(
        self,
        labels: Sequence[str],
        synonyms: Mapping[str, Sequence[str]],
        traps: Sequence[str] = (),
        inflect: bool = True,
    ) -> None:
        self._by_first: dict[str, list[tuple[tuple[str, ...], str | None]]] = {}
        for label in labels:
            self._add_forms(label, label, inflect)
        for trap in traps:
            self._add(tuple(words_of(trap)), None)
        for label in labels:
            for name in synonyms.get(label, ()):
                self._add_forms(name, label, inflect)
        for label in labels:
            self._add_forms("".join(words_of(label)), label, inflect)  # "diningtable" for "dining table"
        for entries in self._by_first.values():
            entries.sort(key=lambda entry: -len(entry[0]))

    def _add_forms(self, name: str, label: str, inflect: bool) -> None:
        words = tuple(words_of(name))
        if not words:
            return
        self._add(words, label)
        if inflect and words[-1].isalpha():
            for plural in plurals(words[-1]):
                self._add((*words[:-1], plural), label)

    def _add(self, words: tuple[str, ...], label: str | None) -> None:
        if not words:
            return
        entries = self._by_first.setdefault(words[0], [])
        # The first owner of a name keeps it: labels come before traps and synonyms, so neither takes a label's name.
        if all(words != known for known, _ in entries):
            entries.append((words, label))

    def find(self, text: str) -> Iterator[NameHit]:
        """Yield the names in `text` from left to right, the longest at each place, without overlap."""
        by_first = self._by_first
        resume = 0
        for found in _WORD.finditer(text):
            entries = by_first.get(found.group().lower())
            if entries is None or found.start() < resume:
                continue
            for words, label in entries:
                end = _follow(text, found.end(), words)
                if end is not None:
                    resume = end
                    if label is not None:
                        yield NameHit(label, found.start(), end)
                    break


def _follow(text: str, end: int, words: tuple[str, ...]) -> int | None:
    """Return where a name ends whose first word ends at `end`, or `None` where its further words do not follow."""
    for word in words[1:]:
        following = _NEXT_WORD.match(text, end)
        if following is None or following.group(1).lower() != word:
            return None
        end = following.end()
    return end


@lru_cache(maxsize=64)
def _cached(
    labels: tuple[str, ...], synonyms: tuple[tuple[str, tuple[str, ...]], ...], traps: tuple[str, ...], inflect: bool
) -> NameIndex:
    return NameIndex(labels, dict(synonyms), traps, inflect)


def name_index(
    labels: Sequence[str],
    synonyms: Mapping[str, Sequence[str]] | None = None,
    traps: Sequence[str] = (),
    inflect: bool = True,
) -> NameIndex:
    """Return a `NameIndex`, built once per set of labels and kept.

    Args:
        labels: The closed set.
        synonyms: Further names per label.
        traps: Phrases that hide the names in them.
        inflect: Whether plural forms count as the name.
    """
    pairs = tuple((label, tuple(names)) for label, names in (synonyms or {}).items())
    return _cached(tuple(labels), pairs, tuple(traps), inflect)

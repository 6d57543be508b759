"""The tables of METEOR 1.5, read from where they are installed; none is part of this package.

The words that count little, the abbreviations and the paraphrases are under the LGPL, the synonyms under WordNet's
licence. All of them come with `pip install pycocoevalcap`, within its `meteor-1.5.jar` (an archive: no Java is needed)
and beside it. The 5.3 million paraphrases become an index once, in a folder of the user's cache, and are mapped into
memory from there: 0.1 s and few pages, in place of seconds and gigabytes.
"""

import gzip
import os
from array import array
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from importlib.util import find_spec
from io import BufferedReader
from itertools import pairwise
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any, NamedTuple
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.errors import UsageError
from lamm_metrics.metrics.captions.meteor_stems import porter2

JAR, PARAPHRASES = "meteor-1.5.jar", "data/paraphrase-en.gz"
LONGEST_PHRASE = 7
# A beginning of a phrase is noted as one bit, by the first 26 bits of its key.
BIT, PRIME = 38, 0x9E3779B97F4A7C15
# WordNet's rules of detachment: nouns, verbs, adjectives.
_ENDINGS = (
    *(
        ("s", ""),
        ("ses", "s"),
        ("xes", "x"),
        ("zes", "z"),
        ("ches", "ch"),
        ("shes", "sh"),
        ("men", "man"),
        ("ies", "y"),
    ),
    *(("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", "")),
    *(("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
)
_NONE: frozenset[int] = frozenset()


class WordLists(NamedTuple):
    """Function words, and abbreviations that keep their dot: always (True) or before a number only (False)."""

    function_words: frozenset[str]
    abbreviations: Mapping[str, bool]
    digest: str


NO_LISTS = WordLists(frozenset(), {}, "none")


def tables_folder(tables: str) -> Path:
    """Return the folder that holds METEOR's tables.

    Args:
        tables: `pycocoevalcap` for the installed package, or a folder laid out as METEOR's own release.

    Raises:
        UsageError: They are not there.
    """
    if tables == "pycocoevalcap":
        found = find_spec(tables)
        places = [Path(place) / "meteor" for place in (found.submodule_search_locations or ())] if found else []
    else:
        places = [Path(tables)]
    for place in places:
        if (place / JAR).is_file() and (place / PARAPHRASES).is_file():
            return place
    raise UsageError(
        f"Expected {JAR} and {PARAPHRASES} of METEOR 1.5 in {places[0] if places else 'an installed pycocoevalcap'}, "
        "got none. Run `pip install pycocoevalcap` (no Java is needed), name their folder (tables=DIR), or score "
        "without them (tables=none, stages=exact stem), which is not METEOR 1.5."
    )


def has_tables() -> bool:
    """Return whether an installed pycocoevalcap brings METEOR's tables."""
    try:
        return tables_folder("pycocoevalcap").is_dir()
    except UsageError:
        return False


def _members(jar: Path, *names: str) -> list[bytes]:
    try:
        with ZipFile(jar) as archive:
            return [archive.read(name) for name in names]
    except (BadZipFile, KeyError) as fault:
        raise UsageError(f"Expected the archive of METEOR 1.5 at {jar}, got {fault}. Install it anew.") from fault


@lru_cache(maxsize=4)
def word_lists(folder: Path) -> WordLists:
    """Read the function words and the abbreviations of METEOR's archive."""
    words, prefixes = _members(folder / JAR, "function/english.words", "nonbreaking/english.prefixes")
    lines = [line.split() for line in prefixes.decode().splitlines() if line.strip() and not line.startswith("#")]
    abbreviations = {line[0]: "#NUMERIC_ONLY#" not in line[1:] for line in lines}
    return WordLists(frozenset(words.decode().splitlines()), abbreviations, _digest(words, prefixes))


def _digest(*parts: bytes) -> str:
    return blake2b(b"".join(blake2b(part).digest() for part in parts), digest_size=4).hexdigest()


class TableWord(NamedTuple):
    """What the tables know of a word: its number in the phrases, -1 where it is in none; its stem; its synonym sets."""

    number: int
    stem: str
    synsets: frozenset[int]


class Index:
    """Synonyms and paraphrases as arrays mapped from the cache.

    Attributes:
        keys: The keys of all phrases, sorted, [phrases].
        prefixes: The bits of their beginnings.
        pair_starts: Where the paraphrases of each phrase begin in `others`, [phrases + 1].
        others: Phrases, best first, [pairs].
        digest: The hash of the tables.
    """

    def __init__(self, folder: Path) -> None:
        # As plain arrays: numpy's class of mapped ones takes longer to index.
        arrays = {name: np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r")) for name in _ARRAYS}
        self.keys, self.prefixes, self.pair_starts, self.others = (arrays[name] for name in _ARRAYS[:4])
        self._synset_starts, self._synsets, self._word_starts = (arrays[name] for name in _ARRAYS[4:])
        self._words = (folder / "words.txt").read_bytes()
        self.digest = (folder / "digest.txt").read_text()
        if len(self._words) != self._word_starts[-1]:
            raise ValueError("words.txt has another length than the index says")
        self._known = range(len(self._word_starts) - 1)

    def _line(self, number: int) -> bytes:
        """Return the line of a word: the word, its stem, its base forms where they are irregular."""
        start, end = self._word_starts[number : number + 2].tolist()
        return self._words[start : end - 1]

    def _find(self, word: str) -> tuple[int, list[str]]:
        """Return the number of a word and what its line says beside it; -1 and nothing where it is not there."""
        wanted = word.encode("utf-8", "surrogatepass")
        number = bisect_left(self._known, wanted, key=lambda number: self._line(number).partition(b" ")[0])
        if number == len(self._known):
            return -1, []
        found, *listed = self._line(number).decode().split(" ")
        return (number, listed) if found == word else (-1, [])

    def entry(self, word: str) -> TableWord:
        """Return what the tables know of a word."""
        number, listed = self._find(word)
        if number < 0:
            return TableWord(number, porter2(word), self._inflected(word))
        own = self._own(number)
        stem, *bases = listed
        base = own.union(*map(self._of_form, bases)) if bases else own | self._inflected(word)
        return TableWord(number, stem, base)

    def _own(self, number: int) -> frozenset[int]:
        start, end = self._synset_starts[number : number + 2].tolist()
        return frozenset(self._synsets[start:end].tolist())

    def _of_form(self, form: str) -> frozenset[int]:
        number, _ = self._find(form)
        return _NONE if number < 0 else self._own(number)

    def _inflected(self, word: str) -> frozenset[int]:
        """Return the synonym sets of the base form of a word: the first by rule that has any."""
        if len(word) <= 2 or word.endswith("ss"):
            return _NONE
        forms = (word[: len(word) - len(ending)] + base for ending, base in _ENDINGS if word.endswith(ending))
        return next(filter(None, map(self._of_form, forms)), _NONE)


_ARRAYS = ("keys", "prefixes", "pair_starts", "others", "synset_starts", "synsets", "word_starts")


def _cache(folder: Path) -> Path:
    """Return the folder of an index, whose name changes with the tables."""
    stats = [(folder / name).stat() for name in (JAR, PARAPHRASES)]
    told = repr(("3", str(folder.resolve()), [(stat.st_size, stat.st_mtime_ns) for stat in stats]))
    base = os.environ.get("XDG_CACHE_HOME")
    name = blake2b(told.encode(), digest_size=8).hexdigest()
    return (Path(base) if base else Path.home() / ".cache") / "lamm" / "meteor" / name


@lru_cache(maxsize=2)
def open_index(folder: Path) -> Index:
    """Open the index of the tables in a folder; the first time it is made, which takes half a minute.

    Raises:
        UsageError: The cache cannot be written or read.
    """
    place = _cache(folder)
    try:
        if not place.is_dir():
            place.parent.mkdir(parents=True, exist_ok=True)
            partial = Path(mkdtemp(dir=place.parent, prefix="partial-"))
            try:
                _write_index(folder, partial)
                if not place.is_dir():
                    partial.rename(place)
            finally:
                rmtree(partial, ignore_errors=True)
        return Index(place)
    except (OSError, ValueError, EOFError) as fault:
        raise UsageError(
            f"Expected to keep an index of METEOR's tables in {place}, got: {fault}. Make the folder writable or name "
            "another by XDG_CACHE_HOME; remove it if it is damaged."
        ) from fault


def _write_index(folder: Path, place: Path) -> None:
    synonyms, exceptions = _members(folder / JAR, "synonym/english.synsets", "synonym/english.exceptions")
    phrases: dict[bytes, int] = {}
    first, second = array("i"), array("i")
    # A buffer around gzip's stream takes its lines in C: a third of the time.
    with gzip.open(folder / PARAPHRASES) as packed, BufferedReader(packed, 1 << 20) as stream:
        for _, one, other in zip(stream, stream, stream, strict=True):
            first.append(phrases.setdefault(one, len(phrases)))
            second.append(phrases.setdefault(other, len(phrases)))
    lines = synonyms.decode().splitlines()
    of_word = {word: sets.split() for word, sets in zip(lines[::2], lines[1::2], strict=True) if "_" not in word}
    vocabulary = {word for phrase in phrases for word in phrase.split()}
    bases: dict[str, list[str]] = {}
    forms = exceptions.decode().splitlines()
    for base, listed in zip(forms[::2], forms[1::2], strict=True):
        for form in listed.split():
            bases.setdefault(form, []).append(base)
    words = sorted({word.decode() for word in vocabulary} | of_word.keys() | bases.keys())
    number = {word.encode(): i for i, word in enumerate(words)}
    keys, prefixes = _hash([[number[word] for word in phrase.split()] for phrase in phrases])
    order = np.argsort(keys)
    rank = np.empty(len(keys), np.int32)
    rank[order] = np.arange(len(keys), dtype=np.int32)
    ones, others = rank[np.asarray(first)], rank[np.asarray(second)]
    by_phrase = np.argsort(ones, kind="stable")
    sets = [[int(item) for item in of_word.get(word, ())] for word in words]
    told = [" ".join([word, porter2(word), *bases.get(word, ())]).encode() + b"\n" for word in words]
    arrays: dict[str, NDArray[Any]] = {
        "word_starts": np.cumsum([0, *map(len, told)], dtype=np.int32),
        "keys": keys[order],
        "prefixes": prefixes,
        "pair_starts": np.searchsorted(ones[by_phrase], np.arange(len(keys) + 1)).astype(np.int32),
        "others": others[by_phrase],
        "synset_starts": np.cumsum([0, *map(len, sets)], dtype=np.int32),
        "synsets": np.array([item for listed in sets for item in listed], np.int32),
    }
    if any(one == other for one, other in pairwise(arrays["keys"].tolist())):
        raise ValueError("two phrases of the table have one key")
    for name in _ARRAYS:
        np.save(place / f"{name}.npy", arrays[name], allow_pickle=False)
    (place / "words.txt").write_bytes(b"".join(told))
    (place / "digest.txt").write_text(_digest(synonyms, exceptions, (folder / PARAPHRASES).read_bytes()))


def _hash(phrases: Sequence[Sequence[int]]) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]:
    """Return the keys of phrases given as numbers of words, and the bits of their beginnings.

    Raises:
        ValueError: A phrase is longer than any of METEOR's.
    """
    lengths = np.fromiter(map(len, phrases), np.int64, len(phrases))
    if lengths.max(initial=0) > LONGEST_PHRASE:
        raise ValueError(f"a phrase of {lengths.max()} words, more than {LONGEST_PHRASE}")
    numbers = np.fromiter((number + 1 for phrase in phrases for number in phrase), np.uint64, lengths.sum())
    starts = np.cumsum(lengths) - lengths
    keys = np.zeros(len(phrases), np.uint64)
    begun = np.zeros(1 << (64 - BIT), bool)
    for place in range(int(lengths.max(initial=0))):
        longer = np.flatnonzero(lengths > place)
        keys[longer] = (keys[longer] ^ numbers[starts[longer] + place]) * np.uint64(PRIME)
        begun[keys[longer] >> np.uint64(BIT)] = True
    return keys, np.packbits(begun, bitorder="little")

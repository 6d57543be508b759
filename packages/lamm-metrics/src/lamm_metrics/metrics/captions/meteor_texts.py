"""Texts as METEOR's matchers read them: words, stems and phrases by number, and which of them go together."""

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.metrics.captions.meteor_stems import porter2
from lamm_metrics.metrics.captions.meteor_tables import BIT, LONGEST_PHRASE, PRIME, Index, WordLists
from lamm_metrics.metrics.captions.meteor_words import meteor_words

EXACT, STEM, SYNONYM, PARAPHRASE = range(4)
Numbers = NDArray[np.int64]
# Larger tables of pairs are folded to this many places, and what is found there is looked up.
_PLACES = 1 << 22


class Relation(NamedTuple):
    """Which of the items 1 to `items` - 1 go together; item 0 goes with none.

    Attributes:
        items: How many items there are, with item 0.
        keys: Each pair as one number, `one * items + other`, sorted, [pairs].
        places: Whether a key may be there, by its remainder.
    """

    items: int
    keys: Numbers
    places: NDArray[np.bool_]

    def found(self, ones: NDArray[np.integer], others: NDArray[np.integer]) -> tuple[Numbers, Numbers]:
        """Return where items go together, as places in `keys`, and the cells of [rows, m, n], as flat numbers.

        Args:
            ones: Items, [rows, m].
            others: Items, [rows, n].
        """
        if not len(self.keys):
            return self.keys, self.keys
        if self.items < 1 << 15:
            ones, others = (items.astype(np.int32) for items in (ones, others))
        keys = (ones[:, :, None] * self.items + others[:, None, :]).ravel()
        folded = keys if len(self.places) == self.items**2 else keys & len(self.places) - 1
        cells = np.flatnonzero(self.places.take(folded))
        places = np.searchsorted(self.keys, keys[cells])
        same = self.keys[np.minimum(places, len(self.keys) - 1)] == keys[cells]
        return places[same], cells[same]


def _relation(items: int, keys: Numbers) -> Relation:
    places = np.zeros(min(items * items, _PLACES), bool)
    places[keys % len(places)] = True
    return Relation(items, keys, places)


class Spans(NamedTuple):
    """Phrases of the table in texts, by text, start and length.

    Attributes:
        starts: Where the phrases of each text begin, and the end, [texts + 1].
        start: The first word of each, within its text, [phrases].
        length: Its words.
        phrase: Its number, from 1.
    """

    starts: Numbers
    start: Numbers
    length: Numbers
    phrase: Numbers


class Texts(NamedTuple):
    """Texts one after the other; each list of words has one more at its end, so that none is empty.

    Attributes:
        starts: Where the words of each text begin, and the end, [texts + 1].
        words: The number of each word.
        function: Whether it is a function word.
        stems: The number of its stem; empty where none are compared.
        synonyms: Its number in `synonymous`, 0 for words without synonyms; empty likewise.
        synonymous: Which words are synonyms.
        spans: Phrases that have paraphrases here; None where none has.
        paraphrased: Which phrases are paraphrases, in either direction.
        ranks: Of each of these pairs the rank of the second among the first one's paraphrases, and the other way
            round, -1 where it is none, [2, pairs].
    """

    starts: Numbers
    words: Numbers
    function: NDArray[np.bool_]
    stems: Numbers
    synonyms: Numbers
    synonymous: Relation
    spans: Spans | None
    paraphrased: Relation
    ranks: Numbers


class _Numbered(dict[str, int]):
    """Items numbered as they come."""

    def __missing__(self, item: str) -> int:
        self[item] = number = len(self)
        return number


def split_texts(texts: Sequence[str], lists: WordLists) -> tuple[Numbers, list[tuple[str, ...]]]:
    """Return the words of texts, each list once, and which of the lists each text has, [texts]."""
    numbers: dict[tuple[str, ...], int] = {}
    of_text: dict[str, int] = {}
    for text in texts:
        if text not in of_text:
            of_text[text] = numbers.setdefault(meteor_words(text, lists.abbreviations), len(numbers))
    return np.fromiter(map(of_text.__getitem__, texts), np.int64, len(texts)), list(numbers)


def read_texts(texts: Sequence[Sequence[str]], lists: WordLists, stages: int, index: Index | None) -> Texts:
    """Look up what the matchers need of texts.

    Args:
        texts: The words of each.
        lists: The words that count little.
        stages: How many of the four stages are used.
        index: Synonyms and paraphrases; needed for more than two stages.
    """
    number = _Numbered()
    starts = np.cumsum([0, *map(len, texts)])
    each = map(number.__getitem__, chain.from_iterable(texts))
    words = np.append(np.fromiter(each, np.int64, int(starts[-1])), 0)
    known = list(number) or [""]
    function = np.array([word in lists.function_words for word in known])[words]
    entries = [index.entry(word) for word in known] if index else []
    stems = synonyms = np.zeros(0, np.int64)
    if stages > STEM:
        same = _Numbered()
        listed = [entry.stem for entry in entries] if index else map(porter2, known)
        stems = np.array([same[stem] for stem in listed], np.int64)[words]
    synonymous = paraphrased = _relation(1, np.zeros(0, np.int64))
    if stages > SYNONYM:
        own, synonymous = _synonyms([entry.synsets for entry in entries])
        synonyms = own[words]
    spans, ranks = None, np.zeros((2, 0), np.int64)
    if index and stages > PARAPHRASE:
        in_table = np.array([entry.number for entry in entries], np.int64)[words]
        spans, paraphrased, ranks = _paraphrases(_spans(in_table, starts, index), starts, index)
    found = spans if len(ranks[0]) else None
    return Texts(starts, words, function, stems, synonyms, synonymous, found, paraphrased, ranks)


def _synonyms(synsets: Sequence[frozenset[int]]) -> tuple[Numbers, Relation]:
    """Return the number of each word among those with synonyms, 0 without, and which of these share a set."""
    of_synset: dict[int, list[int]] = {}
    for word, listed in enumerate(synsets):
        for synset in listed:
            of_synset.setdefault(synset, []).append(word)
    pairs = {(one, other) for listed in of_synset.values() for one in listed for other in listed if one != other}
    numbers = np.zeros(len(synsets), np.int64)
    able = sorted({one for one, _ in pairs})
    numbers[able] = np.arange(1, len(able) + 1)
    ones, others = numbers[np.array(list(pairs), np.int64).reshape(-1, 2)].T
    items = len(able) + 1
    return numbers, _relation(items, np.sort(ones * items + others))


def _spans(words: Numbers, starts: Numbers, index: Index) -> tuple[Numbers, Numbers, Numbers]:
    """Return the phrases of the table in texts: text and first word, as a place in `words`; length; phrase."""
    ends = np.repeat(starts[1:], np.diff(starts))
    places = np.arange(len(ends))
    keys = np.zeros(len(ends), np.uint64)
    found: list[tuple[Numbers, Numbers, NDArray[np.uint64]]] = []
    for length in range(1, LONGEST_PHRASE + 1):
        number = words[np.minimum(places + length - 1, len(words) - 1)]
        going = (places + length <= ends) & (number >= 0)
        places, ends = places[going], ends[going]
        keys = (keys[going] ^ (number[going] + 1).astype(np.uint64)) * np.uint64(PRIME)
        bits = (keys >> np.uint64(BIT)).astype(np.int64)
        begun = (index.prefixes[bits >> 3] >> (bits & 7) & 1).astype(bool)
        places, ends, keys = places[begun], ends[begun], keys[begun]
        found.append((places, np.full(len(places), length), keys))
    place, lengths, key = (np.concatenate(column) for column in zip(*found, strict=True))
    distinct, which = np.unique(key, return_inverse=True)
    phrase = np.minimum(np.searchsorted(index.keys, distinct), len(index.keys) - 1)
    known = np.flatnonzero((index.keys[phrase] == distinct)[which])
    return place[known], lengths[known], phrase[which[known]]


def _paraphrases(
    found: tuple[Numbers, Numbers, Numbers], starts: Numbers, index: Index
) -> tuple[Spans, Relation, Numbers]:
    """Return the phrases that have paraphrases among each other, numbered from 1; which go together; their ranks."""
    place, length, phrase = found
    distinct, which = np.unique(phrase, return_inverse=True)
    first, end = (index.pair_starts[distinct + after].astype(np.int64) for after in (0, 1))
    counts = end - first
    rank = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    listed = index.others[np.repeat(first, counts) + rank]
    others = np.minimum(np.searchsorted(distinct, listed), len(distinct) - 1)
    here = distinct[others] == listed if len(distinct) else np.zeros(0, bool)
    ones, others, rank = np.repeat(np.arange(len(distinct)), counts)[here], others[here], rank[here]
    numbers = np.zeros(len(distinct), np.int64)
    numbers[ones] = numbers[others] = 1
    numbers *= np.cumsum(numbers)
    items = int(numbers.max(initial=0)) + 1
    forward, backward = numbers[ones] * items + numbers[others], numbers[others] * items + numbers[ones]
    keys, place_of_key = np.unique(np.concatenate([forward, backward]), return_inverse=True)
    ranks = np.full((2, len(keys)), -1)
    for row, places in zip(ranks, np.split(place_of_key, 2), strict=True):
        row[places] = rank
    own = numbers[which]
    order = np.flatnonzero(own)
    order = order[np.argsort(place[order] * (LONGEST_PHRASE + 1) + length[order])]
    place, length, own = place[order], length[order], own[order]
    text_starts = np.searchsorted(place, starts)
    start = place - np.repeat(starts[:-1], np.diff(text_starts))
    return Spans(text_starts, start, length, own), _relation(items, keys), ranks

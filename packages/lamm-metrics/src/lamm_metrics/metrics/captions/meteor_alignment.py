"""How METEOR 1.5 aligns answers with references (Denkowski and Lavie 2014): all matches first, then a beam search.

Many pairs of texts are aligned at once, as arrays. The same pair is the same alone.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.metrics.captions.meteor_search import Matches, search
from lamm_metrics.metrics.captions.meteor_texts import EXACT, PARAPHRASE, STEM, SYNONYM, Numbers, Spans, Texts

STATISTICS = 23
# Pairs that are aligned at once, and the most pairs of their words.
_PAIRS, _CELLS = 4096, 1 << 21


class _Pairs(NamedTuple):
    """Answers and references: the numbers of their texts, where their words begin, and how many there are, [pairs]."""

    texts: Numbers
    starts: Numbers
    lengths: Numbers


def statistics_of_pairs(texts: Texts, answers: Numbers, references: Numbers) -> Numbers:
    """Count what METEOR needs of pairs of texts.

    Args:
        texts: All of them.
        answers: The number of each answer's text, [pairs].
        references: Likewise.

    Returns:
        The 23 numbers that METEOR prints, [pairs, 23]: lengths and function words of both; per stage the matched
        content words of both and function words of both; chunks; matched words of both.
    """
    distinct, which = np.unique(answers * len(texts.starts) + references, return_inverse=True)
    sides = np.stack([distinct // len(texts.starts), distinct % len(texts.starts)])
    lengths = np.diff(texts.starts)[sides]
    functional = np.concatenate([[0], np.cumsum(texts.function)])
    n_function = (functional[texts.starts[1:]] - functional[texts.starts[:-1]])[sides]
    found = np.zeros((len(distinct), STATISTICS), np.int64)
    found[:, :2], found[:, 2:4] = lengths.T, n_function.T
    same = sides[0] == sides[1]
    # What is repeated word by word is one chunk of equal words.
    found[:, 4:6], found[:, 6:8] = same[:, None] * (lengths - n_function).T, same[:, None] * n_function.T
    found[:, 20], found[:, 21:] = same & (lengths[0] > 0), same[:, None] * lengths.T
    for rows in _blocks(np.flatnonzero(~same), lengths):
        of_rows = [_Pairs(side[rows], texts.starts[side[rows]], length[rows])
                   for side, length in zip(sides, lengths, strict=True)]  # fmt: skip
        found[rows, 4:] = _counted(texts, _align(texts, *of_rows), functional, *of_rows)
    return found[which]


def _blocks(pairs: Numbers, lengths: Numbers) -> Iterator[Numbers]:
    """Yield pairs of about the same size, not too many at once."""
    order = pairs[np.lexsort(lengths[:, pairs])]
    start = 0
    while start < len(order):
        block = order[start : start + _PAIRS]
        while len(block) > 1 and len(block) * lengths[:, block].max(axis=1).prod() > _CELLS:
            block = block[: len(block) // 2]
        start += len(block)
        yield block


def _padded(values: Numbers, starts: Numbers, lengths: Numbers, fill: int) -> Numbers:
    """Return values of texts, a row a pair, [pairs, longest]."""
    places = np.arange(int(lengths.max(initial=0)))
    index = np.minimum(starts[:, None] + places, len(values) - 1)
    return np.where(places < lengths[:, None], values[index], fill)


def _order(keys: Numbers) -> Numbers:
    """Return the order of keys from 0 on, those of equal ones as they stand."""
    bits = len(keys).bit_length()
    if int(keys.max(initial=0)).bit_length() + bits > 63:
        return np.argsort(keys, kind="stable")
    # Different numbers are sorted several times as fast.
    return np.sort((keys << bits) + np.arange(len(keys))) & (1 << bits) - 1


def _align(texts: Texts, answers: _Pairs, references: _Pairs) -> Matches:
    """Return the best alignments, by pair and by position in the reference."""
    matches = _matches(texts, answers, references)
    _, alone = _covered(matches.pair, matches.start, matches.length, references)
    covered, answer_alone = _covered(matches.pair, matches.other, matches.size, answers)
    # What nothing overlaps is always part of the alignment.
    definite = alone & answer_alone
    return matches if definite.all() else matches.take(search(matches, definite, covered > 1, references.lengths))


def _matches(texts: Texts, answers: _Pairs, references: _Pairs) -> Matches:
    """Return all matches by pair and position in the reference, there in the order in which they are tried."""
    sides = references, answers
    equal = _equal(texts.words, sides)
    found = [_of_words(np.flatnonzero(equal), equal.shape, EXACT)]
    if len(texts.stems):
        found.append(_of_words(np.flatnonzero(_equal(texts.stems, sides) & ~equal), equal.shape, STEM))
    if len(texts.synonyms):
        own = [_padded(texts.synonyms, side.starts, side.lengths, 0) for side in sides]
        found.append(_of_words(texts.synonymous.found(*own)[1], equal.shape, SYNONYM))
    if texts.spans:
        found += _of_phrases(texts, texts.spans, sides)
    columns = np.concatenate(found, axis=1)
    return Matches(*columns[:, _order(columns[0] * equal.shape[1] + columns[1])])


def _equal(values: Numbers, sides: tuple[_Pairs, _Pairs]) -> NDArray[np.bool_]:
    """Return which values of references and answers are the same, [pairs, words, words]."""
    own, others = (_padded(values, *side[1:], fill) for side, fill in zip(sides, (-1, -2), strict=True))
    return np.asarray(own[:, :, None] == others[:, None, :])


def _of_words(cells: Numbers, shape: tuple[int, ...], stage: int) -> Numbers:
    """Return matches of single words, [6, matches], from cells of [pairs, words, words]."""
    row, start, other = np.unravel_index(cells, shape)
    one = np.ones_like(row)
    return np.stack([row, start, one, other, one, one * stage])


def _of_phrases(texts: Texts, spans: Spans, sides: tuple[_Pairs, _Pairs]) -> list[Numbers]:
    """Return the matches of paraphrases: those of the references' phrases, then those of the answers'."""
    starts, counts = ([listed[side.texts] for side in sides] for listed in (spans.starts, np.diff(spans.starts)))
    own, others = (_padded(spans.phrase, *listed, 0) for listed in zip(starts, counts, strict=True))
    pairs, cells = texts.paraphrased.found(own, others)
    row, one, other = np.unravel_index(cells, (len(own), own.shape[1], others.shape[1]))
    here, there = one + starts[0][row], other + starts[1][row]
    stage = np.full_like(row, PARAPHRASE)
    columns = np.stack([row, spans.start[here], spans.length[here], spans.start[there], spans.length[there], stage])
    forward, backward = texts.ranks[:, pairs]
    # By place and length of the phrase, then by rank. Cells are by row and both phrases; these by place and length.
    ranks = int(texts.ranks.max(initial=0)) + 1
    first, second = forward >= 0, backward >= 0
    first_order = _order(((row * own.shape[1] + one) * ranks + forward)[first])
    place = row * (int(spans.start.max()) + 1) + columns[1]
    second_order = _order(((place * others.shape[1] + other) * ranks + backward)[second])
    return [columns[:, first][:, first_order], columns[:, second][:, second_order]]


def _covered(row: Numbers, start: Numbers, length: Numbers, side: _Pairs) -> tuple[Numbers, NDArray[np.bool_]]:
    """Return how many matches cover each word, [pairs, words], and which matches cover theirs alone, [matches]."""
    width = int(side.lengths.max(initial=0))
    cells = row * width + start
    covered = np.bincount(cells, minlength=len(side.lengths) * width)
    longer = [np.flatnonzero(length > place) for place in range(1, int(length.max(initial=1)))]
    for place, which in enumerate(longer, 1):
        covered += np.bincount(cells[which] + place, minlength=len(covered))
    alone = covered[cells] == 1
    for place, which in enumerate(longer, 1):
        alone[which] &= covered[cells[which] + place] == 1
    return covered.reshape(-1, width) if width else covered.reshape(len(side.lengths), 0), alone


def _counted(texts: Texts, matches: Matches, functional: Numbers, answers: _Pairs, references: _Pairs) -> Numbers:
    """Count the matched words of alignments, [pairs, 19]."""
    pairs = len(answers.texts)
    row, start, length, other, size, stage = matches
    stages = np.zeros(pairs * 16, np.int64)
    matched = []
    for side, first, words, of_pair in ((0, other, size, answers), (1, start, length, references)):
        begin = of_pair.starts[row] + first
        n_function = functional[begin + words] - functional[begin]
        for place, count in ((side, words - n_function), (side + 2, n_function)):
            stages += np.bincount(row * 16 + stage * 4 + place, weights=count, minlength=pairs * 16).astype(np.int64)
        matched.append(np.bincount(row, weights=words, minlength=pairs).astype(np.int64))
    follows = (row[1:] == row[:-1]) & (start[1:] == (start + length)[:-1]) & (other[1:] == (other + size)[:-1])
    chunks = np.bincount(row[np.concatenate([[True], ~follows])[: len(row)]], minlength=pairs)
    return np.column_stack([stages.reshape(pairs, 16), chunks, *matched])

"""METEOR's search among overlapping matches, for many pairs of texts at once.

It goes from left to right over the reference with a beam of 40. Paths are ordered by the words matched (more is
better), then chunks (fewer), then the distances between the sides of matches (less); ties stay in their order. Weights
are added to whole numbers, as the published program does: a match of two single words that are not equal adds nothing,
so it is taken only where it saves a chunk or where nothing else overlaps it. Scores change with real weights.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.metrics.captions.meteor_texts import EXACT, Numbers

BEAM = 40
# Bits of a rank, and contested words that one whole number holds as bits.
_RANK, _WORD = 62, 62
# From which bit on a state has its word of the reference.
_REACHED = 32


class Matches(NamedTuple):
    """Words of references that stand for words of answers, [matches] each.

    Attributes:
        pair: Of which pair of texts.
        start: The first word of the reference.
        length: How many words.
        other: The first word of the answer.
        size: How many words.
        stage: By which stage they match.
    """

    pair: Numbers
    start: Numbers
    length: Numbers
    other: Numbers
    size: Numbers
    stage: Numbers

    def take(self, chosen: Numbers) -> "Matches":
        """Return some of the matches."""
        return Matches(*(column[chosen] for column in self))


class _Scale(NamedTuple):
    """A rank is one whole number, a sum of these units; below them is room for the order of equal ones.

    Ranks of texts too long for the machine's numbers are Python's. What is no path ranks behind all.
    """

    matched: int
    chunk: int
    distance: int
    path: int
    no_path: int

    @classmethod
    def of(cls, matches: Matches, moves: int, words: int) -> "_Scale":
        """Return units for at most so many matches of one word and words of a reference."""
        apart = np.bincount(matches.pair, weights=abs(matches.start - matches.other))
        most = words * (2 + int((matches.length + matches.size).max()))
        path = moves.bit_length()
        distance = path + BEAM.bit_length()
        chunk = distance + int(apart.max()).bit_length()
        matched = chunk + (words + 2).bit_length()
        return cls(1 << matched, 1 << chunk, 1 << distance, path, 2 << matched + most.bit_length())

    @property
    def kind(self) -> type:
        """Return the type of ranks."""
        return np.int64 if self.no_path < 1 << _RANK else object


class _Moves(NamedTuple):
    """Matches as the search takes them, and last what stands for none.

    Attributes:
        gain: What each gains.
        start: The first word of the answer.
        state: Where both sides go on, see `_Beam`.
        distance: How far apart its sides are.
        used: The contested words of the answer that it needs, as bits of as many whole numbers as that takes.
    """

    gain: Numbers
    start: Numbers
    state: Numbers
    distance: Numbers
    used: list[Numbers]

    @classmethod
    def of(cls, matches: Matches, contested: NDArray[np.bool_], scale: _Scale) -> "_Moves":
        """Return the moves of matches; `contested` is as `search` has it."""
        pair, start, length, other, size, stage = matches
        gain: Numbers = np.where(stage == EXACT, 2, length // 2 + size // 2).astype(scale.kind) * scale.matched
        distance: Numbers = abs(start - other).astype(scale.kind) * scale.distance
        state = (start + length << _REACHED) + other + size + 1
        number = np.cumsum(contested, axis=1) - 1
        used = []
        for first in range(0, int(contested.sum(axis=1).max(initial=0)), _WORD):
            bits = np.where(contested & (number >= first) & (number < first + _WORD), 1 << (number - first) % _WORD, 0)
            own = bits[pair, other]
            for place in range(1, int(size.max())):
                longer = size > place
                own[longer] |= bits[pair[longer], other[longer] + place]
            used.append(np.append(own, 0))
        return cls(gain, other + 1, np.append(state, 0), distance, used)


class _Beam:
    """The paths of many pairs, best first, [pairs, beam] each.

    Attributes:
        rank: Their ranks among each other, less is better.
        state: Where the last match ends in the answer, plus one, or 0 after a gap; above that where in the reference.
        used: Contested words of the answer that are used, as bits.
        size: How many paths each pair has, [pairs].
        taken: For each word of the reference, which path and which of its matches were chosen, [words, pairs, beam].
    """

    def __init__(self, pairs: int, words: int, moves: _Moves, scale: _Scale) -> None:
        self.moves, self.scale = moves, scale
        self.rank: Numbers = np.full((pairs, BEAM), scale.no_path, scale.kind)
        self.rank[:, 0] = 0
        self.state = np.zeros((pairs, BEAM), np.int64)
        self.used = [np.zeros((pairs, BEAM), np.int64) for _ in moves.used]
        self.size = np.ones(pairs, np.int64)
        self.taken = np.zeros((words, pairs, BEAM), np.int32)

    def step(self, rows: Numbers, word: int, first: Numbers, tried: int, stays: bool) -> None:
        """Go on by one word of the reference.

        Args:
            rows: The pairs that have so many matches there.
            word: The word.
            first: The first of the matches, [rows].
            tried: How many there are.
            stays: Whether the word may be left out, as it may unless its match is definite.
        """
        moves, chunk = self.moves, self.scale.chunk
        size = int(self.size[rows].max())
        rank, state = self.rank[rows, :size], self.state[rows, :size]
        used = [bits[rows, :size] for bits in self.used]
        bound = state >= word + 1 << _REACHED
        last = state & (1 << _REACHED) - 1
        after = rank + chunk * (last != 0)
        ranks: Numbers = np.empty((len(rows), tried + stays, size), self.scale.kind)
        for k in range(tried):
            match = (first + k)[:, None]
            gained = after - moves.gain[match]
            gained -= chunk * (last == moves.start[match])
            if stays:
                taken = bound.copy()
                for bits, needed in zip(used, moves.used, strict=True):
                    taken |= (bits & needed[match]) != 0
                gained[taken] = self.scale.no_path
                # The distance of a match goes to the paths after it, not to its own.
                after += ~taken * moves.distance[match]
            else:
                gained += moves.distance[match]
            ranks[:, k] = gained
        if stays:
            ranks[:, tried] = np.where(bound, rank, after)
        ranks += (np.arange(size) << self.scale.path) + np.arange(tried + stays)[:, None]
        keys = ranks.reshape(len(rows), -1)
        keys.sort(axis=1)
        keys = keys[:, :BEAM]
        chosen = (keys & (self.scale.distance - 1)).astype(np.int64)
        path, match = chosen >> self.scale.path, chosen & ((1 << self.scale.path) - 1)
        path += np.arange(len(rows))[:, None] * size
        stayed = match == tried
        match += first[:, None]
        match[stayed] = -1
        here = (rows, slice(0, keys.shape[1]))
        self.taken[word][here] = chosen
        self.rank[here] = keys - chosen
        self.state[here] = np.where(stayed & bound.take(path), state.take(path), moves.state[match])
        for bits, before, needed in zip(self.used, used, moves.used, strict=True):
            bits[here] = before.take(path) | needed[match]
        self.size[rows] = (keys < self.scale.no_path // 2).sum(axis=1)

    def best(self) -> Numbers:
        """Return the best path of each pair, [pairs]."""
        ended = self.rank + self.scale.chunk * (self.state != 0)
        return np.asarray(ended.argmin(axis=1))


def search(matches: Matches, definite: NDArray[np.bool_], contested: NDArray[np.bool_], lengths: Numbers) -> Numbers:
    """Choose among matches.

    Args:
        matches: By pair and position in the reference, there in the order in which they are tried.
        definite: Which of them nothing overlaps, [matches].
        contested: Which words of the answers more than one match needs, [pairs, words].
        lengths: How many words each reference has, [pairs].

    Returns:
        The places of the chosen ones, in order.
    """
    longest = int(lengths.max())
    searched = np.zeros(len(lengths), bool)
    searched[matches.pair[~definite]] = True
    # By falling length of the reference, so that those that go on come first.
    order = np.flatnonzero(searched)
    order = order[np.argsort(-lengths[order], kind="stable")]
    cells = matches.pair * longest + matches.start
    counts = np.bincount(cells, minlength=len(lengths) * longest)
    stays = np.bincount(cells[definite], minlength=len(counts)) == 0
    # Words at which all paths go on alike: none has a choice, and after another such word they are at one place.
    alike = (counts == 0) | ~stays
    for place in range(1, int(matches.length.max())):
        alike[cells[(matches.length > place) & ~definite] + place] = False
    first, counts, stays, alike = (
        column.reshape(-1, longest)[order].T for column in (np.cumsum(counts) - counts, counts, stays, alike)
    )
    alike[1:] &= alike[:-1].copy()
    going = np.searchsorted(-lengths[order], -np.arange(longest))
    scale = _Scale.of(matches, int(counts.max()), longest)
    beam = _Beam(len(order), longest, _Moves.of(matches, contested, scale), scale)
    for word in range(longest):
        kinds = (counts[word] * 2 + stays[word] + 1)[: going[word]] * ~alike[word, : going[word]]
        for kind in np.flatnonzero(np.bincount(kinds)).tolist():
            rows = np.flatnonzero(kinds == kind)
            if kind:
                beam.step(rows, word, first[word, rows], (kind - 1) // 2, kind % 2 == 0)
            else:
                match = np.where(stays[word, rows], -1, first[word, rows])
                beam.state[rows] = beam.moves.state[match][:, None]
    chosen = definite & ~searched[matches.pair]
    path = beam.best()
    for word in range(longest - 1, -1, -1):
        rows = np.arange(going[word])
        taken = np.where(alike[word, rows], path[rows] << scale.path, beam.taken[word, rows, path[rows]])
        path[rows], match = taken >> scale.path, taken & ((1 << scale.path) - 1)
        moved = match < counts[word, rows]
        chosen[(first[word, rows] + match)[moved]] = True
    return np.flatnonzero(chosen)

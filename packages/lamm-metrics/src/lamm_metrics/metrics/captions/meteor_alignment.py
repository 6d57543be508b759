"""How METEOR 1.5 aligns an answer with a reference (Denkowski and Lavie 2014): all matches first, then a beam search.

The search adds its weights to whole numbers, as the published program does: a match of two single words that are not
equal adds nothing, so such a pair is aligned only where it saves a chunk or where nothing else overlaps it. Scores
change with real weights.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple

from lamm_metrics.metrics.captions.meteor_tables import Index, Span, porter2

EXACT, STEM, SYNONYM, PARAPHRASE = range(4)
BEAM = 40
# A path's rank in one number: words matched (more is better), chunks (fewer), distance (less).
_MATCHED, _CHUNK = 1 << 64, 1 << 32
_key = itemgetter(0)


class Text(NamedTuple):
    """One text as the matchers read it.

    Attributes:
        words: Its words.
        function: Which of them are function words, as bits.
        stems: Their stems; empty where none are compared.
        synsets: Their synonym sets; likewise.
        spans: Its phrases of the paraphrase table; likewise.
    """

    words: tuple[str, ...]
    function: int
    stems: Sequence[str] = ()
    synsets: Sequence[frozenset[int]] = ()
    spans: Sequence[Span] = ()


class Match(NamedTuple):
    """Words of the reference that stand for words of the answer."""

    start: int
    length: int
    answer_start: int
    answer_length: int
    stage: int


def prepare(words: tuple[str, ...], function_words: frozenset[str], stages: int, index: Index | None) -> Text:
    """Look up what the matchers need of a text.

    Args:
        words: Its words.
        function_words: The words that count little.
        stages: How many of the four stages are used.
        index: Synonyms and paraphrases; needed for more than two stages.
    """
    function = sum(1 << i for i, word in enumerate(words) if word in function_words)
    stem: Callable[[str], str] = index.stem if index else porter2
    return Text(
        words,
        function,
        [stem(word) for word in words] if stages > STEM else (),
        [index.synsets(word) for word in words] if index and stages > SYNONYM else (),
        index.spans(words) if index and stages > PARAPHRASE else (),
    )


def align(answer: Text, reference: Text, index: Index | None) -> list[Match]:
    """Return the best alignment, by position in the reference."""
    free: list[list[Match]] = [[] for _ in reference.words]
    _match_words(answer, reference, free)
    if answer.words != reference.words:
        if reference.stems:
            _match_stems(answer, reference, free)
        if reference.synsets:
            _match_synonyms(answer, reference, free)
        if index is not None and reference.spans:
            _match_paraphrases(answer, reference, index, free)
    definite = _definite(len(answer.words), free)
    if not any(free):
        return [match for match in definite if match]
    return _search(free, definite)


def _places(items: Sequence[str]) -> Mapping[str, list[int]]:
    places: dict[str, list[int]] = {}
    for i, item in enumerate(items):
        places.setdefault(item, []).append(i)
    return places


def _match_words(answer: Text, reference: Text, free: list[list[Match]]) -> None:
    places = _places(answer.words)
    for j, word in enumerate(reference.words):
        for i in places.get(word, ()):
            free[j].append(Match(j, 1, i, 1, EXACT))


def _match_stems(answer: Text, reference: Text, free: list[list[Match]]) -> None:
    places = _places(answer.stems)
    for j, stem in enumerate(reference.stems):
        for i in places.get(stem, ()):
            if answer.words[i] != reference.words[j]:
                free[j].append(Match(j, 1, i, 1, STEM))


def _match_synonyms(answer: Text, reference: Text, free: list[list[Match]]) -> None:
    everything = frozenset().union(*answer.synsets)
    for j, synsets in enumerate(reference.synsets):
        if synsets.isdisjoint(everything):
            continue
        for i, others in enumerate(answer.synsets):
            if not synsets.isdisjoint(others) and answer.words[i] != reference.words[j]:
                free[j].append(Match(j, 1, i, 1, SYNONYM))


def _pairs(here: Sequence[Span], there: Sequence[Span], index: Index) -> list[tuple[Span, Span]]:
    """Return the phrases of one text with their paraphrases in another: by place, length, rank in the table, place."""
    places: dict[int, list[Span]] = {}
    for span in there:
        places.setdefault(span[2], []).append(span)
    found: list[tuple[Span, Span]] = []
    for span in here:
        ranks = index.paraphrases(span[2])
        shared = ranks.keys() & places.keys()
        for phrase in sorted(shared, key=ranks.__getitem__) if len(shared) > 1 else shared:
            found += [(span, other) for other in places[phrase]]
    return found


def _match_paraphrases(answer: Text, reference: Text, index: Index, free: list[list[Match]]) -> None:
    for (start, length, _), (other, size, _) in _pairs(reference.spans, answer.spans, index):
        free[start].append(Match(start, length, other, size, PARAPHRASE))
    for (other, size, _), (start, length, _) in _pairs(answer.spans, reference.spans, index):
        free[start].append(Match(start, length, other, size, PARAPHRASE))


def _definite(answer_length: int, free: list[list[Match]]) -> list[Match | None]:
    """Take the matches out that nothing overlaps: these are always part of the alignment."""
    covered, answer_covered = [0] * len(free), [0] * answer_length
    for matches in free:
        for start, length, other, size, _ in matches:
            for j in range(start, start + length):
                covered[j] += 1
            for i in range(other, other + size):
                answer_covered[i] += 1
    definite: list[Match | None] = [None] * len(free)
    for j, matches in enumerate(free):
        if len(matches) == 1:
            start, length, other, size, _ = matches[0]
            if max(covered[start : start + length]) == 1 and max(answer_covered[other : other + size]) == 1:
                definite[j] = matches.pop()
    return definite


_Path = tuple[int, int, int, int, int, tuple[Match, object] | None]
"""Rank; where the answer's last match ends, -1 after a gap; used words of answer and reference as bits; where the last
match ends; the matches, last first."""


def _bits(start: int, length: int) -> int:
    return ((1 << length) - 1) << start


def _gain(match: Match) -> int:
    """Return what a match adds to the words matched, in whole numbers: halves are cut off on each side."""
    return 2 if match.stage == EXACT else match.length // 2 + match.answer_length // 2


class _Move(NamedTuple):
    """A match as the search takes it: the words that it uses as bits, what it gains, how far apart its sides are."""

    answer_bits: int
    bits: int
    gain: int
    start: int
    end: int
    reached: int
    distance: int
    match: Match


def _move(match: Match) -> _Move:
    start, length, other, size, _ = match
    bits, gain = (_bits(other, size), _bits(start, length)), _gain(match) * _MATCHED
    return _Move(*bits, gain, other, other + size, start + length, abs(start - other), match)


def _step(paths: Sequence[_Path], j: int, moves: Sequence[_Move], definite: _Move | None) -> list[_Path]:
    """Go on by one word of the reference; the paths that follow, best first, no more than the beam holds."""
    following: list[tuple[int, _Path, _Move | None]] = []
    add = following.append
    for path in paths:
        rank, last, used, reference_used, reached, _ = path
        if j < reached:
            add((rank, path, None))
        elif definite:
            gap = _CHUNK if last not in (-1, definite.start) else 0
            add((rank + definite.distance + gap - definite.gain, path, definite))
        else:
            for move in moves:
                answer_bits, bits, gain, start, _, _, distance, _ = move
                if used & answer_bits or reference_used & bits:
                    continue
                add((rank - gain if last in (-1, start) else rank - gain + _CHUNK, path, move))
                # The distance of a match goes to the paths after it, not to its own.
                rank += distance
            add((rank if last < 0 else rank + _CHUNK, path, None))
    following.sort(key=_key)
    return [_gone(rank, path, move, j) for rank, path, move in following[:BEAM]]


def _gone(rank: int, path: _Path, move: _Move | None, j: int) -> _Path:
    _, last, used, reference_used, reached, matches = path
    if move is None:
        return rank, last if j < reached else -1, used, reference_used, reached, matches
    return rank, move.end, used | move.answer_bits, reference_used | move.bits, move.reached, (move.match, matches)


def _search(free: Sequence[Sequence[Match]], definite: Sequence[Match | None]) -> list[Match]:
    """Choose among overlapping matches, from left to right over the reference; ties stay in their order."""
    fixed = [_move(match) if match else None for match in definite]
    answer_bits = sum(move.answer_bits for move in fixed if move)
    paths: list[_Path] = [(0, -1, answer_bits, sum(move.bits for move in fixed if move), 0, None)]
    for j, matches in enumerate(free):
        paths = _step(paths, j, [_move(match) for match in matches], fixed[j])
    ended = [(path[0] if path[1] < 0 else path[0] + _CHUNK, path[5]) for path in paths]
    node = min(ended, key=_key)[1]
    found: list[Match] = []
    while node:
        match, node = node  # type: ignore[assignment]
        found.append(match)
    return found[::-1]

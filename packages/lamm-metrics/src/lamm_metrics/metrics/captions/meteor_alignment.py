"""How METEOR 1.5 aligns an answer with a reference (Denkowski and Lavie 2014): all matches first, then a beam search.

The search adds its weights to whole numbers, as the published program does: a match of two single words that are not
equal adds nothing, so such a pair is aligned only where it saves a chunk or where nothing else overlaps it. Scores
change with real weights.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from operator import itemgetter
from types import MappingProxyType
from typing import NamedTuple

from lamm_metrics.metrics.captions.meteor_tables import Index, Span, porter2

EXACT, STEM, SYNONYM, PARAPHRASE = range(4)
BEAM = 40
# A path's rank in one number: words matched (more is better), chunks (fewer), distance (less). Real numbers hold the
# ranks of texts up to `_MOST_REAL` words exactly, and are sorted faster than whole ones.
_MATCHED, _CHUNK, _MOST_REAL = 2.0**42, 2.0**30, 500
_LONG_MATCHED, _LONG_CHUNK = 1 << 96, 1 << 64
_rank = itemgetter(0)

Places = Mapping[str, Sequence[int]]
"""Where each word stands."""


class Text(NamedTuple):
    """One text as the matchers read it.

    Attributes:
        words: Its words.
        function: Which of them are function words, as bits.
        places: Where each word stands.
        stems: Their stems; empty where none are compared.
        stem_places: Where each stem stands.
        synonyms: Of the words looked up so far, those that share a synonym set with each; empty without synonyms.
        sources: Its phrases that have paraphrases, with these and their ranks; likewise.
        phrases: Where each of its phrases of the table stands; likewise.
    """

    words: tuple[str, ...]
    function: int
    places: Places
    stems: Sequence[str] = ()
    stem_places: Places = MappingProxyType({})
    synonyms: Sequence[Set[str]] = ()
    sources: Sequence[tuple[Span, Mapping[int, int]]] = ()
    phrases: Mapping[int, Sequence[Span]] = MappingProxyType({})


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
    stems = [stem(word) for word in words] if stages > STEM else ()
    synonyms = [index.synonyms(word) for word in words] if index and stages > SYNONYM else ()
    phrases: dict[int, list[Span]] = {}
    sources: list[tuple[Span, Mapping[int, int]]] = []
    if index and stages > PARAPHRASE:
        for span in index.spans(words):
            phrases.setdefault(span[2], []).append(span)
            if paraphrases := index.paraphrases(span[2]):
                sources.append((span, paraphrases))
    return Text(words, function, _places(words), stems, _places(stems), synonyms, sources, phrases)


def align(answer: Text, reference: Text) -> list[Match]:
    """Return the best alignment, by position in the reference."""
    free: list[list[Match]] = [[] for _ in reference.words]
    _match_same(answer.places, reference.words, EXACT, free)
    if answer.words != reference.words:
        _match_same(answer.stem_places, reference.stems, STEM, free, (answer.words, reference.words))
        _match_synonyms(answer, reference, free)
        _match_paraphrases(answer, reference, free)
    if not any(free):
        return []
    definite = _definite(len(answer.words), free)
    always = [match for match in definite if match]
    return sorted([*always, *_search(free, definite)]) if any(free) else always


def _places(items: Sequence[str]) -> Places:
    if len(items) == 1:
        return {items[0]: (0,)}
    places: dict[str, list[int]] = {}
    for i, item in enumerate(items):
        places.setdefault(item, []).append(i)
    return places


def _match_same(
    places: Places,
    items: Sequence[str],
    stage: int,
    free: list[list[Match]],
    unequal: tuple[Sequence[str], Sequence[str]] | None = None,
) -> None:
    """Add the matches of equal items; with the words of both texts, only those of unequal words."""
    for j, item in enumerate(items):
        for i in places.get(item, ()):
            if unequal is None or unequal[0][i] != unequal[1][j]:
                free[j].append(Match(j, 1, i, 1, stage))


def _match_synonyms(answer: Text, reference: Text, free: list[list[Match]]) -> None:
    places = answer.places
    known = places.keys()
    for j, synonyms in enumerate(reference.synonyms):
        if synonyms and (shared := known & synonyms):
            free[j] += [Match(j, 1, i, 1, SYNONYM) for i in sorted(i for word in shared for i in places[word])]


def _pairs(here: Text, there: Text) -> Iterator[tuple[Span, Span]]:
    """Yield the phrases of one text with their paraphrases in another: by place, length, rank in the table, place."""
    wanted = there.phrases.keys()
    for span, ranks in here.sources:
        if shared := wanted & ranks.keys():
            for phrase in sorted(shared, key=ranks.__getitem__):
                for other in there.phrases[phrase]:
                    yield span, other


def _match_paraphrases(answer: Text, reference: Text, free: list[list[Match]]) -> None:
    for (start, length, _), (other, size, _) in _pairs(reference, answer):
        free[start].append(Match(start, length, other, size, PARAPHRASE))
    for (other, size, _), (start, length, _) in _pairs(answer, reference):
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


_Path = tuple[float, int, "_Move | None", "_Path | None"]
"""Rank; number of its place; the match taken last, if any; the path before it."""
_Place = tuple[int, int, int, int]
"""All that decides how a path goes on: where the answer's last match ends, -1 after a gap and -2 where no match of the
next word goes on from there; the words of answer and reference that are used, as bits, without those that no later
match needs; where the last match ends, 0 where that is no further on."""
_Following = tuple[float, _Place, "_Move | None"]
"""What a step adds to the rank, where it leads to, the match that it takes."""


def _bits(start: int, length: int) -> int:
    return ((1 << length) - 1) << start


class _Needed(NamedTuple):
    """What later words need to know: which words of both texts are used, as bits; where the next one may go on."""

    answer_bits: int
    bits: int
    starts: Set[int]


class _Move(NamedTuple):
    """A match as the search takes it: the words that it uses as bits, what it gains, how far apart its sides are."""

    answer_bits: int
    bits: int
    gain: float
    start: int
    end: int
    reached: int
    distance: int
    match: Match


def _move(match: Match, matched: float) -> _Move:
    start, length, other, size, stage = match
    # In whole numbers: halves are cut off on each side.
    gain = (2 if stage == EXACT else length // 2 + size // 2) * matched
    return _Move(
        _bits(other, size), _bits(start, length), gain, other, other + size, start + length, abs(start - other), match
    )


def _following(
    place: _Place, j: int, moves: Sequence[_Move], definite: _Move | None, needed: _Needed, chunk: float
) -> list[_Following]:
    """Return how paths go on from a place by one word of the reference, in the order in which they are tried."""
    last, used, reference_used, reached = place
    answer_needed, reference_needed, starts = needed
    found: list[_Following] = []
    rank: float = 0
    for move in [definite] if definite else moves if j >= reached else ():
        answer_bits, bits, gain, start, end, onward, distance, _ = move
        if used & answer_bits or reference_used & bits:
            continue
        if onward <= j + 1:
            onward, end = 0, end if end in starts else -2
        place = end, (used | answer_bits) & answer_needed, (reference_used | bits) & reference_needed, onward
        found.append((rank - gain if last in (-1, start) else rank - gain + chunk, place, move))
        # The distance of a match goes to the paths after it, not to its own.
        rank += distance
    if definite:
        return [(found[0][0] + rank, found[0][1], None)]
    used, reference_used = used & answer_needed, reference_used & reference_needed
    if j >= reached:
        return [*found, (rank if last == -1 else rank + chunk, (-1, used, reference_used, 0), None)]
    if reached <= j + 1:
        reached, last = 0, last if last in starts else -2
    return [(0, (last, used, reference_used, reached), None)]


def _step(
    paths: Sequence[_Path], following: Mapping[int, Sequence[_Following]]
) -> tuple[list[_Path], dict[int, _Place]]:
    """Return the paths after one more word, best first, no more than the beam holds, and their places by number."""
    numbers: dict[_Place, int] = {}
    numbered = {
        before: [(added, numbers.setdefault(place, len(numbers)), move) for added, place, move in steps]
        for before, steps in following.items()
    }
    found: list[_Path] = [
        (path[0] + added, number, move, path) for path in paths for added, number, move in numbered[path[1]]
    ]
    found.sort(key=_rank)
    del found[BEAM:]
    places = list(numbers)
    return found, {number: places[number] for number in {path[1] for path in found}}


def _search(free: Sequence[Sequence[Match]], definite: Sequence[Match | None]) -> list[Match]:
    """Choose among overlapping matches, from left to right over the reference; ties stay in their order.

    Paths at the same place go on alike, so what follows is worked out once a place.
    """
    matched, chunk = (_MATCHED, _CHUNK) if len(free) <= _MOST_REAL else (_LONG_MATCHED, _LONG_CHUNK)
    moves = [[_move(match, matched) for match in matches] for matches in free]
    fixed = [_move(match, matched) if match else None for match in definite]
    needed = [_Needed(0, 0, frozenset())]
    for tried, definite_move in zip(reversed(moves[1:]), reversed(fixed[1:]), strict=True):
        answer_bits, bits, _ = needed[-1]
        for move in tried:
            answer_bits, bits = answer_bits | move.answer_bits, bits | move.bits
        starts = {move.start for move in ([definite_move] if definite_move else tried)}
        needed.append(_Needed(answer_bits, bits, starts))
    paths: list[_Path] = [(0, 0, None, None)]
    live: dict[int, _Place] = {0: (-1, 0, 0, 0)}
    for j, tried in enumerate(moves):
        following = {
            number: _following(place, j, tried, fixed[j], needed[-1 - j], chunk) for number, place in live.items()
        }
        added = {steps[0][0] for steps in following.values()}
        if len(added) == 1 and not tried:
            # All go on alike: their order stays.
            live = {number: steps[0][1] for number, steps in following.items()}
        else:
            paths, live = _step(paths, following)
    ended = [path[0] if live[path[1]][0] == -1 else path[0] + chunk for path in paths]
    path: _Path | None = paths[ended.index(min(ended))]
    found: list[Match] = []
    while path:
        if path[2]:
            found.append(path[2].match)
        path = path[3]
    return found

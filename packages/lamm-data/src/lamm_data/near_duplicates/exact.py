"""Near duplicates by exact ROUGE-L.

ROUGE-L of two token sequences of lengths m and n with a longest common subsequence L is F = 2 L / (m + n), which is the
normalised Indel similarity. Tokens become characters, so that rapidfuzz's bit-parallel code compares whole blocks;
texts are sorted by length first, because F can reach t only while the longer is at most (2 - t) / t times the shorter.
Pairs of long texts are ruled out by bitmaps before (`bitmap_filter`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from lamm_data.errors import LammDataError, UsageError, import_extra
from lamm_data.progress import Advance, unwatched

BLOCK = 512
_WORD = re.compile(r"\w+|[^\w\s]")
_FIRST, _SURROGATES, _AFTER = 0x100, 0xD800, 0xE000


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A text that says what an earlier kept one says.

    Attributes:
        index: Its position.
        of: Position of the earlier text.
        similarity: ROUGE-L F of the two; 1.0 for exact duplicates.
    """

    index: int
    of: int
    similarity: float


def find_near(
    texts: Sequence[str], threshold: float = 0.7, workers: int = 1, advance: Advance = unwatched
) -> list[Duplicate]:
    """Find texts whose ROUGE-L with an earlier kept text reaches a threshold.

    Args:
        texts: The texts, in order of preference: the first of a group is kept.
        threshold: F from which two texts count as the same (0.7 in self-instruct, arXiv 2212.10560).
        workers: Threads.
        advance: Called with the number of newly compared texts.

    Returns:
        The later ones, in order of position.

    Raises:
        UsageError: For a threshold outside 0..1.
        LammDataError: When rapidfuzz is not installed.
    """
    check_threshold(threshold)
    coded = encode_texts(texts)
    order = sorted(range(len(texts)), key=lambda index: len(coded[index]))
    pairs = _similar_pairs(coded, order, threshold, workers, advance)
    duplicates = []
    dropped: set[int] = set()
    for index in sorted(pairs):
        earlier = [(similarity, -other) for other, similarity in pairs[index] if other not in dropped]
        if earlier:
            similarity, other = max(earlier)
            dropped.add(index)
            duplicates.append(Duplicate(index, -other, similarity))
    return duplicates


def _similar_pairs(
    coded: list[str], order: list[int], threshold: float, workers: int, advance: Advance
) -> dict[int, list[tuple[int, float]]]:
    """Give for each index the earlier indices that are similar enough."""
    ratio = (2 - threshold) / threshold
    scores = _Scores(coded, threshold, workers)
    pairs: dict[int, list[tuple[int, float]]] = {}
    for start in range(0, len(order), BLOCK):
        rows = order[start : start + BLOCK]
        longest = len(coded[rows[-1]]) * ratio
        end = start
        while end < len(order) and len(coded[order[end]]) <= longest:
            columns = order[end : end + 8 * BLOCK]
            for row, column, score in scores.between(rows, columns):
                if end + column > start + row:
                    early, late = sorted((rows[row], columns[column]))
                    pairs.setdefault(late, []).append((early, round(score, 4)))
            end += len(columns)
        advance(len(rows))
    return pairs


class _Scores:
    """Compares blocks of texts: short ones all with all, of long ones only the pairs that may reach the threshold."""

    def __init__(self, coded: list[str], threshold: float, workers: int) -> None:
        from lamm_data.near_duplicates.bitmap_filter import LONG, BitmapFilter

        self._process, self._scorer = _rapidfuzz()
        self._coded = coded
        self._settings = {"scorer": self._scorer, "score_cutoff": threshold - 1e-6, "workers": workers}
        self._long = LONG
        self._filter = BitmapFilter(coded, threshold) if max(map(len, coded), default=0) > LONG else None

    def between(self, rows: list[int], columns: list[int]) -> Iterator[tuple[int, int, float]]:
        """Give index in rows, index in columns and similarity of the pairs that reach the threshold."""
        if self._filter is not None and len(self._coded[rows[0]]) > self._long:
            first, second = self._filter.possible(rows, columns)
            queries = [self._coded[rows[at]] for at in first]
            choices = [self._coded[columns[at]] for at in second]
            values = self._process.cpdist(queries, choices, **self._settings) if queries else []
            alike = ((row, column, value) for row, column, value in zip(first, second, values, strict=True) if value)
        else:
            queries, choices = ([self._coded[index] for index in indices] for indices in (rows, columns))
            scores = self._process.cdist(queries, choices, **self._settings)
            alike = ((row, column, scores[row, column]) for row, column in zip(*scores.nonzero(), strict=True))
        for row, column, value in alike:
            yield int(row), int(column), float(value)


def _rapidfuzz() -> tuple[Any, Any]:
    process, distance = (
        import_extra(f"rapidfuzz.{name}", "near duplicates", "dedup") for name in ("process", "distance")
    )
    return process, distance.Indel.normalized_similarity


def check_threshold(threshold: float) -> None:
    """Refuse a ROUGE-L that is not above 0 and at most 1.

    Raises:
        UsageError: It is.
    """
    if not 0 < threshold <= 1:
        raise UsageError(f"Expected a threshold above 0 and at most 1, got {threshold}.")


def similarity_function(threshold: float) -> Callable[[str, str], float]:
    """Give the function that compares two coded texts by ROUGE-L; below the threshold it may give 0.

    Raises:
        UsageError: For a threshold outside 0..1.
        LammDataError: When rapidfuzz is not installed.
    """
    check_threshold(threshold)
    scorer = _rapidfuzz()[1]
    return partial(scorer, score_cutoff=threshold - 1e-6)


def encode_texts(texts: Sequence[str]) -> list[str]:
    """Write each text as one character a token, words and punctuation marks being the tokens."""
    codes: dict[str, str] = {}
    coded = []
    for text in texts:
        tokens = _WORD.findall(text.lower())
        coded.append("".join(codes.get(token) or codes.setdefault(token, _character(len(codes))) for token in tokens))
    return coded


def _character(number: int) -> str:
    code = number + _FIRST
    code = code if code < _SURROGATES else code - _SURROGATES + _AFTER
    if code > 0x10FFFF:
        raise LammDataError("Expected at most 1.1 million different tokens, got more. Split the file and run again.")
    return chr(code)

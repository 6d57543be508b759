"""Pair detections with objects: all images and classes at once, without a loop over either.

An image and a class make one integer key. Detections and objects of the same key are enumerated with `searchsorted`,
one vectorised overlap is taken over all these pairs, and only the few pairs that overlap enough are matched.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Overlap = Callable[[Indices, Indices], Floats]

# Pairs whose overlap is taken at once: bounds memory and keeps the temporaries in cache.
BLOCK = 1 << 16


class Pairs(NamedTuple):
    """Detections and objects that may be matched: indices and overlap, [P] each."""

    detection: Indices
    truth: Indices
    overlap: Floats

    def where(self, chosen: NDArray[np.bool_] | Indices) -> "Pairs":
        """The chosen pairs, by mask or by position."""
        return Pairs(self.detection[chosen], self.truth[chosen], self.overlap[chosen])


def same_key_pairs(detection_key: Indices, truth_key: Indices, block: int = BLOCK) -> Iterator[tuple[Indices, Indices]]:
    """Enumerate all pairs of equal key.

    Args:
        detection_key: Key of each detection, [D].
        truth_key: Key of each object, [G].
        block: Pairs a chunk holds at least, except the last (a chunk ends with a detection).

    Yields:
        Indices of the detections and of the objects, [P] each, the detections in rising order.
    """
    order = np.argsort(truth_key, kind="stable")
    ordered = truth_key[order]
    low = np.searchsorted(ordered, detection_key, "left")
    count = np.searchsorted(ordered, detection_key, "right") - low
    paired = np.flatnonzero(count)
    low, count = low[paired], count[paired]
    ends = np.cumsum(count)
    start = 0
    while start < len(paired):
        done = ends[start - 1] if start else 0
        stop = int(np.searchsorted(ends, done + block, "left")) + 1
        chunk = count[start:stop]
        within = np.arange(chunk.sum()) - np.repeat(np.cumsum(chunk) - chunk, chunk)
        yield np.repeat(paired[start:stop], chunk), order[np.repeat(low[start:stop], chunk) + within]
        start = stop


def overlapping_pairs(detection_key: Indices, truth_key: Indices, overlap: Overlap, floor: float) -> Pairs:
    """All pairs of equal key whose overlap is positive and at least `floor`, in the order of the detections.

    Args:
        detection_key: Key of each detection, [D].
        truth_key: Key of each object, [G].
        overlap: Gives the overlap [P] of indices into the detections [P] and the objects [P].
        floor: Lowest overlap of interest.
    """
    parts = []
    for detection, truth in same_key_pairs(detection_key, truth_key):
        value = overlap(detection, truth)
        near = (value >= floor) & (value > 0)
        parts.append(Pairs(detection[near], truth[near], value[near]))
    if not parts:
        return Pairs(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0))
    return Pairs(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def assign(pairs: Pairs, priority: Indices, n_truths: int, reusable: Flags | None = None) -> Indices:
    """Give each detection the first object of its list that no detection of higher priority takes.

    This is what going through the detections one by one in order of priority does. It is computed as a stable marriage
    (Gale and Shapley 1962): every detection proposes to the first object still on its list, an object keeps the best
    proposal, and whoever is refused strikes the object off. When all objects rank the detections alike, the stable
    marriage is unique and is what the greedy order gives.

    Args:
        pairs: Candidates; those of a detection are contiguous, in the order in which it prefers them.
        priority: Rank of each pair at its object, [P]; lower is better, no two pairs of an object are equal.
        n_truths: Number of objects.
        reusable: Objects that any number of detections may take, [n_truths] (crowds).

    Returns:
        Positions in `pairs` of the matches, rising.

    >>> pairs = Pairs(np.array([0, 0, 1]), np.array([1, 0, 1]), np.array([0.9, 0.6, 0.8]))
    >>> assign(pairs, np.array([0, 1, 2]), 2).tolist()
    [0]
    """
    alive = np.arange(len(pairs.detection))
    worst = np.iinfo(np.intp).max
    while True:
        detection, truth = pairs.detection[alive], pairs.truth[alive]
        first = np.ones(len(alive), np.bool_)
        np.not_equal(detection[1:], detection[:-1], out=first[1:])
        best = np.full(n_truths, worst, np.intp)
        np.minimum.at(best, truth[first], priority[alive[first]])
        stays = priority[alive] <= best[truth]
        if reusable is not None:
            stays |= reusable[truth]
        if stays.all():
            return alive[first]
        alive = alive[stays]


def largest_matching(possible: Flags) -> dict[int, int]:
    """Pair as many rows as possible with columns of their own.

    Args:
        possible: Whether row and column may be paired, [rows, columns].

    Returns:
        The row of each column that is paired.

    >>> largest_matching(np.array([[True, True], [True, False]]))
    {0: 1, 1: 0}
    """
    owner: dict[int, int] = {}
    for row in range(len(possible)):
        # Breadth-first search for a chain of exchanges that frees a column for this row (Berge 1957).
        reached: dict[int, int] = {}
        frontier = [row]
        while frontier:
            current = frontier.pop(0)
            fresh = [int(column) for column in np.flatnonzero(possible[current]) if int(column) not in reached]
            reached.update(dict.fromkeys(fresh, current))
            free = next((column for column in fresh if column not in owner), None)
            if free is not None:
                _exchange(owner, reached, free, row)
                break
            frontier.extend(owner[column] for column in fresh)
    return owner


def _exchange(owner: dict[int, int], reached: Mapping[int, int], column: int, start: int) -> None:
    """Hand columns on along the chain that ends in a free column."""
    held = {row: taken for taken, row in owner.items()}
    while True:
        row = reached[column]
        owner[column] = row
        if row == start:
            return
        column = held[row]


def rank_within(sorted_key: Indices) -> Indices:
    """Position of each element within its run of equal keys, [N].

    >>> rank_within(np.array([4, 4, 7, 7, 7])).tolist()
    [0, 1, 0, 1, 2]
    """
    position = np.arange(len(sorted_key))
    starts = np.zeros(len(sorted_key), np.intp)
    change = np.flatnonzero(sorted_key[1:] != sorted_key[:-1]) + 1
    starts[change] = change
    return np.asarray(position - np.maximum.accumulate(starts) if len(starts) else position)

"""How far the order of tied detections can move AP.

Without confidences the order of the detections is arbitrary, and evaluators that go by it are moved in two ways: by
where the correct ones stand, and by which object each of them takes. A detection that overlaps two objects may take the
only one that another detection could have had, so even the number of correct detections depends on the order. Both are
bounded here: the most and the fewest detections that can be correct, and the curves with those in front and behind.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from lamm_metrics.average_precision.curves import Curve, Matched, optimistic
from lamm_metrics.average_precision.matching import Convention, Found, Matches, PairedIoU, Truth, candidates, ties
from lamm_metrics.average_precision.pairs import Indices, Pairs, matching_size

# Up to so many tied detections that compete for the same objects, all orders are tried.
FEW = 8


def order_bounds(
    found: Found, truth: Truth, iou: PairedIoU, threshold: float, convention: Convention, n_labels: int
) -> tuple[float, float]:
    """Return `bounds_of` detections and objects that have not been matched yet.

    Args:
        found: Detections.
        truth: Objects.
        iou: Overlap [P] of corresponding boxes [P, K] and [P, K].
        threshold: Overlap at which a detection finds an object.
        convention: How taken objects and the threshold are treated, and how the area is taken.
        n_labels: Number of classes.
    """
    grouped = candidates(found, truth, iou, threshold, replace(convention, grouped=True))
    return bounds_of(grouped.at(threshold), n_labels)


def bounds_of(matches: Matches, n_labels: int) -> tuple[float, float]:
    """Return the least and the most AP over all orders of detections of equal class and score; NaN without objects.

    Detections of higher scores are taken as matched by overlap. Where no detection has a score there are none, and the
    most is reached by an order. The least is a bound: the fewest detections that any order finds correct, all of them
    behind the wrong ones. Where more than `FEW` tied detections of an image compete, half of the most is taken for the
    fewest, which no greedy assignment falls below.

    Args:
        matches: Matches of a convention that groups ties.
        n_labels: Number of classes.
    """
    found, truth = matches.candidates.found, matches.candidates.truth
    correct, tie = matches.correct, ties(found)
    fewest, most = correct.copy(), correct.copy()
    for rows, low, high in _contested(_free(matches, tie), tie):
        right = rows[correct[rows]]
        wrong = rows[~correct[rows]]
        fewest[right[low:]] = False
        most[wrong[: high - len(right)]] = True
    images = int(max(found.image.max(initial=0), truth.image.max(initial=0))) + 1

    def area(of: Matched, at_once: bool) -> float:
        curve = Curve(of, n_labels, matches.candidates.convention.interpolation, at_once)
        return float(curve.mean(np.ones((1, images), np.int64))[0])

    return area(matches.decided(fewest), True), area(optimistic(matches.decided(most)), False)


def _free(matches: Matches, tie: Indices) -> Pairs:
    """Return the pairs whose object no detection of a higher score has taken, as detections prefer them."""
    pairs, hits, truth = matches.pairs, matches.hits, matches.candidates.truth
    taken_at = np.full(len(truth.image), np.iinfo(np.intp).max)
    taken_at[hits.truth] = tie[hits.detection]
    held = taken_at[pairs.truth] < tie[pairs.detection]
    usable = ~truth.ignored[pairs.truth] & ~matches.dropped[pairs.detection] & ~held
    pairs = pairs.where(usable)
    pairs = pairs.where(np.lexsort([-pairs.truth, -pairs.overlap, pairs.detection]))
    if matches.candidates.convention.best_only and len(pairs.detection):
        first = np.ones(len(pairs.detection), np.bool_)
        first[1:] = pairs.detection[1:] != pairs.detection[:-1]
        pairs = pairs.where(first)
    return pairs


def _contested(pairs: Pairs, tie: Indices) -> Iterator[tuple[Indices, int, int]]:
    """Tied detections that compete for several objects, with the fewest and the most of them that can be correct."""
    if not len(pairs.detection):
        return
    wishes = np.bincount(pairs.detection)
    key = tie[pairs.detection] * (int(pairs.truth.max()) + 1) + pairs.truth
    start = np.searchsorted(pairs.detection, np.arange(len(wishes) + 1))
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    seen: set[int] = set()
    for first in np.flatnonzero(wishes > 1).tolist():
        if first in seen:
            continue
        group, waiting = [], [first]
        seen.add(first)
        while waiting:
            row = waiting.pop()
            group.append(row)
            for wanted in key[start[row] : start[row + 1]]:
                span = order[np.searchsorted(ordered, wanted) : np.searchsorted(ordered, wanted, "right")]
                fresh = [rival for rival in pairs.detection[span].tolist() if rival not in seen]
                seen.update(fresh)
                waiting += fresh
        if len(group) > 1:
            rows = np.sort(np.array(group))
            wants = [pairs.truth[start[row] : start[row + 1]].tolist() for row in rows]
            yield rows, *_fewest_and_most(wants)


def _fewest_and_most(wants: Sequence[Sequence[int]]) -> tuple[int, int]:
    """How many of some detections can be correct, each taking the first free object of its list in any order."""
    objects = {thing: i for i, thing in enumerate(sorted({thing for wanted in wants for thing in wanted}))}
    possible = np.zeros((len(wants), len(objects)), np.bool_)
    for row, wanted in enumerate(wants):
        possible[row, [objects[thing] for thing in wanted]] = True
    # The most is a largest matching: some order of "everybody takes the best that is left" always reaches one.
    most = matching_size(possible)
    if len(wants) > FEW:
        return -(-most // 2), most
    lists = [[1 << objects[thing] for thing in wanted] for wanted in wants]

    @cache
    def fewest(left: int, taken: int) -> int:
        counts = []
        for row in range(len(lists)):
            if left >> row & 1:
                thing = next((bit for bit in lists[row] if not bit & taken), 0)
                counts.append((thing > 0) + fewest(left ^ 1 << row, taken | thing))
        return min(counts, default=0)

    return fewest((1 << len(lists)) - 1, 0), most

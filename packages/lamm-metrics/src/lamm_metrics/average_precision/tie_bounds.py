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
from lamm_metrics.average_precision.matching import (
    Convention,
    Found,
    PairedIoU,
    Truth,
    candidates,
    decided,
    greedy,
    ties,
)
from lamm_metrics.average_precision.pairs import Flags, Indices, Pairs, matching_size

# Up to so many tied detections that compete for the same objects, all orders are tried.
FEW = 8


def order_bounds(
    found: Found, truth: Truth, iou: PairedIoU, threshold: float, convention: Convention, n_labels: int
) -> tuple[float, float]:
    """The least and the most AP over all orders of detections of equal class and score; NaN without objects.

    Detections of higher scores are taken as matched by overlap. Where no detection has a score there are none, and the
    most is reached by an order. The least is a bound: the fewest detections that any order finds correct, all of them
    behind the wrong ones. Where more than `FEW` tied detections of an image compete, half of the most is taken for the
    fewest, which no greedy assignment falls below.

    Args:
        found: Detections.
        truth: Objects.
        iou: Overlap [P] of corresponding boxes [P, K] and [P, K].
        threshold: Overlap at which a detection finds an object.
        convention: How taken objects and the threshold are treated, and how the area is taken.
        n_labels: Number of classes.
    """
    grouped = replace(convention, grouped=True)
    found, truth, pairs = candidates(found, truth, iou, threshold, grouped)
    hits = greedy(pairs, found, truth, grouped)
    correct, dropped = np.zeros(len(found.image), np.bool_), np.zeros(len(found.image), np.bool_)
    correct[hits.detection] = ~truth.ignored[hits.truth]
    dropped[hits.detection] = truth.ignored[hits.truth]
    fewest, most = correct.copy(), correct.copy()
    for rows, low, high in _contested(_free(pairs, hits, truth, dropped, ties(found), grouped), ties(found)):
        right = rows[correct[rows]]
        wrong = rows[~correct[rows]]
        fewest[right[low:]] = False
        most[wrong[: high - len(right)]] = True
    images = int(max(found.image.max(initial=0), truth.image.max(initial=0))) + 1

    def area(of: Matched, at_once: bool) -> float:
        return float(Curve(of, n_labels, convention.interpolation, at_once).mean(np.ones((1, images), np.int64))[0])

    least = area(decided(found, truth, fewest, dropped), True)
    return least, area(optimistic(decided(found, truth, most, dropped)), False)


def _free(pairs: Pairs, hits: Pairs, truth: Truth, dropped: Flags, tie: Indices, convention: Convention) -> Pairs:
    """The pairs whose object no detection of a higher score has taken, in the order in which detections prefer them."""
    taken_at = np.full(len(truth.image), np.iinfo(np.intp).max)
    taken_at[hits.truth] = tie[hits.detection]
    usable = ~truth.ignored[pairs.truth] & ~dropped[pairs.detection] & (taken_at[pairs.truth] >= tie[pairs.detection])
    pairs = pairs.where(usable)
    pairs = pairs.where(np.lexsort([-pairs.truth, -pairs.overlap, pairs.detection]))
    if convention.best_only and len(pairs.detection):
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

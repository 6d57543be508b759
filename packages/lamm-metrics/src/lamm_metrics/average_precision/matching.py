"""Average precision for 2D and 3D boxes: its conventions, and which detections are correct under each.

A model that answers in words gives no confidences. Ranking its boxes by a constant makes the usual evaluators depend on
the order of the files. Here all detections of a class with the same score form one operating point of the
precision-recall curve, so nothing depends on any order; where all scores differ, the number is COCO's.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from lamm_metrics.average_precision.curves import Curve, Interpolation, Matched, changes, optimistic
from lamm_metrics.average_precision.pairs import (
    Flags,
    Floats,
    Indices,
    Pairs,
    assign,
    largest_matching,
    overlapping_pairs,
    rank_within,
)

PairedIoU = Callable[[Floats, Floats], Floats]
# Up to so many tied detections that compete for the same objects, all orders are tried.
FEW = 8


@dataclass(frozen=True, slots=True)
class Convention:
    """One way of computing AP, each field a choice that moves the number.

    Attributes:
        name: What it is called.
        interpolation: How the area is taken.
        grouped: Whether equal scores form one operating point; otherwise their order in the input decides.
        strict: Whether the overlap must exceed the threshold (py-faster-rcnn) or reach it (COCO, VOC).
        best_only: Whether a detection whose best object is taken is a false alarm (VOC) or tries the next (COCO).
        plus: Added to widths and heights: 1 where corners are inclusive pixels (VOC).
        max_detections: Detections kept an image and class, None for all.
        repeats: Whether a detection that repeats another one exactly may find an object.
    """

    name: str
    interpolation: Interpolation = Interpolation.POINTS_101
    grouped: bool = False
    strict: bool = False
    best_only: bool = False
    plus: float = 0.0
    max_detections: int | None = None
    repeats: bool = True


SCORE_FREE = Convention("score-free", grouped=True, repeats=False)
COCO = Convention("coco", max_detections=100)
# As VOC's development kit counts, and as its widespread translation in py-faster-rcnn does.
VOC07 = Convention("voc07", Interpolation.POINTS_11, best_only=True, plus=1.0)
VOC12 = Convention("voc12", Interpolation.ALL, best_only=True, plus=1.0)
FASTER_RCNN07 = replace(VOC07, name="py-faster-rcnn/voc07", strict=True)
FASTER_RCNN12 = replace(VOC12, name="py-faster-rcnn/voc12", strict=True)


@dataclass(frozen=True, slots=True)
class Found:
    """Detections as columns.

    Attributes:
        image: Index of the image or scene, [D].
        label: Index of the class, [D].
        score: Confidence, [D]; a constant where the model gave none.
        box: Boxes, [D, 4 | 6 | 7 | 9]; not-a-number rows overlap nothing and count as false alarms.
    """

    image: Indices
    label: Indices
    score: Floats
    box: Floats

    def take(self, rows: Indices) -> "Found":
        """The given rows."""
        return Found(self.image[rows], self.label[rows], self.score[rows], self.box[rows])


@dataclass(frozen=True, slots=True)
class Truth:
    """Objects as columns; `ignored` ones need not be found and whoever finds them is not counted, [G] each."""

    image: Indices
    label: Indices
    box: Floats
    ignored: Flags


def match(found: Found, truth: Truth, iou: PairedIoU, threshold: float, convention: Convention = SCORE_FREE) -> Matched:
    """Decide which detections are correct at one overlap threshold.

    Args:
        found: Detections.
        truth: Objects.
        iou: Overlap [P] of corresponding boxes [P, K] and [P, K].
        threshold: Overlap at which a detection finds an object.
        convention: How ties, taken objects and the threshold are treated.
    """
    return candidates(found, truth, iou, threshold, convention).at(threshold).matched


@dataclass(frozen=True, slots=True)
class Candidates:
    """Detections and objects in the order of a convention, and the pairs that overlap: matched at any threshold.

    Attributes:
        found: Detections.
        truth: Objects.
        found_row: Position of each detection in the input, [D].
        truth_row: Position of each object in the input, [G].
        pairs: Pairs that overlap by at least the lowest threshold.
        convention: Which order, and how taken objects and the threshold are treated.
    """

    found: Found
    truth: Truth
    found_row: Indices
    truth_row: Indices
    pairs: Pairs
    convention: Convention

    def at(self, threshold: float) -> "Matches":
        """Match at a threshold, which is no lower than the one that the pairs were looked up for."""
        overlap = self.pairs.overlap
        pairs = self.pairs.where(overlap > threshold if self.convention.strict else overlap >= threshold)
        return Matches(self, pairs, greedy(pairs, self.found, self.truth, self.convention))


@dataclass(frozen=True, slots=True)
class Matches:
    """Which detection found which object at one threshold.

    Attributes:
        candidates: What was matched.
        pairs: The pairs that overlap enough.
        hits: Those of them that are matches.
    """

    candidates: Candidates
    pairs: Pairs
    hits: Pairs

    @property
    def correct(self) -> Flags:
        """Return which detections found an object that counts, [D]."""
        return self._flags(~self.candidates.truth.ignored[self.hits.truth])

    @property
    def dropped(self) -> Flags:
        """Return which detections found an ignored object and do not count, [D]."""
        return self._flags(self.candidates.truth.ignored[self.hits.truth])

    @property
    def matched(self) -> Matched:
        """Return what curves need."""
        return self.decided(self.correct)

    def _flags(self, chosen: Flags) -> Flags:
        flags = np.zeros(len(self.candidates.found.image), np.bool_)
        flags[self.hits.detection] = chosen
        return flags

    def decided(self, correct: Flags) -> Matched:
        """Return what curves need if these detections were correct, without those that found an ignored object."""
        truth, remaining = self.candidates.truth, np.flatnonzero(~self.dropped)
        rest, counted = self.candidates.found.take(remaining), ~truth.ignored
        return Matched(
            rest.image, rest.label, rest.score, correct[remaining], truth.image[counted], truth.label[counted]
        )

    def in_input(self) -> tuple[Flags, Flags]:
        """Return which detections and which objects of the input found each other, [D] and [G]."""
        found_row, truth_row = self.candidates.found_row, self.candidates.truth_row
        found, truth = (np.zeros(rows.max(initial=-1) + 1, np.bool_) for rows in (found_row, truth_row))
        found[found_row[self.hits.detection]] = truth[truth_row[self.hits.truth]] = True
        return found, truth


def candidates(found: Found, truth: Truth, iou: PairedIoU, lowest: float, convention: Convention) -> Candidates:
    """Bring detections and objects into the order of a convention and pair those that overlap enough.

    `lowest` is the lowest threshold that will be asked for; other arguments as for `match`.
    """
    found_row, truth_row = _found_order(found, convention), _truth_order(truth, convention)
    found = found.take(found_row)
    truth = Truth(truth.image[truth_row], truth.label[truth_row], truth.box[truth_row], truth.ignored[truth_row])
    images = int(max(found.image.max(initial=0), truth.image.max(initial=0))) + 1
    key = found.label * images + found.image
    if convention.max_detections is not None:
        by_key = np.argsort(key, kind="stable")
        within = np.sort(by_key[rank_within(key[by_key]) < convention.max_detections])
        found, found_row, key = found.take(within), found_row[within], key[within]
    pairs = overlapping_pairs(
        key, truth.label * images + truth.image, lambda d, g: iou(found.box[d], truth.box[g]), lowest
    )
    if not convention.repeats:
        pairs = pairs.where(~_repeats(found)[pairs.detection])
    return Candidates(found, truth, found_row, truth_row, pairs, convention)


def _found_order(found: Found, convention: Convention) -> Indices:
    """By class, falling score, then input order, or for grouped ties by the boxes' numbers, which know no order."""
    columns = [*found.box.T[::-1], found.image] if convention.grouped else []
    return np.lexsort([*columns, -found.score, found.label])


def _truth_order(truth: Truth, convention: Convention) -> Indices:
    return np.lexsort([*truth.box.T[::-1], truth.image]) if convention.grouped else np.arange(len(truth.image))


def _repeats(found: Found) -> Flags:
    """Detections equal in every column to the one before: saying a thing twice must not find a second object."""
    same = np.zeros(len(found.image), np.bool_)
    columns = (found.image, found.label, found.score, *found.box.T)
    same[1:] = np.logical_and.reduce([column[1:] == column[:-1] for column in columns])
    return same


def ties(found: Found) -> Indices:
    """The number of the group of equal class and score that each detection belongs to, [D], rising."""
    return np.cumsum(changes(found.label, found.score))


def greedy(pairs: Pairs, found: Found, truth: Truth, convention: Convention) -> Pairs:
    """The pairs that become matches: by score, then (grouped) by overlap or (ordered) by the order of the input.

    Pairs, detections and objects stand in the order of `candidates`.
    """
    tie = ties(found) if convention.grouped else np.arange(len(found.image))
    if convention.best_only:
        preferred = np.lexsort([pairs.truth, -pairs.overlap, pairs.detection])
        pairs = pairs.where(preferred)
        pairs = pairs.where(changes(pairs.detection))
    else:
        # COCO: objects that count before ignored ones, then the higher overlap, then the later object.
        preferred = np.lexsort([-pairs.truth, -pairs.overlap, truth.ignored[pairs.truth], pairs.detection])
        pairs = pairs.where(preferred)
    priority = np.empty(len(pairs.detection), np.intp)
    priority[np.lexsort([pairs.detection, -pairs.overlap, tie[pairs.detection]])] = np.arange(len(priority))
    return pairs.where(assign(pairs, priority, len(truth.image), truth.ignored))


def bounds_of(matches: Matches, n_labels: int) -> tuple[float, float]:
    """Return the least and the most AP over all orders of detections of equal class and score; NaN without objects.

    The order decides where the correct ones stand and which object each of them takes: a detection that overlaps two
    may take the only one that another could have had, so even the number of correct ones depends on it. Detections of
    higher scores are taken as matched by overlap. Where no detection has a score there are none, and the most is
    reached by an order. The least is a bound: the fewest detections that any order finds correct, all of them behind
    the wrong ones. Where more than `FEW` tied detections of an image compete, half of the most is taken for the
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
        pairs = pairs.where(changes(pairs.detection))
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
    most = len(largest_matching(possible))
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

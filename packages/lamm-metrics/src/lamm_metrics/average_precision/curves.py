"""Precision-recall curves and the area under them, for all classes at once and under any weights of the images."""

from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.average_precision.pairs import Flags, Floats, Indices


class Interpolation(StrEnum):
    """How the area under a precision-recall curve is taken; precision is first made non-increasing in recall."""

    POINTS_101 = "101"  # COCO: mean of the precision at recalls 0, 0.01 … 1
    POINTS_11 = "11"  # VOC until 2009: mean at 0, 0.1 … 1
    ALL = "all"  # VOC since 2010: the exact area


# np.linspace and np.arange as the original evaluators call them, so that comparisons round alike.
RECALLS = {Interpolation.POINTS_101: np.linspace(0.0, 1.0, 101), Interpolation.POINTS_11: np.arange(0.0, 1.1, 0.1)}


@dataclass(frozen=True, slots=True)
class Matched:
    """All that average precision needs of the detections and objects at one threshold.

    The detections are sorted by class, then by falling score; those that found an ignored object are left out.

    Attributes:
        image: Image of each detection, [D].
        label: Class of each detection, [D].
        score: Score of each detection, [D].
        correct: Whether it found an object, [D].
        truth_image: Image of each object that counts, [G].
        truth_label: Its class, [G].
    """

    image: Indices
    label: Indices
    score: Floats
    correct: Flags
    truth_image: Indices
    truth_label: Indices


def changes(*columns: NDArray[np.generic]) -> Flags:
    """Whether each row differs from the one before in any column, [N]; True for the first."""
    new = np.ones(len(columns[0]), np.bool_)
    new[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    return new


class Curve:
    """The precision-recall curves of all classes, kept so that images can be reweighted without matching again.

    Only operating points that found something matter: between them recall stands still and precision falls.

    Args:
        matched: Detections sorted by class and falling score, and objects.
        n_labels: Number of classes.
        interpolation: How the area is taken.
        grouped: Whether equal scores of a class form one operating point.
    """

    # Weighted detections held at once while resampling: stays within the last cache.
    BLOCK = 1 << 18
    # Multiplications that cost as much as one step of the running sums.
    DENSE = 16

    def __init__(self, matched: Matched, n_labels: int, interpolation: Interpolation, grouped: bool) -> None:
        self.interpolation = interpolation
        self.n_labels = n_labels
        self._matched = matched
        hit = np.flatnonzero(matched.correct)
        self._hit_image = matched.image[hit]
        ends = np.arange(len(matched.image))
        if grouped:
            last = np.append(np.flatnonzero(changes(matched.label, matched.score))[1:], len(ends)) - 1
            ends = last[np.searchsorted(last, ends)]
        # The operating points after which something new is found: index of the last detection of each.
        self._end, final = np.unique(ends[hit][::-1], return_index=True)
        self._hits = len(hit) - final  # correct detections of all classes up to there
        self._label = matched.label[self._end]
        bounds = np.searchsorted(matched.label, np.arange(n_labels))
        self._before = bounds[self._label]  # detections of earlier classes
        self._hits_before = np.searchsorted(hit, bounds)[self._label]
        self._starts = np.flatnonzero(changes(self._label)) if len(self._label) else np.empty(0, np.intp)
        truth_images = int(matched.truth_image.max(initial=0)) + 1
        key = matched.truth_label * truth_images + matched.truth_image
        cells, self._cell_count = np.unique(key, return_counts=True)
        self._cell_label, self._cell_image = np.divmod(cells, truth_images)
        self._cell_starts = np.flatnonzero(changes(self._cell_label)) if len(cells) else np.empty(0, np.intp)
        self._dense: tuple[Floats, Floats, Floats] | None = None

    def per_label(self, weights: NDArray[np.integer]) -> Floats:
        """Average precision of each class.

        Args:
            weights: How often each image counts, [draws, images].

        Returns:
            [draws, labels], NaN for classes without objects.
        """
        columns = 2 * len(self._end) + self.n_labels
        if weights.shape[1] * columns <= self.DENSE * (len(self._matched.image) + len(self._cell_label)):
            return self._by_tables(weights)
        rows = max(1, self.BLOCK // max(1, len(self._matched.image)))
        blocks = [self._by_sums(weights[start : start + rows]) for start in range(0, len(weights), rows)]
        return np.concatenate(blocks) if blocks else np.empty((0, self.n_labels))

    def mean(self, weights: NDArray[np.integer]) -> Floats:
        """Mean over the classes that have objects, [draws]; NaN where none has. `weights` as in `per_label`."""
        values = self.per_label(weights)
        defined = ~np.isnan(values)
        count = defined.sum(axis=1)
        # Sorted, so that renaming classes cannot move a bit.
        total = np.sort(np.where(defined, values, 0.0), axis=1).sum(axis=1)
        means: Floats = np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)
        return means

    def _by_sums(self, weights: NDArray[np.integer]) -> Floats:
        """Average precision from running sums over all detections: for many operating points, as with real scores."""
        positives = np.zeros((len(weights), self.n_labels))
        if len(self._cell_label):
            cells = np.take(weights, self._cell_image, axis=1) * self._cell_count
            positives[:, self._cell_label[self._cell_starts]] = np.add.reduceat(cells, self._cell_starts, axis=1)
        found = _running(np.take(weights, self._hit_image, axis=1))
        shown = _running(np.take(weights, self._matched.image, axis=1))
        hits = np.take(found, self._hits, axis=1) - np.take(found, self._hits_before, axis=1)
        total = np.take(shown, self._end + 1, axis=1) - np.take(shown, self._before, axis=1)
        return self._areas(hits, total, positives)

    def _by_tables(self, weights: NDArray[np.integer]) -> Floats:
        """Average precision from what each image adds to each point: for few of them, as where scores are tied."""
        if self._dense is None:
            self._dense = self._tables(weights.shape[1])
        factors = weights.astype(np.float64)  # sums of whole numbers are exact in floating point, and BLAS adds them
        hits, total, positives = (factors @ table for table in self._dense)
        return self._areas(hits, total, positives)

    def _tables(self, images: int) -> tuple[Floats, Floats, Floats]:
        """Hits and detections up to each operating point, and objects of each class: [images, points or labels]."""
        n_points, matched = len(self._end), self._matched
        hits, shown, positives = (np.zeros((images, n)) for n in (n_points, n_points, self.n_labels))
        np.add.at(positives, (self._cell_image, self._cell_label), self._cell_count)
        if n_points:
            point = np.searchsorted(self._end, np.arange(len(matched.image)))
            kept = np.flatnonzero(point < n_points)
            kept = kept[self._label[point[kept]] == matched.label[kept]]  # not those behind a class's last point
            np.add.at(shown, (matched.image[kept], point[kept]), 1)
            right = kept[matched.correct[kept]]
            np.add.at(hits, (matched.image[right], point[right]), 1)
        for start, stop in pairwise([*self._starts, n_points]):
            for table in (hits, shown):
                np.cumsum(table[:, start:stop], axis=1, out=table[:, start:stop])
        return hits, shown, positives

    def _areas(self, hits: NDArray[Any], total: NDArray[Any], positives: Floats) -> Floats:
        """Areas [draws, labels] from hits and detections up to each point, and objects of each class."""
        area = np.zeros((len(hits), self.n_labels))
        if len(self._end):
            # Without hits both quotients are 0, whatever they are divided by.
            precision = hits / np.maximum(total, 1)
            recall = hits / np.maximum(np.take(positives, self._label, axis=1), 1)
            area[:, self._label[self._starts]] = area_under(precision, recall, self._starts, self.interpolation)
        area[positives == 0] = np.nan
        return area


def area_under(precision: Floats, recall: Floats, starts: Indices, interpolation: Interpolation) -> Floats:
    """Area under the precision-recall curves of several classes that stand side by side.

    Args:
        precision: Precision at each operating point, [draws, points], of all classes; overwritten by its envelope.
        recall: Recall at each operating point, [draws, points], rising within a class.
        starts: First point of each class, [classes].
        interpolation: How the area is taken.

    Returns:
        [draws, classes].
    """
    for start, stop in pairwise([*starts, precision.shape[1]]):
        span = precision[:, start:stop][:, ::-1]
        np.maximum.accumulate(span, axis=1, out=span)
    grid = RECALLS.get(interpolation)
    reached = recall if grid is None else _reached(grid, recall)
    step = np.empty(reached.shape)
    np.subtract(reached[:, 1:], reached[:, :-1], out=step[:, 1:])
    step[:, starts] = reached[:, starts]
    area = np.add.reduceat(step * precision, starts, axis=1)
    return np.asarray(area if grid is None else area / len(grid))


def _running(values: NDArray[np.integer]) -> NDArray[np.integer]:
    """Running sums along the last axis with a leading zero, [..., N + 1]."""
    result = np.zeros((len(values), values.shape[1] + 1), values.dtype)
    np.cumsum(values, axis=1, out=result[:, 1:])
    return result


def _reached(grid: Floats, recall: Floats) -> NDArray[np.intp]:
    """How many of the evenly spaced grid recalls, counted from 0, each recall reaches: `searchsorted`, but faster."""
    last = len(grid) - 1
    guess = np.minimum((recall * last).astype(np.intp), last)
    padded = np.append(grid, np.inf)
    guess -= padded[guess] > recall
    guess += padded[guess + 1] <= recall
    return guess + 1


def optimistic(matched: Matched) -> Matched:
    """The same with the correct detections first among those of equal class and score.

    With it, ungrouped, no order of the tied detections gives a higher AP while the same ones are correct. The lowest,
    wrong ones first, is the grouped AP itself: behind the wrong ones precision rises up to the group's end, and the
    envelope lifts the rest to there. `matching.bounds_of` also regards that the order decides which are correct.
    """
    order = np.lexsort([~matched.correct, -matched.score, matched.label])
    columns = {name: getattr(matched, name)[order] for name in ("image", "label", "score", "correct")}
    return replace(matched, **columns)

"""How much each answered box of a report overlaps a true one, all samples at once."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.average_precision.pairs import overlapping_pairs
from lamm_metrics.geometry.boxes import ordered_corners, paired_iou
from lamm_metrics.geometry.boxes3d import paired_iou_axis_aligned, to_nine
from lamm_metrics.geometry.rotated import paired_iou_rotated
from lamm_metrics.results.score import BOX, BOX_3D, Mark

Floats = NDArray[np.float64]


def best_overlaps(samples: Sequence[Sequence[Mark]]) -> list[list[float | None]]:
    """Return of each mark the largest overlap with a true box of its sample, whatever that is called.

    Args:
        samples: The marks of each sample.

    Returns:
        The intersection over union of answered boxes; None for true marks and for points.
    """
    best: list[list[float | None]] = [[None] * len(marks) for marks in samples]
    for kind in (BOX, BOX_3D):
        boxes: dict[bool, list[tuple[int, int, tuple[float, ...]]]] = {True: [], False: []}
        for place, marks in enumerate(samples):
            for number, mark in enumerate(marks):
                if mark.kind == kind:
                    boxes[mark.true].append((place, number, mark.numbers))
        if not boxes[False]:
            continue
        answered, true = (_stacked(kind, [numbers for *_, numbers in boxes[side]]) for side in (False, True))
        found_in, true_in = (np.array([place for place, *_ in boxes[side]], np.intp) for side in (False, True))
        values = np.zeros(len(answered))
        pairs = overlapping_pairs(found_in, true_in, _overlap(kind, answered, true), 0.0)
        np.maximum.at(values, pairs.detection, pairs.overlap)
        for (place, number, _), value in zip(boxes[False], values.tolist(), strict=True):
            best[place][number] = round(value, 3)
    return best


def _stacked(kind: str, boxes: Sequence[tuple[float, ...]]) -> Floats:
    """Return boxes as rows: corners in order, or centre, size and three angles."""
    if kind == BOX:
        return np.asarray(ordered_corners(np.array(boxes, np.float64).reshape(-1, 4)))
    rows = [to_nine(box) for box in boxes]
    return np.concatenate(rows) if rows else np.empty((0, 9))


def _overlap(kind: str, answered: Floats, true: Floats) -> Callable[[NDArray[np.intp], NDArray[np.intp]], Floats]:
    upright = kind == BOX_3D and not answered[:, 6:].any() and not true[:, 6:].any()
    rule = paired_iou if kind == BOX else paired_iou_axis_aligned if upright else paired_iou_rotated
    return lambda detection, truth: rule(answered[detection], true[truth])

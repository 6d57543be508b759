"""Remark that a metric's answers lie where no answer can be right: in another frame, or in another unit of length."""

from collections.abc import Iterable, Mapping
from typing import Any

from lamm_metrics.answers.located import size_of
from lamm_metrics.geometry.conventions import NORMALISED_XYXY
from lamm_metrics.geometry.placement import misplaced_2d, misplaced_3d
from lamm_metrics.metrics.base import Metric
from lamm_metrics.records.truth import Reference
from lamm_metrics.results.score import BOX, BOX_3D, POINT, SampleResult

NAMES = {BOX: "boxes", POINT: "points"}


def placing_remarks(
    metric: Metric[Any], results: Iterable[SampleResult], records: Mapping[str, Reference]
) -> list[str]:
    """Return in one sentence that most answered boxes or points lie outside their images or scenes; empty otherwise.

    Nothing is converted.

    Args:
        metric: What read the answers; it declares their convention, if it has any.
        results: How each record was scored, with the boxes and points that were compared.
        records: The records by id.
    """
    answered: dict[str, list[tuple[tuple[float, ...], str]]] = {}
    reach: dict[str, float] = {}
    for result in results:
        for mark in result.marks:
            if mark.true:
                reach[result.id] = max(reach.get(result.id, 0.0), *map(abs, mark.numbers[:6]))
            else:
                answered.setdefault(mark.kind, []).append((mark.numbers, result.id))
    remarks = []
    for kind, placed in answered.items():
        numbers, keys = [where for where, _ in placed], [key for _, key in placed]
        if kind == BOX_3D:
            remarks.append(misplaced_3d(numbers, [reach.get(key, 0.0) for key in keys]))
        elif kind in NAMES:
            remarks.append(_in_images(metric, numbers, [size_of(records[key]) for key in keys], NAMES[kind]))
    return [remark for remark in remarks if remark]


def _in_images(
    metric: Metric[Any], numbers: list[tuple[float, ...]], sizes: list[tuple[float, float] | None], what: str
) -> str:
    declared = getattr(metric, "convention", None)
    said, better = misplaced_2d(numbers, sizes, declared or NORMALISED_XYXY, what)
    if not said:
        return ""
    if declared is None:
        return f"{said}, the only convention of these formulas"
    if better is None:
        return f"{said}, and no known frame brings them inside"
    return f"{said}; nearly all lie inside in {better}: if the model writes so, set convention={better}"

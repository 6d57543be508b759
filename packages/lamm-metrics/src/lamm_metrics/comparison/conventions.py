"""The same predictions under every convention in use, side by side: how much of a detection score is convention?"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

import numpy as np

from lamm_metrics.answers.located import class_key, size_of
from lamm_metrics.average_precision.curves import Curve
from lamm_metrics.average_precision.matching import (
    COCO,
    FASTER_RCNN07,
    FASTER_RCNN12,
    SCORE_FREE,
    VOC07,
    VOC12,
    Convention,
    Found,
    PairedIoU,
    Truth,
    bounds_of,
    candidates,
    match,
)
from lamm_metrics.average_precision.pairs import Floats, same_key_pairs
from lamm_metrics.errors import UsageError
from lamm_metrics.extraction.text.names import name_index
from lamm_metrics.extraction.text.synonyms import known_synonyms
from lamm_metrics.geometry.boxes import paired_iou
from lamm_metrics.metrics.base import overlaps
from lamm_metrics.metrics.box_ap import BoxAP, Scene
from lamm_metrics.metrics.registry import metric_class
from lamm_metrics.records.predictions import Prediction, PredictionSource, read_predictions
from lamm_metrics.records.tasks import References, ReferenceSource, all_tasks, find_task, pair, read_references
from lamm_metrics.results.score import signature
from lamm_metrics.scoring import gather, metrics_for, remarks_of
from lamm_metrics.tables import table, with_interval

PAPER_THRESHOLD = 0.5
"""The only overlap of the published formula."""


@dataclass(frozen=True, slots=True)
class ConventionRow:
    """One convention's number.

    Attributes:
        name: The convention.
        value: Its number, None where it is undefined.
        low: The least that any order of detections with equal scores gives.
        high: The most that any order of them gives.
        signature: The choices it stands for.
        note: What one must know to read the number.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    signature: str
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return a plain dictionary that `json.dumps` accepts."""
        return asdict(self)


def compare_conventions(
    references: ReferenceSource,
    predictions: PredictionSource,
    task: str = "detection",
    threshold: float = 0.5,
    missing: str = "error",
    **options: Any,
) -> list[ConventionRow]:
    """Score one predictions file under COCO's, VOC's, the score-free, LAMM's and ChEF's convention.

    Args:
        references: Benchmark records of a detection task, or the path of their file.
        predictions: Answers, or the path of their file.
        task: "detection" or "detection3d".
        threshold: Overlap at which a detection finds an object.
        missing: "error" refuses records without an answer; "failed" counts them as answers that cannot be read.
        options: Options of the detection metric, such as `convention="thousand-xyxy"`.

    Returns:
        A row a convention, the score-free one first.

    Raises:
        UsageError: The task is none of detection, or the threshold no overlap.
        FileFaultsError: Faulty files or ids that do not match.

    >>> box = {"label": "cat", "bbox": [0, 0, 0.5, 0.5]}
    >>> truth = [{"id": 1, "object": [box], "image_size": [640, 480]}]
    >>> rows = compare_conventions(truth, [{"id": 1, "boxes": [{"label": "cat", "box": [0, 0, 0.5, 0.4]}]}])
    >>> [(row.name, row.value) for row in rows][:2]
    [('score-free', 1.0), ('coco', 1.0)]
    """
    overlaps([threshold])
    row = find_task(task)
    if row is None or not issubclass(metric_class(row.metrics[0]), BoxAP):
        able = [row.key for row in all_tasks().values() if issubclass(metric_class(row.metrics[0]), BoxAP)]
        raise UsageError(f"Expected a task of {', '.join(able)}, got {task!r}. Conventions differ in detection only.")
    truth = read_references(references, task)
    answers = pair(truth, read_predictions(predictions), missing)
    metric = cast("BoxAP", metrics_for(task, truth, **options)[0])
    gather([metric], truth, answers)
    found, objects, names = metric.columns()
    sizes = _sizes(metric, truth.records) if metric.dimensions == 4 else None
    rows = [
        _row(convention, found, objects, len(names), metric, threshold, sizes)
        for convention in (SCORE_FREE, COCO, VOC07, VOC12, FASTER_RCNN07, FASTER_RCNN12)
    ]
    notes = [*remarks_of(metric, truth.records, answers), *filter(None, [rows[0].note])]
    rows[0] = replace(rows[0], note="; ".join(notes))
    rows += _published(metric, found, objects, names, answers, threshold)
    return [*rows, _paper(task, truth, answers)] if threshold == PAPER_THRESHOLD else rows


def conventions_table(rows: Sequence[ConventionRow]) -> str:
    """Return the rows as text for people."""
    head = ("convention", "value", "lowest", "highest", "note")
    numbers = ((with_interval(value, None) for value in (row.value, row.low, row.high)) for row in rows)
    return table([head, *((row.name, *shown, row.note) for row, shown in zip(rows, numbers, strict=True))])


def _sizes(metric: BoxAP, records: Mapping[str, Mapping[str, Any]]) -> Floats | None:
    """Return the width and height of each record's image in the order of `ordered()`; None where one is unknown."""
    sizes = [size_of(records[key]) for key, _ in metric.ordered()]
    known = [size for size in sizes if size is not None]
    return np.array(known, np.float64) if known and len(known) == len(sizes) else None


def _row(
    convention: Convention,
    found: Found,
    objects: Truth,
    n_labels: int,
    metric: BoxAP,
    threshold: float,
    sizes: Floats | None,
) -> ConventionRow:
    iou: PairedIoU = metric.iou
    notes = []
    if convention.plus and sizes is not None:
        # Inclusive pixel corners only make sense in pixels, which shares times sides give up to rounding.
        found = replace(found, box=np.round(found.box * np.tile(sizes, 2)[found.image], 9))
        objects = replace(objects, box=np.round(objects.box * np.tile(sizes, 2)[objects.image], 9))
        iou = _inclusive_iou
    elif convention.plus and metric.dimensions == 4:
        notes.append("without image_size, so without the extra pixel")
    matched = match(found, objects, iou, threshold, convention)
    one = np.ones((1, max(1, len(metric.entries))), np.int64)

    curve = Curve(matched, n_labels, convention.interpolation, convention.grouped)
    tied = candidates(found, objects, iou, threshold, replace(convention, grouped=True)).at(threshold)
    numbers = float(curve.mean(one)[0]), *bounds_of(tied, n_labels)
    value, low, high = (None if np.isnan(number) else number for number in numbers)
    if value is not None and low is not None and high is not None:
        low, high = min(low, value), max(high, value)
    if not convention.grouped and low != high:
        notes.append("tied scores: depends on the order of the records")
    choices = {
        "iou": (">" if convention.strict else ">=") + f"{threshold:g}",
        "interp": convention.interpolation,
        "ties": "grouped" if convention.grouped else "ordered",
        "area": "inclusive" if iou is _inclusive_iou else "continuous",
        "candidate": "best" if convention.best_only else "best-free",
        "max": convention.max_detections or "all",
    }
    return ConventionRow(convention.name, value, low, high, signature("ap", **choices), "; ".join(notes))


def _inclusive_iou(first: Floats, second: Floats) -> Floats:
    return paired_iou(first, second, plus=1.0)


def _published(
    metric: BoxAP,
    found: Found,
    objects: Truth,
    names: Sequence[str],
    answers: Mapping[str, Prediction],
    threshold: float,
) -> list[ConventionRow]:
    """Return the rule of LAMM's recall, which is called mAP in the paper, and ChEF's quotient of the same hits.

    Both are applied to the boxes and names that were read for the other rows, so that rows differ by convention alone.
    """
    hit = np.zeros(len(objects.label), np.bool_)
    for detection, thing in same_key_pairs(found.image, objects.image):
        hit[thing[metric.iou(found.box[detection], objects.box[thing]) > threshold]] = True
    spoken = [_mentioned(entry.state, answers[key], metric.labels) for key, entry in metric.ordered()]
    named = np.array([names[label] in spoken[image] for image, label in zip(objects.image, objects.label, strict=True)])
    hits = int((hit & named).sum()) if len(hit) else 0
    note = "class named anywhere, any box, boxes reused"
    return [
        _quotient("paper-rule/recall", hits, len(hit), f"{note}; a recall, published as mAP", threshold),
        _quotient("chef/detection", hits, len(found.label), f"{note}; divided by the predictions", threshold),
    ]


def _paper(task: str, truth: References, answers: Mapping[str, Prediction]) -> ConventionRow:
    """Return the number that `protocol="paper"` gives: the same rule, text and names read as they were published."""
    (metric,) = metrics_for(task, truth, "paper")
    name = f"paper/recall@{PAPER_THRESHOLD:g}"
    try:
        gather([metric], truth, answers)
    except UsageError as fault:
        return ConventionRow(name, None, None, None, signature(name, protocol="lamm-v1"), str(fault).split(". ")[0])
    found = metric.compute(draws=2)[0]
    return ConventionRow(
        name, found.value, found.value, found.value, found.signature, "text and names read as published"
    )


def _quotient(name: str, hits: int, total: int, note: str, threshold: float) -> ConventionRow:
    value = hits / total if total else None
    choices = {"iou": f">{threshold:g}", "classes": "mentioned", "boxes": "any"}
    return ConventionRow(f"{name}@{threshold:g}", value, value, value, signature(name, **choices), note)


def _mentioned(scene: Scene, prediction: Prediction, labels: Sequence[str]) -> set[str]:
    """Return the keys of the classes that an answer names, in its text or in its structured boxes."""
    index = name_index(labels, known_synonyms(tuple(labels)))
    return {*scene.found_label, *(class_key(hit.label) for hit in index.find(prediction.plain_text))}

"""COCO's numbers as scores, each with an interval over images and a signature, from the files that its tools read."""

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np

from lamm_metrics.average_precision.curves import Curve, Interpolation, Matched
from lamm_metrics.average_precision.pairs import Floats
from lamm_metrics.coco.overlaps import OVERLAPS, IouType, OverlapMaker, Protocol
from lamm_metrics.coco.records import CocoFound, CocoTruth, read_coco_found, read_coco_truth
from lamm_metrics.coco.summary import THRESHOLDS, Judged, judge, summarise_coco, summary_numbers
from lamm_metrics.errors import LammMetricsError, UsageError
from lamm_metrics.records.files import FileFaultsError, parse_json, read_text
from lamm_metrics.results.report import Report
from lamm_metrics.results.score import Score, ScoreSpec, check_sampling, put_together
from lamm_metrics.statistics import centred_interval, group_weights

Source = str | PathLike[str] | Mapping[str, Any] | Sequence[Mapping[str, Any]]


def coco_scores(
    ground_truth: Mapping[str, Any],
    detections: Sequence[Mapping[str, Any]],
    iou_type: IouType = "bbox",
    *,
    seed: int = 0,
    draws: int = 1000,
    confidence: float = 0.95,
) -> list[Score]:
    """Return COCO's twelve numbers (ten for keypoints), from 0 to 1, with bootstrap intervals over images.

    The values are pycocotools'. Intervals draw images with replacement and use the matches again; like all intervals of
    AP here they are centred on the value.

    Args:
        ground_truth: The content of a COCO annotation file; boxes and areas in pixels.
        detections: The content of a COCO results file.
        iou_type: "bbox", "segm" (needs the extra `coco`) or "keypoints".
        seed: Seed of the bootstrap.
        draws: Bootstrap draws.
        confidence: Coverage of the intervals.

    Raises:
        LammMetricsError: As for `lamm_metrics.coco.summary.coco_summary`.

    >>> image, kind = {"id": 1, "height": 9, "width": 9}, {"id": 1, "name": "cat"}
    >>> cat = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 4, 4], "area": 16, "iscrowd": 0}
    >>> truth = {"images": [image], "categories": [kind], "annotations": [cat]}
    >>> found = coco_scores(truth, [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 4, 3], "score": 0.5}])
    >>> found[1].name, found[1].value, found[1].interval
    ('coco/bbox/AP50', 1.0, None)
    """
    check_sampling(draws, confidence)
    truth = read_coco_truth(ground_truth, iou_type)
    found = read_coco_found(detections, truth, iou_type)
    maker, protocol = OVERLAPS[iou_type]
    numbers = summarise_coco(found, truth, maker, protocol).numbers
    n_images = len(truth.image_ids)
    drawn = _drawn(found, truth, maker, protocol, seed, draws) if n_images >= 2 and draws >= 2 else {}
    specs, intervals, extras = [], [], []
    for name, value in numbers.items():
        interval = centred_interval(value, drawn[name], confidence) if drawn and not np.isnan(value) else None
        specs.append(ScoreSpec(f"coco/{iou_type}/{name}"))
        intervals.append((interval, f"centred-bootstrap{confidence * 100:g}"))
        extras.append({"objects": int((~truth.ignored).sum()), "detections": len(found.label)} if name == "AP" else {})
    return put_together(specs, list(numbers.values()), intervals, extras, _choices(protocol), (n_images, 0))


def _choices(protocol: Protocol) -> dict[str, object]:
    return {
        "iou": f"{THRESHOLDS[0]:g}:{THRESHOLDS[-1]:g}",
        "interp": Interpolation.POINTS_101,
        "ties": "ordered",
        "max": protocol.max_detections[-1],
        "areas": ",".join(protocol.areas),
        "crowds": "ignored",
    }


def _curve(judged: Judged, found: CocoFound, truth: CocoTruth, n_labels: int) -> Curve:
    """Return the curves of one area range and threshold, ready for drawing images."""
    correct = np.zeros(len(judged.counted), np.bool_)
    correct[judged.correct] = True
    kept, counts = judged.ranked.rows[judged.counted], ~judged.ignored
    matched = Matched(
        found.image[kept],
        found.label[kept],
        found.score[kept],
        correct[judged.counted],
        truth.image[counts],
        truth.label[counts],
    )
    return Curve(matched, n_labels, Interpolation.POINTS_101, grouped=False)


def _table(image: Any, label: Any, images: int, n_labels: int) -> Floats:
    """Return how many things each image holds of each class, [images, labels]."""
    cells = np.bincount(image * n_labels + label, minlength=images * n_labels)
    return cells.reshape(images, n_labels).astype(np.float64)


def _drawn(
    found: CocoFound, truth: CocoTruth, maker: OverlapMaker, protocol: Protocol, seed: int, draws: int
) -> dict[str, Floats]:
    """Return COCO's numbers under drawn images, by name, [draws]."""
    images, n_labels = len(truth.image_ids), len(truth.names)
    shape = (len(protocol.areas), len(THRESHOLDS), n_labels, draws)
    precision = np.full(shape, np.nan)
    recall = np.full((len(protocol.max_detections), *shape), np.nan)
    for judged in judge(found, truth, maker, protocol):
        curve, at = _curve(judged, found, truth, n_labels), (judged.area, judged.threshold)
        counts = ~judged.ignored
        objects = _table(truth.image[counts], truth.label[counts], images, n_labels)
        limited = []
        for limit in protocol.max_detections:
            rows = judged.ranked.rows[judged.correct[judged.ranked.rank[judged.correct] < limit]]
            limited.append(_table(found.image[rows], found.label[rows], images, n_labels))
        start = 0
        for weights in group_weights(images, draws, seed):
            stop = start + len(weights)
            factors = weights.astype(np.float64)
            precision[(*at, slice(None), slice(start, stop))] = curve.per_label(weights).T
            present = factors @ objects
            for place, hits in enumerate(limited):
                with np.errstate(invalid="ignore"):
                    share = np.where(present > 0, (factors @ hits) / np.maximum(present, 1), np.nan)
                recall[(place, *at, slice(None), slice(start, stop))] = share.T
            start = stop
    return summary_numbers(precision, recall, protocol)


def _content(source: Source, expected: str) -> Any:
    """Return the content of a file, or what was given in its place."""
    if not isinstance(source, str | PathLike):
        return source
    path = Path(source)
    try:
        return parse_json(read_text(path))
    except ValueError as error:
        raise FileFaultsError(str(path), [f"no JSON ({error})"], f"Give {expected}.") from error


def _named(source: Source) -> str:
    return str(source) if isinstance(source, str | PathLike) else "values"


def coco_report(
    references: Source,
    predictions: Source,
    *,
    iou_type: str = "bbox",
    seed: int = 0,
    draws: int = 1000,
    confidence: float = 0.95,
) -> Report:
    """Score a COCO results file against a COCO annotation file.

    Args:
        references: An annotation file (instances or keypoints), or its content.
        predictions: A results file, or its content.
        iou_type: "bbox", "segm" or "keypoints".
        seed: Seed of the bootstrap.
        draws: Bootstrap draws.
        confidence: Coverage of the intervals.

    Raises:
        UsageError: There is no such kind of overlap.
        LammMetricsError: The files cannot be used.
    """
    if iou_type not in get_args(IouType):
        raise UsageError(f"Expected iou_type {', '.join(get_args(IouType))}, got {iou_type!r}. Choose one of them.")
    truth, found = _content(references, "a COCO annotation file"), _content(predictions, "a COCO results file")
    if not isinstance(truth, Mapping) or not isinstance(found, Sequence):
        raise UsageError(
            "Expected a COCO annotation file (an object) and a COCO results file (a list), got "
            f"{type(truth).__name__} and {type(found).__name__} ({_named(references)} and {_named(predictions)}). "
            "Give such files, or another protocol."
        )
    kind = cast("IouType", iou_type)
    try:
        scores = coco_scores(truth, found, kind, seed=seed, draws=draws, confidence=confidence)
    except LammMetricsError as error:
        raise type(error)(f"{error} Read: {_named(references)} and {_named(predictions)}.") from error
    settings = {"seed": seed, "draws": draws, "confidence": confidence, "iou_type": iou_type}
    name = Path(references).stem if isinstance(references, str | PathLike) else ""
    return Report("detection", "coco", tuple(scores), dataset=name, settings=settings)

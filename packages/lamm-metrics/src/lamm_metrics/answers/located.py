"""The boxes and points of one prediction: the structured ones where it has any, else those read from its text.

Nothing is dropped. A structured box that cannot be used keeps its place as four (or six) NaN: it overlaps nothing and
counts as a false alarm, and its fault is listed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, cast

import numpy as np

from lamm_metrics import extraction
from lamm_metrics.errors import LammMetricsError
from lamm_metrics.extraction.result import LabelledBox, LabelledPoint, Status
from lamm_metrics.extraction.text.names import words_of
from lamm_metrics.extraction.text.synonyms import known_synonyms
from lamm_metrics.geometry import boxes3d
from lamm_metrics.geometry.boxes import BoxFault, find_fault
from lamm_metrics.geometry.conventions import BoxConvention, Layout, corners_of
from lamm_metrics.geometry.rotated import NumberCount
from lamm_metrics.records.files import SHOWN
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import Reference, record_id

Numbers = tuple[float, ...]


class AnsweredBoxes(NamedTuple):
    """The boxes of an answer, how reading it ended, what was wrong with single boxes, and why it ended so."""

    status: str
    boxes: Sequence[LabelledBox]
    faults: Sequence[BoxFault]
    detail: str = ""


class AnsweredPoints(NamedTuple):
    """The points of an answer, how reading it ended and why."""

    status: str
    points: Sequence[LabelledPoint]
    detail: str = ""


def class_key(name: str) -> str:
    """Return what two spellings of a class share: the lower-case letters and digits.

    >>> class_key("Dining_Table") == class_key("diningtable")
    True
    """
    return "".join(words_of(name))


@lru_cache(maxsize=64)
def _keys(labels: tuple[str, ...]) -> Mapping[str, str]:
    named = {class_key(name): class_key(label) for label, names in known_synonyms(labels).items() for name in names}
    return named | {class_key(label): class_key(label) for label in labels}


def class_of(name: str | None, labels: Sequence[str] | None) -> str | None:
    """Return the key of a class, with the built-in further names of a closed set read as the class they mean.

    >>> class_of("Sofas ", None), class_of(None, ["cat"])
    ('sofas', None)
    """
    if not name:
        return None
    key = class_key(name)
    return _keys(tuple(labels)).get(key, key) if labels else key


def closed_set(reference: Reference, labels: Sequence[str]) -> list[str] | None:
    """Return the classes an answer may name: the record's own `labels`, else the metric's, else any."""
    return list(reference.get("labels") or labels) or None


def size_of(reference: Reference) -> tuple[float, float] | None:
    """Return the image's width and height in pixels, where the record states them."""
    size = reference.get("image_size")
    return None if size is None else (float(size[0]), float(size[1]))


def needed_size(reference: Reference) -> tuple[float, float]:
    """Return the image's width and height in pixels.

    Raises:
        LammMetricsError: The record does not state them.
    """
    size = size_of(reference)
    if size is None or not min(size) > 0:
        raise LammMetricsError(
            f"Expected `image_size` [width, height] in record {record_id(reference)!r}, because its ground truth is in "
            f"pixels, got {size}. Add it to the record."
        )
    return size


def _declared(prediction: Prediction, convention: BoxConvention | str) -> BoxConvention:
    """Return how an answer's structured boxes and points are written: as it says itself, else as the model's text."""
    return BoxConvention.of(prediction.convention or convention)


def _structured(
    items: Sequence[Mapping[str, Any]],
    fault_of: Callable[[Numbers], BoxFault | None],
    placed: Callable[[Numbers], Numbers],
    length: int,
) -> AnsweredBoxes:
    """Return structured boxes, each in its place; one that cannot be used as `length` NaN."""
    read, faults = [], []
    for item in items:
        numbers = _numbers(item, "box")
        fault = fault_of(numbers)
        usable = fault not in (BoxFault.WRONG_LENGTH, BoxFault.NOT_FINITE)
        box = placed(numbers) if usable else (np.nan,) * length
        read.append(LabelledBox(item.get("label"), box, item.get("score")))
        if fault:
            faults.append(fault)
    return AnsweredBoxes(Status.OK, read, faults)


def boxes_2d(
    reference: Reference, prediction: Prediction, labels: Sequence[str] | None, convention: BoxConvention | str
) -> AnsweredBoxes:
    """Return boxes `[x1, y1, x2, y2]` as shares of the image.

    Args:
        reference: The record; its `image_size` is used where the convention counts pixels.
        prediction: The answer; structured boxes are in the convention that it names, where it names one.
        labels: Closed set of classes, None for any.
        convention: How the model writes coordinates.
    """
    size = size_of(reference)
    if prediction.boxes is None:
        found = extraction.extract_boxes_2d(prediction.plain_text, convention, size, labels)
        return AnsweredBoxes(found.status, found.value or [], (), found.detail)
    declared = _declared(prediction, convention)
    sized = declared.layout in (Layout.XYWH, Layout.CXCYWH)

    def fault_of(numbers: Numbers) -> BoxFault | None:
        fault = find_fault(corners_of(numbers, declared.layout) if len(numbers) == 4 else numbers)
        return BoxFault.NEGATIVE_SIZE if sized and fault is BoxFault.REVERSED else fault

    return _structured(prediction.boxes, fault_of, lambda numbers: declared.to_normalised(numbers, size), 4)


def boxes_3d(
    prediction: Prediction,
    labels: Sequence[str] | None,
    numbers: NumberCount,
    corner: Sequence[float] | None = None,
) -> AnsweredBoxes:
    """Return the boxes of `numbers` numbers, metres and radians; structured boxes with fewer get angles of 0.

    Args:
        prediction: The answer.
        labels: Closed set of classes, None for any.
        numbers: 6 for axis-aligned, 7 for upright, 9 for fully rotated boxes.
        corner: The record's `cloud_corner`, from which layout text in steps counts.
    """
    if prediction.boxes is None:
        found = extraction.extract_boxes_3d(prediction.plain_text, numbers, labels, corner)
        return AnsweredBoxes(found.status, found.value or [], (), found.detail)
    angles = (0.0,) * numbers
    return _structured(prediction.boxes, boxes3d.find_fault, lambda box: (box + angles)[:numbers], numbers)


def points_2d(
    reference: Reference, prediction: Prediction, labels: Sequence[str] | None, convention: BoxConvention | str
) -> AnsweredPoints:
    """Return points as shares of the image; a box answers with its centre.

    Args:
        reference: The record; its `image_size` is used where the convention counts pixels.
        prediction: The answer.
        labels: Closed set of names, None for any.
        convention: How the model writes coordinates.
    """
    size = size_of(reference)
    if prediction.points is None and prediction.boxes is None:
        found = extraction.extract_points(prediction.plain_text, convention, size, labels)
        return AnsweredPoints(found.status, found.value or [], found.detail)
    points, declared = [], _declared(prediction, convention)
    for item in prediction.points or ():
        numbers = _numbers(item, "point")
        usable = len(numbers) == 2 and bool(np.isfinite(numbers).all())
        point = declared.point_to_normalised(numbers, size) if usable else (np.nan, np.nan)
        points.append(LabelledPoint(item.get("label"), point))
    if prediction.points is None:
        for box in boxes_2d(reference, prediction, labels, convention).boxes:
            x1, y1, x2, y2 = box.box
            points.append(LabelledPoint(box.label, ((x1 + x2) / 2, (y1 + y2) / 2)))
    return AnsweredPoints(Status.OK, points)


def faults_in_words(faults: Mapping[str, Sequence[str]]) -> list[str]:
    """Return in one sentence the first ten records with faulty boxes and how many there are; empty without any.

    Args:
        faults: What was wrong with the boxes of an answer, by record id.
    """
    listed = [f"{key[:80]!r} ({', '.join(dict.fromkeys(map(str, found)))})" for key, found in faults.items() if found]
    more = f", … ({len(listed)} in all)" if len(listed) > SHOWN else ""
    return [f"faulty boxes in the answers to {', '.join(listed[:SHOWN])}{more}"] if listed else []


def _numbers(item: Mapping[str, Any], key: str) -> tuple[float, ...]:
    try:
        return tuple(float(number) for number in cast("Sequence[float]", item.get(key, ())))
    except (TypeError, ValueError, OverflowError):
        # Not numbers at all, or whole numbers beyond any float: reported as a box of the wrong length.
        return ()


def bad_truth(reference: Reference, box: object, expected: str) -> LammMetricsError:
    """Return the error for a true box that cannot be used."""
    return LammMetricsError(
        f"Expected a true box of {expected} in record {record_id(reference)!r}, got {box}. Mend the record."
    )


def padded(box: Sequence[float]) -> tuple[float, ...]:
    """Return a 3D box with angles of 0 added up to 9 numbers; NaN boxes stay NaN."""
    return (*box, *(0.0,) * (9 - len(box)))


def true_box_3d(reference: Reference, box: Sequence[float], numbers: NumberCount) -> tuple[float, ...]:
    """Return a true 3D box with 9 numbers.

    Raises:
        LammMetricsError: It is not finite, has a negative side, or an angle that the chosen rotation would drop.
    """
    values = padded(tuple(float(number) for number in box))
    usable = len(values) == 9 and np.isfinite(values).all() and min(values[3:6]) >= 0
    if not usable:
        raise bad_truth(reference, box, "6, 7 or 9 finite numbers with sides of at least 0")
    if any(values[numbers:]):
        raise LammMetricsError(
            f"Expected boxes without angles in record {record_id(reference)!r}, got {list(values[numbers:])}, which "
            "would be dropped. Choose rotation yaw or full."
        )
    return values


def strange_names(answered: Iterable[tuple[str, str]], true: Iterable[tuple[str, str]], what: str) -> list[str]:
    """Say that no answered name is a true one, so that no answer can be right; empty where one is or nothing is there.

    Args:
        answered: What is compared, and what was written, of each answered box or point; empty where it has no name.
        true: The same of the truth.
        what: What is named.

    >>> strange_names([("katze", "Katze"), ("", "")], [("cat", "cat")], "box")
    ["no answered box has a name of the truth: got 'Katze', expected 'cat'; have answers use the benchmark's names"]
    """
    listed, expected = dict(answered), dict(true)
    if not expected or not listed.keys().isdisjoint(expected):
        return []
    if not listed:
        return [f"no answer holds a {what}"]
    got, wanted = (", ".join(map(repr, sorted(filter(None, names.values()))[:3])) for names in (listed, expected))
    return [
        f"no answered {what} has a name of the truth: got {got or 'none'}, expected {wanted}; have answers use the "
        "benchmark's names"
    ]

"""Predictions: what a model answered, one record an id.

A predictions file is JSON Lines (first line may be a header object with the key `lamm`), or the JSON list that LAMM
published. `docs/formats.md` lists every field.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, cast

from lamm_metrics.records.files import ENOUGH, FileFaultsError, are_numbers, first_ten, is_number, placed_records, shown
from lamm_metrics.tables import listed_html

# A header's line is no longer than this.
MOST_HEADER = 2**20


@dataclass(frozen=True, slots=True)
class Prediction:
    """One answer. `text` is free-form; the other fields, where given, are structured answers that skip extraction.

    Attributes:
        id: Identifier of the reference record it answers, as a string.
        text: The answer, or for keypoints an answer per joint name.
        boxes: `{"label", "box", "score"?}` each; 2D `[x1, y1, x2, y2]`, 3D 6, 7 or 9 numbers.
        points: `{"label"?, "point"}` each.
        number: A count.
        choice: Index of the chosen option, or its letter.
        probabilities: Probability of each option (list) or label (mapping).
        meta: Whatever the producer wants to keep.
        error: Why the model gave no answer, in one line; such an answer counts as failed.
    """

    id: str
    text: str | Mapping[str, str] = ""
    boxes: Sequence[Mapping[str, Any]] | None = None
    points: Sequence[Mapping[str, Any]] | None = None
    number: float | None = None
    choice: int | str | None = None
    probabilities: Sequence[float] | Mapping[str, float] | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""

    @property
    def plain_text(self) -> str:
        """Return the answer as one string: the answers per joint are joined by line breaks."""
        return self.text if isinstance(self.text, str) else "\n".join(f"{k}: {v}" for k, v in self.text.items())


PredictionSource = str | PathLike[str] | Iterable[Mapping[str, Any] | Prediction]


@dataclass(frozen=True, slots=True)
class Predictions:
    """The answers of one model.

    Attributes:
        records: Answers by id, in the order of the file.
        header: What the first line of the file says about its making; empty without one.
        source: Where they come from, for messages.
    """

    records: Mapping[str, Prediction]
    header: Mapping[str, Any] = field(default_factory=dict)
    source: str = "predictions"

    def _repr_html_(self) -> str:
        rows = [
            (one.id, f"(no answer: {one.error})" if one.error else one.plain_text or _structured(one))
            for one in self.records.values()
        ]
        model = str(self.header.get("model", ""))
        return listed_html(f"{len(rows)} answers{f' of {model}' if model else ''}", ("id", "answer"), rows)


def _structured(prediction: Prediction) -> str:
    names = ("boxes", "points", "number", "choice", "probabilities")
    return ", ".join(f"{name}: {value}" for name in names if (value := getattr(prediction, name)) is not None)


def _is_text(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, dict) and all(isinstance(item, str) for item in value.values()))


def _are_boxes(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, dict)
        and are_numbers(item.get("box"), (4, 6, 7, 9))
        and isinstance(item.get("label", ""), str)
        and is_number(item.get("score", 0.0))
        for item in value
    )


def _are_points(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, dict) and are_numbers(item.get("point"), (2,)) and isinstance(item.get("label", ""), str)
        for item in value
    )


def _are_probabilities(value: object) -> bool:
    numbers = list(value.values()) if isinstance(value, dict) else value
    return are_numbers(numbers) and all(0 <= number <= 1 for number in cast("list[float]", numbers))


_FIELDS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "text": (_is_text, "a string, or an object of strings per joint"),
    "boxes": (_are_boxes, 'a list of {"label": string, "box": 4, 6, 7 or 9 finite numbers, "score"?: number}'),
    "points": (_are_points, 'a list of {"label"?: string, "point": [x, y]}'),
    "number": (is_number, "a finite number"),
    "choice": (lambda value: isinstance(value, int | str) and not isinstance(value, bool), "an index or a letter"),
    "probabilities": (_are_probabilities, "numbers from 0 to 1, in a list or an object"),
    "meta": (lambda value: isinstance(value, dict), "an object"),
    "error": (lambda value: isinstance(value, str), "a string"),
}


def _read_one(record: object, where: str, faults: list[str]) -> Prediction | None:
    """Read one prediction, adding what is wrong with it to the faults."""
    if not isinstance(record, dict):
        faults.append(f"{where}: expected an object, got {type(record).__name__}")
        return None
    if not isinstance(record.get("id"), int | str) or isinstance(record.get("id"), bool):
        faults.append(f"{where}: expected `id`, a string or a whole number, got {str(record.get('id'))[:40]!r}")
        return None
    fields = {name: record[name] for name in _FIELDS if record.get(name) is not None}
    wrong = [name for name, value in fields.items() if not _FIELDS[name][0](value)]
    faults += [
        f"{where}, id {str(record['id'])[:80]!r}: "
        f"expected `{name}` to be {_FIELDS[name][1]}, got {_wrong(fields[name])}"
        for name in wrong
    ]
    if not wrong and not any(name != "meta" for name in fields):
        faults.append(f"{where}, id {str(record['id'])[:80]!r}: expected `text` or a structured answer, got neither")
        return None
    return None if wrong else Prediction(id=str(record["id"]), **fields)


def _wrong(value: object) -> str:
    """Return the part of a value that a message should show: of a list the first box or point that cannot be used."""
    if isinstance(value, list):
        value = next((item for item in value if not (_are_boxes([item]) or _are_points([item]))), value)
    return shown(value)


def header_of(path: str | PathLike[str]) -> Mapping[str, Any]:
    """Return what the first line of a predictions file says about its making; empty where it is no header."""
    with Path(path).open("rb") as lines:
        try:
            first = json.loads(lines.readline(MOST_HEADER))
        except (ValueError, RecursionError):
            return {}
    return first if _is_header(first) else {}


def _is_header(record: object) -> bool:
    """Return whether a record is a header; a file of several shards put together has several."""
    return isinstance(record, dict) and "lamm" in record and "id" not in record


def read_predictions(source: PredictionSource) -> Predictions:
    """Read and check predictions.

    Args:
        source: Path of a JSON Lines or JSON list file, or the records themselves.

    Raises:
        FileFaultsError: Listing every fault with file, line and id: no JSON, wrong types, numbers that are not
            finite, ids that occur twice.
        LammMetricsError: A JSON list is not UTF-8.
    """
    placed, faults = placed_records(source)
    name = str(source) if isinstance(source, str | PathLike) else "predictions"
    headers = [record for _, record in placed if _is_header(record)]
    records: dict[str, Prediction] = {}
    twice: dict[str, None] = {}
    for where, record in placed:
        if len(faults) >= ENOUGH:
            break
        if _is_header(record):
            continue
        prediction = record if isinstance(record, Prediction) else _read_one(record, where, faults)
        if prediction is not None:
            if prediction.id in records:
                twice[prediction.id] = None
            records[prediction.id] = prediction
    if twice:
        faults.append(f"ids that occur more than once: {first_ten(list(twice))}")
    header: Mapping[str, Any] = headers[0] if headers else {}
    other = {str(found["lamm"])[:40] for found in headers} - {"predictions"}
    if other:
        faults.append(f'expected the header {{"lamm": "predictions"}}, got {sorted(other)}')
    if faults:
        raise FileFaultsError(name, faults, "Mend the file; docs/formats.md describes it.")
    return Predictions(records, header, name)

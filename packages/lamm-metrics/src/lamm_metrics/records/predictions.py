"""Predictions: what a model answered, one record an id.

A predictions file is JSON Lines (first line may be a header object with the key `lamm`), the JSON list that LAMM
published, a table, or what another tool wrote. `docs/formats.md` lists every field.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any, cast

from lamm_metrics.errors import UsageError
from lamm_metrics.geometry.conventions import BoxConvention
from lamm_metrics.records.columns import Placed, parsed_cells
from lamm_metrics.records.files import (
    ENOUGH,
    MEND,
    FileFaultsError,
    bare_name,
    first_ten,
    opened,
    shown,
)
from lamm_metrics.records.incoming import is_header, placed_records
from lamm_metrics.records.other_tools import IDS, RANKED, TEXTS, TOOLS, Keys, error_of, text_of
from lamm_metrics.records.truth import TRUTH_KEYS, are_numbers, is_number
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
        ranked: Open answers, the best first, where several are counted.
        meta: Whatever the producer wants to keep.
        error: Why the model gave no answer, in one line; such an answer counts as failed.
        convention: How `boxes` and `points` are written, such as `normalised-xyxy`; empty where as the model's text.
        absent: Whether no file has an answer to the record; set by pairing, never read.
    """

    id: str
    text: str | Mapping[str, str] = ""
    boxes: Sequence[Mapping[str, Any]] | None = None
    points: Sequence[Mapping[str, Any]] | None = None
    number: float | None = None
    choice: int | str | None = None
    probabilities: Sequence[float] | Mapping[str, float] | None = None
    ranked: Sequence[str] | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    convention: str = ""
    absent: bool = field(default=False, compare=False)

    @property
    def plain_text(self) -> str:
        """Return the answer as one string: the answers per joint are joined by line breaks."""
        return self.text if isinstance(self.text, str) else "\n".join(f"{k}: {v}" for k, v in self.text.items())


@dataclass(frozen=True, slots=True)
class Predictions:
    """The answers of one model.

    Attributes:
        records: Answers by id, in the order of the file.
        header: What the first line of the file says about its making; empty without one.
        source: Where they come from, for messages.
        name: What the run is called: the header's `model`, else the file's name; empty where nothing says it.
    """

    records: Mapping[str, Prediction]
    header: Mapping[str, Any] = field(default_factory=dict)
    source: str = "predictions"
    name: str = ""

    def _repr_html_(self) -> str:
        rows = [
            (one.id, f"(no answer: {one.error})" if one.error else one.plain_text or _structured(one))
            for one in self.records.values()
        ]
        return listed_html(f"{len(rows)} answers{f' of {self.name}' if self.name else ''}", ("id", "answer"), rows)


PredictionSource = str | PathLike[str] | Iterable[Any] | Predictions


def _structured(prediction: Prediction) -> str:
    names = STRUCTURED
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


def _are_answers(value: object) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(isinstance(item, str) for item in value)


def _is_convention(value: object) -> bool:
    try:
        return isinstance(value, str) and BoxConvention.parse(value) is not None
    except UsageError:
        return False


_FIELDS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "text": (_is_text, "a string, or an object of strings per joint"),
    "boxes": (_are_boxes, 'a list of {"label": string, "box": 4, 6, 7 or 9 finite numbers, "score"?: number}'),
    "points": (_are_points, 'a list of {"label"?: string, "point": [x, y]}'),
    "number": (is_number, "a finite number"),
    "choice": (lambda value: isinstance(value, int | str) and not isinstance(value, bool), "an index or a letter"),
    "probabilities": (_are_probabilities, "numbers from 0 to 1, in a list or an object"),
    "ranked": (_are_answers, "a list of strings, the best answer first"),
    "meta": (lambda value: isinstance(value, dict), "an object"),
    "error": (lambda value: isinstance(value, str), "a string"),
    "convention": (_is_convention, "a frame and a layout such as normalised-xyxy"),
}


def _read_one(record: object, where: str, faults: list[str]) -> Prediction | None:
    """Read one prediction, adding what is wrong with it to the faults."""
    if not isinstance(record, dict):
        faults.append(f"{where}: expected an object, got {type(record).__name__}")
        return None
    if not isinstance(record.get("id"), int | str) or isinstance(record.get("id"), bool):
        faults.append(f"{where}: expected `id`, a string or a whole number, got {str(record.get('id'))[:40]!r}")
        return None
    fields = {name: value for name, value in record.items() if name in _FIELDS and value is not None}
    wrong = [name for name, value in fields.items() if not _FIELDS[name][0](value)]
    faults += [
        f"{where}, id {str(record['id'])[:80]!r}: "
        f"expected `{name}` to be {_FIELDS[name][1]}, got {_wrong(fields[name])}"
        for name in wrong
    ]
    if not wrong and fields.keys() <= {"meta", "convention"}:
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
    with opened(Path(path)) as lines:
        try:
            first = json.loads(lines.readline(MOST_HEADER))
        except (ValueError, RecursionError):
            return {}
    return first if is_header(first) else {}


STRUCTURED = ("boxes", "points", "number", "choice", "probabilities", "ranked")
# Records that are looked at to find the keys of a file.
LOOKED_AT = 100


def _keys(placed: Placed, source: str, id_key: str, text_key: str) -> Keys:
    """Return under which keys a file has its ids and answers.

    Raises:
        FileFaultsError: It has none that are known, or several, or is a file of references.
    """
    looked = [record for _, record in placed[:LOOKED_AT] if isinstance(record, dict) and not is_header(record)]
    found = {str(key): None for record in looked for key in record}
    if not looked:
        return Keys("id", "text")
    answering = found.keys() & {*TEXTS, *STRUCTURED, RANKED, text_key} - {"points"}
    if not answering and found.keys() & ({*TRUTH_KEYS, "image_size"} - {"points"}):
        fault = "expected predictions, got benchmark records with their truth"
        raise FileFaultsError(source, [fault], "Put the references and the predictions in the right order.")
    own = "id" in found and found.keys() & {"text", *STRUCTURED}
    known = (keys for rows in TOOLS.values() for keys in rows if found.keys() >= set(keys))
    tool = None if own else next(known, None)
    named = [tool.id] if tool else ["id"] if "id" in found else [key for key in IDS if key in found]
    ids = [id_key] if id_key else named
    texts = [text_key] if text_key else _text_keys(found.keys(), tool)
    fine = len(ids) == 1 and len(texts) < 2 and found.keys() >= {*ids, *texts}
    if not fine or not (texts or found.keys() & {*STRUCTURED, "error"}):
        raise _unmapped(list(found), source, (id_key, text_key), len(placed))
    return Keys(ids[0], texts[0] if texts else None)


def _text_keys(found: Set[str], tool: Keys | None) -> list[str]:
    if found & {"text", *STRUCTURED}:
        return ["text"] if "text" in found else []
    return [tool.text] if tool and tool.text else [key for key in TEXTS if key in found]


def _unmapped(found: Sequence[str], source: str, wanted: tuple[str, str], count: int) -> FileFaultsError:
    """Say that the keys of a file do not tell which are the ids and the answers."""
    if {"image_id", "category_id"} <= {*found}:
        return FileFaultsError(source, ["expected answers, got COCO's results"], "Score them with --protocol coco.")
    listed = ", ".join(key[:40] for key in found[:20]) + (", …" if len(found) > 20 else "")
    able = f"one key of an id ({wanted[0] or ', '.join(IDS)}) and one of an answer ({wanted[1] or ', '.join(TEXTS)})"
    remedy = "Name yours: --id-key KEY --text-key KEY (in Python read_predictions(…, id_key=…, text_key=…))."
    return FileFaultsError(source, [f"expected {able}, got {listed} (records read: {count})"], remedy)


def _own_record(record: Any, keys: Keys, table: bool) -> Any:
    """Return a record under LAMM's own keys.

    Raises:
        ValueError: What stands under the key of the answer is none; says what was expected.
    """
    if not isinstance(record, dict) or is_header(record):
        return record
    value = record.get(keys.text) if keys.text else None
    if keys.text in (None, "text"):
        own = {**(parsed_cells(record, (*STRUCTURED, "meta")) if table else record), "id": record.get(keys.id)}
        return {**own, "text": "" if value is None else text_of(value)} if table and keys.text else own
    if keys.text == RANKED:
        return {"id": record.get(keys.id), "ranked": value}
    # What another tool calls `points` or `number` is not what LAMM calls so.
    if error := error_of(record, value):
        return {"id": record.get(keys.id), "error": error}
    return {"id": record.get(keys.id), "text": "" if value is None and table else text_of(value)}


def _renamed(placed: Placed, keys: Keys, table: bool, faults: list[str]) -> Placed:
    if keys in (("id", "text"), ("id", None)) and not table:
        return placed
    renamed = []
    for where, record in placed:
        try:
            renamed.append((where, _own_record(record, keys, table)))
        except ValueError as error:
            faults.append(f"{where}: {error}")
    return renamed


def read_predictions(source: PredictionSource, *, name: str = "", id_key: str = "", text_key: str = "") -> Predictions:
    """Read and check predictions.

    Args:
        source: Path of a file (JSON Lines, JSON, CSV, TSV, Parquet, xlsx; also compressed by gzip), a frame of pandas
            or polars, a `datasets.Dataset`, or the records themselves, in a list or by id.
        name: What to call the run, in place of the header's `model`, the records' `model_id` and the file's name.
        id_key: Key or column of the ids, where it is none that is known.
        text_key: Key or column of the answers, where it is none that is known.

    Raises:
        FileFaultsError: Listing every fault with file, line and id: no JSON, wrong types, numbers that are not
            finite, ids that occur twice.
        LammMetricsError: It is no file of predictions, or its keys do not tell which are the ids and the answers.

    >>> read_predictions([{"question_id": 7, "answer": "Two."}]).records["7"].text
    'Two.'
    """
    if isinstance(source, Predictions):
        return replace(source, name=name or source.name)
    placed, faults, table = placed_records(source)
    is_path = isinstance(source, str | PathLike)
    where = str(source) if is_path else "predictions"
    headers = [record for _, record in placed if is_header(record)]
    keys = _keys(placed, where, id_key, text_key)
    records = _checked(_renamed(placed, keys, table, faults), faults)
    header: Mapping[str, Any] = headers[0] if headers else {}
    other = {str(found["lamm"])[:40] for found in headers} - {"predictions"}
    if other:
        faults.append(f'expected the header {{"lamm": "predictions"}}, got {sorted(other)}')
    if faults:
        raise FileFaultsError(where, faults, MEND)
    said = header.get("model") or _one_model(placed)
    own = str(said) if said else bare_name(Path(where)) if is_path else ""
    return Predictions(records, header, where, name or own)


def _one_model(placed: Placed) -> str:
    """Return the `model_id` of LLaVA's records, where all have the same."""
    said = {str(record.get("model_id") or "") for _, record in placed if isinstance(record, dict)}
    return said.pop() if len(said) == 1 else ""


def run_names(found: Sequence[Predictions]) -> tuple[str, ...]:
    """Return a name for each run: what it is called, else its file's name where several are called so, else numbers."""
    files = [bare_name(Path(one.source)) for one in found]
    names = [one.name or file for one, file in zip(found, files, strict=True)]
    if len(set(names)) == len(names):
        return tuple(names)
    alike = [f"{name} ({number})" for number, name in enumerate(names, 1)]
    return tuple(files if len(set(files)) == len(files) else alike)


def _checked(placed: Placed, faults: list[str]) -> dict[str, Prediction]:
    """Return the predictions by id, adding what is wrong with them to the faults."""
    records: dict[str, Prediction] = {}
    twice: dict[str, None] = {}
    for where, record in placed:
        if len(faults) >= ENOUGH:
            break
        if is_header(record):
            continue
        prediction = record if isinstance(record, Prediction) else _read_one(record, where, faults)
        if prediction is not None:
            if prediction.id in records:
                twice[prediction.id] = None
            records[prediction.id] = prediction
    if twice:
        faults.append(f"ids that occur more than once: {first_ten(list(twice))}")
    return records

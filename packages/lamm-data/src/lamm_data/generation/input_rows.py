"""Rows read from JSON Lines or a source's own download folder."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Any, Self

from lamm_data.errors import UsageError
from lamm_data.generation.download_folders import read_folder
from lamm_data.generation.rows import Row, RowFault, SceneObject
from lamm_data.records.annotations import Question
from lamm_llm import loads

_NUMBERS = frozenset((int, float))


def read_rows(path: Path, split: str = "") -> Iterator[Row | RowFault]:
    """Read annotation rows, lazily for JSON Lines.

    Args:
        path: A `.jsonl` file of rows, or the folder of a source's download.
        split: Which split of a download to read; by default the one that instruction data is made from.

    Yields:
        Rows in file order, and faults where a row cannot be used.

    Raises:
        UsageError: When the path does not exist or is neither kind.
        SourceError: When a file of a download is damaged.
    """
    if path.is_dir():
        yield from read_folder(path, split)
    elif path.is_file():
        yield from _read_json_lines(path)
    else:
        raise UsageError(
            f"Expected annotations at {path}, found nothing there. "
            "Give a JSON Lines file of captions and boxes, or the folder of a download such as COCO's."
        )


def rows_by_id(path: Path) -> dict[str, Row]:
    """Read annotation rows by id; rows that cannot be used are left out, as generation leaves them out."""
    return {row.id: row for row in read_rows(path) if isinstance(row, Row)}


class RowIndex:
    """Annotation rows by id, each of JSON Lines made when it is asked for: of most no more than the labels is.

    Rows that cannot be used are left out, as generation leaves them out; of an id that comes again the last usable row
    counts.

    Args:
        rows: Rows that are made already.

    Attributes:
        vocabulary: Labels of all objects of all rows.
    """

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self.vocabulary: dict[str, str] = {}
        self._entries: dict[str, tuple[tuple[str, ...], bool, Row | bytes]] = {}
        for row in rows:
            self._add(row)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read rows as `read_rows` does.

        Raises:
            UsageError: When the path does not exist or is neither kind.
            SourceError: When a file of a download is damaged.
        """
        index = cls()
        if not path.is_file():
            for row in read_rows(path):
                index._add(row)
            return index
        for number, line in _lines(path):
            try:
                values = loads(line)
            except ValueError:
                continue
            if not index._add_line(values, line):
                index._add(row_from_json(values, {"file": path.name, "line": number}))
        return index

    def __len__(self) -> int:
        return len(self._entries)

    def labels(self, identifier: str) -> tuple[tuple[str, ...], bool]:
        """Return the label of each object of a row, and whether the row has relations."""
        return self._entries[identifier][:2] if identifier in self._entries else ((), False)

    def get(self, identifier: str) -> Row | None:
        """Return a row; None where there is none that can be used."""
        if identifier not in self._entries:
            return None
        row: Row | RowFault | bytes = self._entries[identifier][2]
        if isinstance(row, bytes):
            row = row_from_json(loads(row), {})
        return row if isinstance(row, Row) else None

    def _add(self, row: Row | RowFault) -> None:
        if isinstance(row, Row):
            labels = tuple(item.label for item in row.objects)
            self.vocabulary |= zip(labels, labels, strict=True)
            self._entries[row.id] = labels, bool(row.relations), row

    def _add_line(self, values: Any, line: bytes) -> bool:
        """Add a row of the usual spelling whose id is new and whose labels all are known; tell whether it is one."""
        try:
            identifier = str(values["id"])
            labels = tuple([self.vocabulary[item["category"]] for item in values["instances"]])
        except (KeyError, TypeError):
            return False
        if not values["id"] or identifier in self._entries:
            return False
        self._entries[identifier] = labels, bool(values.get("relations")), line
        return True


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Read the lines of a file that hold anything, with their numbers."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.isspace():
                yield number, line.removeprefix(codecs.BOM_UTF8) if number == 1 else line


def _read_json_lines(path: Path) -> Iterator[Row | RowFault]:
    for number, line in _lines(path):
        origin = {"file": path.name, "line": number}
        try:
            values = loads(line)
        except ValueError as error:
            yield RowFault("", f"Expected a JSON object, got text that is not JSON: {error}", origin)
            continue
        yield row_from_json(values, origin)


def split_row(row: Row) -> list[Row]:
    """Give what one request for wrong options each is made for: each question of a row, or the row without any."""
    return [
        replace(row, id=f"{row.id}-{item.id}" if item.id.isdigit() else item.id or row.id, questions=(item,))
        for item in row.questions
    ] or [row]


def row_from_json(values: Any, origin: dict[str, Any]) -> Row | RowFault:
    """Turn one decoded JSON row into a `Row`.

    Accepted spellings: `instances` or `objects`; `category`, `label` or `name`; `bbox` or `box`; relations as triples
    or as objects with `subject`, `predicate` and `object`; questions as pairs or as objects with `question` and
    `answers`.

    Args:
        values: The decoded JSON value.
        origin: Where it was read.

    Returns:
        The row, or the fault that makes it unusable.
    """
    if not isinstance(values, dict):
        return RowFault("", f"Expected a JSON object, got {type(values).__name__}", origin)
    media = values.get("image") or values.get("pcl") or ""
    identifier = str(values.get("id") or Path(str(media)).stem)
    try:
        if not identifier:
            raise ValueError("Expected `id` or `image` or `pcl`, got none of them")
        modality = "pcl" if values.get("pcl") else "image"
        return Row(
            id=identifier,
            media=str(media),
            modality=modality,
            captions=_words(values.get("captions"), "captions"),
            objects=tuple(
                _object(item, modality) for item in _list(values.get("instances", values.get("objects")), "instances")
            ),
            relations=tuple(_relation(item) for item in _list(values.get("relations"), "relations")),
            label=str(values.get("label") or values.get("category") or ""),
            description=" ".join(str(values.get("description") or "").split()),
            questions=tuple(_question(item, n) for n, item in enumerate(_list(values.get("questions"), "questions"))),
            group=str(values.get("group") or ""),
            source={key: str(values[key]) for key in ("src_image", "src_dataset", "src_id") if values.get(key)},
            origin=origin,
            licence=str(values.get("licence") or values.get("license") or ""),
        )
    except (ValueError, OverflowError) as error:
        return RowFault(identifier, str(error), origin)


def _list(value: Any, name: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError(f"Expected a list in `{name}`, got {type(value).__name__}")
    return value


def _words(value: Any, name: str) -> tuple[str, ...]:
    if not value:
        return tuple(_list(value, name))
    return tuple(text for item in _list(value, name) if (text := " ".join(str(item).split())))


def _object(item: Any, modality: str) -> SceneObject:
    if not isinstance(item, dict):
        raise ValueError(f"Expected an object with `category` and `bbox` in `instances`, got {item!r}")
    label = item.get("category") or item.get("label") or item.get("name")
    if not isinstance(label, str) or not label.strip():
        raise ValueError(f"Expected a class name in `category`, got {label!r}")
    box = _box(item.get("bbox", item.get("box")), modality)
    return SceneObject(label.strip(), box, _words(item.get("attributes"), "attributes"))


def _box(value: Any, modality: str) -> tuple[float, ...]:
    if modality == "image" and type(value) is list and len(value) == 4:  # the usual case, without a look at each number
        x1, y1, x2, y2 = value
        if type(x1) is type(y1) is type(x2) is type(y2) is float and (
            0 <= x1 <= 1 and 0 <= y1 <= 1 and 0 <= x2 <= 1 and 0 <= y2 <= 1
        ):
            return x1, y1, x2, y2
    numbers = _list(value, "bbox")
    if not _NUMBERS.issuperset(map(type, numbers)):
        raise ValueError(f"Expected numbers in `bbox`, got {numbers!r}")
    if modality == "pcl":
        if len(numbers) not in (0, 6, 7, 9) or not isfinite(sum(numbers)):
            raise ValueError(f"Expected a 3D box of 6, 7 or 9 finite numbers, got {numbers!r}")
    elif len(numbers) not in (0, 4):
        raise ValueError(f"Expected a 2D box of 4 numbers, got {numbers!r}")
    elif numbers and not (min(numbers) >= -0.001 and max(numbers) <= 1.001 and isfinite(sum(numbers))):
        raise ValueError(f"Expected box corners as fractions of the image size between 0 and 1, got {numbers!r}")
    return tuple(float(n) for n in numbers)


def _relation(item: Any) -> tuple[str, str, str]:
    if isinstance(item, dict):
        item = [item.get("subject"), item.get("predicate"), item.get("object")]
    if not isinstance(item, list) or len(item) != 3 or not all(isinstance(part, str) and part for part in item):
        raise ValueError(f"Expected a relation [subject, predicate, object], got {item!r}")
    return (item[0], item[1].lower(), item[2])


def _question(item: Any, number: int) -> Question:
    if isinstance(item, list) and len(item) == 2:
        item = {"question": item[0], "answers": [item[1]]}
    if not isinstance(item, dict) or not isinstance(item.get("question"), str) or not item["question"].strip():
        raise ValueError(f"Expected a question with its answers in `questions`, got {item!r}")
    answers = _words(item.get("answers", [item["answer"]] if "answer" in item else []), "answers")
    return Question(" ".join(item["question"].split()), answers, id=str(item.get("id") or number))

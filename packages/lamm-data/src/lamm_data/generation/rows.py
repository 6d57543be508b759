"""Annotation rows that a prompt can be written from.

A row is everything known about one image or one point cloud, whatever file it came from: a line of JSON Lines, or an
item of a source's own download folder (`download_folders`). A faulty line never stops a run: it comes out as a
`RowFault` that names file, line and id, and the run counts it as a rejection.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

from lamm_data.records.annotations import Question

_NUMBERS = frozenset((int, float))


@dataclass(frozen=True)
class SceneObject:
    """One annotated object.

    Attributes:
        label: Class name.
        box: 2D `(x1, y1, x2, y2)` as fractions of image width and height, or 3D `(cx, cy, cz, dx, dy, dz)` in metres
            (7 or 9 numbers when rotated); empty when the source gives no box.
        attributes: Words such as colour or material.
    """

    label: str
    box: tuple[float, ...] = ()
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """What is known about one image or point cloud.

    Attributes:
        id: Identifier of the image or scene in its source.
        media: Path of the image or cloud, relative to a media root.
        modality: `image` or `pcl`.
        captions: Sentences people wrote about it.
        objects: Annotated objects.
        relations: `(subject, predicate, object)` triples.
        label: Class name, for factual knowledge.
        description: Encyclopedia text about the class, for factual knowledge.
        questions: Questions that people asked about it, with their answers.
        group: Room or image that makes several rows dependent; the scene's or the row's own id when empty.
        source: Keys copied into the record (`src_image`, `src_dataset`, `src_id`).
        origin: Where the row was read: `file` (name only), and `line` or `annotation`.
        licence: Licence of the source, when it is stated.
    """

    id: str
    media: str
    modality: str = "image"
    captions: tuple[str, ...] = ()
    objects: tuple[SceneObject, ...] = ()
    relations: tuple[tuple[str, str, str], ...] = ()
    label: str = ""
    description: str = ""
    questions: tuple[Question, ...] = ()
    group: str = ""
    source: dict[str, str] = field(default_factory=dict)
    origin: dict[str, Any] = field(default_factory=dict)
    licence: str = ""


@dataclass(frozen=True)
class RowFault:
    """A row that cannot be used, with the reason in words.

    Attributes:
        id: The row's id, or an empty string when even that is unreadable.
        message: What was expected and what was found.
        origin: Where it stands, as in `Row.origin`.
    """

    id: str
    message: str
    origin: dict[str, Any]


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

"""Annotation rows that a prompt can be written from, and the readers that bring them in.

A row is everything known about one image or one point cloud, whatever file it came from. Two inputs are read: JSON
Lines with one row a line, and a COCO download folder (`captions_*.json` with `instances_*.json`). A faulty row never
stops a run: it comes out as a `RowFault` that names file, line and id, and the run counts it as a rejection.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from lamm_data.errors import SourceError, UsageError
from lamm_data.jsonl import load_json


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


def read_rows(path: Path) -> Iterator[Row | RowFault]:
    """Read annotation rows, lazily for JSON Lines.

    Args:
        path: A `.jsonl` file of rows, or a folder that holds COCO captions and instances.

    Yields:
        Rows in file order (COCO: in order of image id), and faults where a row cannot be used.

    Raises:
        UsageError: When the path does not exist or is neither kind.
    """
    if path.is_dir():
        yield from _read_coco_folder(path)
    elif path.is_file():
        yield from _read_json_lines(path)
    else:
        raise UsageError(
            f"Expected annotations at {path}, found nothing there. "
            "Give a JSON Lines file of captions and boxes, or a folder with captions_*.json and instances_*.json."
        )


def _read_json_lines(path: Path) -> Iterator[Row | RowFault]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            origin = {"file": path.name, "line": number}
            try:
                values = json.loads(line)
            except ValueError as error:
                yield RowFault("", f"Expected a JSON object, got text that is not JSON: {error}", origin)
                continue
            yield row_from_json(values, origin)


def row_from_json(values: Any, origin: dict[str, Any]) -> Row | RowFault:
    """Turn one decoded JSON row into a `Row`.

    Accepted spellings: `instances` or `objects`; `category`, `label` or `name`; `bbox` or `box`; relations as triples
    or as objects with `subject`, `predicate` and `object`.

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
            objects=_objects(values.get("instances", values.get("objects")), modality),
            relations=tuple(_relation(item) for item in _list(values.get("relations"), "relations")),
            label=str(values.get("label") or values.get("category") or ""),
            description=" ".join(str(values.get("description") or "").split()),
            source={key: str(values[key]) for key in ("src_image", "src_dataset", "src_id") if values.get(key)},
            origin=origin,
            licence=str(values.get("licence") or values.get("license") or ""),
        )
    except ValueError as error:
        return RowFault(identifier, str(error), origin)


def _list(value: Any, name: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError(f"Expected a list in `{name}`, got {type(value).__name__}")
    return value


def _words(value: Any, name: str) -> tuple[str, ...]:
    texts = (" ".join(str(item).split()) for item in _list(value, name))
    return tuple(text for text in texts if text)


def _objects(value: Any, modality: str) -> tuple[SceneObject, ...]:
    return tuple(_object(item, modality) for item in _list(value, "instances"))


def _object(item: Any, modality: str) -> SceneObject:
    if not isinstance(item, dict):
        raise ValueError(f"Expected an object with `category` and `bbox` in `instances`, got {item!r}")
    label = item.get("category") or item.get("label") or item.get("name")
    if not isinstance(label, str) or not label.strip():
        raise ValueError(f"Expected a class name in `category`, got {label!r}")
    box = _box(item.get("bbox", item.get("box")), modality)
    return SceneObject(label.strip(), box, _words(item.get("attributes"), "attributes"))


def _box(value: Any, modality: str) -> tuple[float, ...]:
    numbers = _list(value, "bbox")
    if any(isinstance(n, bool) or not isinstance(n, int | float) for n in numbers):
        raise ValueError(f"Expected numbers in `bbox`, got {numbers!r}")
    if modality == "pcl":
        if len(numbers) not in (0, 6, 7, 9):
            raise ValueError(f"Expected a 3D box of 6, 7 or 9 numbers, got {numbers!r}")
    elif len(numbers) not in (0, 4):
        raise ValueError(f"Expected a 2D box of 4 numbers, got {numbers!r}")
    elif any(not -0.001 <= n <= 1.001 for n in numbers):
        raise ValueError(f"Expected box corners as fractions of the image size between 0 and 1, got {numbers!r}")
    return tuple(float(n) for n in numbers)


def _relation(item: Any) -> tuple[str, str, str]:
    if isinstance(item, dict):
        item = [item.get("subject"), item.get("predicate"), item.get("object")]
    if not isinstance(item, list) or len(item) != 3 or not all(isinstance(part, str) and part for part in item):
        raise ValueError(f"Expected a relation [subject, predicate, object], got {item!r}")
    return (item[0], item[1].lower(), item[2])


def _read_coco_folder(folder: Path) -> Iterator[Row | RowFault]:
    caption_files = sorted(folder.rglob("captions_*.json"))
    if not caption_files:
        raise UsageError(
            f"Expected captions_*.json (and instances_*.json) below {folder}, found none. "
            "Give the folder the COCO annotations were unpacked into, or a JSON Lines file of captions and boxes."
        )
    for file in caption_files:
        instances = file.with_name(file.name.replace("captions_", "instances_", 1))
        yield from _read_coco_pair(file, instances if instances.is_file() else None)


def _read_coco_pair(captions_file: Path, instances_file: Path | None) -> Iterator[Row | RowFault]:
    captions = _load(captions_file)
    instances = _load(instances_file) if instances_file else {}
    images = {image["id"]: image for image in chain(captions.get("images", []), instances.get("images", []))}
    licences = {item["id"]: str(item.get("name", "")) for item in captions.get("licenses", []) if "id" in item}
    sentences: dict[Any, list[str]] = {}
    for item in captions.get("annotations", []):
        sentences.setdefault(item["image_id"], []).append(str(item["caption"]))
    names = {item["id"]: item["name"] for item in instances.get("categories", [])}
    boxes: dict[Any, list[dict[str, Any]]] = {}
    for item in instances.get("annotations", []):
        if not item.get("iscrowd"):
            boxes.setdefault(item["image_id"], []).append(item)
    source = captions_file.stem.removeprefix("captions_")
    for image_id in sorted(images, key=str):
        image = images[image_id]
        values = {
            "id": Path(image["file_name"]).stem,
            "image": image["file_name"],
            "captions": sentences.get(image_id, []),
            "instances": [
                {"category": names.get(item["category_id"]), "bbox": _fractions(item["bbox"], image)}
                for item in boxes.get(image_id, [])
            ],
            "src_image": f"coco_{source}",
            "licence": licences.get(image.get("license"), ""),
        }
        yield row_from_json(values, {"file": captions_file.name, "annotation": image_id})


def _fractions(box: list[float], image: dict[str, Any]) -> list[float]:
    """Turn COCO's `[x, y, w, h]` pixels into `[x1, y1, x2, y2]` fractions, clipped to the image."""
    x, y, width, height = box
    corners = (x / image["width"], y / image["height"], (x + width) / image["width"], (y + height) / image["height"])
    return [min(max(value, 0.0), 1.0) for value in corners]


def _load(file: Path) -> dict[str, Any]:
    values = load_json(file)
    if not isinstance(values, dict):
        raise SourceError(f"Expected a COCO annotation object, got {type(values).__name__} ({file}).")
    return values

"""Annotation rows that a prompt can be written from.

A row is everything known about one image or one point cloud, whatever file it came from: a line of JSON Lines, or an
item of a source's own download folder (`download_folders`). A faulty line never stops a run: it comes out as a
`RowFault` that names file, line and id, and the run counts it as a rejection.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lamm_data.records.annotations import Question


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

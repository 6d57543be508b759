"""Plain annotation values: what every source reader yields and every converter takes.

Frames: 2D boxes and points are pixels of the stored image, origin at the top-left corner, x right, y down, zero-based
and continuous (a box covering the whole image is `(0, 0, width, height)`). 3D boxes are metres, z up, centre and full
size.
"""

from __future__ import annotations

import copyreg
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from math import asin, atan2
from operator import attrgetter
from typing import Any

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """A labelled 2D box.

    Attributes:
        label: Class name.
        xyxy: `(x1, y1, x2, y2)` pixels.
        id: Annotation id inside the source file.
        crowd: The region stands for many objects (COCO `iscrowd`).
        difficult: Marked hard to recognise (VOC).
        attributes: Adjectives (Visual Genome).
        count: How many items the box holds (Locount); 1 elsewhere.
    """

    label: str
    xyxy: tuple[float, float, float, float]
    id: str = ""
    crowd: bool = False
    difficult: bool = False
    attributes: tuple[str, ...] = ()
    count: int = 1

    def normalised(self, width: int, height: int) -> tuple[float, float, float, float]:
        """Return the box as fractions of image width and height, clipped to 0..1."""
        x1, y1, x2, y2 = self.xyxy
        return (
            min(max(x1 / width, 0.0), 1.0),
            min(max(y1 / height, 0.0), 1.0),
            min(max(x2 / width, 0.0), 1.0),
            min(max(y2 / height, 0.0), 1.0),
        )


@dataclass(frozen=True, slots=True)
class Box3D:
    """A labelled 3D box.

    Attributes:
        label: Class name.
        centre: `(x, y, z)` metres.
        size: Full extents along the box's own axes, metres.
        yaw: Rotation about z, radians, counter-clockwise seen from above.
        axes: Three unit vectors (rows) of an arbitrarily oriented box; empty when yaw says it all.
        id: Object id inside the scene.
        attributes: Adjectives (3DSSG).
    """

    label: str
    centre: tuple[float, float, float]
    size: tuple[float, float, float]
    yaw: float = 0.0
    axes: tuple[tuple[float, float, float], ...] = ()
    id: str = ""
    attributes: tuple[str, ...] = ()

    @property
    def values(self) -> list[float]:
        """`[cx, cy, cz, dx, dy, dz]`, with yaw appended when the box is turned about z.

        An arbitrarily oriented box gives the smallest axis-aligned box around it.
        """
        if not self.axes:
            return [*self.centre, *self.size] + ([self.yaw] if self.yaw else [])
        spans = (
            sum(abs(axis[k]) * length for axis, length in zip(self.axes, self.size, strict=True)) for k in range(3)
        )
        return [*self.centre, *spans]

    @property
    def oriented_values(self) -> list[float]:
        """`[cx, cy, cz, dx, dy, dz, yaw, pitch, roll]`: the box in its own axes, turned by Rz(yaw) Ry(pitch) Rx(roll).

        Sizes are those along the box's own axes. A box that is not turned at all keeps its six numbers.
        """
        if not self.axes:
            return [*self.centre, *self.size, self.yaw, 0.0, 0.0] if self.yaw else [*self.centre, *self.size]
        (ax, ay, az), (bx, by, bz), (cx, cy, cz) = self.axes
        # A left-handed set of axes is the same box with its third axis turned round.
        handed = ax * (by * cz - bz * cy) - ay * (bx * cz - bz * cx) + az * (bx * cy - by * cx)
        if abs(az) < 1 - 1e-9:
            yaw, roll = atan2(ay, ax), atan2(bz, cz if handed > 0 else -cz)
        else:  # the first axis is vertical: yaw and roll turn about one line, and roll is taken as none
            yaw, roll = atan2(-bx, by), 0.0
        return [*self.centre, *self.size, yaw, -asin(min(max(az, -1.0), 1.0)), roll]


@dataclass(frozen=True, slots=True)
class Relation:
    """A subject-predicate-object triple of a scene graph, by object ids and names."""

    subject: str
    predicate: str
    object: str
    subject_id: str = ""
    object_id: str = ""


@dataclass(frozen=True, slots=True)
class Keypoints:
    """One person's joints.

    Attributes:
        names: Joint names.
        points: `(x, y, v)` pixels; v is 0 not labelled, 1 labelled but hidden, 2 visible.
        id: Annotation id inside the source file.
    """

    names: tuple[str, ...]
    points: tuple[tuple[float, float, int], ...]
    id: str = ""

    def labelled(self) -> dict[str, Point]:
        """Return the joints that have a position, by name."""
        return {name: (x, y) for name, (x, y, v) in zip(self.names, self.points, strict=True) if v > 0}


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its answers, or with options and the index of the right one.

    Attributes:
        text: The question.
        answers: Accepted answers; the first is the one to teach.
        choices: Options of a multiple choice; empty for an open question.
        answer: Index of the right option.
        context: Text that goes with it (ScienceQA's hint).
        id: Question id inside the source file.
        references: Every answer as published, repeats and white space kept: what an answer is scored against.
        number: The right answer where it is a number.
        situation: Where the asker stands, in words (SQA3D).
        position: The same in metres: `(x, y, z)`.
        rotation: Which way the asker looks: a quaternion `(x, y, z, w)`.
        stated: What a benchmark record says of it besides, such as `question_type`.
    """

    text: str
    answers: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    answer: int | None = None
    context: str = ""
    id: str = ""
    references: tuple[str, ...] = ()
    number: float | None = None
    situation: str = ""
    position: tuple[float, ...] = ()
    rotation: tuple[float, ...] = ()
    stated: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClassLabel:
    """The class of a whole image or cloud.

    Attributes:
        name: Class name.
        task: Task key: `classification`, `fine_grained_classification`, `facial_classification` or `classification3d`.
        attribute: For faces, which attribute: `smile` or `hair`.
        labels: The closed set the name is from, when there is one.
    """

    name: str
    task: str = "classification"
    attribute: str = ""
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Count:
    """How many instances of a class there are, with their centres (pixels) when known."""

    label: str
    number: int
    points: tuple[Point, ...] = ()


@dataclass(frozen=True, slots=True)
class Description:
    """A text that means objects of a scene or an image: one (ScanRefer), or any number (Multi3DRefer).

    Attributes:
        text: The description.
        object_id: Id of the one object; empty where `object_ids` says which.
        id: Id of the description inside the source file.
        object_ids: Ids of all objects that it means; None where it means exactly one.
        stated: What a benchmark record says of it besides, such as `eval_type`.
    """

    text: str
    object_id: str
    id: str = ""
    object_ids: tuple[str, ...] | None = None
    stated: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Annotated:
    """Everything one source file says about one image or point cloud.

    Attributes:
        id: Image or scene id.
        media: Path of the image or cloud below the source's root.
        modality: `image` or `pcl`.
        origin: Annotation file, relative to the source's root.
        width: Image width in pixels; 0 when the source does not say.
        height: Image height in pixels.
        group: Scene or image that makes several items dependent; the id when empty.
        link: Ids of the same image elsewhere, such as Visual Genome's `coco`.
        licence: Licence of this image, where the source states one an image.
        layout: The scene as SpatialLM's layout text, in metres, where the source has one.
        corner: Lowest x, y and z of the cloud in metres, where somebody read it.
        account: What its reader completed or left out, with how often: `noted: ...` and `left out: ...`.
    """

    id: str
    media: str
    modality: str = "image"
    origin: str = ""
    width: int = 0
    height: int = 0
    group: str = ""
    classes: tuple[ClassLabel, ...] = ()
    boxes: tuple[Box, ...] = ()
    boxes3d: tuple[Box3D, ...] = ()
    keypoints: tuple[Keypoints, ...] = ()
    captions: tuple[str, ...] = ()
    counts: tuple[Count, ...] = ()
    words: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()
    descriptions: tuple[Description, ...] = ()
    relations: tuple[Relation, ...] = ()
    link: Mapping[str, str] = field(default_factory=dict)
    licence: str = ""
    layout: str = ""
    corner: tuple[float, ...] = ()
    account: Mapping[str, int] = field(default_factory=dict)


def _pickle_by_fields(kind: type) -> None:
    """Let values of a dataclass be pickled by their fields: three times faster than slots are by default."""
    values = attrgetter(*(entry.name for entry in fields(kind)))
    copyreg.pickle(kind, lambda value: (kind, values(value)))


for _kind in (Box, Box3D, Relation, Keypoints, Question, ClassLabel, Count, Description, Annotated):
    _pickle_by_fields(_kind)


def join(prefix: str, name: str) -> str:
    """Return the path of a medium: a folder below the root and a file's name, joined with a forward slash."""
    return f"{prefix.rstrip('/')}/{name}" if prefix else name

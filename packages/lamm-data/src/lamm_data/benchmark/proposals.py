"""Numbered objects of scenes, for models that answer with a number: annotated instances, or what a detector found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import dist
from pathlib import Path
from typing import Any

from lamm_data.errors import SourceError
from lamm_data.files.json_lines import load_json
from lamm_data.files.pictures import media_file
from lamm_data.records.annotations import Annotated

ANNOTATION = "annotation"
"""Stands for the instances of the annotation in place of a file."""
Numbered = dict[str, Any]
"""`{"id", "bbox"}` of one object, with `label` and `score` where they are known; centre and size, metres."""


@dataclass(frozen=True, slots=True)
class Proposals:
    """Numbered objects by scene.

    Attributes:
        source: What records call them: `annotation`, or the name of the file or folder.
        of: Returns the objects of a scene.
    """

    source: str
    of: Callable[[Annotated], list[Numbered]]


def open_proposals(where: str, root: Path) -> Proposals:
    """Open the numbered objects of scenes.

    Args:
        where: `annotation`; a folder of instances as the ScanNet benchmark wants them and Mask3D exports them
            (`<scene>.txt`, a line `mask class score` an instance, and masks of a 0 or 1 a vertex); or a JSON file of
            `{scene: [{"id", "bbox"}]}` or of Chat-Scene's attributes, `{scene: {"locs", "objects"}}`.
        root: The source's root, below which the clouds lie that masks are about.

    Raises:
        SourceError: There is no such file or folder.
    """
    if where == ANNOTATION:
        return Proposals(where, _instances)
    path = Path(where)
    if path.is_dir():
        return Proposals(path.name, lambda item: _masked(path, root, item))
    scenes = load_json(path)
    if not isinstance(scenes, Mapping):
        raise SourceError(f"Expected an object of scenes, got {type(scenes).__name__} ({path}). Is it the right file?")
    return Proposals(path.name, lambda item: _listed(path, scenes, item))


def _instances(item: Annotated) -> list[Numbered]:
    boxes = [(box, [round(value, 4) for value in box.values]) for box in item.boxes3d if box.id]
    return [{"id": box.id, "bbox": values, "label": box.label} for box, values in boxes]


def _listed(path: Path, scenes: Mapping[str, Any], item: Annotated) -> list[Numbered]:
    found = scenes.get(item.id)
    if isinstance(found, Mapping) and isinstance(found.get("locs"), list):
        names = found.get("objects") or [""] * len(found["locs"])
        found = [{"bbox": box, "label": str(name)} for box, name in zip(found["locs"], names, strict=True)]
    if not isinstance(found, list) or not all(isinstance(one, Mapping) and _is_box(one.get("bbox")) for one in found):
        raise SourceError(
            f'Expected the objects of scene {item.id}, a list of {{"id", "bbox"}} with six numbers each, got '
            f"{str(found)[:60]} ({path}). Take the file of this split."
        )
    more = ("label", "score")
    return [
        {"id": str(one.get("id", number)), "bbox": [round(float(value), 4) for value in one["bbox"]]}
        | {key: one[key] for key in more if one.get(key) not in (None, "")}
        for number, one in enumerate(found)
    ]


def _is_box(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 6 and all(isinstance(part, int | float) for part in value)


def _masked(folder: Path, root: Path, item: Annotated) -> list[Numbered]:
    """Read the instances of one scene; each box is the extent of the vertices in its mask.

    Raises:
        SourceError: A file is missing, or a mask is not of this cloud.
    """
    from lamm_data.clouds.reading import load_cloud
    from lamm_data.sources.readers.fields import read_lines

    path = folder / f"{item.id}.txt"
    points, out = load_cloud(media_file(root, item.media))[:, :3], []
    for number, line in enumerate(read_lines(path)):
        parts = line.split()
        if len(parts) != 3:
            raise SourceError(f"Expected a mask, a class and a score, got {line[:60]!r} ({path}, line {number + 1}).")
        mask = _mask(media_file(folder, parts[0]), len(points))
        if mask.any():
            low, high = points[mask].min(0), points[mask].max(0)
            box = [round(float(value), 4) for value in (*(low + high) / 2, *(high - low))]
            out.append({"id": str(number), "bbox": box, "label": parts[1], "score": float(parts[2])})
    return out


def _mask(path: Path, points: int) -> Any:
    import numpy as np

    marks = np.frombuffer(path.read_bytes(), np.uint8)
    marks = marks[(marks == ord("0")) | (marks == ord("1"))]
    if len(marks) != points:
        raise SourceError(
            f"Expected a 0 or 1 for each of {points} points of the cloud, got {len(marks)} ({path}). The masks must be "
            "of the prepared cloud's own mesh, in its order."
        )
    return marks == ord("1")


def token(key: str) -> str:
    """Write an object's number as answers do.

    >>> token("12"), token("a3")
    ('<OBJ012>', '<OBJa3>')
    """
    return f"<OBJ{int(key):03d}>" if key.isdecimal() else f"<OBJ{key}>"


def overlap(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the intersection over union of two boxes of centre and size; angles are not looked at.

    >>> overlap([0, 0, 0, 2, 2, 2], [1, 0, 0, 2, 2, 2])
    0.3333333333333333
    """
    shared = volume_a = volume_b = 1.0
    for axis in range(3):
        low = max(a[axis] - a[axis + 3] / 2, b[axis] - b[axis + 3] / 2)
        high = min(a[axis] + a[axis + 3] / 2, b[axis] + b[axis + 3] / 2)
        shared *= max(0.0, high - low)
        volume_a, volume_b = volume_a * a[axis + 3], volume_b * b[axis + 3]
    return shared / (volume_a + volume_b - shared) if shared else 0.0


def nearest(box: Sequence[float], numbered: Sequence[Numbered]) -> Numbered | None:
    """Return the object that overlaps a box most, of those that overlap it not at all the closest; None without any."""

    def near(one: Numbered) -> tuple[float, float]:
        return overlap(box, one["bbox"]), -dist(box[:3], one["bbox"][:3])

    return max(numbered, key=near, default=None)

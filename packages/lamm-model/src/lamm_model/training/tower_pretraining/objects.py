"""Scenes with boxes, class names and descriptions, from which a tower learns to find objects and to name them."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lamm_data import Annotated, Box3D, read_rooms
from lamm_model.errors import LammModelError
from lamm_model.towers.objects import Truth

RARE, COMMON = 0.01, 0.5  # shares of the descriptions between which a word tells objects apart
MOST_WORDS = 256
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class SceneObject:
    """One object: its class, the box along the axes that it fills (centre and size, metres), and words about it."""

    label: str
    box: tuple[float, ...]
    words: frozenset[str]


@dataclass(frozen=True, slots=True)
class Scene:
    """One cloud and its objects."""

    cloud: str
    objects: tuple[SceneObject, ...]


def read_scene_objects(root: Path, split: str = "train") -> list[Scene]:
    """Read the boxes of a folder in ScanNet's exported layout, and ScanRefer's descriptions where there are any.

    Raises:
        LammModelError: There is no box.
    """
    scenes = [Scene(str(root / item.media), tuple(_objects(item))) for item in read_rooms(root, split)]
    if not any(scene.objects for scene in scenes):
        raise LammModelError(
            f"Expected clouds with boxes in {root}, found none. Leave --objects out to learn questions."
        )
    return scenes


def _objects(item: Annotated) -> list[SceneObject]:
    told: dict[str, set[str]] = {}
    for text in item.descriptions:
        told.setdefault(text.object_id, set()).update(_WORD.findall(text.text.lower()))
    return [
        SceneObject(box.label, axis_aligned(box), frozenset(told.get(box.id, ()))) for box in item.boxes3d if box.label
    ]


def axis_aligned(box: Box3D) -> tuple[float, ...]:
    """Return the smallest box along the axes around a box, `(cx, cy, cz, dx, dy, dz)` in metres."""
    x, y, z, dx, dy, dz, *turned = box.values
    cosine, sine = (abs(turn(turned[0] if turned else 0.0)) for turn in (math.cos, math.sin))
    return x, y, z, cosine * dx + sine * dy, sine * dx + cosine * dy, dz


def telling_words(scenes: Sequence[Scene]) -> list[str]:
    """Choose words that descriptions say about some objects only, class names apart; the most common, in order."""
    described = [one.words for scene in scenes for one in scene.objects if one.words]
    labels = {one.label for scene in scenes for one in scene.objects}
    said = Counter(word for words in described for word in words if word not in labels)
    telling = [word for word, count in said.most_common() if RARE * len(described) <= count <= COMMON * len(described)]
    return sorted(telling[:MOST_WORDS])


def as_truth(scenes: Sequence[Scene], labels: Sequence[str], words: Sequence[str]) -> Truth:
    """Lay the objects of scenes out side by side."""
    shape = (len(scenes), max(len(scene.objects) for scene in scenes))
    boxes, names = torch.zeros(*shape, 6), torch.full(shape, -1)
    said, described = torch.zeros(*shape, len(words)), torch.zeros(shape, dtype=torch.bool)
    for row, scene in enumerate(scenes):
        for column, one in enumerate(scene.objects):
            boxes[row, column] = torch.tensor(one.box)
            names[row, column] = labels.index(one.label)
            described[row, column] = bool(one.words)
            said[row, column] = torch.tensor([float(word in one.words) for word in words])
    return Truth(boxes, names, said, described)


def turned(clouds: Tensor, boxes: Tensor, generator: torch.Generator, normals: int = 0) -> tuple[Tensor, Tensor]:
    """Mirror clouds and boxes and turn them by quarters, each as drawn: what stands on a floor may face any side.

    Args:
        clouds: `[n, N, C]`, x and y first.
        boxes: `[n, O, 6]`.
        generator: Source of the draws.
        normals: Column that normals begin at; 0 for none.

    Returns:
        New clouds and boxes.
    """
    clouds, boxes = clouds.clone(), boxes.clone()
    starts = [0, *([normals] if normals else [])]
    drawn = torch.randint(0, 2, (3, len(clouds), 1), generator=generator).to(clouds.device)
    for axis in (0, 1):
        sign = 2.0 * drawn[axis] - 1.0
        for start in starts:
            clouds[..., start + axis] *= sign
        boxes[..., axis] *= sign
    swapped = drawn[2, :, 0] > 0
    for table, firsts in ((clouds, starts), (boxes, [0, 3])):
        order = list(range(table.shape[-1]))
        for start in firsts:
            order[start], order[start + 1] = start + 1, start
        table[swapped] = table[swapped][..., order]
    return clouds, boxes

"""ScanNet as VoteNet and ScanRefer export it, axis-aligned, with ScanRefer's descriptions and ScanQA's questions."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lamm_data.errors import SourceError
from lamm_data.files.json_lines import iter_values
from lamm_data.files.pictures import decoding
from lamm_data.records.annotations import Annotated, Box3D, Description, Question
from lamm_data.sources.guard import guarded, unique_names
from lamm_data.sources.readers.fields import need, read_file, read_lines

FOLDER = "scannet_data"
T = TypeVar("T")


def load_array(path: Path, columns: tuple[int, ...]) -> NDArray[np.floating[Any]]:
    """Load a plain numeric `.npy` array of two dimensions.

    Raises:
        SourceError: It is missing, pickled, of another shape, or holds values that are not finite.
    """
    content = io.BytesIO(read_file(path))
    with decoding("a plain .npy array", path):
        array: NDArray[np.floating[Any]] = np.lib.format.read_array(content, allow_pickle=False)
    if array.ndim != 2 or array.shape[1] not in columns or not np.isfinite(array).all():
        raise SourceError(f"Expected finite numbers of shape [N, {columns}], got {array.shape} ({path}).")
    return array


def read_classes(path: Path) -> dict[int, str]:
    """Read a class table: number, tab, name."""
    pairs = (line.split("\t") for line in read_lines(path))
    return unique_names(((int(number), name) for number, name in pairs), path, "class")


def read_scene_boxes(root: Path, scene: str, classes: dict[int, str]) -> tuple[Box3D, ...]:
    """Read `<scene>_aligned_bbox.npy`: rows of centre, size, class number, object id; metres, z up.

    Raises:
        SourceError: A class number is not in the table.
    """
    path = root / FOLDER / f"{scene}_aligned_bbox.npy"
    boxes = []
    for row in load_array(path, (8,)):
        values = [float(value) for value in row]
        name = classes.get(int(values[6]))
        if name is None:
            raise SourceError(f"Expected a class of classes.tsv, got number {int(values[6])} ({path}).")
        centre, size = (values[0], values[1], values[2]), (values[3], values[4], values[5])
        boxes.append(Box3D(name, centre, size, id=str(int(values[7]))))
    return tuple(boxes)


def read_scannet_export(root: Path, split: str) -> Iterator[Annotated]:
    """Read every scene of `scannetv2_<split>.txt` with its boxes, its classes out of `classes.tsv`."""
    return read_scenes(root, [line.strip() for line in read_lines(root / f"scannetv2_{split}.txt")])


def read_scenes(root: Path, scenes: Iterable[str]) -> Iterator[Annotated]:
    """Read prepared scenes with their boxes, their classes out of `classes.tsv`."""
    classes = read_classes(root / "classes.tsv")
    for name in scenes:
        yield Annotated(
            name,
            f"{FOLDER}/{name}_aligned_vert.npy",
            "pcl",
            origin=f"{FOLDER}/{name}_aligned_bbox.npy",
            boxes3d=read_scene_boxes(root, name, classes),
            group=room_of(name),
        )


def read_descriptions(path: Path) -> Iterator[tuple[str, str, Description]]:
    """Read ScanRefer's sentences one by one.

    Yields:
        `(scene id, object name, description)`; underscores of names become spaces, object ids are ScanNet's.
    """
    keys = ("scene_id", "object_id", "object_name", "ann_id", "description")
    for line, value in iter_values(path):
        entry = need(value, keys, f"{path}, line {line}", "a ScanRefer entry")
        scene, object_id = str(entry["scene_id"]), str(entry["object_id"])
        text = Description(" ".join(entry["description"].split()), object_id, f"{scene}-{object_id}-{entry['ann_id']}")
        yield scene, str(entry["object_name"]).replace("_", " "), text


def read_questions(path: Path) -> Iterator[tuple[str, Question]]:
    """Read ScanQA's questions one by one; repeated answers are kept once, in order, as `references` all of them.

    The test files have no answers: their questions come with none.

    Yields:
        `(scene id, question)`.
    """
    for line, value in iter_values(path):
        entry = need(value, ("question_id", "scene_id", "question"), f"{path}, line {line}", "a ScanQA entry")
        published = tuple(entry.get("answers") or ())
        answers = tuple(dict.fromkeys(answer.strip() for answer in published))
        about = {"object_ids": list(entry["object_ids"])} if entry.get("object_ids") else {}
        "".join(map(str, about.get("object_ids", ()))).encode()  # half a character is a fault of this file
        yield (
            str(entry["scene_id"]),
            Question(
                entry["question"].strip(), answers, id=str(entry["question_id"]), references=published, stated=about
            ),
        )


def by_scene(pairs: Iterable[tuple[str, T]]) -> dict[str, tuple[T, ...]]:
    """Group values by scene, in file order."""
    grouped: dict[str, list[T]] = defaultdict(list)
    for scene, value in pairs:
        grouped[scene].append(value)
    return {scene: tuple(values) for scene, values in grouped.items()}


def read_rooms(root: Path, split: str) -> Iterator[Annotated]:
    """Read every scene with its boxes, and the descriptions and questions about it where the root has such files."""
    references, asked = root / f"ScanRefer_filtered_{split}.json", root / f"ScanQA_v1.0_{split}.json"
    described = read_descriptions(references) if references.is_file() else ()
    texts = by_scene((scene, text) for scene, _, text in described)
    questions = by_scene(read_questions(asked) if asked.is_file() else ())
    for item in read_scannet_export(root, split):
        yield replace(item, descriptions=texts.get(item.id, ()), questions=questions.get(item.id, ()))


def open_scanqa(root: Path, split: str) -> Iterator[Annotated]:
    """Read questions alone: neither boxes nor clouds need to be there."""
    file = root / f"ScanQA_v1.0_{split}.json"
    return guarded(_rooms_asked_about(file), str(file))


def _rooms_asked_about(file: Path) -> Iterator[Annotated]:
    for scene, questions in by_scene(read_questions(file)).items():
        media = f"{FOLDER}/{scene}_aligned_vert.npy"
        yield Annotated(scene, media, "pcl", origin=file.name, questions=questions, group=room_of(scene))


def room_of(scene: str) -> str:
    """Return the room a scan is of: `scene0011_00` and `scene0011_01` are the same room."""
    return scene.rpartition("_")[0] or scene

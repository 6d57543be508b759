"""ScanNet as VoteNet and ScanRefer export it: one array of points and one of boxes per scene, axis-aligned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamm_data.errors import SourceError
from lamm_data.records.annotations import Annotated, Box3D
from lamm_data.sources.readers.fields import join, read_lines
from lamm_data.sources.readers.scanqa import questions_by_scene
from lamm_data.sources.readers.scanrefer import descriptions_by_scene

FOLDER = "scannet_data"


def load_array(path: str | Path, columns: tuple[int, ...]) -> NDArray[np.floating[Any]]:
    """Load a plain numeric `.npy` array of two dimensions.

    Raises:
        SourceError: It is missing, pickled, of another shape, or holds values that are not finite.
    """
    path = Path(path)
    try:
        array: NDArray[np.floating[Any]] = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise SourceError(f"Expected a file, got nothing at {path}. Check the root folder.") from error
    except (ValueError, EOFError) as error:
        raise SourceError(f"Expected a plain .npy array, got something else ({path}): {error}") from error
    if array.ndim != 2 or array.shape[1] not in columns or not np.isfinite(array).all():
        raise SourceError(f"Expected finite numbers of shape [N, {columns}], got {array.shape} ({path}).")
    return array


def read_classes(path: str | Path) -> dict[int, str]:
    """Read a class table: number, tab, name."""
    pairs = (line.split("\t") for line in read_lines(path))
    return {int(number): name.strip() for number, name in pairs}


def read_scene_boxes(root: str | Path, scene: str, classes: dict[int, str]) -> tuple[Box3D, ...]:
    """Read `<scene>_aligned_bbox.npy`: rows of centre, size, class number, object id; metres, z up.

    Raises:
        SourceError: A class number is not in the table.
    """
    path = Path(root) / FOLDER / f"{scene}_aligned_bbox.npy"
    boxes = []
    for row in load_array(path, (8,)):
        values = [float(value) for value in row]
        name = classes.get(int(values[6]))
        if name is None:
            raise SourceError(f"Expected a listed class, got number {int(values[6])} ({path}).")
        centre, size = (values[0], values[1], values[2]), (values[3], values[4], values[5])
        boxes.append(Box3D(name, centre, size, id=str(int(values[7]))))
    return tuple(boxes)


def read_scannet_export(root: str | Path, split: str, below: str = "") -> Iterator[Annotated]:
    """Read every scene of `scannetv2_<split>.txt` with its boxes.

    Args:
        root: Folder with the scene lists, `classes.tsv` and `scannet_data`.
        split: `train` or `val`.
        below: Prefix that leads from the media root to `root`.
    """
    root = Path(root)
    classes = read_classes(root / "classes.tsv")
    for scene in read_lines(root / f"scannetv2_{split}.txt"):
        name = scene.strip()
        yield Annotated(
            name,
            join(below, f"{FOLDER}/{name}_aligned_vert.npy"),
            "pcl",
            origin=f"{FOLDER}/{name}_aligned_bbox.npy",
            boxes3d=read_scene_boxes(root, name, classes),
            group=room_of(name),
        )


def read_rooms(root: str | Path, split: str, below: str = "") -> Iterator[Annotated]:
    """Read every scene with its boxes, and the descriptions and questions about it where the root has such files."""
    root = Path(root)
    references, asked = root / f"ScanRefer_filtered_{split}.json", root / f"ScanQA_v1.0_{split}.json"
    texts = descriptions_by_scene(references) if references.is_file() else {}
    questions = questions_by_scene(asked) if asked.is_file() else {}
    for item in read_scannet_export(root, split, below):
        yield replace(item, descriptions=texts.get(item.id, ()), questions=questions.get(item.id, ()))


def open_scannet(root: Path, split: str) -> Iterator[Annotated]:
    """Read the boxes of a prepared ScanNet."""
    return read_scannet_export(root, split)


def open_scanrefer(root: Path, split: str) -> Iterator[Annotated]:
    """Read descriptions with the boxes of a prepared ScanNet beside them; scenes that nobody described are left out."""
    need_file(root / f"ScanRefer_filtered_{split}.json")
    for item in read_rooms(root, split):
        if item.descriptions:
            yield item


def open_scanqa(root: Path, split: str) -> Iterator[Annotated]:
    """Read questions alone: neither boxes nor clouds need to be there."""
    for scene, questions in questions_by_scene(root / f"ScanQA_v1.0_{split}.json").items():
        media = f"{FOLDER}/{scene}_aligned_vert.npy"
        origin = f"ScanQA_v1.0_{split}.json"
        yield Annotated(scene, media, "pcl", origin=origin, questions=questions, group=room_of(scene))


def need_file(path: Path) -> None:
    """Check that a file is there.

    Raises:
        SourceError: It is not.
    """
    if not path.is_file():
        raise SourceError(f"Expected a file, got nothing at {path}. Check the root folder.")


def room_of(scene: str) -> str:
    """Return the room a scan is of: `scene0011_00` and `scene0011_01` are the same room."""
    return scene.rpartition("_")[0] or scene

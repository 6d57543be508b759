"""The sample world as a source: its folders go through the readers of the formats they are written in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from lamm_data.errors import SourceError
from lamm_data.files.json_lines import load_json
from lamm_data.records.annotations import Annotated, ClassLabel, join
from lamm_data.sources.readers.ai2d import read_ai2d
from lamm_data.sources.readers.celeba import read_celeba
from lamm_data.sources.readers.class_folders import read_class_folders
from lamm_data.sources.readers.coco import read_captions, read_instances, read_keypoints
from lamm_data.sources.readers.fsc147 import read_fsc147
from lamm_data.sources.readers.scannet_export import read_rooms
from lamm_data.sources.readers.svt import read_svt

Reader = Callable[[Path, str], Iterator[Annotated]]


def _opens(folder: str, read: Reader, held_out: str) -> Reader:
    """Make the reader of one set: `read` knows its layout, and calls the benchmark split `held_out`."""

    def open_set(root: Path, split: str) -> Iterator[Annotated]:
        check_root(root)
        for item in read(root / folder, "train" if split == "train" else held_out):
            yield replace(item, media=join(folder, item.media))

    return open_set


def _folders(name: str, task: str) -> Reader:
    return _opens("", lambda root, split: read_class_folders(root, f"{name}/{split}", task), "benchmark")


def _coco(folder: str, kind: str, read: Callable[[Path, str], Iterator[Annotated]]) -> Reader:
    return _opens(folder, lambda root, split: read(root / f"annotations/{kind}_{split}.json", "images"), "val")


def _rooms(root: Path, split: str) -> Iterator[Annotated]:
    """Read rooms; one that holds a single solid has its class."""
    for item in read_rooms(root, split):
        solids = item.boxes3d
        yield replace(item, classes=(ClassLabel(solids[0].label, "classification3d"),) if len(solids) == 1 else ())


open_shapes = _folders("shapes", "classification")
open_textures = _folders("textures", "fine_grained_classification")
open_faces = _opens("faces", read_celeba, "test")
open_instances = _coco("scenes", "instances", read_instances)
open_captions = _coco("scenes", "captions", read_captions)
open_questions = _opens("scenes", read_ai2d, "test")
open_figures = _coco("figures", "person_keypoints", read_keypoints)
open_counts = _opens("counts", read_fsc147, "test")
open_words = _opens("words", read_svt, "test")
open_rooms = _opens("rooms", _rooms, "val")


def check_root(root: Path) -> None:
    """Check that a root holds a sample world.

    Raises:
        SourceError: It does not, or one of another version.
    """
    from lamm_data.sample.world import MANIFEST, VERSION

    manifest = root / MANIFEST
    values = load_json(manifest) if manifest.is_file() else {}
    if not isinstance(values, dict) or values.get("synthetic") is not True:
        raise SourceError(f"Expected a sample world in {root}, got no {MANIFEST}. Write one with `lamm data sample`.")
    if values.get("version") != VERSION:
        raise SourceError(
            f"Expected a sample world of version {VERSION}, got {values.get('version')!r} ({manifest}). Draw it again."
        )

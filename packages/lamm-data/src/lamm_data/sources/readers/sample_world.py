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
from lamm_data.sources.readers.image_questions import open_vqav2
from lamm_data.sources.readers.refcoco import open_refcoco
from lamm_data.sources.readers.scannet_export import read_rooms
from lamm_data.sources.readers.scene_descriptions import open_multi3drefer
from lamm_data.sources.readers.scene_questions import open_3d_pope, open_situations, open_vsi_bench
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


def _below(name: str, read: Reader, label: str) -> Reader:
    """Make the reader of a benchmark about halls whose files know no such splits: each split is a root of its own."""
    return _opens("halls", lambda root, split: read(root / name / split, label), "val")


def _crowds(read: Reader) -> Reader:
    """Make the reader of a set about crowds: each split is a root that holds COCO's training images of 2014."""

    def open_split(root: Path, split: str) -> Iterator[Annotated]:
        for item in read(root / split, "train"):
            yield replace(item, media=join(split, item.media))

    return _opens("crowds", open_split, "val")


def _captioned(root: Path, split: str) -> Iterator[Annotated]:
    """Read boxes and captions of the same images."""
    captions = {item.id: item.captions for item in read_captions(root / "annotations" / f"captions_{split}2014.json")}
    for item in read_instances(root / "instances.json", f"{split}2014"):
        yield replace(item, captions=captions.get(item.id, ()))


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
open_halls = _opens("halls", read_rooms, "val")
open_hall_targets = _opens("halls", open_multi3drefer, "val")
open_hall_situations = _opens("halls", open_situations, "val")
open_hall_measures = _below("vsi_bench", open_vsi_bench, "test")
open_hall_presence = _below("3d_pope", open_3d_pope, "scannet200")
open_crowds = _crowds(_captioned)
open_crowd_questions = _crowds(open_vqav2)
open_crowd_expressions = _crowds(open_refcoco)


def check_root(root: Path) -> None:
    """Check that a root holds a sample world.

    Raises:
        SourceError: It does not, or one of another version.
    """
    from lamm_data.sample.world import MANIFEST, VERSION

    manifest = root / MANIFEST
    values = load_json(manifest) if manifest.is_file() else {}
    if not isinstance(values, dict) or values.get("synthetic") is not True:
        raise SourceError(
            f"Expected a sample world in {root}, got no {MANIFEST}. Name the --source (images: your own folder), "
            "or write a sample world with `lamm data sample`."
        )
    if values.get("version") != VERSION:
        raise SourceError(
            f"Expected a sample world of version {VERSION}, got {values.get('version')!r} ({manifest}). Draw it again."
        )

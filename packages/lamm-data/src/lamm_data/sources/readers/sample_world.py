"""The sample world as a source: its folders go through the readers of the formats they are written in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from lamm_data.errors import SourceError
from lamm_data.files.json_lines import load_json
from lamm_data.records.annotations import Annotated, Box3D, ClassLabel
from lamm_data.sources.readers.ai2d import read_ai2d
from lamm_data.sources.readers.celeba import read_celeba
from lamm_data.sources.readers.class_folders import read_class_folders
from lamm_data.sources.readers.coco import read_captions, read_instances, read_keypoints
from lamm_data.sources.readers.fsc147 import read_fsc147
from lamm_data.sources.readers.scannet_export import read_rooms
from lamm_data.sources.readers.svt import read_svt


def open_shapes(root: Path, split: str) -> Iterator[Annotated]:
    """One dominant shape an image."""
    check_root(root)
    return read_class_folders(root, f"shapes/{split}", "classification")


def open_textures(root: Path, split: str) -> Iterator[Annotated]:
    """One texture an image."""
    check_root(root)
    return read_class_folders(root, f"textures/{split}", "fine_grained_classification")


def open_faces(root: Path, split: str) -> Iterator[Annotated]:
    """Drawn faces: smile and hair colour."""
    check_root(root)
    return read_celeba(root / "faces", _test(split), below="faces")


def open_instances(root: Path, split: str) -> Iterator[Annotated]:
    """Scenes with a box a shape."""
    check_root(root)
    return read_instances(root / f"scenes/annotations/instances_{_val(split)}.json", "scenes/images")


def open_captions(root: Path, split: str) -> Iterator[Annotated]:
    """Scenes with five captions."""
    check_root(root)
    return read_captions(root / f"scenes/annotations/captions_{_val(split)}.json", "scenes/images")


def open_questions(root: Path, split: str) -> Iterator[Annotated]:
    """Scenes with multiple-choice questions."""
    check_root(root)
    return read_ai2d(root / "scenes", _test(split), "scenes")


def open_figures(root: Path, split: str) -> Iterator[Annotated]:
    """Stick figures with fourteen joints."""
    check_root(root)
    return read_keypoints(root / f"figures/annotations/person_keypoints_{_val(split)}.json", "figures/images")


def open_counts(root: Path, split: str) -> Iterator[Annotated]:
    """One to nine copies of a shape."""
    check_root(root)
    return read_fsc147(root / "counts", _test(split), "counts")


def open_words(root: Path, split: str) -> Iterator[Annotated]:
    """Written words."""
    check_root(root)
    return read_svt(root / "words", _test(split), "words")


def open_rooms(root: Path, split: str) -> Iterator[Annotated]:
    """Rooms with boxes, descriptions, questions, and a class where a room holds a single solid."""
    base = check_root(root) / "rooms"
    for item in read_rooms(base, _val(split), "rooms"):
        yield replace(item, classes=_solid(item.boxes3d))


def _solid(boxes: tuple[Box3D, ...]) -> tuple[ClassLabel, ...]:
    return (ClassLabel(boxes[0].label, "classification3d"),) if len(boxes) == 1 else ()


def _val(split: str) -> str:
    return "train" if split == "train" else "val"


def _test(split: str) -> str:
    return "train" if split == "train" else "test"


def check_root(root: str | Path) -> Path:
    """Return the root after checking that it holds a sample world.

    Raises:
        SourceError: It does not, or one of another version.
    """
    from lamm_data.sample.world import MANIFEST, VERSION

    root = Path(root)
    manifest = root / MANIFEST
    values = load_json(manifest) if manifest.is_file() else {}
    if not isinstance(values, dict) or values.get("synthetic") is not True:
        raise SourceError(f"Expected a sample world in {root}, got no {MANIFEST}. Write one with `lamm data sample`.")
    if values.get("version") != VERSION:
        raise SourceError(
            f"Expected a sample world of version {VERSION}, got {values.get('version')!r} ({manifest}). Draw it again."
        )
    return root

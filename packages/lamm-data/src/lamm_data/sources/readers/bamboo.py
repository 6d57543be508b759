"""Bamboo: its label system (names, descriptions), images named after their class, and boxes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from lamm_data.errors import SourceError
from lamm_data.files.json_lines import load_json
from lamm_data.records.annotations import Annotated, ClassLabel
from lamm_data.sources.readers.coco import read_instances
from lamm_data.sources.readers.fields import measured, need

LABEL_SYSTEM = "sensexo_visual_add_academic_add_state_V4.visual.json"
IMAGES = "bamboo_images"


@dataclass(frozen=True, slots=True)
class LabelSystem:
    """Names (the preferred one first) and descriptions of Bamboo's classes by their WordNet or Wikidata ids."""

    names: dict[str, tuple[str, ...]]
    descriptions: dict[str, str]

    def name(self, key: str) -> str:
        """Return the preferred name of an id; what is no id is a name already, with underscores for spaces."""
        return (self.names.get(key) or (key.replace("_", " "),))[0]


def _texts(value: object) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(str(text).strip().replace("_", " ") for text in values if text is not None and str(text).strip())


def read_label_system(path: Path) -> LabelSystem:
    """Read the label system's JSON (`id2name`, `id2desc`)."""
    value = need(load_json(path), ("id2name", "child2father"), path, "Bamboo's label system")
    descriptions = {key: " ".join(_texts(text)) for key, text in value.get("id2desc", {}).items()}
    return LabelSystem(
        {key: _texts(names) for key, names in value["id2name"].items()},
        {key: text for key, text in descriptions.items() if text},
    )


def open_bamboo(root: Path, split: str) -> Iterator[Annotated]:
    """Read the class of each image from its name, `bamboo_images/<hash>.<class>.jpeg`.

    A class that is an id of the label system gets its preferred name, and its description becomes the item's caption.
    """
    system = read_label_system(root / LABEL_SYSTEM)
    paths = sorted(path for path in (root / IMAGES).glob("*.*.*") if path.suffix.lower() in (".jpeg", ".jpg", ".png"))
    if not paths:
        raise SourceError(f"Expected <hash>.<class>.jpeg files in {root / IMAGES}, got none. Check the root folder.")
    for path in paths:
        name, _, key = path.stem.partition(".")
        text = system.descriptions.get(key)
        yield measured(
            root,
            f"{IMAGES}/{path.name}",
            name,
            origin=IMAGES,
            classes=(ClassLabel(system.name(key), "classification"),),
            captions=(text,) if text else (),
            link={"bamboo": key},
        )


def open_bamboo_detection(root: Path, split: str) -> Iterator[Annotated]:
    """Read boxes of `annotations/instances_<split>.json` in COCO's layout.

    Classes are named by the label system where the root has it, which it must where categories are ids.
    """
    path = root / LABEL_SYSTEM
    system = read_label_system(path) if path.is_file() else LabelSystem({}, {})
    for item in read_instances(root / "annotations" / f"instances_{split}.json", IMAGES):
        yield replace(item, boxes=tuple(replace(box, label=system.name(box.label)) for box in item.boxes))

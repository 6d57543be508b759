"""Texts that mean objects of ScanNet scenes: ScanRefer, Nr3D, Sr3D, Multi3DRefer, ViGiL3D, Beacon3D."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lamm_data.errors import SourceError, first_of
from lamm_data.files.json_lines import iter_values
from lamm_data.records.annotations import Annotated, Description
from lamm_data.sources.readers.fields import csv_rows, first_file, need, read_lines
from lamm_data.sources.readers.scannet_export import by_scene, read_descriptions, read_scenes

Row = Mapping[str, Any]
Texts = Mapping[str, tuple[Description, ...]]
"""Descriptions by scene."""

TOLD_APART = frozenset({
    "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture", "counter", "desk", "curtain",
    "refrigerator", "shower curtain", "toilet", "sink", "bathtub",
})  # fmt: skip
"""NYU40 classes that ScanRefer tells apart; all others are one class."""
VIEW_WORDS = frozenset(
    {"front", "behind", "back", "right", "left", "facing", "leftmost", "rightmost", "looking", "across"}
)
"""Words that make an utterance of Nr3D or Sr3D depend on where one stands: whole words, in this case of letters."""
_TOKEN = re.compile(r"'([^']*)'|\"([^\"]*)\"")


def _meant(text: str, key: str, ids: Iterable[Any], **stated: Any) -> Description:
    """Make the description of any number of objects; one that means a single object also says so."""
    names = tuple(str(name) for name in ids)
    return Description(" ".join(text.split()), names[0] if len(names) == 1 else "", key, names, stated)


def _referit(line: int, row: Row, where: str) -> Description:
    """Read a row of Nr3D or Sr3D: a stimulus is written `scene-class-number-target[-distractor...]`."""
    parts = row["stimulus_id"].split("-", 4)
    if len(parts) < 4 or not parts[2].isdecimal():
        raise SourceError(
            f"Expected a stimulus_id scene-class-number-target, got {row['stimulus_id']!r} ({where}). "
            "Use the table as ReferIt3D publishes it."
        )
    stated: dict[str, Any] = {
        "easy": int(parts[2]) <= 2,
        "view_dependent": not VIEW_WORDS.isdisjoint(a or b for a, b in _TOKEN.findall(row["tokens"])),
    }
    for key in ("mentions_target_class", "correct_guess"):
        if row.get(key):
            stated[key] = row[key].strip().lower() == "true"
    if row.get("coarse_reference_type"):
        stated["reference_type"] = row["coarse_reference_type"]
    key = row.get("assignmentid") or str(line)
    return Description(row["utterance"], str(int(row["target_id"])), key, stated=stated)


def _multi3drefer(line: int, row: Row, where: str) -> Description:
    key, ids = f"{row['scene_id']}_{row['ann_id']}", map(int, row["object_ids"])
    return _meant(row["description"], key, ids, eval_type=str(row["eval_type"]))


def _vigil3d(line: int, row: Row, where: str) -> Description | None:
    if row["is_valid"].strip() == "0":
        return None
    ids = [part.strip() for part in row["object_id"].split(",") if part.strip()]
    return _meant(row["description"], row["prompt_id"], ids)


def _beacon3d(line: int, row: Row, where: str) -> Description:
    key = str(row["item_id"])
    chain, _, kind = key.rpartition("_")
    return _meant(row["utterance"], key, map(int, row["target_id"]), question_type=kind, chain=chain)


@dataclass(frozen=True, slots=True)
class Layout:
    """How a data set writes its descriptions.

    Attributes:
        what: What an entry is, for messages.
        files: File below the root, alternatives separated by ` | `; `{split}` stands for the split.
        keys: What every entry has.
        scene: The key of its scene.
        read: Makes the description of an entry, from line, entry and where it stands; None of one that does not count.
        scenes: Whose scenes are read: those of `scannetv2_<split>.txt`, or those that the file names.
    """

    what: str
    files: str
    keys: tuple[str, ...]
    scene: str
    read: Callable[[int, Row, str], Description | None]
    scenes: str = "listed"


_REFERIT = ("scan_id", "stimulus_id", "target_id", "utterance", "tokens")
LAYOUTS: Mapping[str, Layout] = {
    "nr3d": Layout("an Nr3D row", "nr3d.csv", _REFERIT, "scan_id", _referit, "of the split"),
    "sr3d": Layout("an Sr3D row", "sr3d.csv", _REFERIT, "scan_id", _referit, "of the split"),
    "multi3drefer": Layout(
        "a Multi3DRefer entry",
        "multi3drefer_{split}.json",
        ("scene_id", "object_ids", "ann_id", "eval_type", "description"),
        "scene_id",
        _multi3drefer,
    ),
    "vigil3d": Layout(
        "a ViGiL3D row",
        "vigil3d_scannet.csv",
        ("prompt_id", "scene_id", "object_id", "description", "is_valid"),
        "scene_id",
        _vigil3d,
        "named",
    ),
    "beacon3d": Layout(
        "a Beacon3D grounding entry",
        "data/scannet/scannet_grounding.json | scannet/scannet_grounding.json",
        ("item_id", "scan_id", "target_id", "utterance"),
        "scan_id",
        _beacon3d,
        "named",
    ),
}
"""The layouts by data set. `scenes`: "listed" wants every scene in the list of the split, "of the split" takes those in
it out of one file for all splits, "named" takes the scenes that the file names."""


def _entries(layout: Layout, path: Path, skipped: Counter[str]) -> Iterator[tuple[str, Description]]:
    rows: Iterable[tuple[int, Any]] = (
        csv_rows(path, layout.keys, layout.what) if path.suffix == ".csv" else iter_values(path)
    )
    for line, value in rows:
        where = f"{path}, line {line}"
        row = need(value, layout.keys, where, layout.what)
        scene = str(row[layout.scene] or "").strip()
        if not scene:
            raise SourceError(f"Expected the scene of {layout.what}, got an empty {layout.scene} ({where}). Mend it.")
        text = layout.read(line, row, where)
        if text is None:
            skipped["left out: description that is marked as not valid"] += 1
        else:
            yield scene, text


def _joined(
    root: Path, scenes: Iterable[str], texts: Texts, account: Mapping[str, int], origin: str
) -> Iterator[Annotated]:
    """Yield the scenes that texts are about, with boxes and texts; the first one carries the account."""
    for item in read_scenes(root, [scene for scene in scenes if scene in texts]):
        yield replace(item, descriptions=texts[item.id], account=account, origin=origin)
        account = {}


def _outside(texts: Texts, scenes: list[str], path: Path, listed: Path) -> dict[str, int]:
    """Account for texts about scenes that the list of the split lacks; refuse a file of which none is in it."""
    lacking = [scene for scene in texts if scene not in set(scenes)]
    if not lacking:
        return {}
    named = ", ".join(first_of(lacking))
    if len(lacking) == len(texts):
        raise SourceError(f"Expected scenes of {listed} in {path}, got {named}. Is it this split's?")
    reason = f"left out: description of a scene that {listed.name} lacks ({named})"
    return {reason: sum(len(texts[key]) for key in lacking)}


def _open(name: str) -> Callable[[Path, str], Iterator[Annotated]]:
    def open_set(root: Path, split: str) -> Iterator[Annotated]:
        layout, account = LAYOUTS[name], Counter[str]()
        path = first_file(root, layout.files, split=split)
        texts = by_scene(_entries(layout, path, account))
        listed = root / f"scannetv2_{split}.txt"
        scenes = list(texts) if layout.scenes == "named" else [line.strip() for line in read_lines(listed)]
        outside = _outside(texts, scenes, path, listed) if layout.scenes == "listed" else {}
        yield from _joined(root, scenes, texts, account | outside, path.name)

    return open_set


open_nr3d = _open("nr3d")
open_sr3d = _open("sr3d")
open_multi3drefer = _open("multi3drefer")
open_vigil3d = _open("vigil3d")
open_beacon3d = _open("beacon3d")


def open_scanrefer(root: Path, split: str) -> Iterator[Annotated]:
    """Read descriptions with the boxes of a prepared ScanNet beside them; scenes that nobody described are left out."""
    path, listed = root / f"ScanRefer_filtered_{split}.json", root / f"scannetv2_{split}.txt"
    texts = by_scene((scene, text) for scene, _, text in read_descriptions(path))
    scenes = [line.strip() for line in read_lines(listed)]
    yield from map(_unique, _joined(root, scenes, texts, _outside(texts, scenes, path, listed), path.name))


def _unique(item: Annotated) -> Annotated:
    """Say of every description whether its object is the only described one of its class in the scene.

    ScanRefer's rule: described objects count, not all that were scanned; an object without a box is of the class of
    all others.
    """
    labels = {box.id: box.label for box in item.boxes3d}
    described = {text.object_id for text in item.descriptions}
    classes = {key: labels.get(key) if labels.get(key) in TOLD_APART else None for key in described}
    counts = Counter(classes.values())
    texts = [replace(text, stated={"unique": counts[classes[text.object_id]] == 1}) for text in item.descriptions]
    return replace(item, descriptions=tuple(texts))

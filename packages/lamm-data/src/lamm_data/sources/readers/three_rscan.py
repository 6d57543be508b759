"""3RScan with its companions: oriented boxes, 3DSSG attributes and relations, CLEVR3D questions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lamm_data.errors import SourceError
from lamm_data.files.json_lines import iter_sections, load_json
from lamm_data.records.annotations import Annotated, Box3D, Question, Relation
from lamm_data.sources.readers.fields import need

CLOUDS = "3rscan_pcls"
SPLITS = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}


def _box(group: Mapping[str, Any], path: Path) -> Box3D:
    """Read one object: centroid, full extents along its own axes, and the axes one after the other."""
    obb = need(group.get("obb"), ("centroid", "axesLengths", "normalizedAxes"), path, "an object's obb")
    centre, size, axes = ([float(value) for value in obb[key]] for key in ("centroid", "axesLengths", "normalizedAxes"))
    if (len(centre), len(size), len(axes)) != (3, 3, 9):
        raise SourceError(f"Expected 3, 3 and 9 numbers, got {len(centre)}, {len(size)}, {len(axes)} ({path}).")
    rows = tuple((axes[k], axes[k + 1], axes[k + 2]) for k in (0, 3, 6))
    label = str(group["label"]).strip()
    return Box3D(
        label, (centre[0], centre[1], centre[2]), (size[0], size[1], size[2]), axes=rows, id=str(group["objectId"])
    )


def read_scan(path: Path) -> tuple[Box3D, ...]:
    """Read `semseg.v2.json`: one oriented box an object, metres."""
    value = need(load_json(path), ("scan_id", "segGroups"), path, "a segmentation")
    return tuple(_box(need(g, ("objectId", "label", "obb"), path, "a group"), path) for g in value["segGroups"])


Described = tuple[str, tuple[str, ...]]
"""Name of an object, empty where none is said, and its attributes."""


def read_objects(path: Path) -> dict[str, dict[str, Described]]:
    """Read 3DSSG's `objects.json`: names and attributes by scan and object id (ids are strings there)."""
    out: dict[str, dict[str, Described]] = {}
    for section, entry in iter_sections(path):
        if section == "scans":
            out[entry["scan"]] = {str(item["id"]): _described(item) for item in entry["objects"]}
    return out


def _described(item: Mapping[str, Any]) -> Described:
    words = dict.fromkeys(str(word) for words in item.get("attributes", {}).values() for word in words)
    return str(item.get("label") or "").strip(), tuple(words)


def read_relationships(path: Path) -> dict[str, list[tuple[str, str, str]]]:
    """Read 3DSSG's `relationships.json`: `(subject id, name, object id)` by scan; its integer ids become strings."""
    out: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for section, entry in iter_sections(path):
        if section == "scans":
            for subject, target, number, name in entry["relationships"]:
                if number != 0:  # relation 0 is "none"
                    out[entry["scan"]].append((str(subject), str(name), str(target)))
    return out


def read_clevr3d(path: Path) -> dict[str, list[Question]]:
    """Read CLEVR3D questions by scan; the list is called `questions` or, in its own description, `question`."""
    out: dict[str, list[Question]] = defaultdict(list)
    for number, (section, entry) in enumerate(iter_sections(path)):
        if section in ("questions", "question"):
            answer = str(entry["answer"]).strip()
            out[entry["scan"]].append(Question(str(entry["question"]).strip(), (answer,), id=str(number)))
    return out


def _optional(path: Path, read: Any) -> Mapping[str, Any]:
    return read(path) if path.is_file() else {}


def iter_scans(root: Path, split: str) -> Iterator[tuple[str, str]]:
    """Yield the reference scan of each room of a split with every scan of the room, its own first."""
    for entry in load_json(root / "3RScan.json"):
        scene = need(entry, ("reference", "type"), root / "3RScan.json", "a scene")
        if scene["type"] == SPLITS[split]:
            for scan in (scene, *scene.get("scans", ())):
                yield scene["reference"], scan["reference"]


def open_3rscan(root: Path, split: str) -> Iterator[Annotated]:
    """Read every scan of a split; a reference scan and its rescans share a `group`. Test scans come without boxes.

    Boxes keep their orientation (`Box3D.axes`); `Box3D.values`, which dialogues and benchmarks are written from, is the
    smallest axis-aligned box around them.

    3DSSG (`objects.json`, `relationships.json`) and CLEVR3D (`CLEVR3D-REAL.json`) are joined where the root has them;
    relations need no boxes: `objects.json` names their objects, too.
    Relations that depend on where one stands (left, right, front, behind) are kept; they hold in the scan's own frame.
    """
    described = _optional(root / "objects.json", read_objects)
    relations = _optional(root / "relationships.json", read_relationships)
    questions = _optional(root / "CLEVR3D-REAL.json", read_clevr3d)
    for reference, scan in iter_scans(root, split):
        path = root / scan / "semseg.v2.json"
        objects = described.get(scan, {})
        boxes = tuple(
            replace(box, attributes=objects.get(box.id, ("", ()))[1])
            for box in (read_scan(path) if path.is_file() else ())
        )
        names = {key: name for key, (name, _) in objects.items() if name} | {box.id: box.label for box in boxes}
        yield Annotated(
            scan,
            f"{CLOUDS}/{scan}.npy",
            "pcl",
            origin=f"{scan}/semseg.v2.json",
            group=reference,
            boxes3d=boxes,
            relations=tuple(
                Relation(names[a], verb, names[b], a, b)
                for a, verb, b in relations.get(scan, ())
                if a in names and b in names
            ),
            questions=tuple(questions.get(scan, ())),
        )

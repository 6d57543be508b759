"""YOLO: one text file an image, its rows as fractions of the image; class names in data.yaml or classes.txt."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from lamm_data.errors import SourceError
from lamm_data.records.annotations import Keypoints
from lamm_data.sources.own.folder import SPLITS, Drawn, Folder, Part, hundredths, number_of
from lamm_data.sources.readers.fields import encoding_of, read_lines

NAME_FILES = ("classes.txt", "obj.names", "_darknet.labels")
_PAIRS = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
COCO_JOINTS = ("nose", *(f"{side}_{joint}" for joint in _PAIRS for side in ("left", "right")))
"""Joints of a data.yaml with 17 of them and no names: the format's own pose data are COCO's."""


def load_yaml(path: Path) -> Mapping[Any, Any]:
    """Load a data.yaml.

    Raises:
        SourceError: It is no YAML, no mapping, or has a key twice.
    """
    import yaml

    raw = path.read_bytes()
    try:
        tree, value = yaml.compose(raw, yaml.SafeLoader), yaml.safe_load(raw)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SourceError(f"Expected YAML, got {' '.join(str(error).split())[:120]} ({path}).") from error
    for node in (tree, *(entry for _, entry in getattr(tree, "value", ()))):
        keys = [key.value for key, _ in node.value] if isinstance(node, yaml.MappingNode) else []
        if twice := [key for key in keys if keys.count(key) > 1]:
            line = node.start_mark.line + 1
            raise SourceError(f"Expected every key once, got {twice[0]!r} twice ({path}, the mapping of line {line}).")
    if not isinstance(value, Mapping):
        raise SourceError(f"Expected a mapping with `names`, got {type(value).__name__} ({path}).")
    return value


def _names(folder: Folder, settings: Mapping[Any, Any], path: str) -> dict[int, str]:
    """Return class names by number, out of data.yaml or a list of names."""
    named = settings.get("names")
    if isinstance(named, Mapping):
        return {int(number_of(key, str(folder.root / path))): str(name) for key, name in named.items()}
    if isinstance(named, list):
        return dict(enumerate(map(str, named)))
    for other in folder.others:
        if PurePosixPath(other).name in NAME_FILES:
            return dict(enumerate(read_lines(folder.root / other)))
    raise SourceError(
        f"Expected the names of classes in data.yaml or classes.txt, got neither in {folder.root}. Write one class a "
        "line into classes.txt."
    )


class _Layout:
    """What data.yaml says: class names, joints, and which images are of which split."""

    def __init__(self, folder: Folder, files: list[str]) -> None:
        path = next((name for name in files if name.endswith((".yaml", ".yml"))), "")
        folder.at = str(folder.root / path)
        settings = load_yaml(folder.root / path) if path else {}
        self.names = _names(folder, settings, path)
        shape = settings.get("kpt_shape") or (0, 0)
        self.joints, self.columns = int(shape[0]), int(shape[1])
        named = settings.get("kpt_names")
        listed = next(iter(named.values()), ()) if isinstance(named, Mapping) else named or ()
        self.joint_names = tuple(map(str, listed)) or (COCO_JOINTS if self.joints == len(COCO_JOINTS) else ())
        self.splits: dict[str, str] = {}
        self.folders: list[tuple[str, str, str]] = []
        for key in (key for key in settings if key in SPLITS):
            for entry in settings[key] if isinstance(settings[key], list) else [settings[key]]:
                self._split(folder, str(entry or ""), SPLITS[key])

    def _split(self, folder: Folder, entry: str, split: str) -> None:
        place = "/".join(part for part in entry.split("/") if part not in ("", ".", ".."))
        if place.endswith(".txt") and (folder.root / place).is_file():
            names = {PurePosixPath(line.strip()).name for line in read_lines(folder.root / place)}
            self.splits |= dict.fromkeys(names, split)
        elif place:
            # Roboflow names folders from one that is not there; the others name them from the root on.
            self.folders.append((f"{place}/", "" if entry.startswith(("/", "..")) else "/", split))

    def split_of(self, media: str) -> str:
        """Return the split of an image; empty when data.yaml does not say."""
        here = f"/{media}"
        of_folder = (split for place, start, split in self.folders
                     if (here.startswith(f"/{place}") if start else f"/{place}" in here))  # fmt: skip
        return self.splits.get(PurePosixPath(media).name) or next(of_folder, "")


def label_files(folder: Folder) -> dict[str, str]:
    """Return the text file of each image that has one: beside it, or in `labels` where it is in `images`."""
    texts = {name for name in folder.others if name.endswith(".txt")}
    found = {}
    for media in folder.images:
        here = PurePosixPath(media).with_suffix(".txt")
        last = max((k for k, part in enumerate(here.parts) if part == "images"), default=-1)
        there = PurePosixPath(*here.parts[:last], "labels", *here.parts[last + 1 :]) if last >= 0 else here
        for path in (str(here), str(there)):
            if path in texts:
                found[media] = path
                break
    return found


def has_rows(path: Path) -> bool:
    """Tell whether the first row of a text file is a class and numbers; those that are none are left to the reader."""
    with path.open("rb") as handle:
        raw = handle.read(1 << 17)
    label, *numbers = next(iter(raw.decode(encoding_of(raw), "replace").splitlines()), "").split() or [""]
    return label.isdigit() and len(numbers) > 1 and all(re.match(r"-?(\.?\d|nan|inf)", cell) for cell in numbers)


def read_yolo(folder: Folder, files: list[str]) -> Iterator[Part]:
    """Read boxes, outlines, turned boxes and joints; an image without a text file has no objects.

    A text file among the others whose image is missing is an item too, so that its image is named as missing.
    """
    layout, labels = _Layout(folder, files), label_files(folder)
    for media in folder.images:
        origin, drawn = labels.get(media, ""), Drawn()
        width, height, _ = folder.size(media)
        folder.at = str(folder.root / (origin or media))
        raw = (folder.root / origin).read_bytes() if origin else b""
        text = raw.decode(encoding_of(raw), "replace")
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                _row(line.split(), layout, drawn, (width, height), f"{folder.root / origin}, line {number}")
        yield layout.split_of(media), drawn.item(media, origin, (width, height))
    places = {PurePosixPath(text).parent for text in labels.values()}
    for origin in sorted(set(folder.others) - set(labels.values())):
        path = PurePosixPath(origin)
        if path.suffix == ".txt" and path.parent in places and has_rows(folder.root / origin):
            media = str(path.with_suffix(""))
            yield layout.split_of(media), Drawn().item(media, origin, (0, 0))


def _row(cells: list[str], layout: _Layout, drawn: Drawn, size: tuple[int, int], where: str) -> None:
    values = [number_of(cell, where) for cell in cells]
    label = layout.names.get(int(values[0])) if values[0].is_integer() else None
    if label is None:
        raise SourceError(f"Expected a class of {len(layout.names)} by its number, got {cells[0]} ({where}).")
    pixels = hundredths(value * size[k % 2] for k, value in enumerate(values[1:]))
    with_joints = layout.joints * layout.columns
    if len(values) == 5 or (with_joints and len(values) == 5 + with_joints):
        x, y, width, height = (value * size[k % 2] for k, value in enumerate(values[1:5]))
        drawn.box(label, hundredths((x - width / 2, y - height / 2, x + width / 2, y + height / 2)))
        if with_joints:
            _joints(values[5:], layout, drawn, size)
    elif len(values) >= 7 and len(values) % 2:
        drawn.outline(label, list(zip(pixels[::2], pixels[1::2], strict=True)))
    else:
        joints = f", or 5 + {with_joints} with joints" if with_joints else ""
        raise SourceError(
            f"Expected 5 numbers of a box{joints}, or a class and the points of an outline, got {len(values)} "
            f"({where})."
        )


def _joints(values: list[float], layout: _Layout, drawn: Drawn, size: tuple[int, int]) -> None:
    if len(layout.joint_names) != layout.joints:
        drawn.skip("joints without names (`kpt_names` of data.yaml)")
        return
    rows = [values[k : k + layout.columns] for k in range(0, len(values), layout.columns)]
    # Without a third column a joint at the origin is one that was not labelled.
    flags = [int(row[2]) if layout.columns > 2 else 2 * bool(row[0] or row[1]) for row in rows]
    if any(flags):
        points = (hundredths((row[0] * size[0], row[1] * size[1])) for row in rows)
        triples = tuple((x, y, flag) for (x, y), flag in zip(points, flags, strict=True))
        drawn.keypoints.append(Keypoints(layout.joint_names, triples))

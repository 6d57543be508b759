"""The table of label formats, and which of them lies in a folder."""

from __future__ import annotations

import codecs
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lamm_data.errors import UsageError
from lamm_data.files.settings import did_you_mean
from lamm_data.records.annotations import ClassLabel
from lamm_data.sources.own.coco import read_coco
from lamm_data.sources.own.folder import SPLITS, Drawn, Folder, Part, Read
from lamm_data.sources.own.json_files import read_label_studio, read_labelme
from lamm_data.sources.own.tables import CAPTION, IMAGE, LABEL, OPEN_IMAGES, column, heading, read_csv, read_open_images
from lamm_data.sources.own.xml_files import read_cvat, read_voc
from lamm_data.sources.own.yolo import has_rows, label_files, read_yolo
from lamm_data.sources.readers.fields import encoding_of

HEAD = 1 << 17
"""Bytes of the beginning and of the end of a file that tell its format."""


@dataclass(frozen=True, slots=True)
class Format:
    """One label format.

    Attributes:
        title: Full name.
        read: Reader of its annotation files.
        by_name: Whether the name of an annotation file may tell a split; not where there is one file an image.
    """

    title: str
    read: Read
    by_name: bool = False


def read_class_folders(folder: Folder, files: list[str]) -> Iterator[Part]:
    """Read images whose folder is their class: `<class>/<image>`, or `<split>/<class>/<image>`."""
    places = class_folders(folder)
    labels = tuple(sorted({PurePosixPath(place).name for place in places}))
    for media in folder.images:
        place = PurePosixPath(media).parent
        if str(place) in places:
            drawn = Drawn(classes=[ClassLabel(place.name, labels=labels)])
            width, height, _ = folder.size(media)
            above = next((SPLITS[part] for part in reversed(place.parent.parts) if part.lower() in SPLITS), "")
            yield above, drawn.item(media, str(place), (width, height))


def class_folders(folder: Folder) -> list[str]:
    """Return the folders with images, at one depth; those that are all named after splits are none of classes."""
    places = sorted({str(PurePosixPath(media).parent) for media in folder.images})
    names = {PurePosixPath(place).name.lower() for place in places} - {""}
    flat = "." in places or len({place.count("/") for place in places}) > 1
    return [] if flat or names <= {*SPLITS, "images"} else places


FORMATS: dict[str, Format] = {
    "coco": Format("COCO JSON", read_coco, by_name=True),
    "yolo": Format("YOLO", read_yolo),
    "voc": Format("Pascal VOC XML", read_voc),
    "labelme": Format("LabelMe JSON", read_labelme),
    "label_studio": Format("Label Studio JSON", read_label_studio, by_name=True),
    "cvat": Format("CVAT for images 1.1 XML", read_cvat, by_name=True),
    "open_images": Format("Open Images CSV", read_open_images, by_name=True),
    "csv": Format("CSV of labels, captions or boxes", read_csv, by_name=True),
    "folders": Format("a folder per class", read_class_folders),
}
"""Label formats by their name for `--format`."""

_SIGNS = {
    "coco": (rb'"images"\s*:\s*\[', rb'"(annotations|categories)"\s*:\s*\['),
    "labelme": (rb'"shapes"\s*:\s*\[', rb'"(imagePath|imageData|version|flags)"'),
    "label_studio": (rb"^\s*\[", rb'"(annotations|completions|result|\w+labels|choices?)"\s*:', rb'"(data|image)"\s*:'),
    "cvat": (rb"<annotations\b", rb"<image\s"),
    "voc": (rb"<annotation\b", rb"<(object|size|filename)\b"),
}
"""What the text of a file of each format holds; all patterns must be found."""
_BY_SUFFIX = {".json": ("coco", "labelme", "label_studio"), ".xml": ("cvat", "voc")}


def _format_of(folder: Folder, name: str) -> str:
    """Return the format that an annotation file is of; empty when it is of none."""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in (".csv", ".tsv"):
        with (folder.root / name).open("rb") as handle:
            head = handle.read(HEAD)
        columns = heading(next(iter(head.decode(encoding_of(head), "replace").splitlines()), "").strip())[0]
        if set(columns) >= OPEN_IMAGES:
            return "open_images"
        return "csv" if column(columns, IMAGE) and (column(columns, LABEL) or column(columns, CAPTION)) else ""
    if suffix in (".yaml", ".yml"):
        text = _ends(folder.root / name)
        return "yolo" if re.search(rb"^\s*names\s*:", text, re.M) else ""
    text = _ends(folder.root / name) if suffix in _BY_SUFFIX else b""
    if suffix == ".xml" and text[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = text.decode("utf-16", "replace").encode()
    for key in _BY_SUFFIX.get(suffix, ()):
        if all(re.search(sign, text) for sign in _SIGNS[key]):
            return key
    return "coco" if suffix == ".json" and b'"image_id"' in text and b'"annotations"' in text else ""


def _ends(path: Path) -> bytes:
    with path.open("rb") as handle:
        head = handle.read(HEAD).removeprefix(codecs.BOM_UTF8)
        handle.seek(max(HEAD, path.stat().st_size - HEAD))
        return head + handle.read(HEAD)


def found_formats(folder: Folder) -> dict[str, list[str]]:
    """Return the formats that lie in a folder with their annotation files; class folders only where nothing else is."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in folder.others:
        if key := _format_of(folder, name):
            found[key].append(name)
    texts = sorted(set(label_files(folder).values()))
    if any(has_rows(folder.root / text) for text in texts[:20]):
        found["yolo"] += texts
    places = [] if found else class_folders(folder)
    if len({PurePosixPath(place).name for place in places}) > 1:  # a single folder is no choice between classes
        found["folders"] = places
    return dict(found)


def choose_format(folder: Folder, wanted: str = "") -> tuple[str, list[str]]:
    """Return the format to read and its files: the one named, or the only one there is.

    Raises:
        UsageError: There is none, not the one named, or several and none is named.
    """
    found = found_formats(folder)
    if wanted:
        if wanted not in FORMATS:
            raise UsageError(f"Expected a format, got {wanted!r}. {did_you_mean(wanted, FORMATS)}")
        files = found.get(wanted) or (class_folders(folder) if wanted == "folders" else [])
        if not files:
            raise UsageError(
                f"Expected files of {FORMATS[wanted].title} in {folder.root}, got "
                f"{', '.join(found) or _nothing(folder)}. Leave --format out to have it found."
            )
        return wanted, files
    if len(found) > 1:
        listed = "; ".join(f"{key} ({FORMATS[key].title}: {_listed(files)})" for key, files in found.items())
        raise UsageError(
            f"Expected annotations of one format in {folder.root}, got {listed}. Say which: --format NAME."
        )
    if not found:
        titles = ", ".join(one.title for one in FORMATS.values())
        raise UsageError(f"Expected {titles} in {folder.root}, got {_nothing(folder)}.")
    return next(iter(found.items()))


def _nothing(folder: Folder) -> str:
    return f"{len(folder.images)} images and {_listed(folder.others) if folder.others else 'no other files'}"


def _listed(names: list[str]) -> str:
    return f"{len(names)} files, {names[0]} first" if len(names) > 1 else names[0]

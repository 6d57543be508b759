"""PASCAL VOC: one XML file an image, and the split lists of ImageSets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

from lamm_data.errors import SourceError
from lamm_data.records.annotations import Annotated, Box
from lamm_data.sources.readers.fields import name_of, parse_xml, read_lines, text_of


def _number(element: ET.Element, tag: str, path: Path) -> float:
    text = text_of(element, tag, path)
    try:
        return float(text)
    except ValueError as error:
        raise SourceError(f"Expected a number in <{tag}>, got {text!r} ({path}).") from error


def box_of(element: ET.Element, path: Path, first: int = 1) -> Box:
    """Read one object; children are found by name since their order varies between files.

    VOC counts pixels from 1 and includes the last one, so the zero-based box starts one lower and ends the same. Files
    that count from another `first` differ in where the box starts.
    """
    # `part` elements hold a `bndbox` of their own: only the object's direct child counts.
    corners = element.find("bndbox")
    if corners is None:
        raise SourceError(f"Expected <bndbox> in each <object>, got none ({path}).")
    xmin, ymin, xmax, ymax = (_number(corners, tag, path) for tag in ("xmin", "ymin", "xmax", "ymax"))
    difficult = (element.findtext("difficult") or "0").strip().lower() in ("1", "true", "yes")
    return Box(name_of(element, "name", path), (xmin - first, ymin - first, xmax, ymax), difficult=difficult)


def read_voc_file(path: Path) -> Annotated:
    """Read one annotation file; difficult objects are kept and marked."""
    root = parse_xml(path)
    size = root.find("size")
    if size is None:
        raise SourceError(f"Expected <size> in <annotation>, got none ({path}).")
    return Annotated(
        path.stem,
        f"JPEGImages/{text_of(root, 'filename', path)}",
        origin=f"Annotations/{path.name}",
        width=int(_number(size, "width", path)),
        height=int(_number(size, "height", path)),
        boxes=tuple(box_of(element, path) for element in root.findall("object")),
    )


def open_voc(root: Path, split: str) -> Iterator[Annotated]:
    """Read the images that `ImageSets/Main/<split>.txt` lists."""
    for line in read_lines(root / "ImageSets" / "Main" / f"{split}.txt"):
        yield read_voc_file(root / "Annotations" / f"{line.split()[0]}.xml")

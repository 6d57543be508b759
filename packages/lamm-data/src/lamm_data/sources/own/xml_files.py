"""XML of labelling tools: Pascal VOC, one file an image, and CVAT for images 1.1, one file for all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree as ET

from lamm_data.records.annotations import ClassLabel, Keypoints
from lamm_data.sources.own.folder import SPLITS, Drawn, Folder, Part, number_of, split_of
from lamm_data.sources.readers.fields import name_of, parse_xml, read_lines
from lamm_data.sources.readers.voc import box_of

LISTS = "ImageSets/Main/"


def read_voc(folder: Folder, files: list[str]) -> Iterator[Part]:
    """Read VOC files. Corners are taken as written, as today's tools write them, not counted from 1 as VOC's own are.

    Files that say in `<database>` that they are VOC's own are read in VOC's way.
    """
    lists = [(name, SPLITS[PurePosixPath(name).stem]) for name in folder.others
             if LISTS in name and PurePosixPath(name).stem in SPLITS]  # fmt: skip
    splits = {line.split()[0]: split for name, split in lists for line in read_lines(folder.root / name)}
    for name in files:
        path, drawn = folder.root / name, Drawn()
        folder.at = str(path)
        root = parse_xml(path)
        first = 1 if "VOC" in (root.findtext("source/database") or "") else 0
        for element in root.findall("object"):
            if element.find("bndbox") is None:
                drawn.skip("object without a box")
            else:
                drawn.boxes.append(box_of(element, path, first))
        stem = PurePosixPath(name).stem
        media = folder.find((root.findtext("filename") or "").strip() or stem, name, split_of(name))
        if media not in folder.images:  # some tools keep the name of another suffix, or of a renamed file
            media = folder.find(stem, name, split_of(name))
        stated = [(root.findtext(f"size/{tag}") or "0").strip() or "0" for tag in ("width", "height")]
        width, height, noted = folder.size(media, *(int(number_of(text, str(path))) for text in stated))
        drawn.account.update(noted)
        yield splits.get(stem, ""), drawn.item(media, name, (width, height))


def read_cvat(folder: Folder, files: list[str]) -> Iterator[Part]:
    """Read CVAT files: boxes, outlines, masks, skeletons and tags of each image."""
    for name in files:
        path = folder.root / name
        for image in parse_xml(path).iter("image"):
            split = SPLITS.get((image.get("subset") or "").lower(), "")
            media, drawn = folder.find(name_in(image, path), name, split or split_of(name)), Drawn()
            folder.at = where = f"{path}, image {image.get('name')}"
            for element in image:
                _cvat_shape(element, drawn, where)
            stated = (int(number_of(image.get(key) or 0, str(path))) for key in ("width", "height"))
            width, height, noted = folder.size(media, *stated)
            drawn.account.update(noted)
            yield split, drawn.item(media, name, (width, height))


def name_in(image: ET.Element, path: Path) -> str:
    """Return the file name of a CVAT image.

    Raises:
        SourceError: It has none.
    """
    if not (image.get("name") or "").strip():
        name_of(image, "name", path)
    return str(image.get("name"))


def _points(text: str, where: str) -> list[tuple[float, float]]:
    pairs = (point.split(",") for point in text.split(";") if point.strip())
    return [(number_of(x, where), number_of(y, where)) for x, y in pairs]


def _cvat_shape(element: ET.Element, drawn: Drawn, where: str) -> None:
    label = element.get("label", "")

    def numbers(*keys: str) -> list[float]:
        return [number_of(element.get(key), where) for key in keys]

    if element.tag == "tag":
        drawn.classes.append(ClassLabel(label))
    elif element.tag == "box":
        x1, y1, x2, y2 = numbers("xtl", "ytl", "xbr", "ybr")
        if turn := number_of(element.get("rotation") or 0, where):
            drawn.outline(label, turned((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, turn), what="a turned one")
        else:
            drawn.box(label, (x1, y1, x2, y2))
    elif element.tag in ("polygon", "polyline"):
        drawn.outline(label, _points(element.get("points", ""), where))
    elif element.tag == "ellipse":
        x, y, rx, ry = numbers("cx", "cy", "rx", "ry")
        drawn.outline(label, [(x - rx, y - ry), (x + rx, y + ry)])
    elif element.tag == "mask":
        x, y, width, height = numbers("left", "top", "width", "height")
        drawn.outline(label, [(x, y), (x + width, y + height)])
    elif element.tag == "skeleton":
        _skeleton(element, drawn, where)
    else:
        drawn.skip(f"{element.tag} (no box)")


def _skeleton(element: ET.Element, drawn: Drawn, where: str) -> None:
    names, points = [], []
    for joint in element.findall("points"):
        (at,) = _points(joint.get("points", ""), where)[:1]
        names.append(joint.get("label", ""))
        flag = 0 if joint.get("outside") == "1" else 1 if joint.get("occluded") == "1" else 2
        points.append((*at, flag))
    if any(flag for *_, flag in points):
        drawn.keypoints.append(Keypoints(tuple(names), tuple(points)))


def turned(x: float, y: float, width: float, height: float, degrees: float) -> list[tuple[float, float]]:
    """Return the corners of a box turned clockwise about its centre `(x, y)`; pixels and degrees."""
    from math import cos, radians, sin

    c, s = cos(radians(degrees)), sin(radians(degrees))
    halves = [(a * width / 2, b * height / 2) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    return [(x + a * c - b * s, y + a * s + b * c) for a, b in halves]

"""JSON of labelling tools: LabelMe, one file an image, and Label Studio, one file for all (JSON and JSON-MIN)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import hypot
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from lamm_data.errors import SourceError
from lamm_data.files.json_lines import iter_values, load_json
from lamm_data.records.annotations import ClassLabel
from lamm_data.sources.own.folder import IMAGES, Drawn, Folder, Part, hundredths, number_of, split_of
from lamm_data.sources.own.xml_files import turned
from lamm_data.sources.readers.fields import need

_UPLOADED = re.compile(r"^[0-9a-f]{8}-")
"""What Label Studio puts before the name of an uploaded file."""


def read_labelme(folder: Folder, files: list[str]) -> Iterator[Part]:
    """Read LabelMe files: rectangles, outlines, circles, masks, points that a group makes one person's, and flags."""
    for name in files:
        path, drawn = folder.root / name, Drawn()
        folder.at = str(path)
        value = need(load_json(path), ("shapes",), path, "a LabelMe file")
        for number, entry in enumerate(value["shapes"], 1):
            folder.at = where = f"{path}, shape {number}"
            _labelme_shape(need(entry, ("label", "points"), where, "a shape"), drawn, where)
        folder.at = str(path)
        drawn.classes = [ClassLabel(str(flag)) for flag, on in (value.get("flags") or {}).items() if on is True]
        media = folder.find(str(value.get("imagePath") or PurePosixPath(name).stem), name, split_of(name))
        beside = folder.find(PurePosixPath(name).stem, name, split_of(name)) if media not in folder.images else media
        media = beside if beside in folder.images else media
        width, height, noted = folder.size(media, value.get("imageWidth"), value.get("imageHeight"))
        drawn.account.update(noted)
        yield "", drawn.item(media, name, (width, height))


def _labelme_shape(shape: Mapping[str, Any], drawn: Drawn, where: str) -> None:
    label, kind = str(shape["label"] or ""), str(shape.get("shape_type") or "polygon")
    points = [(number_of(x, where), number_of(y, where)) for x, y in shape["points"]]
    if kind == "point" and points:
        drawn.joints[str(shape.get("group_id"))].append((label, *points[0], 2))
    elif kind == "circle" and len(points) == 2:
        (x, y), (edge_x, edge_y) = points
        radius = hypot(edge_x - x, edge_y - y)
        drawn.outline(label, [(x - radius, y - radius), (x + radius, y + radius)])
    elif kind == "rectangle" and len(points) == 2:
        (x1, y1), (x2, y2) = points  # drawn from any corner
        drawn.box(label, (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)))
    elif kind in ("rectangle", "polygon", "rotation", "oriented_rectangle", "mask", "linestrip"):
        drawn.outline(label, points)
    else:
        drawn.skip(f"{kind} (no box)")


def read_label_studio(folder: Folder, files: list[str]) -> Iterator[Part]:
    """Read Label Studio exports: boxes, outlines, ellipses, joints, choices and texts.

    Of several people's annotations of one image the one marked as ground truth counts, else the first; what was
    cancelled does not, nor do predictions.
    """
    for name in files:
        for line, value in iter_values(folder.root / name):
            folder.at = where = f"{folder.root / name}, line {line}"
            if not isinstance(value, Mapping):
                raise SourceError(f"Expected a task of Label Studio, got {type(value).__name__} ({where}).")
            data, drawn = value.get("data", value), Drawn()
            media = _media(folder, need(data, (), where, "data"), name, where)
            regions, size = list(_regions(value, drawn)), folder.size(media)[:2]
            if regions and not size[0]:  # the picture is not there, or damaged
                size = folder.size(media, regions[0].get("original_width"), regions[0].get("original_height"))[:2]
            for region in regions:
                _region(region, drawn, size, where)
            yield "", drawn.item(media, name, size)


def _media(folder: Folder, data: Mapping[str, Any], near: str, where: str) -> str:
    """Find the image of a task: the first of its values that names one, as an upload, a local file or an address."""
    for value in data.values():
        if isinstance(value, str) and "\n" not in value:
            address = urlsplit(value)
            local = parse_qs(address.query).get("d", [""])[0]
            path = unquote(local or (f"{address.netloc}{address.path}" if "://" in value else value))
            if PurePosixPath(path).suffix.lower() in IMAGES:
                media = folder.find(path, near)
                if media in folder.images:
                    return media
                return folder.find(_UPLOADED.sub("", PurePosixPath(path).name), near)
    raise SourceError(f"Expected a task that names an image, got {str(dict(data))[:80]} ({where}).")


def _regions(task: Mapping[str, Any], drawn: Drawn) -> Iterator[dict[str, Any]]:
    """Yield what one person drew on one image; the plain lists of JSON-MIN are given the form of the full export."""
    people = task.get("annotations", task.get("completions"))
    if isinstance(people, list):
        done = [one for one in people if not one.get("was_cancelled")]
        if len(done) > 1:
            drawn.account["left out: annotations of further people"] += len(done) - 1
        for chosen in sorted(done, key=lambda one: not one.get("ground_truth"))[:1]:
            yield from chosen.get("result") or ()
        return
    for key, value in task.items():
        if key in ("choice", "choices") and value:
            yield {"type": "choices", "value": value if isinstance(value, Mapping) else {"choices": [value]}}
        for entry in value if isinstance(value, list) else ():
            kind = next((name for name in entry if name.endswith("labels")), "") if isinstance(entry, Mapping) else ""
            if kind:
                yield {"type": kind, "value": dict(entry)}


def _region(region: Mapping[str, Any], drawn: Drawn, size: tuple[int, int], where: str) -> None:
    kind, value = str(region.get("type")), region.get("value") or {}
    if kind == "choices":
        drawn.classes += [ClassLabel(str(choice)) for choice in value.get("choices") or ()]
    elif kind == "textarea":
        texts = value.get("text") or ()
        drawn.captions += [texts] if isinstance(texts, str) else map(str, texts)
    elif kind not in _SHAPES:
        drawn.skip(f"{kind} (no box)")
    else:
        labels = [str(label) for label in value.get(kind) or value.get("labels") or ("",)]
        numbers = {name: number_of(value.get(name), where) for name in _SHAPES[kind]}
        pixels = hundredths(number * size[k % 2] / 100 for k, number in enumerate(numbers.values()))
        if kind == "keypointlabels":
            drawn.joints[str(region.get("parentID", ""))].append((labels[0], pixels[0], pixels[1], 2))
            return
        for label in labels:
            _shape(kind, label, value, pixels, drawn, size, f"{where}, region {region.get('id', '')}")


_SHAPES = {
    "rectanglelabels": ("x", "y", "width", "height"),
    "polygonlabels": (),
    "ellipselabels": ("x", "y", "radiusX", "radiusY"),
    "keypointlabels": ("x", "y"),
}
"""Numbers of each kind of region: per cent of the image's width and height, in turns."""


def _shape(
    kind: str,
    label: str,
    value: Mapping[str, Any],
    pixels: tuple[float, ...],
    drawn: Drawn,
    size: tuple[int, int],
    where: str,
) -> None:
    key = where.rpartition(" ")[2]
    if kind == "polygonlabels":
        percent = [(number_of(x, where), number_of(y, where)) for x, y in value.get("points") or ()]
        drawn.outline(label, [hundredths((x * size[0] / 100, y * size[1] / 100)) for x, y in percent], key)
        return
    x, y, width, height = pixels
    if kind == "ellipselabels":
        drawn.outline(label, [(x - width, y - height), (x + width, y + height)], key)
    elif turn := number_of(value.get("rotation") or 0, where):  # it turns about its first corner
        end = turned(0, 0, width, height, turn)[2]
        drawn.outline(label, turned(x + end[0], y + end[1], width, height, turn), key, "a turned one")
    else:
        drawn.box(label, hundredths((x, y, x + width, y + height)), key)

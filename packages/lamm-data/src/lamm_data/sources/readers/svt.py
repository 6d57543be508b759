"""Street View Text: words in photographs, `train.xml` and `test.xml`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

from lamm_data.errors import SourceError
from lamm_data.records.annotations import Annotated, Box
from lamm_data.sources.readers.fields import name_of, parse_xml, text_of


def _box(rectangle: ET.Element, path: Path) -> Box:
    try:
        x, y, width, height = (float(rectangle.attrib[key]) for key in ("x", "y", "width", "height"))
    except (KeyError, ValueError) as error:
        raise SourceError(f"Expected x, y, width and height, got {rectangle.attrib} ({path}).") from error
    return Box(name_of(rectangle, "tag", path), (x, y, x + width, y + height))


def read_svt(root: Path, split: str) -> Iterator[Annotated]:
    """Read the words of each image, in upper case as stored; repeated words are kept.

    Boxes may reach beyond the stated resolution; they are kept as they are (`Box.normalised` clips).
    """
    path = root / f"{split}.xml"
    for element in parse_xml(path).iter("image"):
        name = text_of(element, "imageName", path)
        size = element.find("Resolution")
        width, height = (int(size.attrib["x"]), int(size.attrib["y"])) if size is not None else (0, 0)
        boxes = tuple(_box(rectangle, path) for rectangle in element.iter("taggedRectangle"))
        yield Annotated(
            Path(name).stem,
            name,
            origin=path.name,
            width=width,
            height=height,
            boxes=boxes,
            words=tuple(box.label for box in boxes),
        )

"""Flickr30k: the token file with five captions an image, and the Entities with phrases and boxes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from xml.etree import ElementTree as ET

from lamm_data.errors import SourceError
from lamm_data.records.annotations import Annotated, Box
from lamm_data.sources.readers.fields import measured, parse_xml, read_lines, text_of

_PHRASE = re.compile(r"\[/EN#(\d+)((?:/\w+)+) ([^\]]+)\]")
_SPACE_BEFORE = re.compile(r"\s+([.,;:!?%)\]]|'s\b|n't\b)")
_SPACE_AFTER = re.compile(r"([(\[$#])\s+")
_UNRELATED = re.compile(r"^(\d+)(?:\.jpg)?[\s#,]+(\d+)$")
IMAGES = "flickr30k-images"
TOKEN_FILE = "results_20130124.token"
UNRELATED_FILE = "UNRELATED_CAPTIONS"
"""List of captions that do not describe their image; it comes with Flickr30k Entities."""


def untokenise(text: str) -> str:
    """Undo the spacing of a tokenised caption.

    >>> untokenise("Two men , one in a hat , look at the girl 's dog .")
    "Two men, one in a hat, look at the girl's dog."
    """
    text = _SPACE_BEFORE.sub(r"\1", " ".join(text.split()))
    text = _SPACE_AFTER.sub(r"\1", text)
    return re.sub(r'" ([^"]*?) "', r'"\1"', text)


def read_unrelated(root: Path) -> frozenset[tuple[str, int]]:
    """Read which captions, by image id and number from 0, do not describe their image; none where there is no list.

    Raises:
        SourceError: A line is no image with a caption number.
    """
    path = root / UNRELATED_FILE
    captions = set()
    for number, line in enumerate(read_lines(path) if path.is_file() else (), 1):
        match = _UNRELATED.match(line.strip())
        if match:
            captions.add((match[1], int(match[2])))
        elif number > 1:  # the first line may be a heading
            raise SourceError(f"Expected an image and a caption number, got {line[:60]!r} ({path}, line {number}).")
    return frozenset(captions)


def read_token_file(path: Path) -> Iterator[Annotated]:
    """Read `<image>#<number>` tab `<caption>` lines; neighbouring lines of one image share an item.

    Captions that `UNRELATED_CAPTIONS` lists are left out where that file lies beside this one.

    Raises:
        SourceError: A line has not this form.
    """
    unrelated = read_unrelated(path.parent)

    def rows() -> Iterator[tuple[str, str | None]]:
        for number, line in enumerate(read_lines(path), 1):
            key, tab, caption = line.partition("\t")
            image, mark, index = key.rpartition("#")
            if not tab or not mark or not index.isdigit():
                raise SourceError(
                    f"Expected image#number, a tab and a caption, got {line[:60]!r} ({path}, line {number})."
                )
            wanted = not unrelated or (Path(image).stem, int(index)) not in unrelated
            yield image, untokenise(caption) if wanted else None

    for image, entries in groupby(rows(), key=lambda row: row[0]):
        captions = tuple(caption for _, caption in entries if caption is not None)
        yield measured(path.parent, f"{IMAGES}/{image}", Path(image).stem, origin=path.name, captions=captions)


def open_flickr30k(root: Path, split: str) -> Iterator[Annotated]:
    """Read the captions of a download; `<split>.txt`, as Entities ships it, names the images of any split but `all`."""
    wanted = None if split == "all" else {line.split(".")[0] for line in read_lines(root / f"{split}.txt")}
    for item in read_token_file(root / TOKEN_FILE):
        if wanted is None or item.id in wanted:
            yield item


def read_entities(root: Path, image: str, unrelated: frozenset[tuple[str, int]] = frozenset()) -> Annotated:
    """Read one image of Flickr30k Entities: clean captions and a box for every phrase that has one.

    A box that several phrase chains share is given once for each. Chains marked `scene` or `nobndbox` have no box.
    Boxes are zero-based pixels, the last one included. Captions that `unrelated` has by image and number are left out.
    """
    sentences = read_lines(root / "Sentences" / f"{image}.txt")
    phrases: dict[str, str] = {}
    for sentence in sentences:
        for match in _PHRASE.finditer(sentence):
            phrases.setdefault(match[1], match[3])
    path = root / "Annotations" / f"{image}.xml"
    element = parse_xml(path)
    size = element.find("size")
    width, height = (int(text_of(size, tag, path)) for tag in ("width", "height")) if size is not None else (0, 0)
    return Annotated(
        image,
        f"{IMAGES}/{image}.jpg",
        origin=f"Annotations/{path.name}",
        width=width,
        height=height,
        captions=tuple(
            untokenise(_PHRASE.sub(r"\3", sentence))
            for number, sentence in enumerate(sentences)
            if (image, number) not in unrelated
        ),
        boxes=tuple(_entity_boxes(element, phrases, path)),
    )


def open_entities(root: Path, split: str) -> Iterator[Annotated]:
    """Read the images that `<split>.txt` lists."""
    unrelated = read_unrelated(root)
    for line in read_lines(root / f"{split}.txt"):
        yield read_entities(root, line.strip().removesuffix(".jpg"), unrelated)


def _entity_boxes(element: ET.Element, phrases: dict[str, str], path: Path) -> Iterator[Box]:
    for entry in element.findall("object"):
        corners = entry.find("bndbox")
        if corners is None:
            continue
        x1, y1, x2, y2 = (float(text_of(corners, tag, path)) for tag in ("xmin", "ymin", "xmax", "ymax"))
        for name in entry.findall("name"):
            chain = (name.text or "").strip()
            if chain in phrases:
                yield Box(phrases[chain], (x1, y1, x2 + 1, y2 + 1), chain)

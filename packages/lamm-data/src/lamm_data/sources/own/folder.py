"""What lies in a folder of the user's own, and the values that the readers of label formats put together."""

from __future__ import annotations

import math
import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from lamm_data.errors import SourceError
from lamm_data.records.annotations import Annotated, Box, ClassLabel, Keypoints
from lamm_data.sources.readers.fields import image_size

IMAGES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif"})
SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test",
          "testing": "test"}  # fmt: skip
"""Names of folders and files that tell a split."""
Part = tuple[str, Annotated]
"""A split, empty where only the place of the files tells it, and an item."""
Read = Callable[["Folder", list[str]], Iterator[Part]]
"""Reads the annotation files of one format, named below the folder's root."""


def split_of(path: str, by_name: bool = False) -> str:
    """Return the split that a path tells by its folders, or by its file name too; empty when it tells none."""
    *folders, name = path.lower().split("/")
    words = re.split(r"[^a-z]+", name.rpartition(".")[0] or name) if by_name else []
    return next((SPLITS[word] for word in (*words, *reversed(folders)) if word in SPLITS), "")


def corners_around(points: Iterable[Sequence[float]]) -> tuple[float, float, float, float]:
    """Return the smallest box around points, `(x1, y1, x2, y2)`."""
    xs, ys = zip(*((point[0], point[1]) for point in points), strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def hundredths(values: Iterable[float]) -> tuple[float, ...]:
    """Round pixels that were stored as fractions or per cent: their last decimals are those of the storing."""
    return tuple(round(value, 2) for value in values)


def number_of(text: Any, where: str) -> float:
    """Return a finite number.

    Raises:
        SourceError: It is none; `where` says in which file and row.
    """
    try:
        value = float(text)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise SourceError(f"Expected a number, got {str(text)[:40]!r} ({where}).")
    return value


@dataclass
class Drawn:
    """What was drawn on one image, collected while its annotations are read. Boxes and points are pixels.

    Attributes:
        boxes: Labelled boxes.
        keypoints: People whose joints the file holds together.
        classes: Classes of the whole image.
        captions: Texts about the image.
        account: What was completed or left out, see `Annotated.account`.
        joints: Joints that stand alone in the file, by the group that makes them one person's.
    """

    boxes: list[Box] = field(default_factory=list)
    keypoints: list[Keypoints] = field(default_factory=list)
    classes: list[ClassLabel] = field(default_factory=list)
    captions: list[str] = field(default_factory=list)
    account: Counter[str] = field(default_factory=Counter)
    joints: dict[str, list[tuple[str, float, float, int]]] = field(default_factory=lambda: defaultdict(list))

    def box(self, label: str, corners: Iterable[float], key: Any = "", **marks: Any) -> None:
        """Add a box by its corners `(x1, y1, x2, y2)`."""
        x1, y1, x2, y2 = corners
        self.boxes.append(Box(label, (x1, y1, x2, y2), str(key), **marks))

    def outline(self, label: str, points: Sequence[Sequence[float]], key: Any = "", what: str = "an outline") -> None:
        """Add the smallest box around an outline."""
        if not points:
            self.skip("outline without points")
            return
        self.box(label, corners_around(points), key)
        self.account[f"noted: box taken around {what}"] += 1

    def skip(self, what: str) -> None:
        """Leave something out, and count it."""
        self.account[f"left out: {what}"] += 1

    def item(self, media: str, origin: str, size: tuple[int, int], licence: str = "") -> Annotated:
        """Make the item; its id is its path without the suffix, so that it is the same whichever format it is from."""
        people = list(self.keypoints)
        for group in self.joints.values():
            names = tuple(name for name, *_ in group)
            if len(set(names)) < len(names):
                self.account["left out: joints of several people that no group tells apart"] += len(names)
            else:
                people.append(Keypoints(names, tuple((x, y, flag) for _, x, y, flag in group)))
        return Annotated(
            str(PurePosixPath(media).with_suffix("")),
            media,
            origin=origin,
            width=size[0],
            height=size[1],
            boxes=tuple(self.boxes),
            keypoints=tuple(people),
            classes=tuple(self.classes),
            captions=tuple(self.captions),
            licence=licence,
            account=dict(self.account),
        )


class Folder:
    """Everything below a root, listed once: images, other files, and which image an annotation means.

    Hidden files and folders are not looked at, nor are links to folders.

    Attributes:
        at: File and row that is being read, for messages.

    Args:
        root: Folder of images and annotations.

    Raises:
        SourceError: It is no folder.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            raise SourceError(f"Expected a folder, got {root}. Name the folder of your images with --root.")
        self.at = str(root)
        self.images: dict[str, None] = {}
        self.others: list[str] = []
        self._named: dict[str, list[str]] = defaultdict(list)
        for path in sorted(_files(self.root)):
            if PurePosixPath(path).suffix.lower() in IMAGES:
                self.images[path] = None
                name = PurePosixPath(path)
                for key in {_folded(name.name), _folded(name.stem)}:
                    self._named[key].append(path)
            else:
                self.others.append(path)

    def find(self, name: str, near: str, split: str = "") -> str:
        """Find the image that an annotation names, whatever folders it has put before the name.

        Args:
            name: Path or name as the annotation has it, of any system; without a suffix it may be of any kind.
            near: Annotation file below the root.
            split: Split of the annotation; it tells images of one name apart.

        Returns:
            Path below the root; the name as it is where there is no such image.

        Raises:
            SourceError: Several images have that name, and nothing tells which is meant.
        """
        parts = [part for part in re.split(r"[\\/]+", name.strip()) if part not in ("", ".")]
        clean, here = "/".join(part for part in parts if part != ".."), PurePosixPath(near).parent
        for base in (here, here / "images", here.parent, here.parent / "images", PurePosixPath()):
            if (path := str(base / clean)) in self.images:
                return path
        last = parts[-1] if parts else ""
        named = self._named.get(_folded(last)) or self._named.get(_folded(unquote(last)), [])
        best = max((_shared_end(path, clean) for path in named), default=0)
        alike = [path for path in named if _shared_end(path, clean) == best]
        of_split = [path for path in alike if split and split_of(path) == split]
        if len(of_split) == 1 or len(alike) == 1:
            return (of_split or alike)[0]
        if alike:
            raise SourceError(
                f"Expected one image called {clean!r}, got {', '.join(alike[:4])} ({self.root / near}). "
                "Write its folder into the annotation, or convert one of the folders."
            )
        return clean

    def size(self, media: str, width: Any = 0, height: Any = 0) -> tuple[int, int, Mapping[str, int]]:
        """Return width and height of an image, read from the picture where the annotation has none, and its account."""
        if width and height:
            return int(width), int(height), {}
        return *image_size(self.root, media), {"noted: image size read from the picture": 1}


def _files(root: Path) -> Iterator[str]:
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        below = Path(folder).relative_to(root)
        yield from ((below / name).as_posix() for name in names if not name.startswith("."))


def _folded(name: str) -> str:
    """Return a name as names are compared: in lower case, each letter one with its marks, whatever system wrote it."""
    return unicodedata.normalize("NFC", name).lower()


def _shared_end(path: str, name: str) -> int:
    """Return how many of their last parts two paths have in common."""
    pairs = zip(reversed(_folded(path).split("/")), reversed(_folded(name).split("/")), strict=False)
    return next((number for number, (a, b) in enumerate(pairs) if a != b), min(path.count("/"), name.count("/")) + 1)

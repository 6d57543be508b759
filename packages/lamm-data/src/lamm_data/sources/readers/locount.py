"""Locount: goods on shelves, one text file an image with boxes, classes and how many items each box holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from lamm_data.errors import SourceError
from lamm_data.records.annotations import Annotated, Box, Count, join
from lamm_data.sources.readers.fields import image_size, read_lines

SIZE = (1920, 1080)
"""Size of every photograph, used where the image itself is not there."""


def read_locount_file(path: Path, media: str, size: tuple[int, int]) -> Annotated:
    """Read `x1,y1,x2,y2,class,count` lines. The class may hold commas, so the line is cut from both ends.

    Counts of one class are added up over its boxes, since a question names the class and not a box.

    Raises:
        SourceError: A line has not this form.
    """
    boxes: list[Box] = []
    for number, line in enumerate(read_lines(path), 1):
        try:
            x1, y1, x2, y2, rest = line.split(",", 4)
            name, _, count = rest.rpartition(",")
            corners = (float(x1), float(y1), float(x2), float(y2))
            boxes.append(Box(name.strip(), corners, str(number), count=int(count)))
        except ValueError as error:
            raise SourceError(f"Expected x1,y1,x2,y2,class,count, got {line!r} ({path}, line {number}).") from error
    totals: Counter[str] = Counter()
    for box in boxes:
        totals[box.label] += box.count
    return Annotated(
        path.stem,
        join(media, f"{path.stem}.jpg"),
        origin=path.name,
        width=size[0],
        height=size[1],
        boxes=tuple(boxes),
        counts=tuple(Count(name, number) for name, number in totals.items()),
    )


def open_locount(root: Path, split: str) -> Iterator[Annotated]:
    """Read `Locount_GtTxts<Split>/*.txt` with images in `Locount_Images<Split>`; `split` is `train` or `test`."""
    name = split.capitalize()
    folder, media = root / f"Locount_GtTxts{name}", f"Locount_Images{name}"
    paths = sorted(folder.glob("*.txt"))
    if not paths:
        raise SourceError(f"Expected text files in {folder}, got none. Check the root folder and split.")
    for path in paths:
        size = image_size(root, f"{media}/{path.stem}.jpg")
        yield read_locount_file(path, media, size if size[0] else SIZE)

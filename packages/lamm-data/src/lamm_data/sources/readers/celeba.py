"""CelebA: the attribute table (smile and hair colour) and the partition file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lamm_data.errors import SourceError
from lamm_data.records.annotations import Annotated, ClassLabel
from lamm_data.sources.readers.fields import image_size, join, read_lines

SPLITS = {"train": "0", "val": "1", "test": "2"}
HAIR = {"Black_Hair": "black", "Blond_Hair": "blond", "Brown_Hair": "brown", "Gray_Hair": "gray", "Bald": "bald"}


def _partition(root: Path, split: str) -> set[str]:
    path = root / "list_eval_partition.txt"
    if split not in SPLITS:
        raise SourceError(f"Expected a split out of {', '.join(SPLITS)}, got {split!r}.")
    return {line.split()[0] for line in read_lines(path) if line.split()[1:] == [SPLITS[split]]}


def read_celeba(root: str | Path, split: str, media: str = "img_align_celeba", below: str = "") -> Iterator[Annotated]:
    """Read smile and hair colour of each face.

    The first line of the table claims a number of rows; it is not trusted, rows are counted. Hair colour is given only
    when exactly one of the colour attributes is set, since a face with none or several has no single answer.

    Args:
        root: Folder with `list_attr_celeba.txt` and `list_eval_partition.txt`.
        split: `train`, `val` or `test`.
        media: Folder of the images below `root`.
        below: Prefix that leads from the media root to `root`.

    Raises:
        SourceError: A row has not as many values as the header has names, or a value other than 1 and -1.
    """
    root = Path(root)
    path = root / "list_attr_celeba.txt"
    wanted = _partition(root, split)
    lines = read_lines(path)
    header = 1 if lines and lines[0].split()[0].isdigit() and len(lines[0].split()) == 1 else 0
    names = lines[header].split()
    for number, line in enumerate(lines[header + 1 :], header + 2):
        file, *values = line.split()
        if len(values) != len(names) or not set(values) <= {"1", "-1"}:
            raise SourceError(f"Expected {len(names)} values of 1 or -1, got {len(values)} ({path}, line {number}).")
        if file in wanted:
            attributes = dict(zip(names, values, strict=True))
            width, height = image_size(root / media / file)
            yield Annotated(
                Path(file).stem,
                join(below, join(media, file)),
                origin=path.name,
                width=width,
                height=height,
                classes=tuple(_classes(attributes)),
            )


def _classes(attributes: dict[str, str]) -> Iterator[ClassLabel]:
    if "Smiling" in attributes:
        smiling = "yes" if attributes["Smiling"] == "1" else "no"
        yield ClassLabel(smiling, "facial_classification", "smile", ("yes", "no"))
    colours = tuple(word for column, word in HAIR.items() if column in attributes)
    set_ones = [HAIR[column] for column in HAIR if attributes.get(column) == "1"]
    if len(set_ones) == 1:
        yield ClassLabel(set_ones[0], "facial_classification", "hair", colours)

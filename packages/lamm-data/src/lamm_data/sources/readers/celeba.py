"""CelebA: the attribute table (smile and hair colour) and the partition file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lamm_data.errors import SourceError
from lamm_data.records.annotations import Annotated, ClassLabel
from lamm_data.sources.readers.fields import measured, read_lines

SPLITS = {"train": "0", "val": "1", "test": "2"}
HAIR = {"Black_Hair": "black", "Blond_Hair": "blond", "Brown_Hair": "brown", "Gray_Hair": "gray", "Bald": "bald"}


def read_celeba(root: Path, split: str) -> Iterator[Annotated]:
    """Read smile and hair colour of each face.

    The first line of the table claims a number of rows; it is not trusted, rows are counted. Hair colour is given only
    when exactly one of the colour attributes is set, since a face with none or several has no single answer.

    Raises:
        SourceError: A row has not as many values as the header has names, or a value other than 1 and -1.
    """
    path, partition = root / "list_attr_celeba.txt", map(str.split, read_lines(root / "list_eval_partition.txt"))
    wanted = {file for file, *part in partition if part == [SPLITS[split]]}
    lines = read_lines(path)
    header = 1 if lines and lines[0].split()[0].isdigit() and len(lines[0].split()) == 1 else 0
    names = lines[header].split()
    for number, line in enumerate(lines[header + 1 :], header + 2):
        file, *values = line.split()
        if len(values) != len(names) or not set(values) <= {"1", "-1"}:
            raise SourceError(f"Expected {len(names)} values of 1 or -1, got {len(values)} ({path}, line {number}).")
        if file in wanted:
            classes = tuple(_classes(dict(zip(names, values, strict=True))))
            yield measured(root, f"img_align_celeba/{file}", Path(file).stem, origin=path.name, classes=classes)


def _classes(attributes: dict[str, str]) -> Iterator[ClassLabel]:
    if "Smiling" in attributes:
        smiling = "yes" if attributes["Smiling"] == "1" else "no"
        yield ClassLabel(smiling, "facial_classification", "smile", ("yes", "no"))
    colours = tuple(word for column, word in HAIR.items() if column in attributes)
    set_ones = [HAIR[column] for column in HAIR if attributes.get(column) == "1"]
    if len(set_ones) == 1:
        yield ClassLabel(set_ones[0], "facial_classification", "hair", colours)

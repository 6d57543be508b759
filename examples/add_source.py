"""Add a source: a function from a root folder and a split to annotated items.

Run: python examples/add_source.py [FOLDER]
A row of `packages/lamm-data/src/lamm_data/sources/registry.toml` then makes it part of `lamm data`.
"""

import csv
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lamm_data import Annotated, Box, Conversion, SourceError, convert, write_records

ROWS = "yard.jpg,160,120,dog,20,60,90,110\nstreet.jpg,160,120,car,5,5,150,100\n"


def open_boxes(root: Path, split: str) -> Iterator[Annotated]:
    """Read `<split>.csv`: file, width, height, label, x1, y1, x2, y2; pixels, one object a line.

    Raises:
        SourceError: A line has other columns; it is named.
    """
    path = root / f"{split}.csv"
    with path.open(newline="", encoding="utf-8") as lines:
        for number, row in enumerate(csv.reader(lines), start=1):
            try:
                name, width, height, label, *corners = row
                x1, y1, x2, y2 = map(float, corners)
            except ValueError as error:
                raise SourceError(f"Expected 8 columns with numbers, got {row} ({path}, line {number}).") from error
            yield Annotated(
                f"{Path(name).stem}-{number}",
                f"images/{name}",
                origin=f"{path.name}:{number}",
                width=int(width),
                height=int(height),
                boxes=(Box(label, (x1, y1, x2, y2), id=str(number)),),
            )


def main(folder: Path) -> None:
    """Write two annotations, read them, and make instruction records of them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train.csv").write_text(ROWS)
    records = list(convert(open_boxes(folder, "train"), Conversion("detection", "MyBoxes")))
    write_records(folder / "detection.jsonl", records)
    for record in records:
        print(record.conversations[-1].text)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp()))

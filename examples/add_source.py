"""Add a source: a function from a root folder and a split to annotated items, and a row that says what it is.

Run: python examples/add_source.py [FOLDER]
An installed package offers its rows through the entry point group `lamm.sources`; `lamm data` then knows them by name.
"""

import csv
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lamm_data import Annotated, Box, Source, SourceError, convert_source, read_records

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


YARD = Source(
    name="yard",
    title="Boxes of my yard",
    url="https://example.org/yard",
    layout=("{split}.csv", "images/*.jpg"),
    splits=("train", "val"),
    train="train",
    readers={"detection": "add_source:open_boxes"},
    licence="CC-BY-4.0",
    redistribution=True,
    commercial=True,
    citation="Me, Boxes of my yard.",
    dataset="Yard",
)


def install(folder: Path) -> None:
    """Lay the entry point where Python looks for it. The `pyproject.toml` of your package has the same one."""
    about = folder / "my_sources-1.0.dist-info"
    about.mkdir(parents=True, exist_ok=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: my-sources\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[lamm.sources]\nyard = add_source:YARD\n")
    sys.path[:0] = [str(folder), str(Path(__file__).parent)]


def main(folder: Path) -> None:
    """Write two annotations and their pictures, and convert them by the source's name."""
    from PIL import Image

    install(folder / "package")
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "train.csv").write_text(ROWS)
    for name in ("yard", "street"):
        Image.new("RGB", (160, 120)).save(folder / "images" / f"{name}.jpg")
    convert_source("yard", folder, folder / "detection.jsonl")
    for record in read_records(folder / "detection.jsonl"):
        print(record.src_image, record.conversations[-1].text)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp()))

"""FSC147: counts with one point an object."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lamm_data.errors import SourceError
from lamm_data.files.json_lines import load_json
from lamm_data.records.annotations import Annotated, Count
from lamm_data.sources.readers.fields import measured, need, read_lines

FOLDER = "images_384_VarV2"


def read_class_names(path: Path) -> dict[str, str]:
    """Read `ImageClasses_FSC147.txt`: `<image>` tab `<plural class name>`."""
    names = {}
    for number, line in enumerate(read_lines(path), 1):
        image, tab, name = line.partition("\t")
        if not tab:
            raise SourceError(
                f"Expected an image and a class with a tab between, got {line!r} ({path}, line {number})."
            )
        names[image.strip()] = name.strip()
    return names


def read_fsc147(root: Path, split: str) -> Iterator[Annotated]:
    """Read counts. Points are pixels of the resized image in `images_384_VarV2`.

    `H` and `W` of the annotation file are the *original* size and are not used: width and height come from the image
    that the points were drawn on, and are 0 when that image is not there.

    Raises:
        SourceError: The split names an image without annotation or class.
    """
    path = root / "annotation_FSC147_384.json"
    splits = load_json(root / "Train_Test_Val_FSC_147.json")
    names = read_class_names(root / "ImageClasses_FSC147.txt")
    annotations = load_json(path)
    for image in need(splits, (split,), root / "Train_Test_Val_FSC_147.json", "a split file")[split]:
        if image not in annotations or image not in names:
            raise SourceError(f"Expected an annotation and a class of {image}, got none ({path}). Download it again.")
        points = tuple((float(x), float(y)) for x, y in annotations[image]["points"])
        counts = (Count(names[image], len(points), points),)
        yield measured(root, f"{FOLDER}/{image}", Path(image).stem, origin=path.name, counts=counts)

"""Class-labelled folders: `<root>/<class>/<image>`, as UCMerced Land Use is stored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lamm_data.errors import SourceError
from lamm_data.records.annotations import Annotated, ClassLabel, join
from lamm_data.sources.readers.fields import measured

IMAGES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"})


def read_class_folders(root: Path, folder: str, task: str) -> Iterator[Annotated]:
    """Read one image after the other below a folder that holds one folder per class, sorted by class and name.

    Raises:
        SourceError: There is no class folder.
    """
    base = root / folder
    names = sorted(path.name for path in base.iterdir() if path.is_dir()) if base.is_dir() else []
    if not names:
        raise SourceError(f"Expected one folder per class in {base}, got none. Check the root folder.")
    for name in names:
        for path in sorted((base / name).iterdir()):
            if path.suffix.lower() in IMAGES:
                classes = (ClassLabel(name, task, labels=tuple(names)),)
                media = join(folder, f"{name}/{path.name}")
                yield measured(root, media, f"{name}/{path.stem}", origin=folder, classes=classes)


def open_ucmerced(root: Path, split: str) -> Iterator[Annotated]:
    """Read UC Merced Land Use: `Images/<class>/<class><number>.tif`; it has no splits."""
    return read_class_folders(root, "Images", "fine_grained_classification")

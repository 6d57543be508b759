"""Media of records below their root, and pictures of any format, opened with one error for whatever is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lamm_data.errors import SourceError

if TYPE_CHECKING:
    from PIL.Image import Image

ORIENTATION = 0x0112
"""EXIF tag that says how a camera was held."""


def media_file(root: Path, name: str) -> Path:
    """Find a medium below the media root, links resolved.

    Raises:
        SourceError: It is missing, or lies outside the root, also by way of a link.
    """
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()):
        raise SourceError(f"Expected a file below the media root, got {name}. Give another --media-root.")
    if not path.is_file():
        raise SourceError(f"Expected a file, got nothing at {name} below the media root. Give another --media-root.")
    return path


@contextmanager
def open_picture(path: Path) -> Iterator[Image]:
    """Open a picture; decode it inside the block.

    Raises:
        SourceError: It is missing, or cannot be decoded inside the block.
    """
    from PIL import Image as Pillow

    try:
        with Pillow.open(path) as image:
            yield image
    except (OSError, SyntaxError, ValueError, Pillow.DecompressionBombError) as error:
        raise SourceError(f"Expected a picture, got one that cannot be decoded ({path}): {error}") from error


def shown_size(image: Image) -> tuple[int, int]:
    """Return width and height of an opened picture as it is shown: turned upright where its EXIF says so."""
    try:
        on_its_side = image.getexif().get(ORIENTATION) in (5, 6, 7, 8)
    except (OSError, SyntaxError, ValueError, KeyError, TypeError):
        on_its_side = False  # a damaged tag turns nothing
    width, height = image.size
    return (height, width) if on_its_side else (width, height)

"""Media of records below their root, and pictures of any format, opened with one error for whatever is wrong."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lamm_data.errors import OutsideError, SourceError

if TYPE_CHECKING:
    from PIL.Image import Image

ORIENTATION = 0x0112
"""EXIF tag that says how a camera was held."""


def media_file(root: str | Path, name: str) -> Path:
    """Find a medium below the media root: the one way from a name in a record to a file that is opened.

    Records are not trusted. A name that is absolute, climbs by `..`, follows a link out of the root, or cannot be a
    file's name at all is refused before anything is opened.

    Args:
        root: Folder of the media.
        name: Path of the medium below it, as records write it.

    Returns:
        The file; where links lead to it, with all of them resolved.

    Raises:
        OutsideError: The name leads out of the root.
        SourceError: There is no such file.
    """
    path, linked = Path(root, name), False
    relative = Path(name)
    if relative.anchor or ".." in relative.parts:
        raise _outside(name)
    try:
        step = str(root)
        for part in relative.parts:
            step = os.path.join(step, part)
            mode = os.lstat(step).st_mode
            linked = linked or stat.S_ISLNK(mode)
        if linked:
            path = path.resolve(strict=True)
            if not path.is_relative_to(Path(root).resolve()):
                raise _outside(name)
            mode = path.stat().st_mode
        found = bool(relative.parts) and stat.S_ISREG(mode)
    except (OSError, ValueError, RuntimeError):  # no such file, no name of a file (NUL, too long), a circle of links
        found = False
    if not found:
        raise SourceError(
            f"Expected a file, got nothing at {shown_name(name)} below the media root. Give another --media-root."
        )
    return path


def _outside(name: str) -> OutsideError:
    return OutsideError(
        f"Expected a file below the media root, got {shown_name(name)}. Copy the file there, or leave the record out."
    )


def shown_name(name: str) -> str:
    """Return a medium's name fit for a message: on one line, and not longer than a line."""
    shown = "".join(char if char.isprintable() else repr(char)[1:-1] for char in name)
    return shown if len(shown) <= 200 else f"{shown[:200]}... ({len(name)} characters)"


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

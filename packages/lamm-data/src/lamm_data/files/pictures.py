"""Media of records below their root, and pictures of any format, opened with one error for whatever is wrong."""

from __future__ import annotations

import io
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamm_data.errors import LammDataError, OutsideError, SourceError, UsageError

if TYPE_CHECKING:
    from PIL.Image import Image

ORIENTATION = 0x0112
"""EXIF tag that says how a camera was held."""
MOST_PIXELS = 178_956_970
"""As Pillow limits pictures itself: half a gigabyte of colours."""
_PILLOW = threading.Lock()
TURNS: dict[int, Any] = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2, 1: None}
"""EXIF orientations, and Pillow's transpositions that undo them."""


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
def decoding(what: str, name: object) -> Iterator[None]:
    """Decode inside the block: whatever a library raises there about a file becomes one error that names the file.

    Args:
        what: What was expected, as in "a readable picture".
        name: The file.

    Raises:
        SourceError: Anything was raised but an error of ours.
    """
    try:
        yield
    except LammDataError:
        raise
    except Exception as error:
        words = " ".join(str(error).split())[:300] or type(error).__name__
        raise SourceError(f"Expected {what}, got {words} ({name}). Replace the file.") from error


@contextmanager
def open_picture(source: Path | bytes | Image, name: str = "", most_pixels: int = MOST_PIXELS) -> Iterator[Image]:
    """Open a picture, the one way to do so; decode it inside the block.

    Args:
        source: The file, its content, or a picture that is open already.
        name: What errors call it; the file's path when empty.
        most_pixels: Largest accepted width times height; the size is checked before anything is decoded.

    Raises:
        SourceError: It is missing, empty, too large, or cannot be decoded inside the block, whatever the library said.
        UsageError: Pillow was told to make up what truncated files lack.
    """
    from PIL import Image as Pillow
    from PIL import ImageFile

    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise UsageError("Expected PIL to refuse truncated pictures. Set ImageFile.LOAD_TRUNCATED_IMAGES = False.")
    name = name or (shown_name(str(source)) if isinstance(source, Path) else "a picture in memory")
    with decoding("a readable picture", name), ExitStack() as stack:
        image = source if isinstance(source, Pillow.Image) else stack.enter_context(_opened(source))
        if image.format == "EPS":  # Pillow would start Ghostscript
            raise ValueError("a PostScript program, which is never run")
        if image.width * image.height > most_pixels:
            raise SourceError(
                f"Expected a picture of at most {most_pixels / 1e6:.0f} megapixels, got "
                f"{image.width} x {image.height} ({name}). Scale it down."
            )
        yield image


def _opened(source: Path | bytes) -> Image:
    from PIL import Image as Pillow
    from PIL import UnidentifiedImageError

    if not (source.stat().st_size if isinstance(source, Path) else source):
        raise ValueError("an empty file")
    with _PILLOW:  # its limit is the process's own; ours has a message
        limit, Pillow.MAX_IMAGE_PIXELS = Pillow.MAX_IMAGE_PIXELS, None
        try:
            return Pillow.open(source if isinstance(source, Path) else io.BytesIO(source))
        except UnidentifiedImageError as error:  # its own words name an object in memory
            raise ValueError("a file of no known picture format") from error
        finally:
            Pillow.MAX_IMAGE_PIXELS = limit


def orientation(image: Image) -> int:
    """Return how a camera was held by a picture's EXIF data, 1 to 8; 1 where nothing sensible is written there."""
    try:
        written = image.getexif().get(ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - whatever Pillow raises about damaged tags: they turn nothing
        return 1
    return written if written in TURNS else 1


def upright(image: Image) -> Image:
    """Return a picture the way that its EXIF orientation shows it: the rule for pixels, boxes and sizes alike."""
    image.load()  # a TIFF file is turned by this
    turned = orientation(image)
    return image if turned == 1 else image.transpose(TURNS[turned])


def shown_size(image: Image) -> tuple[int, int]:
    """Return width and height of an opened picture as `upright` shows it, from its header where there is one."""
    width, height = image.size
    tags = getattr(image, "tag_v2", None)  # of a TIFF file, whose size Pillow may have turned already
    if tags is not None and {256, 257} <= set(tags) and orientation(image) != 1:
        width, height = tags[256], tags[257]
    return (height, width) if orientation(image) in (5, 6, 7, 8) else (width, height)

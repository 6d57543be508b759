"""Pictures of any format, opened with one error for whatever is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lamm_data.errors import SourceError

if TYPE_CHECKING:
    from PIL.Image import Image


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

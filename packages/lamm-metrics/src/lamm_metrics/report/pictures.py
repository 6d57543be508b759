"""Images small enough to travel inside a page."""

import base64
import io
from importlib.util import find_spec
from pathlib import Path

SIDE = 360


def picture_for_page(path: Path, side: int = SIDE) -> str | None:
    """Shrink an image to a `data:` URI.

    Args:
        path: The image.
        side: Longest side in pixels.

    Returns:
        A JPEG or PNG as `data:image/…;base64,…`; None without Pillow or where the file is no readable image, so that
        the page links to the file instead.
    """
    if find_spec("PIL") is None:
        return None
    from PIL import Image, ImageOps

    written = io.BytesIO()
    try:
        with Image.open(path) as image:
            image.draft("RGB", (2 * side, 2 * side))
            upright = ImageOps.exif_transpose(image)
            upright.thumbnail((side, side))
            # Small drawings stay sharp as PNG; photographs are a tenth of the size as JPEG.
            kind, mime = ("PNG", "png") if max(image.size) <= 2 * side and path.suffix == ".png" else ("JPEG", "jpeg")
            upright.convert("RGB").save(written, kind, quality=80)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return f"data:image/{mime};base64,{base64.b64encode(written.getvalue()).decode('ascii')}"

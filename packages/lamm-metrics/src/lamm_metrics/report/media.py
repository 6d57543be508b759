"""Media small enough to travel inside a page: shrunk images, packed clouds."""

import base64
import io
import zlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from lamm_metrics.viewer.packing import MOST_POINTS, SIDE, pack_cloud

ORIENTATION = 0x0112
TURNS: dict[int, Any] = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # EXIF orientations, and Pillow's transpositions


def file_below(root: Path, name: str) -> Path | None:
    """Return a medium's file, there or not; None where it cannot lie below the root: records are not trusted.

    `lamm_data.media_file` holds to the same rule, and says in an error what is wrong with a name.
    """
    relative = Path(name)
    if relative.anchor or ".." in relative.parts:
        return None
    try:
        path = (root / relative).resolve()
        below = path.is_relative_to(root.resolve()) and (path.is_file() or not path.exists())
    except (OSError, ValueError, RuntimeError):  # no name of a file (NUL, too long), a circle of links
        return None
    return root / relative if below else None


def cloud_for_page(path: Path, points: int = MOST_POINTS) -> dict[str, Any] | None:
    """Read a cloud and pack it for the viewer.

    Args:
        path: `.npy` file `[N, 3 or more]`: x, y, z in metres, then red, green, blue where there are six columns.
        points: Most points that are packed, drawn with a seed that depends on the file's name.

    Returns:
        What `pack_cloud` returns; None where there is no cloud that numpy can read without unpickling.
    """
    try:
        cloud: np.ndarray[Any, Any] = np.lib.format.open_memmap(path, mode="r")
    except Exception:  # noqa: BLE001 - whatever numpy and its parsers raise about a file that is none
        return None
    if cloud.ndim != 2 or cloud.shape[1] < 3 or cloud.dtype.kind not in "fiu":
        return None
    packed = pack_cloud(cloud, points, zlib.crc32(path.name.encode()))
    return packed if packed["n"] else None


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
    from PIL import Image

    written = io.BytesIO()
    try:
        with Image.open(path) as image:
            image.draft("RGB", (2 * side, 2 * side))
            if image.format == "EPS":  # Pillow would start Ghostscript
                return None
            upright = _upright(image)
            upright.thumbnail((side, side))
            # Small drawings stay sharp as PNG; photographs are a tenth of the size as JPEG.
            kind, mime = ("PNG", "png") if max(image.size) <= 2 * side and path.suffix == ".png" else ("JPEG", "jpeg")
            upright.convert("RGB").save(written, kind, quality=80)
    except Exception:  # noqa: BLE001 - whatever Pillow's formats raise about a file that is none
        return None
    return f"data:image/{mime};base64,{base64.b64encode(written.getvalue()).decode('ascii')}"


def _upright(image: Any) -> Any:
    """Turn a picture by its EXIF orientation, as `lamm_data.upright` does; damaged tags turn nothing."""
    image.load()
    try:
        orientation = image.getexif().get(ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - whatever Pillow raises about damaged tags
        return image
    return image.transpose(TURNS[orientation]) if orientation in TURNS else image

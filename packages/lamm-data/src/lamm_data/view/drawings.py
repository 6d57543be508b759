"""Media as they stand in the page: a picture with its boxes, a cloud from above and from the side."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from math import cos, sin
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lamm_data.view.media import open_small, small_cloud

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

WIDTH = 320
POINTS = 20_000
# The two axes that each view of a cloud keeps: across, then upwards.
VIEWS = {"from above": (0, 1), "from the front": (0, 2)}


class Outline(NamedTuple):
    """A box as a closed line in pixels of the drawing; written by a turn of the dialogue unless it is annotated."""

    points: tuple[tuple[float, float], ...]
    annotated: bool


def picture(path: Path, boxes: Sequence[dict[str, Any]]) -> str:
    """Draw a picture, at most 320 pixels wide, with boxes `[x1, y1, x2, y2]` in fractions of its size.

    Raises:
        SourceError: The file is no picture, is damaged, or has more than 80 million pixels.
    """
    with open_small(path) as opened:
        opened.draft("RGB", (WIDTH, WIDTH))
        image = opened.convert("RGB")
    image.thumbnail((WIDTH, WIDTH * 2))
    outlines = []
    for box in boxes:
        x1, y1, x2, y2 = (value * side for value, side in zip(box["box"], image.size * 2, strict=True))
        outlines.append(Outline(((x1, y1), (x2, y1), (x2, y2), (x1, y2)), box["turn"] == 0))
    return _drawing(image, outlines, path.name)


def cloud(path: Path, boxes: Sequence[dict[str, Any]]) -> str:
    """Draw a cloud from above and from the front, both at one scale, with 3D boxes (centre, size, yaw; metres).

    Raises:
        SourceError: The file is no cloud.
    """
    import numpy as np

    points = small_cloud(path, POINTS)
    corners = [(_corners(box["box"]), box["turn"] == 0) for box in boxes]
    low, high = points[:, :3].min(axis=0), points[:, :3].max(axis=0)
    scale = (WIDTH - 10) / max(float(np.max(high - low)), 1e-6)
    drawings = []
    for name, (across, up) in VIEWS.items():
        height = max(round(float(high[up] - low[up]) * scale) + 10, 20)

        def to_pixels(xyz: NDArray[Any], a: int = across, u: int = up, h: int = height) -> NDArray[np.float64]:
            """Turn metres into pixels of this view."""
            return np.stack([5 + (xyz[:, a] - low[a]) * scale, h - 5 - (xyz[:, u] - low[u]) * scale], axis=1)

        outlines = [Outline(tuple(map(tuple, to_pixels(_hull_order(box, up)))), true) for box, true in corners]
        drawings.append(_drawing(_raster(points, to_pixels(points), up, height), outlines, f"{path.name} {name}"))
    return "".join(drawings)


def _raster(points: NDArray[Any], pixels: NDArray[np.float64], up: int, height: int) -> Image:
    """Paint points into a picture, those nearer to the eye last."""
    import numpy as np
    from PIL import Image

    depth = points[:, 2] if up == 1 else -points[:, 1]
    order = np.argsort(depth, kind="stable")
    coloured = points.shape[1] == 6
    shades = np.clip(points[:, 3:6], 0, 255) if coloured else np.full((len(points), 3), 90)
    canvas = np.full((height, WIDTH, 3), 255, np.uint8)
    columns, rows = np.rint(pixels[order]).astype(int).T
    for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
        canvas[np.clip(rows + dy, 0, height - 1), np.clip(columns + dx, 0, WIDTH - 1)] = shades[order]
    return Image.fromarray(canvas)


def _corners(box: Sequence[float]) -> NDArray[np.float64]:
    """The eight corners of a box of six, seven or nine numbers; pitch and roll are left out of the drawing."""
    import numpy as np

    yaw = box[6] if len(box) > 6 else 0.0
    signs = np.array([[x, y, z] for z in (-0.5, 0.5) for x, y in ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))])
    turn = np.array([[cos(yaw), -sin(yaw), 0], [sin(yaw), cos(yaw), 0], [0, 0, 1]])
    corners: NDArray[np.float64] = np.asarray(box[:3], float) + (signs * np.asarray(box[3:6], float)) @ turn.T
    return corners


def _hull_order(corners: NDArray[np.float64], up: int) -> NDArray[np.float64]:
    """The corners that outline a box in a view: its floor from above, its left and right edge from the front."""
    import numpy as np

    if up == 1:
        return corners[:4]
    left, right = np.argmin(corners[:4, 0]), np.argmax(corners[:4, 0])
    return corners[[left, right, right + 4, left + 4]]


def _drawing(image: Image, outlines: Iterable[Outline], name: str) -> str:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=80)
    data = base64.b64encode(out.getvalue()).decode("ascii")
    lines = "".join(
        f'<polygon class="{"annotated" if line.annotated else "written"}" points="'
        + " ".join(f"{x:.1f},{y:.1f}" for x, y in line.points)
        + '"/>'
        for line in outlines
    )
    return (
        f'<svg viewBox="0 0 {image.width} {image.height}" width="{image.width}" role="img" aria-label="{escape(name)}">'
        f'<image href="data:image/jpeg;base64,{data}" width="{image.width}" height="{image.height}"/>{lines}</svg>'
    )

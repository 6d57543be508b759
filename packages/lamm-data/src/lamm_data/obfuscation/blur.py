"""Hides regions of a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lamm_data.files.pictures import TURNS
from lamm_data.obfuscation.detectors import FACE, Region

if TYPE_CHECKING:
    from PIL.Image import Image

MARGIN = {"face": 1.3, "plate": 1.1}
"""Regions are hidden with a margin: CenterFace's boxes end at forehead and chin."""
MOSAIC = 5
"""A region is averaged over at most so many cells along its long side before it is smoothed: five cells hold no face
that could be sharpened again, as those of a mere blur can."""


def hide(image: Image, regions: Sequence[Region]) -> Image:
    """Return a copy of an upright RGB picture with regions hidden: faces as ellipses, plates as rectangles.

    Pixels outside the regions (with their margins) are unchanged.
    """
    from PIL import Image as Pillow
    from PIL import ImageDraw, ImageFilter

    out = image.copy()
    for region in regions:
        box = widened(region, image.size)
        wide, tall = box[2] - box[0], box[3] - box[1]
        if wide < 1 or tall < 1:
            continue
        cell = max(wide, tall) / MOSAIC
        cells = (max(1, round(wide / cell)), max(1, round(tall / cell)))
        part = image.crop(box).resize(cells, Pillow.Resampling.BOX).resize((wide, tall), Pillow.Resampling.BILINEAR)
        part = part.filter(ImageFilter.GaussianBlur(cell / 3))
        mask = Pillow.new("L", (wide, tall), 0)
        pen = ImageDraw.Draw(mask)
        (pen.ellipse if region.kind == FACE else pen.rectangle)((0, 0, wide - 1, tall - 1), fill=255)
        out.paste(part, box[:2], mask)
    return out


def widened(region: Region, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Give a region's box with its margin, clipped to a picture of a size (width, height)."""
    x1, y1, x2, y2 = region.box
    add = (MARGIN[region.kind] - 1) / 2
    dx, dy = round((x2 - x1) * add), round((y2 - y1) * add)
    return max(x1 - dx, 0), max(y1 - dy, 0), min(x2 + dx, size[0]), min(y2 + dy, size[1])


def as_stored(image: Image, orientation: int) -> Image:
    """Turn an upright picture back to how its file stores it, by the file's EXIF orientation, 1 to 8."""
    back = {6: 8, 8: 6}.get(orientation, orientation)  # all others undo themselves
    return image if orientation == 1 else image.transpose(TURNS[back])

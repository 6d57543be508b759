"""Numbers on the objects of a picture, each where the object is seen or beside it, none over another."""

from __future__ import annotations

from collections.abc import Mapping
from math import cos, pi, sin
from typing import TYPE_CHECKING, Any

from lamm_data.render.objects import Sight

if TYPE_CHECKING:
    from PIL.Image import Image

_PLATE, _RIM, _TEXT = (20, 22, 28), (255, 255, 255), (255, 255, 255)
Plate = tuple[float, float, float, float]


def draw_marks(picture: Image, sights: Mapping[int, Sight]) -> None:
    """Write each object's number on the picture, on a dark plate that hides no small object.

    A line leads from a plate that stands beside its object.
    """
    from PIL import ImageDraw, ImageFont

    draw, height = ImageDraw.Draw(picture), max(picture.height // 32, 11)
    font, taken = ImageFont.load_default(height), list[Plate]()
    for number, sight in sights.items():
        text = str(number)
        left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
        half = ((right - left) / 2 + height * 0.35, (bottom - top) / 2 + height * 0.3)
        first = 0 if sight.pixels > 3 * 4 * half[0] * half[1] else 2
        plate = _free_plate(sight.at, half, picture.size, taken, first)
        middle = ((plate[0] + plate[2]) / 2, (plate[1] + plate[3]) / 2)
        if max(abs(middle[0] - sight.at[0]), abs(middle[1] - sight.at[1])) > height * 0.8:
            draw.line([sight.at, middle], fill=_RIM, width=max(height // 5, 2))
            draw.line([sight.at, middle], fill=_PLATE, width=max(height // 10, 1))
        taken.append(plate)
        draw.rounded_rectangle(plate, radius=height * 0.35, fill=_PLATE, outline=_RIM, width=max(height // 12, 1))
        draw.text((middle[0] - (left + right) / 2, middle[1] - (top + bottom) / 2), text, fill=_TEXT, font=font)


def _free_plate(
    at: tuple[int, int], half: tuple[float, float], size: tuple[int, int], taken: list[Plate], first: int
) -> Plate:
    """Return the nearest free plate on rings around a pixel, from the first ring allowed; that one where none is free.

    Ring 0 is the pixel itself.
    """
    spots = [
        (ring * 1.3 * half[1] * cos((turn - 3) * pi / 6), ring * 1.3 * half[1] * sin((turn - 3) * pi / 6))
        for ring in range(first, 9)
        for turn in range(12 if ring else 1)
    ]
    plates = [_plate((at[0] + right, at[1] + down), half, size) for right, down in spots]
    return next((plate for plate in plates if not any(_overlap(plate, other) for other in taken)), plates[0])


def _plate(middle: tuple[float, float], half: tuple[float, float], size: tuple[int, int]) -> Plate:
    """Return a plate around a middle, moved into the picture."""
    x = min(max(middle[0], half[0] + 1), size[0] - half[0] - 2)
    y = min(max(middle[1], half[1] + 1), size[1] - half[1] - 2)
    return x - half[0], y - half[1], x + half[0], y + half[1]


def _overlap(one: Any, other: Any) -> bool:
    return bool(one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3])

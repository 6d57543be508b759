"""Views of one cloud: pictures from several sides, with numbered objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lamm_data.errors import UsageError
from lamm_data.render.cameras import MOST_VIEWS, cameras_around, opened
from lamm_data.render.marks import draw_marks
from lamm_data.render.objects import Sight, in_sight, owners
from lamm_data.render.shading import point_colours, shade
from lamm_data.render.splatting import place, spacing, splat

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class View:
    """One view of a cloud.

    Attributes:
        name: `from above`, or `oblique` with a number.
        picture: The picture, with the marks.
        objects: The objects in sight, by their number (from 1, in the order of the boxes).
    """

    name: str
    picture: Image
    objects: Mapping[int, Sight]


@dataclass(frozen=True)
class ViewSettings:
    """How a cloud is shown.

    Attributes:
        count: Views, 1 to 8: from above and obliquely around; a single one is oblique.
        size: Side of the pictures in pixels, from 64.
        walls: Keep walls and ceilings that stand between the camera and the room.
        marks: Write numbers on objects.
    """

    count: int = 4
    size: int = 512
    walls: bool = False
    marks: bool = True

    def __post_init__(self) -> None:
        if not (1 <= self.count <= MOST_VIEWS and 64 <= self.size <= 4096):
            raise UsageError(
                f"Expected 1 to {MOST_VIEWS} views of 64 to 4096 pixels, got {self.count} of {self.size} pixels."
            )


def render_views(
    cloud: NDArray[Any], boxes: Sequence[Sequence[float]] = (), settings: ViewSettings | None = None
) -> list[View]:
    """Show a cloud from several sides.

    Args:
        cloud: `[N, 3]` or, with colours 0 to 255, `[N, 6]`; z up. Without colours, colours say the height.
        boxes: Centre, size and turn of the objects to mark, 6, 7 or 9 numbers each, in the cloud's unit.
        settings: How many views, and how.

    Returns:
        The views; the same cloud gives the same pictures.
    """
    from PIL import Image

    settings = settings or ViewSettings()
    middle = np.round(cloud[:, :3].mean(axis=0, dtype=np.float64))  # map coordinates have no room in 32 bits
    points = (cloud[:, :3] - middle).astype(np.float32)
    moved = [(*(box[k] - middle[k] for k in range(3)), *box[3:]) if box else () for box in boxes]
    apart, colours, owner = spacing(points), point_colours(cloud), owners(points, moved)
    views = []
    for camera in cameras_around(points, settings.count, settings.size):
        shown = None if settings.walls else opened(points, camera) | (owner > 0)
        discs = place(camera, points, apart, shown)
        seen = splat(camera, discs)
        picture = Image.fromarray(shade(seen, camera, colours))
        sights = in_sight(seen, discs, owner) if boxes else {}
        if settings.marks:
            draw_marks(picture, sights)
        views.append(View(camera.name, picture, sights))
    return views

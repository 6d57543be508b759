"""What the page shows of a record: its picture, its cloud, and the boxes that text and annotations speak of."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamm_data.errors import SourceError
from lamm_data.files.pictures import open_picture, upright
from lamm_data.generation.rows import Row
from lamm_data.records.instruction import InstructionRecord
from lamm_data.stats.geometry import number_groups

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

LONGEST_SIDE = 1600
MOST_POINTS = 30_000
MOST_PIXELS = 80_000_000


@contextmanager
def open_small(path: Path) -> Iterator[Image]:
    """Open a picture to be shown.

    Raises:
        SourceError: The file is no picture, is damaged, or has more than 80 million pixels.
    """
    with open_picture(path) as image:
        if image.width * image.height > MOST_PIXELS:
            raise SourceError(f"Expected at most {MOST_PIXELS} pixels, got {image.width} x {image.height} ({path}).")
        yield image


def picture_png(path: Path) -> bytes:
    """Read any picture and write it anew as PNG, at most 1600 pixels long.

    Writing anew shows the pixels that training sees, whatever the format, and passes on nothing else of the file.

    Raises:
        SourceError: The file is no picture, is damaged, or has more than 80 million pixels.
    """
    with open_small(path) as image:
        shown = upright(image).convert("RGB")
    shown.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    out = io.BytesIO()
    shown.save(out, "PNG", compress_level=1)
    return out.getvalue()


def small_cloud(path: Path, most: int) -> NDArray[np.float32]:
    """Read a cloud to be shown: `[N, 3]` or `[N, 6]`, at most so many points, drawn by a fixed seed."""
    from lamm_data.clouds.reading import load_cloud, resample

    cloud = load_cloud(path)
    return resample(cloud, most, seed=0) if len(cloud) > most else cloud


def cloud_bytes(path: Path) -> bytes:
    """Read a cloud and pack it for the page.

    Returns:
        Little-endian: the number of points (uint32), 1 or 0 for coloured or not (uint32), xyz of each point (float32,
        metres), then red, green and blue of each point (uint8) when coloured. At most 30,000 points, drawn by a fixed
        seed.

    Raises:
        SourceError: The file is no cloud.
    """
    import numpy as np

    cloud = small_cloud(path, MOST_POINTS)
    coloured = cloud.shape[1] == 6
    packed = struct.pack("<II", len(cloud), coloured) + cloud[:, :3].astype("<f4").tobytes()
    if coloured:
        packed += np.clip(np.rint(cloud[:, 3:]), 0, 255).astype(np.uint8).tobytes()
    return packed


def shown_boxes(record: InstructionRecord, row: Row | None) -> list[dict[str, Any]]:
    """List the boxes to draw, as objects with `label`, `box` and `turn`; turn 0 marks an annotated box.

    Bracketed numbers in a record's turns are boxes when there are four of them (2D, fractions of the image size), or
    six, seven or nine (3D, metres).
    """
    sizes = (4,) if record.modality == "image" else (6, 7, 9)
    boxes: list[dict[str, Any]] = []
    for number, turn in enumerate(record.conversations, start=1):
        groups = (list(numbers) for numbers in number_groups(turn.text) if len(numbers) in sizes)
        boxes += ({"label": "", "box": box, "turn": number} for box in groups)
    if row is not None:
        boxes += [{"label": item.label, "box": list(item.box), "turn": 0} for item in row.objects if item.box]
    return boxes

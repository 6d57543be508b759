"""What the page shows of a record: its picture, its cloud, and the boxes that text and annotations speak of."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamm_data.errors import SourceError
from lamm_data.files.pictures import open_picture, upright
from lamm_data.generation.rows import Row
from lamm_data.records.instruction import InstructionRecord
from lamm_data.stats.geometry import number_groups

if TYPE_CHECKING:
    from PIL.Image import Image

LONGEST_SIDE = 1600
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


def picture_uri(path: Path, side: int) -> str:
    """Shrink any picture to a JPEG that lies within a page, as `data:image/jpeg;base64,…`.

    Raises:
        SourceError: The file is no picture, is damaged, or has more than 80 million pixels.
    """
    with open_small(path) as opened:
        opened.draft("RGB", (side, side))
        image = upright(opened).convert("RGB")
    image.thumbnail((side, side))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode('ascii')}"


def packed_cloud(path: Path, most: int | None = None) -> dict[str, Any]:
    """Read a cloud of any format and pack it for the viewer (`lamm_metrics.pack_cloud`).

    Args:
        path: The file.
        most: Most points; as many as one page shows of one cloud where it is None.

    Raises:
        SourceError: The file is no cloud.
    """
    from lamm_data.clouds.reading import load_cloud
    from lamm_metrics import pack_cloud, points_each

    return pack_cloud(load_cloud(path), points_each(1) if most is None else most)


def shown_series(record: InstructionRecord, row: Row | None) -> list[dict[str, Any]]:
    """List the boxes to draw as series of the viewer: those of the annotations, and those of each turn with its words.

    Bracketed numbers in a record's turns are boxes when there are four of them (2D, fractions of the image size), or
    six, seven or nine (3D, metres).
    """
    kind, sizes = ("box", (4,)) if record.modality == "image" else ("box3d", (6, 7, 9))

    def mark(numbers: Iterable[float], label: str) -> dict[str, Any]:
        return {"kind": kind, "numbers": list(numbers), "label": label}

    series: list[dict[str, Any]] = []
    if row is not None:
        marks = [mark(item.box, item.label) for item in row.objects if item.box]
        series.append({"name": "annotation", "colour": "var(--annotated)", "marks": marks})
    for number, turn in enumerate(record.conversations, start=1):
        name = f"turn {number}"
        marks = [mark(numbers, name) for numbers in number_groups(turn.text) if len(numbers) in sizes]
        written = {"name": name, "colour": "var(--written)", "dashed": True, "answer": turn.text, "marks": marks}
        series.append(written)
    return [one for one in series if one["marks"]]

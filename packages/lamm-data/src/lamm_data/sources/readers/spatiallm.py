"""Rooms as SpatialLM publishes them: a cloud and a layout in metres each, listed in a CSV file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from lamm_data.errors import LammDataError, SourceError
from lamm_data.files.pictures import media_file
from lamm_data.records.annotations import Annotated, join
from lamm_data.sources.readers.fields import csv_rows, first_file, read_lines
from lamm_data.sources.readers.scannet_export import room_of
from lamm_data.writing.layout_text import layout_boxes, read_layout, sound_parts

LISTS = "split.csv | test.csv"


def open_spatiallm(root: Path, split: str) -> Iterator[Annotated]:
    """Read the rooms of a split: `layout/<id>.txt` with `pcd/<id>.ply`.

    The training set lists ids with their splits (`split.csv`), the test set ids alone (`test.csv`).
    """
    listed = first_file(root, LISTS)
    for _, row in csv_rows(listed, ("id",), "a list of rooms"):
        if row.get("split", "test") == split:
            yield _room(root, row["id"], row.get("scene_id") or room_of(row["id"]))


def _room(root: Path, key: str, group: str) -> Annotated:
    origin = join("layout", f"{key}.txt")
    text = "\n".join(read_lines(media_file(root, origin)))
    try:
        parts = read_layout(text)
    except LammDataError as error:
        raise SourceError(f"{error} ({root / origin})") from error
    left_out = Counter[str]()
    boxes = tuple(layout_boxes(sound_parts(parts, left_out)))
    return Annotated(
        key,
        join("pcd", f"{key}.ply"),
        "pcl",
        origin=origin,
        group=group,
        boxes3d=boxes,
        layout=text,
        account={f"left out: {reason}": number for reason, number in left_out.items()},
    )

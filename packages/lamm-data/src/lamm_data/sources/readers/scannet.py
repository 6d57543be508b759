"""ScanNet v2 as downloaded: boxes from aggregation, segments, mesh and axis alignment."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamm_data.errors import SourceError
from lamm_data.files.json_lines import load_json
from lamm_data.sources.readers.fields import need, read_lines

Array = NDArray[np.float64]


def read_alignment(path: Path) -> Array:
    """Read the `[4, 4]` matrix that turns a scene upright and parallel to its walls; identity where there is none.

    Raises:
        SourceError: The line is there but has not sixteen numbers.
    """
    for line in read_lines(path):
        key, _, values = line.partition("=")
        if key.strip() == "axisAlignment":
            numbers = [float(value) for value in values.split()]
            if len(numbers) != 16:
                raise SourceError(f"Expected 16 numbers of axisAlignment, got {len(numbers)} ({path}).")
            return np.array(numbers).reshape(4, 4)
    return np.eye(4)


def align(points: Array, matrix: Array) -> Array:
    """Move points `[N, 3]` by a `[4, 4]` matrix."""
    moved: Array = points @ matrix[:3, :3].T + matrix[:3, 3]
    return moved


def read_label_map(path: Path) -> dict[str, str]:
    """Read `scannetv2-labels.combined.tsv`: NYU40 class by raw category."""
    with Path(path).open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle, delimiter="\t"))
    if not rows or "raw_category" not in rows[0] or "nyu40class" not in rows[0]:
        raise SourceError(f"Expected columns raw_category and nyu40class, got others ({path}).")
    return {row["raw_category"].strip(): (row["nyu40class"] or "").strip() for row in rows}


def read_instances(folder: Path, vertices: Array) -> list[tuple[str, str, Array]]:
    """Read a scene's objects as `(object id, raw label, box)`; boxes are centre and size, metres.

    The vertices `[N, 3]` are those of `<scene>_vh_clean_2.ply`, already aligned. Of an object that is listed twice the
    last entry counts, as in the export that the published boxes are from.

    Raises:
        SourceError: The segments do not fit the mesh.
    """
    scene = folder.name
    path = folder / f"{scene}_vh_clean_2.0.010000.segs.json"
    segments = np.array(need(load_json(path), ("segIndices",), path, "a segmentation")["segIndices"])
    if len(segments) != len(vertices):
        raise SourceError(f"Expected one segment for each of {len(vertices)} vertices, got {len(segments)} ({path}).")
    path = folder / f"{scene}.aggregation.json"
    groups = need(load_json(path), ("segGroups",), path, "an aggregation")["segGroups"]
    out: dict[str, tuple[str, str, Array]] = {}
    for group in groups:
        entry: Any = need(group, ("objectId", "segments", "label"), path, "a group")
        points = vertices[np.isin(segments, entry["segments"])]
        if len(points) == 0:
            raise SourceError(f"Expected vertices of object {entry['objectId']}, got none ({path}).")
        low, high = points.min(0), points.max(0)
        key, box = str(entry["objectId"]), np.concatenate([(low + high) / 2, high - low])
        out[key] = (key, str(entry["label"]).strip(), box)
    return list(out.values())

"""ScanRefer: sentences that single out one object of a ScanNet scene."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from lamm_data.files.json_lines import iter_values
from lamm_data.records.annotations import Description
from lamm_data.sources.readers.fields import need


def read_descriptions(path: str | Path) -> Iterator[tuple[str, str, Description]]:
    """Read descriptions one by one.

    Yields:
        `(scene id, object name, description)`; underscores of names become spaces, object ids are ScanNet's.
    """
    keys = ("scene_id", "object_id", "object_name", "ann_id", "description")
    for line, value in iter_values(path):
        entry = need(value, keys, f"{path}, line {line}", "a ScanRefer entry")
        scene, object_id = str(entry["scene_id"]), str(entry["object_id"])
        text = Description(" ".join(entry["description"].split()), object_id, f"{scene}-{object_id}-{entry['ann_id']}")
        yield scene, str(entry["object_name"]).replace("_", " "), text


def descriptions_by_scene(path: str | Path) -> dict[str, tuple[Description, ...]]:
    """Group a file's descriptions by scene, in file order."""
    grouped: dict[str, list[Description]] = defaultdict(list)
    for scene, _, description in read_descriptions(path):
        grouped[scene].append(description)
    return {scene: tuple(values) for scene, values in grouped.items()}

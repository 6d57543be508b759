"""The flat row that Parquet files and WebDataset shards hold, and what both say of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lamm_data.errors import OutsideError, SourceError, first_of
from lamm_data.files.pictures import media_file, open_picture, shown_name
from lamm_data.records.instruction import InstructionRecord, media_paths

SCHEMA = "lamm-instruction"
VERSION = 1
TEXTS = ("id", "task_type", "src_image", "src_dataset", "src_id")
_TEXT = {"dtype": "string", "_type": "Value"}
FEATURES: dict[str, Any] = {
    **dict.fromkeys(TEXTS, _TEXT),
    "modality": _TEXT,
    "media": [_TEXT],
    "listed": {"dtype": "bool", "_type": "Value"},
    "conversations": [{"from": _TEXT, "value": _TEXT}],
    "meta": _TEXT,
    "extra": _TEXT,
}
"""Columns of Parquet files as features of the `datasets` library; a list is a list of its one entry."""
MEDIA_FEATURES: dict[str, Any] = {
    "images": [{"_type": "Image"}],
    "clouds": [{"bytes": {"dtype": "binary", "_type": "Value"}, "path": _TEXT}],
}
"""Columns of files that hold the media, before the others: viewers show the first ones."""


def to_row(record: InstructionRecord) -> dict[str, Any]:
    """Flatten a record: every column has one type, whatever the record's `meta` holds; integer ids become text.

    `media` is always a list; `listed` says whether the record had a list. `meta` and the unknown keys are JSON text.
    """
    media = record.image if record.image is not None else record.pcl
    turns = record.conversations
    # A record about both has its cloud there.
    other = {} if record.image is None or record.pcl is None else {"pcl": record.pcl}
    extra = {"record": record.extra | other, "turns": [turn.extra for turn in turns]}
    return {
        **{key: None if (value := getattr(record, key)) is None else str(value) for key in TEXTS},
        "modality": record.modality,
        "media": media if isinstance(media, list) else [] if media is None else [media],
        "listed": isinstance(media, list),
        "conversations": [{"from": turn.role, "value": turn.text} for turn in turns],
        "meta": None if record.meta is None else json.dumps(record.meta, ensure_ascii=False),
        "extra": json.dumps(extra, ensure_ascii=False) if extra["record"] or any(t.extra for t in turns) else None,
    }


def named_media(record: InstructionRecord) -> list[tuple[str, str]]:
    """List the images and then the clouds of a record: `image` or `pcl`, and the name."""
    both = (("image", record.image), ("pcl", record.pcl))
    return [(kind, name) for kind, media in both for name in media_paths(media)]


@dataclass(slots=True)
class MediaFolder:
    """Where the media lie that are packed with their records, and those that cannot be packed.

    Attributes:
        root: Media root.
        pictures: Also look whether images are pictures, by their headers.
        absent: What is missing, outside the root, or no picture.
    """

    root: Path
    pictures: bool = False
    absent: list[str] = field(default_factory=list)

    def find(self, record: InstructionRecord) -> list[tuple[str, str, Path]] | None:
        """Return the media of a record, images first: `image` or `pcl`, name and file.

        None, and what is wrong is remembered, where some cannot be packed.
        """
        found, before = [], len(self.absent)
        for kind, name in named_media(record):
            try:
                path = media_file(self.root, name)
            except OutsideError:
                self.absent.append(f"{shown_name(name)} (outside the root)")
            except SourceError:
                self.absent.append(shown_name(name))
            else:
                found.append((kind, name, path))
                if self.pictures and kind == "image" and not _is_picture(path):
                    self.absent.append(f"{shown_name(name)} (no picture)")
        return found if len(self.absent) == before else None

    def finish(self) -> None:
        """Fail when a medium could not be packed.

        Raises:
            SourceError: How many, and which first.
        """
        if self.absent:
            raise SourceError(
                f"Expected every image or cloud below {self.root}, got {len(self.absent)} missing: "
                f"{', '.join(first_of(self.absent))}. Name the folder that the records' paths are relative to with "
                "--media-root."
            )


def _is_picture(path: Path) -> bool:
    try:
        with open_picture(path):
            return True
    except SourceError:
        return False


def shards_of(path: str | Path, suffix: str, what: str) -> list[Path]:
    """List the shards of a folder by name, or the one that a path names.

    Raises:
        SourceError: There is none.
    """
    path = Path(path)
    shards = sorted(path.glob(f"*{suffix}")) if path.is_dir() else [path]
    if not shards or not shards[0].is_file():
        raise SourceError(f"Expected {what}, got none at {path}. Check the path.")
    return shards


def check_version(name: object, version: object, where: str | Path) -> None:
    """Check what a file says of its schema.

    Raises:
        SourceError: It is another one, or of another version.
    """
    if (name, version) != (SCHEMA, str(VERSION)):
        raise SourceError(
            f"Expected the schema {SCHEMA} version {VERSION}, got {name} version {version} ({where}). "
            "Write it again with this version of lamm data export."
        )


def from_row(row: Mapping[str, Any], path: str | Path) -> InstructionRecord:
    """Read a row that `to_row` made.

    Raises:
        SourceError: It lacks a column or holds a value of another type.
        RecordError: The record breaks the contract.
    """
    try:
        extra = json.loads(row["extra"]) if row.get("extra") else {"record": {}, "turns": []}
        turns = [dict(turn) for turn in row["conversations"]]
        for turn, more in zip(turns, extra["turns"], strict=False):
            turn.update(more)
        media = list(row["media"])
        value = {key: row[key] for key in TEXTS if row.get(key) is not None}
        about = {} if row["modality"] == "text" else {row["modality"]: media if row.get("listed") else media[0]}
        value |= about | {"conversations": turns} | extra["record"]
        if row.get("meta") is not None:
            value["meta"] = json.loads(row["meta"])
    except (KeyError, TypeError, ValueError, IndexError, RecursionError) as error:
        raise SourceError(
            f"Expected a row of an exported file, got {error!r} ({path}). Was it written by `lamm data export`?"
        ) from error
    return InstructionRecord.from_dict(value, text_only=True)

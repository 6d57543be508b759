"""The flat row that Parquet files and WebDataset shards hold, and what both say of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lamm_data.errors import SourceError
from lamm_data.records.instruction import InstructionRecord

SCHEMA = "lamm-instruction"
VERSION = 1
TEXTS = ("id", "task_type", "src_image", "src_dataset", "src_id")


def to_row(record: InstructionRecord) -> dict[str, Any]:
    """Flatten a record: every column has one type, whatever the record's `meta` holds; integer ids become text.

    `media` is always a list; `listed` says whether the record had a list. `meta` and the unknown keys are JSON text.
    """
    media = record.image if record.image is not None else record.pcl
    turns = record.conversations
    extra = {"record": record.extra, "turns": [turn.extra for turn in turns]}
    return {
        **{key: None if (value := getattr(record, key)) is None else str(value) for key in TEXTS},
        "modality": record.modality,
        "media": media if isinstance(media, list) else [] if media is None else [media],
        "listed": isinstance(media, list),
        "conversations": [{"from": turn.role, "value": turn.text} for turn in turns],
        "meta": None if record.meta is None else json.dumps(record.meta, ensure_ascii=False),
        "extra": json.dumps(extra, ensure_ascii=False) if record.extra or any(t.extra for t in turns) else None,
    }


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
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise SourceError(
            f"Expected a row of an exported file, got {error!r} ({path}). Was it written by `lamm data export`?"
        ) from error
    return InstructionRecord.from_dict(value, text_only=True)

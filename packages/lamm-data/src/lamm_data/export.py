"""Instruction records in the formats of other tools, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lamm_data.errors import LammDataError, UsageError
from lamm_data.jsonl import iter_values, write_values
from lamm_data.records import InstructionRecord, Turn

_ROLES = {"human": "user", "gpt": "assistant"}
_BACK = {chat: role for role, chat in _ROLES.items()}
PLACEHOLDER = {"image": "<image>", "pcl": "<pcl>"}
OTHER_KEYS = ("id", "task_type", "src_image", "src_dataset", "src_id", "meta")


def _rest(record: InstructionRecord) -> dict[str, Any]:
    return {key: getattr(record, key) for key in OTHER_KEYS if getattr(record, key) is not None}


def _media(record: InstructionRecord) -> dict[str, Any]:
    return {"image": record.image} if record.image is not None else {"pcl": record.pcl}


def to_llava(record: InstructionRecord) -> dict[str, Any]:
    """Write a record as LLaVA does: a placeholder and a line break before the first question, one a medium."""
    mark = PLACEHOLDER[record.modality] + "\n"
    turns = [{"from": turn.role, "value": turn.text} for turn in record.dialogue()]
    turns[0]["value"] = mark * len(record.media) + turns[0]["value"]
    return _rest(record) | _media(record) | {"conversations": turns}


def from_llava(value: dict[str, Any]) -> InstructionRecord:
    """Read what `to_llava` wrote."""
    record = InstructionRecord.from_dict(value)
    record.conversations = record.dialogue()
    return record


def to_messages(record: InstructionRecord) -> dict[str, Any]:
    """Write a record as chat messages, the media as content parts of the first user message."""
    kind = {"image": "image", "pcl": "point_cloud"}[record.modality]
    messages: list[dict[str, Any]] = []
    for number, turn in enumerate(record.dialogue()):
        parts: list[dict[str, str]] = [{"type": kind, "path": path} for path in record.media] if number == 0 else []
        messages.append({"role": _ROLES[turn.role], "content": [*parts, {"type": "text", "text": turn.text}]})
    return _rest(record) | {"messages": messages}


def from_messages(value: dict[str, Any]) -> InstructionRecord:
    """Read what `to_messages` wrote."""
    turns, media, key = [], [], "image"
    for message in value["messages"]:
        texts = [part["text"] for part in message["content"] if part["type"] == "text"]
        for part in message["content"]:
            if part["type"] in ("image", "point_cloud"):
                media.append(part["path"])
                key = "image" if part["type"] == "image" else "pcl"
        turns.append(Turn(_BACK[message["role"]], "\n".join(texts)))
    record = InstructionRecord(turns, **{name: value[name] for name in OTHER_KEYS if name in value})
    setattr(record, key, media[0] if len(media) == 1 else media)
    return record


@dataclass(frozen=True, slots=True)
class Format:
    """How records are written in a format and read back."""

    write: Callable[[InstructionRecord], dict[str, Any]]
    read: Callable[[dict[str, Any]], InstructionRecord]


FORMATS = {"llava": Format(to_llava, from_llava), "messages": Format(to_messages, from_messages)}


def check_licences(records: Iterable[InstructionRecord]) -> Iterator[InstructionRecord]:
    """Pass records on whose source allows commercial use.

    Raises:
        LammDataError: After the last record, when some are from sources that do not allow it or do not say: which.
    """
    from lamm_data.sources.registry import load_sources

    allowed = {name for name, source in load_sources().items() if source.commercial}
    refused: dict[str, int] = {}
    for record in records:
        source = str((record.meta or {}).get("source", "not stated"))
        if source in allowed:
            yield record
        else:
            refused[source] = refused.get(source, 0) + 1
    if refused:
        listed = ", ".join(f"{number} of {source}" for source, number in refused.items())
        raise LammDataError(
            f"Expected only sources that allow commercial use, got {listed}. "
            "Leave these records out, or drop --license."
        )


def export_records(
    records: Iterable[InstructionRecord], output: str | Path, name: str, *, commercial: bool = False
) -> int:
    """Write records in a format; nothing appears under the name when a licence forbids it.

    Args:
        records: Instruction records.
        output: JSON Lines file, or a JSON list when the name ends in `.json`.
        name: Format.
        commercial: Refuse records whose source does not allow commercial use.

    Returns:
        How many were written.

    Raises:
        UsageError: No such format.
        LammDataError: A licence forbids it.
    """
    if name not in FORMATS:
        raise UsageError(f"Expected a format out of {', '.join(FORMATS)}, got {name!r}.")
    chosen = check_licences(records) if commercial else records
    return write_values(output, (FORMATS[name].write(record) for record in chosen))


def read_export(path: str | Path, name: str) -> Iterator[InstructionRecord]:
    """Read a file that `export_records` wrote."""
    for _, value in iter_values(path):
        yield FORMATS[name].read(value)

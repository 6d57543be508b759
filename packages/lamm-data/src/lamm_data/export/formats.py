"""Instruction records in the formats of other tools, and back: one file, or a folder of shards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from lamm_data.errors import SourceError, UsageError
from lamm_data.export.card import CardFacts, refuse_existing, write_card
from lamm_data.export.licences import check_commercial
from lamm_data.export.parquet import read_parquet, write_parquet
from lamm_data.export.webdataset import read_webdataset, write_webdataset
from lamm_data.files.json_lines import iter_values
from lamm_data.files.settings import did_you_mean
from lamm_data.files.shards import write_values
from lamm_data.records.dialogues import MARK
from lamm_data.records.instruction import InstructionRecord, Turn
from lamm_llm import atomic_path

_ROLES = {"human": "user", "gpt": "assistant"}
_BACK = {chat: role for role, chat in _ROLES.items()}
PLACEHOLDER = {"image": "<image>\n", "pcl": "<pcl>\n", "text": ""}
OTHER_KEYS = ("id", "task_type", "src_image", "src_dataset", "src_id", "meta")


def _rest(record: InstructionRecord) -> dict[str, Any]:
    return record.extra | {key: getattr(record, key) for key in OTHER_KEYS if getattr(record, key) is not None}


def _media(record: InstructionRecord) -> dict[str, Any]:
    return {key: media for key, media in (("image", record.image), ("pcl", record.pcl)) if media is not None}


def to_llava(record: InstructionRecord) -> dict[str, Any]:
    """Write a record as LLaVA does: a placeholder and a line break before the first question, one a medium.

    Placeholders that say where in the questions the media stand are written as they are.
    """
    turns: list[dict[str, Any]] = [{"from": turn.role, "value": turn.text, **turn.extra} for turn in record.dialogue()]
    if not record.is_interleaved:
        marks = [PLACEHOLDER[kind] for kind in record.kinds]
        turns[0]["value"] = "".join(marks) + turns[0]["value"]
    return _rest(record) | _media(record) | {"conversations": turns}


def from_llava(value: dict[str, Any]) -> InstructionRecord:
    """Read what `to_llava` wrote."""
    record = InstructionRecord.from_dict(value, text_only=True)
    record.conversations = record.dialogue()
    return record


def to_messages(record: InstructionRecord) -> dict[str, Any]:
    """Write a record as chat messages, a system message first, the media as content parts where they stand."""
    media = iter(record.ordered_media())
    opening = [] if record.is_interleaved else list(media)
    messages: list[dict[str, Any]] = []
    for turn in record.dialogue():
        places = record.is_interleaved and turn.role == "human"
        first, *others = MARK.split(turn.text) if places else [turn.text]
        parts = [_medium_part(*medium) for medium in opening] + [{"type": "text", "text": first}]
        for text in others:
            parts += [_medium_part(*next(media)), {"type": "text", "text": text}]
        content = [part for part in parts if part.get("text") != ""]
        messages.append({"role": _ROLES[turn.role], "content": content, **turn.extra})
        opening = []
    rest = _rest(record)
    if isinstance(rest.get("system"), str):
        messages.insert(0, {"role": "system", "content": [{"type": "text", "text": rest.pop("system")}]})
    return rest | {"messages": messages}


def _medium_part(kind: str, path: str) -> dict[str, str]:
    return {"type": "image" if kind == "image" else "point_cloud", "path": path}


def from_messages(value: dict[str, Any]) -> InstructionRecord:
    """Read what `to_messages` wrote."""
    turns, media = [], list[tuple[str, str]]()
    extra = {name: entry for name, entry in value.items() if name not in (*OTHER_KEYS, "messages")}
    for message in value["messages"]:
        text = ""
        for part in message["content"]:
            if part["type"] == "text":
                text += part["text"]
                continue
            media.append(("image" if part["type"] == "image" else "pcl", part["path"]))
            text += PLACEHOLDER[media[-1][0]].strip()
        if message["role"] == "system":
            extra["system"] = text
            continue
        more = {name: entry for name, entry in message.items() if name not in ("role", "content")}
        turns.append(Turn(_BACK[message["role"]], text, more))
    record = InstructionRecord(turns, extra=extra, **{name: value[name] for name in OTHER_KEYS if name in value})
    for kind in ("image", "pcl"):
        if paths := [path for key, path in media if key == kind]:
            setattr(record, kind, paths[0] if len(paths) == 1 else paths)
    record.conversations = record.dialogue()
    return record


FORMATS: dict[str, tuple[Callable[[InstructionRecord], dict[str, Any]], Callable[[Any], InstructionRecord]]] = {
    "lamm": (InstructionRecord.to_dict, partial(InstructionRecord.from_dict, text_only=True)),
    "llava": (to_llava, from_llava),
    "messages": (to_messages, from_messages),
}
"""Formats that are one JSON file: how a record is written and read back."""
SHARDED = ("parquet", "webdataset")
"""Formats that are a folder of shards."""


def _check_format(name: str) -> None:
    if name not in (*FORMATS, *SHARDED):
        raise UsageError(f"Expected a format, got {name!r}. {did_you_mean(name, (*FORMATS, *SHARDED))}")


def export_records(
    records: Iterable[InstructionRecord],
    output: str | Path,
    name: str,
    *,
    commercial: bool = False,
    media_root: str | Path | None = None,
    embed: bool = False,
    card: str = "",
) -> int:
    """Write records in a format; nothing appears under the name when a licence forbids it or media are missing.

    Args:
        records: Instruction records.
        output: For `lamm`, `llava` and `messages` a JSON Lines file, or a JSON list when the name ends in `.json`; for
            `parquet` and `webdataset` a new folder for the shards.
        name: Format.
        commercial: Refuse records whose licence does not allow commercial use.
        media_root: Folder of the media, which WebDataset shards carry with them.
        embed: Put the media into Parquet files, too.
        card: Title of a data set card (`README.md` and `croissant.json`) to write beside the data; none when empty.

    Returns:
        How many were written.

    Raises:
        UsageError: No such format, a folder that is not empty, a card in the way, media that the format cannot hold,
            or no media root for one that does.
        LammDataError: A licence forbids it, or the format needs a package that is not installed.
    """
    _check_format(name)
    if embed and name != "parquet":
        raise UsageError(
            f"Expected the format parquet to put media into, got {name}. WebDataset shards hold them in any case."
        )
    if (embed or name == "webdataset") and media_root is None:
        raise UsageError(f"Expected the folder of the media, which {name} files are to hold, got none: --media-root.")
    facts, output = CardFacts(), Path(output)
    chosen = facts.watch(check_commercial(records) if commercial else records)
    if name in FORMATS:
        if card:
            refuse_existing(output.parent)
        count = write_values(output, map(FORMATS[name][0], chosen))
        if card:
            write_card(output.parent, card, facts, [output], name)
        return count
    with new_folder(output) as folder:
        if name == "parquet":
            count = write_parquet(chosen, folder, media_root=Path(media_root) if embed and media_root else None)
        else:
            count = write_webdataset(chosen, folder, Path(media_root or ""))
        if card:
            write_card(folder, card, facts, sorted(folder.iterdir()), name, embedded=embed)
    return count


@contextmanager
def new_folder(path: str | Path) -> Iterator[Path]:
    """Fill a folder that appears under its name only when the block has ended without an error.

    Raises:
        UsageError: There is a folder or file of this name already, and it is not empty.
    """
    path = Path(path)
    if path.is_file() or (path.is_dir() and any(path.iterdir())):
        raise UsageError(f"Expected a new or empty folder, got {path}, which is there already. Name another one.")
    with atomic_path(path) as beside:
        beside.mkdir()
        yield beside


def _read_json(path: str | Path, name: str) -> Iterator[InstructionRecord]:
    for line, value in iter_values(path):
        try:
            yield FORMATS[name][1](value)
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise SourceError(
                f"Expected a record in the format {name}, got {str(value)[:60]} without {error} ({path}, line {line})."
            ) from error


def read_export(path: str | Path, name: str) -> Iterator[InstructionRecord]:
    """Read a file or folder that `export_records` wrote.

    Raises:
        UsageError: No such format.
        SourceError: It is missing, damaged or of another version.
    """
    _check_format(name)
    if name in FORMATS:
        return _read_json(path, name)
    return read_parquet(path) if name == "parquet" else read_webdataset(path)

"""The instruction record: one image or point cloud and a dialogue about it, as LAMM-Dataset stores it."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Self, TypeVar

from lamm_data.errors import Fault, RecordError, SourceError
from lamm_data.files.json_lines import iter_values
from lamm_data.files.shards import is_writable, write_values
from lamm_data.records.dialogues import MARKS, is_foreign, marks_of, native, opening_marks
from lamm_data.records.tasks import TASK_TYPES, canonical_task_type

Record = TypeVar("Record")
ROLES = ("human", "gpt")
PLACEHOLDERS = tuple(MARKS)
VERSION = 1
"""Version of the record files that a header may state."""
MAX_ROUNDS_3D = 10
"""Rounds that a dialogue about a point cloud may have in the LAMM-Dataset."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One utterance.

    Attributes:
        role: `human` asks, `gpt` answers (the published key is `from`).
        text: What is said (the published key is `value`).
        extra: Keys of the published turn that are none of ours, kept as they were.
    """

    role: str
    text: str
    extra: dict[str, Any] = field(default_factory=dict)


class HasMedia:
    """What instruction and benchmark records share: an image or a point cloud, or a list of either."""

    __slots__ = ()
    image: str | list[str] | None
    pcl: str | list[str] | None

    @property
    def modality(self) -> str:
        """`image` or `pcl` (`image` of a record with both); `text` of a dialogue about neither."""
        return "image" if self.image is not None else "pcl" if self.pcl is not None else "text"

    @property
    def media(self) -> tuple[str, ...]:
        """Media paths with a leading `./` removed, images before clouds; absolute paths stay absolute."""
        return media_paths(self.image) + media_paths(self.pcl)

    @property
    def kinds(self) -> tuple[str, ...]:
        """`image` or `pcl` for each of `media`."""
        return ("image",) * len(media_paths(self.image)) + ("pcl",) * len(media_paths(self.pcl))


@dataclass(slots=True)
class InstructionRecord(HasMedia):
    """One record of an instruction file.

    Every field that a published file leaves out is None here and is left out again on writing, so that reading and
    writing lose nothing: absolute paths, `./` prefixes, `<image>` placeholders and unknown keys come back as they were.

    Attributes:
        conversations: Turns, alternating, the first by `human`, the last by `gpt`.
        id: Source image id; not unique in published files and missing in 3D ones.
        image: Path of an image below the media root, or a list of paths.
        pcl: Path of a point cloud below the media root, or a list of paths.
        task_type: Published task type; `canonical_task_type` resolves its variants.
        src_image: Data set of the image (2D files).
        src_dataset: Data set of the cloud (3D files).
        src_id: Id inside that data set.
        meta: Provenance: source file, annotation id, licence, generator, seed.
        extra: Unknown keys, kept as they were.
    """

    conversations: list[Turn]
    id: str | None = None
    image: str | list[str] | None = None
    pcl: str | list[str] | None = None
    task_type: str | None = None
    src_image: str | None = None
    src_dataset: str | None = None
    src_id: str | None = None
    meta: dict[str, Any] | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, value: Any, *, text_only: bool = False) -> Self:
        """Read a record, of our layout or another tool's (`lamm_data.records.dialogues`).

        Args:
            value: One JSON value.
            text_only: Also take a dialogue about neither image nor cloud.

        Raises:
            RecordError: It breaks the contract; all faults of the record are named.
        """
        faults = list[str]()
        if is_foreign(value):
            value, faults = native(value)
        refuse_faults(value, [*faults, *instruction_faults(value, text_only=text_only and not faults)])
        known = {key: value[key] for key in _KEYS if key in value}
        turns = [
            Turn(
                turn["from"],
                turn["value"],
                {} if len(turn) == 2 else {k: v for k, v in turn.items() if k not in ("from", "value")},
            )
            for turn in value["conversations"]
        ]
        return cls(turns, **known, extra={k: v for k, v in value.items() if k not in _ALL_KEYS})

    def to_dict(self) -> dict[str, Any]:
        """Return the record with its published keys; fields that are None are left out."""
        out = {key: getattr(self, key) for key in _KEYS if getattr(self, key) is not None}
        out["conversations"] = [{"from": turn.role, "value": turn.text, **turn.extra} for turn in self.conversations]
        return out | self.extra

    def _repr_html_(self) -> str:
        from lamm_data.records.notebook import record_html

        rows = [(turn.role, turn.text) for turn in self.dialogue()]
        return record_html((self.id, self.kind, *self.media), self.media if self.modality == "image" else (), rows)

    @property
    def kind(self) -> str:
        """The canonical task type: `normal` when missing, variants resolved."""
        return canonical_task_type(self.task_type) or "normal"

    @property
    def is_interleaved(self) -> bool:
        """Whether placeholders say where in the questions the media stand; else all stand before the first one."""
        marks = self._marks()
        if sorted(marks) != sorted(self.kinds):
            return False
        return marks != list(self.kinds) or opening_marks(self.conversations[0].text)[0] != marks

    def dialogue(self) -> list[Turn]:
        """Return the turns, without the placeholders before or after the first question where they stand for all media.

        Placeholders that stand elsewhere, or for more or fewer media, are left as they are.
        """
        first = self.conversations[0]
        if "<" not in first.text or self.is_interleaved or len(self._marks()) != len(self.kinds):
            return list(self.conversations)
        return [Turn(first.role, opening_marks(first.text)[1], first.extra), *self.conversations[1:]]

    def ordered_media(self) -> list[tuple[str, str]]:
        """Return kind (`image` or `pcl`) and path of each medium in the order in which the dialogue shows them."""
        if not self.is_interleaved:
            return list(zip(self.kinds, self.media, strict=True))
        waiting = {kind: iter(media_paths(paths)) for kind, paths in (("image", self.image), ("pcl", self.pcl))}
        return [(kind, next(waiting[kind])) for kind in self._marks()]

    def _marks(self) -> list[str]:
        return marks_of(turn.text for turn in self.conversations[::2])


_KEYS = ("id", "image", "pcl", "task_type", "src_image", "src_dataset", "src_id", "meta")
_ALL_KEYS = {*_KEYS, "conversations"}
_CHECKED = ("image", "pcl", "conversations")


def media_paths(value: str | list[str] | None) -> tuple[str, ...]:
    """Return media paths as a tuple, each with a leading `./` removed; what is no text, in a faulty record, is none."""
    if value is None:
        return ()
    values: list[Any] = value if isinstance(value, list) else [value]
    return tuple([_plain_path(path) for path in values if isinstance(path, str)])


def _plain_path(path: str) -> str:
    if path.startswith("/") or (path and path[-1] not in "./" and "./" not in path and "//" not in path):
        return path
    return str(PurePosixPath(path))


def text_faults(value: dict[str, Any], but: Collection[str] = ()) -> list[str]:
    """Name the keys, but those that are checked elsewhere, whose value no file can hold; see `is_writable`."""
    texts = {
        key: part if isinstance(part, str) else json.dumps(part, ensure_ascii=False)
        for key, part in value.items()
        if key not in but and isinstance(part, str | dict | list)
    }
    return [f"Expected `{key}` to hold whole characters, got half of a surrogate pair." for key, text in texts.items()
            if not is_writable(text)]  # fmt: skip


def refuse_faults(value: Any, messages: list[str]) -> None:
    """Raise a `RecordError` where there are faults; each names the record by its id, where it has one."""
    if messages:
        shown = str(value["id"]) if isinstance(value, dict) and value.get("id") is not None else None
        raise RecordError([Fault(message, id=shown) for message in messages])


def media_faults(value: dict[str, Any]) -> list[str]:
    """Name what is wrong with a record's `image` and `pcl`."""
    faults = []
    if value.get("image") is None and value.get("pcl") is None:
        faults.append("Expected an `image` or a `pcl`, got neither. Name the file the record is about.")
    for key in ("image", "pcl"):
        media = value.get(key)
        paths = media if isinstance(media, list) else [] if media is None else [media]
        if media == [] or not all(isinstance(path, str) and path.strip() and is_writable(path) for path in paths):
            faults.append(f"Expected `{key}` to be a path or a list of paths, got {media!r}.")
    return faults


def _turn_faults(turns: Any) -> Iterator[str]:
    if not isinstance(turns, list) or not turns:
        yield f"Expected `conversations` to be a list of turns, got {_shape(turns)}."
        return
    for number, turn in enumerate(turns):
        expected = ROLES[number % 2]
        text = turn.get("value") if isinstance(turn, dict) else None
        if not isinstance(text, str):
            yield f"Expected turn {number + 1} to have a text `value`, got {_shape(turn)}."
        elif turn.get("from") != expected:
            yield f"Expected turn {number + 1} to be from {expected!r}, got {turn.get('from')!r}. Turns must alternate."
        elif not is_writable(text):
            yield f"Expected turn {number + 1} to hold whole characters, got half of a surrogate pair."
        elif not text or text.isspace():
            yield f"Expected turn {number + 1} to say something, got an empty text."
    if len(turns) % 2:
        yield f"Expected each question to have an answer, got {len(turns)} turns."


def _shape(value: Any) -> str:
    return "nothing" if value is None else f"{type(value).__name__} {str(value)[:40]!r}"


def instruction_faults(value: Any, *, text_only: bool = False) -> list[str]:
    """Name everything that keeps a JSON value from being an instruction record.

    Ids may be strings or integers, repeated or missing: published files have all of these. With `text_only` a record
    need not have an image or a cloud.
    """
    if not isinstance(value, dict):
        return [f"Expected a record object, got {_shape(value)}."]
    about_nothing = value.get("image") is None and value.get("pcl") is None
    faults = [] if text_only and about_nothing else media_faults(value)
    faults.extend(_turn_faults(value.get("conversations")))
    faults.extend(text_faults(value, _CHECKED))
    task_type = value.get("task_type")
    if task_type is not None and (not isinstance(task_type, str) or canonical_task_type(task_type) is None):
        faults.append(f"Expected a task_type out of {', '.join(TASK_TYPES)}, got {task_type!r}.")
    faults.extend(
        f"Expected `{key}` to be a string, got {_shape(value[key])}."
        for key in ("id", "src_image", "src_dataset", "src_id")
        if not isinstance(value.get(key), str | int | None)
    )
    if not isinstance(value.get("meta"), dict | None):
        faults.append(f"Expected `meta` to be an object, got {_shape(value['meta'])}.")
    return faults


def is_header(value: Any, kind: str, path: str | Path) -> bool:
    """Tell whether a file's first value is a header, `{"lamm": kind, "version": 1}`, which files may begin with.

    Raises:
        SourceError: It is the header of another kind of file, or of a version that this package does not know.
    """
    if not isinstance(value, dict) or "lamm" not in value or "conversations" in value or "query" in value:
        return False
    stated, version = value["lamm"], value.get("version", VERSION)
    if stated != kind or version != VERSION:
        raise SourceError(
            f"Expected a file of {kind}, version {VERSION}, got {stated}, version {version} ({path}). "
            "Name another file, or install the version of lamm-data that wrote it."
        )
    return True


def scan_values(path: str | Path, kind: str, read: Callable[[Any], Record]) -> Iterator[Record | Fault]:
    """Stream a file of records of a kind, giving a record or its faults for every entry; nothing is skipped silently.

    Raises:
        SourceError: The file itself cannot be read as JSON Lines or a JSON list.
    """
    for number, (line, value) in enumerate(iter_values(path)):
        if number == 0 and is_header(value, kind, path):
            continue
        try:
            yield read(value)
        except RecordError as error:
            for fault in error.faults:
                yield replace(fault, path=str(path), line=line)


def faultless(entries: Iterable[Record | Fault]) -> list[Record]:
    """Return the records of a file; raise a `RecordError` of all faults where there are some."""
    entries = list(entries)
    if faults := [entry for entry in entries if isinstance(entry, Fault)]:
        raise RecordError(faults)
    return [entry for entry in entries if not isinstance(entry, Fault)]


def scan_records(path: str | Path, *, text_only: bool = False) -> Iterator[InstructionRecord | Fault]:
    """Stream an instruction file, of our layout or another tool's; see `scan_values` and `read_records`."""
    return scan_values(path, "instructions", partial(InstructionRecord.from_dict, text_only=text_only))


def read_records(path: str | Path, *, text_only: bool = False) -> list[InstructionRecord]:
    """Read a whole instruction file, JSON Lines or a JSON list.

    The rows are laid out as ours, or as those of ShareGPT, LLaVA, OpenAI or ms-swift (`lamm_data.records.dialogues`).

    Args:
        path: File of records.
        text_only: Also take dialogues about neither image nor cloud.

    Raises:
        RecordError: Some records break the contract; every fault of the file is named with file, line and id.
        SourceError: The file is missing or not JSON.
    """
    return faultless(scan_records(path, text_only=text_only))


def write_records(path: str | Path, records: Iterable[InstructionRecord]) -> int:
    """Write records as JSON Lines, or as the published JSON list when the name ends in `.json`; atomically.

    Returns:
        How many were written.
    """
    return write_values(path, map(InstructionRecord.to_dict, records))

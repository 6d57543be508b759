"""Instruction records as rows of tokens with the media they need."""

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamm_model.errors import LammModelError
from lamm_model.training.packing import Dialogue, Medium, Row, lay_out, pack_rows
from lamm_model.training.settings import DataSettings

if TYPE_CHECKING:
    from lamm_data.records import InstructionRecord
    from lamm_model.processing_lamm import LammProcessor

LISTED = 10


@dataclass(slots=True)
class TrainingData:
    """What a run is tuned on.

    Attributes:
        rows: Rows of dialogues that share their media.
        rejected: How many records were left out, by reason.
        records: How many records were read.
    """

    rows: list[Row]
    records: int
    rejected: Counter[str] = field(default_factory=Counter)

    @property
    def dialogues(self) -> int:
        """Return the number of dialogues that are learnt."""
        return sum(len(row.dialogues) for row in self.rows)


def load_training_data(settings: DataSettings, processor: "LammProcessor") -> TrainingData:
    """Read records, check their media, and pack them.

    Raises:
        LammModelError: A file is missing among the media (all are listed), or nothing is left to learn.
        lamm_data.errors.LammDataError: A record file cannot be read; every fault is listed.
    """
    dialogues: list[Dialogue] = []
    rejected: Counter[str] = Counter()
    missing: list[str] = []
    known: set[str] = set()
    number = 0
    for file, record in _records(settings):
        number += 1
        name = f"{file.name}:{record.id if record.id is not None else number}"
        media = _media(record, Path(settings.media_root) if settings.media_root else file.parent)
        for _, path in media:
            if path not in known and not Path(path).is_file():
                missing.append(f"{path} (record {name})")
            known.add(path)
        dialogue = encode(record, name, media, processor)
        fault = _fault(dialogue, settings.row_tokens)
        if fault:
            rejected[fault] += 1
        else:
            dialogues.append(dialogue)
    if missing:
        shown = "\n".join(f"  {line}" for line in missing[:LISTED])
        raise LammModelError(
            f"Expected every medium to exist, found {len(missing)} missing:\n{shown}\nSet data.media_root."
        )
    if not dialogues:
        reasons = ", ".join(f"{count} {reason}" for reason, count in rejected.items()) or "the files hold no record"
        raise LammModelError(f"Expected dialogues to learn from, found none: {reasons}.")
    rows = pack_rows(dialogues, settings.row_tokens, share=settings.packing == "shared_prefix")
    return TrainingData(rows, number, rejected)


def _records(settings: DataSettings) -> "list[tuple[Path, InstructionRecord]]":
    from lamm_data.records import read_records

    shares = settings.shares or (1.0,) * len(settings.records)
    return [
        (Path(file), record)
        for file, share in zip(settings.records, shares, strict=True)
        for number, record in enumerate(read_records(file))
        if _drawn(f"{record.id or number}", share)
    ]


def _drawn(key: str, share: float) -> bool:
    """Return whether a record belongs to the share of its file that is used, by a hash of its id."""
    return zlib.crc32(key.encode()) / 2**32 < share


def _media(record: "InstructionRecord", root: Path) -> tuple[Medium, ...]:
    kind = "image" if record.modality == "image" else "point_cloud"
    return tuple((kind, str(root / path)) for path in record.media)


def encode(record: "InstructionRecord", name: str, media: Sequence[Medium], processor: "LammProcessor") -> Dialogue:
    """Turn a record into tokens with the same builder that prediction uses."""
    turns: list[dict[str, Any]] = [{"from": turn.role, "value": turn.text} for turn in record.dialogue()]
    row = processor.encode_dialogue(turns, media=[kind for kind, _ in media], task_type=record.kind, name=name)
    placeholders = {processor.image_token_id, processor.point_cloud_token_id}
    last = max((place for place, token in enumerate(row["input_ids"]) if token in placeholders), default=-1)
    return Dialogue(name, tuple(media), row["input_ids"], row["labels"], row["modality_ids"], last + 1)


def _fault(dialogue: Dialogue, ceiling: int) -> str:
    if len(dialogue.input_ids) > ceiling:
        return f"longer than row_tokens = {ceiling}"
    return "" if dialogue.learnt else "no response to learn"


class RowDataset:
    """Rows by number, as the trainer's data loader wants them."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Row:
        return self.rows[index]


class Collator:
    """Lay rows out and load their media.

    Attributes:
        useful: Tokens laid out so far, padding not counted.
    """

    def __init__(self, processor: "LammProcessor") -> None:
        self.processor = processor
        self.useful = 0

    def __call__(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Return the model's inputs: tokens ``[R, S]``, ``pixel_values``, ``point_clouds``, and the record ``ids``."""
        batch: dict[str, Any] = lay_out(rows, self.processor.pad_token_id)
        self.useful += sum(row.tokens for row in rows)
        media = [medium for row in rows for medium in row.media]
        images = [path for kind, path in media if kind == "image"]
        clouds = [path for kind, path in media if kind == "point_cloud"]
        if images:
            batch["pixel_values"] = self.processor.image_processor(images)["pixel_values"]
        if clouds:
            batch["point_clouds"] = self.processor.feature_extractor(clouds)["point_clouds"]
        batch["ids"] = [dialogue.id for row in rows for dialogue in row.dialogues]
        return batch

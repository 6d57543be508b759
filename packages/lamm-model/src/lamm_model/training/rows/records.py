"""Instruction records as rows of tokens with the media they need."""

import zlib
from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamm_model.errors import LammModelError
from lamm_model.model.silence import spoken_places
from lamm_model.training.rows.packing import Dialogue, Medium, Row, pack_rows
from lamm_model.training.settings.settings import FinetuneSettings
from lamm_model.training.settings.tables import DataSettings

if TYPE_CHECKING:
    from lamm_data import Fault, InstructionRecord
    from lamm_model.processing.processing_lamm import LammProcessor
    from lamm_model.training.rows.feature_cache import FeatureCache

LISTED = 10


@dataclass(slots=True)
class TrainingData:
    """What a run is tuned on."""

    rows: list[Row]
    records: int  # how many were read
    rejected: dict[str, list[str]] = field(default_factory=dict)  # ids of records that were left out, by reason

    @property
    def dialogues(self) -> int:
        """Return the number of dialogues that are learnt."""
        return sum(len(row.dialogues) for row in self.rows)

    @property
    def media(self) -> set[str]:
        """Return the paths of all media."""
        return {path for row in self.rows for _, path in row.media}


def load_training_data(
    settings: DataSettings,
    processor: "LammProcessor",
    learns_text: bool = True,
    features: "FeatureCache | None" = None,
) -> TrainingData:
    """Read records, check their media, and pack them.

    Records that break their contract, cannot be laid out or do not fit in a row are rejected by id.

    Args:
        settings: Which files, and how they are packed.
        processor: The model's.
        learns_text: Whether something that is trained serves dialogues about no medium.
        features: Cached features; of media of which some tokens say nothing, they tell how many take a place.

    Raises:
        LammModelError: A file is missing among the media (all are listed), or nothing is left to learn.
        lamm_data.errors.LammDataError: A record file is no JSON.
    """
    from lamm_data import Fault

    dialogues: list[Dialogue] = []
    rejected: dict[str, list[str]] = defaultdict(list)
    missing: list[str] = []
    known: set[Medium] = set()
    number = 0
    for file, record in _records(settings):
        number += 1
        name = _name(file, record, number)
        if isinstance(record, Fault):
            rejected[record.message.rstrip(".")].append(name)
            continue
        root = _root(settings, file)
        media = media_of(record, root)
        missing += _absent(record, media, name, root, known)
        try:
            dialogue = encode(record, name, media, processor)
            if features is not None and features.silent:
                dialogue = shortened(dialogue, processor, features)
        except LammModelError as error:
            rejected[str(error).replace(f" ({name})", "").rstrip(".")].append(name)
            continue
        fault = fault_of(dialogue, settings.row_tokens, processor, learns_text, features)
        if fault:
            rejected[fault].append(name)
        else:
            dialogues.append(dialogue)
    _refuse_absent(missing)
    if not dialogues:
        reasons = "; ".join(rejections(rejected)) or "the files hold no record"
        raise LammModelError(f"Expected dialogues to learn from, found none: {reasons}.")
    # Where the base model lays images out, their positions are its own: each dialogue has a row.
    laid_by_base = processor.lays_out_images and any(kind == "image" for one in dialogues for kind, _ in one.media)
    packing = "none" if laid_by_base else settings.packing
    return TrainingData(pack_rows(dialogues, settings.row_tokens, packing), number, dict(rejected))


def _absent(
    record: "InstructionRecord", media: Sequence[Medium], name: str, root: Path, known: set[Medium]
) -> list[str]:
    """Say which media of a record cannot be opened, of those that are not known yet; they then are."""
    from lamm_data import LammDataError, OutsideError, media_file, shown_name

    found = []
    for (_, medium), (kind, path) in zip(record.ordered_media(), media, strict=True):
        if (kind, path) in known:
            continue
        known.add((kind, path))
        try:
            media_file(root, medium)
        except OutsideError:
            found.append(f"{shown_name(path)} (record {name}, outside the media root)")
        except LammDataError:
            found.append(f"{shown_name(path)} (record {name}, missing)")
    return found


def _refuse_absent(missing: Sequence[str]) -> None:
    if missing:
        shown = "\n".join(f"  {line}" for line in missing)
        raise LammModelError(
            f"Expected every medium below the media root, found {len(missing)} missing:\n{shown}\nSet data.media_root."
        )


def held_out(settings: FinetuneSettings) -> DataSettings:
    """Return the settings by which the held-out records of a run are read."""
    return replace(settings.data, records=settings.evaluation.records, shares=())


def load_held_out(
    settings: FinetuneSettings, processor: "LammProcessor", features: "FeatureCache | None" = None
) -> list[Row]:
    """Read the held-out records of a run, where it has any; errors as for `load_training_data`."""
    if not settings.evaluation.records:
        return []
    return load_training_data(held_out(settings), processor, features=features).rows


def media_of_records(*settings: DataSettings) -> set[Medium]:
    """Return the media of all records.

    Raises:
        LammModelError: A file is missing among them (all are listed).
    """
    from lamm_data import Fault

    known: set[Medium] = set()
    missing: list[str] = []
    for chosen in settings:
        for number, (file, record) in enumerate(_records(chosen), start=1):
            if not isinstance(record, Fault):
                root = _root(chosen, file)
                missing += _absent(record, media_of(record, root), _name(file, record, number), root, known)
    _refuse_absent(missing)
    return known


def shortened(dialogue: Dialogue, processor: "LammProcessor", features: "FeatureCache") -> Dialogue:
    """Return a dialogue without the placeholders of tokens that say nothing.

    Raises:
        LammModelError: A medium has no features, because it cannot be read.
    """
    stand = {
        "image": (processor.image_token_id, processor.image_tokens),
        "point_cloud": (processor.point_cloud_token_id, processor.point_cloud_tokens),
    }
    media = [(kind, path) for kind, path in dialogue.media if kind in features.silent]
    if features.missing(media):
        raise LammModelError("Expected media that can be read, got one that cannot. Look at the file.")
    told = [(*stand[kind], features.tokens(kind, path)) for kind, path in media]
    places = list(spoken_places(dialogue.input_ids, told))
    return Dialogue(
        dialogue.id,
        dialogue.media,
        array("i", [dialogue.input_ids[place] for place in places]),
        array("i", [dialogue.labels[place] for place in places]),
        array("b", [dialogue.modality_ids[place] for place in places]),
        dialogue.prefix - (len(dialogue.input_ids) - len(places)),
    )


def fault_of(
    dialogue: Dialogue,
    ceiling: int,
    processor: "LammProcessor",
    learns_text: bool = True,
    features: "FeatureCache | None" = None,
) -> str:
    """Return why a dialogue cannot be learnt in a row of at most ``ceiling`` tokens, or nothing."""
    each = {"image": processor.image_tokens, "point_cloud": processor.point_cloud_tokens}
    ids = {"image": processor.image_token_id, "point_cloud": processor.point_cloud_token_id}
    silent = features.silent if features is not None else set()
    for kind, count in each.items():
        if (kind == "image" and processor.lays_out_images) or kind in silent:  # as many as each has
            continue
        if not count and any(medium[0] == kind for medium in dialogue.media):
            return f"the model has no tower for {kind} media"
        expected = count * sum(medium[0] == kind for medium in dialogue.media)
        present = sum(token == ids[kind] for token in dialogue.input_ids)
        if present != expected:
            return f"{kind} tokens differ from the features of its media"
    if len(dialogue.input_ids) > ceiling:
        return f"longer than row_tokens = {ceiling}"
    if not (any(dialogue.modality_ids) or learns_text):
        if dialogue.media:
            return "about images alone, and nothing that is trained serves those (model.adapt_images does)"
        return "about no medium, and nothing that is trained serves text alone"
    return "" if dialogue.learnt else "no response to learn"


def rejections(rejected: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a line for each reason why records were left out, those of most records first."""
    ordered = sorted(rejected.items(), key=lambda pair: -len(pair[1]))
    others = sum(len(ids) for _, ids in ordered[LISTED:])
    return [rejection(*pair) for pair in ordered[:LISTED]] + (
        [f"{others} rejected for other reasons"] if others else []
    )


def rejection(reason: str, ids: Sequence[str]) -> str:
    """Return one line about records that were left out: how many, why, and the first of them by id."""
    more = f" and {len(ids) - LISTED} more" if len(ids) > LISTED else ""
    return f"{len(ids)} rejected, {reason}: {', '.join(ids[:LISTED])}{more}"


def _records(settings: DataSettings) -> "Iterator[tuple[Path, InstructionRecord | Fault]]":
    """Yield the records of all files one after another, as often an epoch as their file's share says, and faults once.

    Of a record with several faults the first is yielded.
    """
    from lamm_data import Fault, scan_records

    shares = settings.shares or (1.0,) * len(settings.records)
    for file, share in zip(settings.records, shares, strict=True):
        faulty = 0
        for number, record in enumerate(scan_records(file, text_only=True)):
            if isinstance(record, Fault):
                if record.line != faulty:
                    yield Path(file), record
                faulty = record.line
                continue
            for _ in range(_times(f"{record.id or number}", share)):
                yield Path(file), record


def _name(file: Path, record: "InstructionRecord | Fault", number: int) -> str:
    return f"{file.name}:{record.id if record.id is not None else number}"


def _root(settings: DataSettings, file: Path) -> Path:
    return Path(settings.media_root) if settings.media_root else file.parent


def _times(key: str, share: float) -> int:
    """Return how often an epoch shows a record: the share's whole part, and once more by a hash of the record's id."""
    whole = int(share)
    return whole + (zlib.crc32(key.encode()) / 2**32 < share - whole)


def media_of(record: "InstructionRecord", root: Path) -> tuple[Medium, ...]:
    """Return kind and path below a folder of a record's media, in the order in which its dialogue shows them."""
    kinds = {"image": "image", "pcl": "point_cloud"}
    return tuple((kinds[kind], str(root / path)) for kind, path in record.ordered_media())


def encode(record: "InstructionRecord", name: str, media: Sequence[Medium], processor: "LammProcessor") -> Dialogue:
    """Turn a record into tokens with the same builder that prediction uses; its own system message wins.

    Raises:
        LammModelError: Its placeholders do not fit its media, or the prompt format has no place for its turns.
    """
    turns: list[dict[str, Any]] = [{"from": turn.role, "value": turn.text} for turn in record.dialogue()]
    pictures = [Path(path) for kind, path in media if kind == "image"]
    kinds = [kind for kind, _ in media]
    system = record.extra.get("system")
    row = processor.encode_dialogue(
        turns,
        media=kinds,
        pictures=pictures,
        task_type=record.kind,
        system=system if isinstance(system, str) and system.strip() else None,
        name=name,
    )
    placeholders = {processor.image_token_id, processor.point_cloud_token_id}
    last = max((number for number, token in enumerate(row["input_ids"]) if token in placeholders), default=-1)
    # Arrays, nine bytes a token: as lists of numbers, half a million dialogues would take tens of gigabytes.
    columns = (array("i", row["input_ids"]), array("i", row["labels"]), array("b", row["modality_ids"]))
    return Dialogue(name, tuple(media), *columns, last + 1)

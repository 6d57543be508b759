"""The cold-start loop: rows of rejected records go back to `lamm data generate`, what it writes takes their place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lamm_data.errors import SourceError, first_of
from lamm_data.files.shards import write_values
from lamm_data.generation.rows import Row
from lamm_data.records.instruction import InstructionRecord
from lamm_data.review.sampling import content_key
from lamm_data.review.verdicts import Verdict


def row_values(row: Row) -> dict[str, Any]:
    """Write a row as a line that `lamm data generate --annotations` reads; what it does not have is left out."""
    values: dict[str, Any] = {
        "id": row.id,
        row.modality: row.media,
        "captions": list(row.captions),
        "instances": [
            {"category": item.label, "bbox": list(item.box), "attributes": list(item.attributes)}
            for item in row.objects
        ],
        "relations": [list(triple) for triple in row.relations],
        "label": row.label,
        "description": row.description,
        "questions": [{"id": item.id, "question": item.text, "answers": list(item.answers)} for item in row.questions],
        "group": row.group,
        **row.source,
        "licence": row.licence,
    }
    return {key: value for key, value in values.items() if value}


def write_rejected_rows(
    path: Path, records: Iterable[InstructionRecord], rejected: Mapping[str, Verdict], rows: Mapping[str, Row]
) -> int:
    """Write the annotation rows of rejected records for `lamm data generate`, each once and in the records' order.

    Raises:
        SourceError: A rejected record has no row of its id.
    """
    ids = dict.fromkeys(str(record.id) for record in records if content_key(record) in rejected)
    missing = [name for name in ids if name not in rows]
    if missing:
        raise SourceError(
            f"Expected an annotation row for every rejected record, got none for {len(missing)}: "
            f"{', '.join(first_of(missing))}. Give the --annotations that the records were made from."
        )
    return write_values(path, (row_values(rows[name]) for name in ids))


@dataclass(slots=True)
class Replacement:
    """A file of records after its rejected ones were written anew.

    Attributes:
        records: Records that stand: those nobody rejects, and the new ones in the places of rejected ones.
        removed: Rejected records, each with its verdict under `review`.
        replaced: How many new records came in.
        without: Ids of rejected records for which nothing new was written.
    """

    records: list[InstructionRecord] = field(default_factory=list)
    removed: list[InstructionRecord] = field(default_factory=list)
    replaced: int = 0
    without: list[str] = field(default_factory=list)


def replace_rejected(
    records: Iterable[InstructionRecord], rejected: Mapping[str, Verdict], anew: Iterable[InstructionRecord]
) -> Replacement:
    """Put records that were written anew in the places of rejected ones; nothing is lost.

    A row that makes several records (a long 3D dialogue) is replaced as a whole: when one of them is rejected, all
    records of its id and task type go. New records whose id and task type nobody rejected are not taken.
    """
    records = list(records)
    reasons = {_identity(item): rejected[content_key(item)] for item in records if content_key(item) in rejected}
    new: dict[tuple[str, str], list[InstructionRecord]] = {}
    for record in anew:
        new.setdefault(_identity(record), []).append(record)
    result = Replacement()
    seen: set[tuple[str, str]] = set()
    for record in records:
        name = _identity(record)
        if name not in reasons:
            result.records.append(record)
            continue
        if name not in seen:
            seen.add(name)
            result.records += new.get(name, [])
            result.replaced += len(new.get(name, []))
            result.without += [] if name in new else [name[0]]
        verdict = reasons[name]
        record.extra["review"] = {"reviewer": verdict.reviewer, "reason": verdict.reason, "note": verdict.note}
        result.removed.append(record)
    return result


def _identity(record: InstructionRecord) -> tuple[str, str]:
    return str(record.id if record.id is not None else record.media), record.kind

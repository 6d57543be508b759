"""The sample that people read: the paper inspected 10 % of its records by hand."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator

from lamm_data.errors import UsageError
from lamm_data.records.instruction import InstructionRecord


def draw_sample(
    records: Iterable[InstructionRecord], share: float, seed: int = 0, at_least: int = 1
) -> Iterator[InstructionRecord]:
    """Choose records by a hash of what they are about, so that a record's fate never depends on the others.

    A file that grows keeps its sample, and so does one whose texts are written anew: the same images are read again.
    About a share of each stratum is chosen, and in any case its first `at_least` records; another seed draws others.

    Raises:
        UsageError: For a share that is not above 0 and at most 1.
    """
    if not 0 < share <= 1:
        raise UsageError(f"Expected a share above 0 and at most 1, got {share}.")
    taken: Counter[str] = Counter()
    for record in records:
        layer = stratum(record)
        if taken[layer] < at_least or _fraction(record, seed) < share:
            taken[layer] += 1
            yield record


def stratum(record: InstructionRecord) -> str:
    """Name the layer a record belongs to: its task type and where its image or cloud comes from.

    >>> from lamm_data.records.instruction import Turn
    >>> turns = [Turn("human", "What?"), Turn("gpt", "That.")]
    >>> stratum(InstructionRecord(turns, image="1.jpg", task_type="description", src_image="coco2017"))
    'description / coco2017'
    """
    source = record.src_image or record.src_dataset
    return f"{record.kind} / {source}" if source else record.kind


def content_key(record: InstructionRecord) -> str:
    """Give a key of everything a record says; a verdict holds for this content and no other."""
    text = json.dumps(record.to_dict(), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _fraction(record: InstructionRecord, seed: int) -> float:
    identity = [seed, record.id, record.src_id, record.media, record.kind]
    digest = hashlib.sha256(json.dumps(identity).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64

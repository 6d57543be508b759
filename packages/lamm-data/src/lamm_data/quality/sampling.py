"""The sample that people read: the paper inspected 10 % of its records by hand."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator

from lamm_data.errors import UsageError
from lamm_data.records import InstructionRecord


def draw_sample(
    records: Iterable[InstructionRecord], share: float, seed: int = 0, at_least: int = 1
) -> Iterator[InstructionRecord]:
    """Choose records by a hash of their content, so that a record's fate never depends on the others.

    A file that grows keeps its sample: records are added to it, none leaves. Strata are task types.

    Args:
        records: The records.
        share: Expected share of each stratum, above 0 and at most 1.
        seed: Another seed draws another sample.
        at_least: Records taken from the start of every stratum whatever their hash.

    Yields:
        The chosen records, in order.

    Raises:
        UsageError: For a share out of range.
    """
    if not 0 < share <= 1:
        raise UsageError(f"Expected a share above 0 and at most 1, got {share}.")
    taken: Counter[str] = Counter()
    for record in records:
        if taken[record.kind] < at_least or _fraction(record, seed) < share:
            taken[record.kind] += 1
            yield record


def _fraction(record: InstructionRecord, seed: int) -> float:
    content = json.dumps([seed, record.to_dict()], sort_keys=True).encode()
    return int.from_bytes(hashlib.sha256(content).digest()[:8], "big") / 2**64

"""Count what an instruction file holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from lamm_data.errors import Fault
from lamm_data.records import InstructionRecord

COMMONEST = 20


@dataclass(slots=True)
class Spread:
    """Smallest, mean, middle and largest of a series of whole numbers, kept as a histogram."""

    histogram: Counter[int] = field(default_factory=Counter)

    def add(self, value: int) -> None:
        """Count one value."""
        self.histogram[value] += 1

    def summary(self) -> dict[str, float]:
        """Return `min`, `mean`, `median` and `max`; empty when nothing was counted.

        >>> spread = Spread()
        >>> for value in (1, 2, 9):
        ...     spread.add(value)
        >>> spread.summary()
        {'min': 1, 'mean': 4.0, 'median': 2, 'max': 9}
        """
        total = sum(self.histogram.values())
        if not total:
            return {}
        seen, median = 0, 0
        for median in sorted(self.histogram):
            seen += self.histogram[median]
            if 2 * seen >= total:
                break
        mean = sum(value * count for value, count in self.histogram.items()) / total
        return {"min": min(self.histogram), "mean": round(mean, 2), "median": median, "max": max(self.histogram)}


@dataclass(slots=True)
class Statistics:
    """Counts over a stream of records.

    Attributes:
        records: Valid records.
        faults: Faults of records that are not valid.
        counts: Counters by name: `task_type`, `task`, `source`, `licence`, `modality`, `answer`.
        rounds: Question-answer pairs a record.
        question_words: Words a question.
        answer_words: Words an answer.
    """

    records: int = 0
    faults: int = 0
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    rounds: Spread = field(default_factory=Spread)
    question_words: Spread = field(default_factory=Spread)
    answer_words: Spread = field(default_factory=Spread)
    _media: set[int] = field(default_factory=set)

    def add(self, record: InstructionRecord) -> None:
        """Count one record."""
        self.records += 1
        meta = record.meta or {}
        named = {
            "task_type": record.kind,
            "task": meta.get("task"),
            "source": meta.get("source") or record.src_image or record.src_dataset,
            "licence": meta.get("licence"),
            "modality": record.modality,
        }
        for name, value in named.items():
            self.counts.setdefault(name, Counter())[str(value) if value is not None else "not stated"] += 1
        # Hashes instead of paths keep a count of distinct media small.
        self._media.update(hash(path) for path in record.media)
        self.rounds.add(len(record.conversations) // 2)
        for turn in record.conversations:
            (self.question_words if turn.role == "human" else self.answer_words).add(len(turn.text.split()))
            if turn.role == "gpt" and len(turn.text) <= 40:
                self.counts.setdefault("answer", Counter())[turn.text] += 1

    def summary(self) -> dict[str, Any]:
        """Return everything as plain values, the commonest entries of each counter first."""
        return {
            "records": self.records,
            "faults": self.faults,
            "media": len(self._media),
            "rounds": self.rounds.summary(),
            "question_words": self.question_words.summary(),
            "answer_words": self.answer_words.summary(),
            "counts": {name: dict(counter.most_common(COMMONEST)) for name, counter in self.counts.items()},
        }


def count_records(found: Iterable[InstructionRecord | Fault]) -> Statistics:
    """Count a stream such as `scan_records` gives; faults are counted and do not stop it."""
    statistics = Statistics()
    for entry in found:
        if isinstance(entry, Fault):
            statistics.faults += 1
        else:
            statistics.add(entry)
    return statistics

"""Count what an instruction or benchmark file holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from lamm_data.errors import Fault
from lamm_data.records.benchmark import BenchmarkRecord
from lamm_data.records.instruction import InstructionRecord
from lamm_data.stats.geometry import Geometry, number_groups
from lamm_data.stats.labels import named_classes
from lamm_data.writing.options import LETTERS

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
    """Counts over a stream of records, and where their boxes and points lie.

    Attributes:
        faults: Faults of records that are not valid.
        counts: Counters by name: `task_type`, `task`, `source`, `licence`, `modality`, `answer`, `label`.
        rounds: Question-answer pairs a record.
    """

    records: int = 0
    faults: int = 0
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    rounds: Spread = field(default_factory=Spread)
    question_words: Spread = field(default_factory=Spread)
    answer_words: Spread = field(default_factory=Spread)
    geometry: Geometry = field(default_factory=Geometry)
    _media: set[int] = field(default_factory=set)

    def add(self, record: InstructionRecord) -> None:
        """Count one instruction record."""
        meta = record.meta or {}
        source = meta.get("source")
        named = {
            "task_type": record.kind,
            "task": meta.get("task"),
            "source": source if isinstance(source, str) else record.src_image or record.src_dataset,
            "licence": meta.get("licence"),
            "modality": record.modality,
        }
        self._count(named, record.media)
        self.rounds.add(len(record.conversations) // 2)
        for turn in record.conversations:
            (self.question_words if turn.role == "human" else self.answer_words).add(len(turn.text.split()))
            if turn.role == "gpt":
                if len(turn.text) <= 40:
                    self.counts.setdefault("answer", Counter())[turn.text] += 1
                for numbers in number_groups(turn.text):
                    self.geometry.add(numbers, record.modality)
        self.counts.setdefault("label", Counter()).update(named_classes(record))

    def add_benchmark(self, record: BenchmarkRecord) -> None:
        """Count one benchmark record: its query as the question, its truth as the answer."""
        meta = record.meta or {}
        named = {
            "task": record.task,
            "dataset": record.dataset,
            "source": meta.get("source") or record.src_image,
            "split": meta.get("split"),
            "modality": record.modality,
        }
        self._count(named, record.media)
        self.question_words.add(len(record.query.split()))
        # ChEF's files hold one object where others hold a list; a yes-or-no question names its object in a word.
        listed = record.object if isinstance(record.object, list) else [record.object]
        objects = [item for item in listed if isinstance(item, dict)]
        labels = [str(item["label"]) for item in objects]
        labels += [label for label in (record.attr, None if objects else record.label) if label is not None]
        self.counts.setdefault("label", Counter()).update(labels)
        for item in objects:
            if "bbox" in item:
                self.geometry.add(item["bbox"], record.modality)
        if record.gt_choice is not None and record.gt_choices:
            self.counts.setdefault("right option", Counter())[LETTERS[record.gt_choice]] += 1
            self.answer_words.add(len(record.gt_choices[record.gt_choice].split()))
        for answer in dict.fromkeys(record.answers or ()):
            self.answer_words.add(len(answer.split()))
        if record.num is not None:
            self.counts.setdefault("number", Counter())[str(record.num)] += 1

    def _count(self, named: dict[str, str | None], media: tuple[str, ...]) -> None:
        self.records += 1
        for name, value in named.items():
            self.counts.setdefault(name, Counter())[str(value) if value is not None else "not stated"] += 1
        # Hashes instead of paths keep a count of distinct media small.
        self._media.update(hash(path) for path in media)

    def summary(self) -> dict[str, Any]:
        """Return everything as plain values, the commonest entries of each counter first."""
        return {
            "records": self.records,
            "faults": self.faults,
            "media": len(self._media),
            "rounds": self.rounds.summary(),
            "question_words": self.question_words.summary(),
            "answer_words": self.answer_words.summary(),
            "counts": {name: dict(counter.most_common(COMMONEST)) for name, counter in self.counts.items() if counter},
            "distinct": {name: len(counter) for name, counter in self.counts.items() if counter},
            "geometry": self.geometry.summary(),
        }


def count_records(entries: Iterable[InstructionRecord | BenchmarkRecord | Fault]) -> Statistics:
    """Count a stream such as `scan_records` or `scan_benchmark` gives; faults are counted and do not stop it."""
    statistics = Statistics()
    for entry in entries:
        if isinstance(entry, Fault):
            statistics.faults += 1
        elif isinstance(entry, BenchmarkRecord):
            statistics.add_benchmark(entry)
        else:
            statistics.add(entry)
    return statistics

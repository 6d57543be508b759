"""Options under other labels than (A), (B), (C): does a model follow what it is told, or does it know letters only?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lamm_data.benchmark.recipes.recipe import Job
from lamm_data.errors import UsageError
from lamm_data.records.benchmark import BenchmarkRecord
from lamm_data.writing.options import LETTERS, lettered

LETTER_WORDS = "the letter and the text"


def relabelled(choices: Sequence[str], labels: Sequence[str]) -> str:
    """Write options as `(1) red (2) blue`.

    >>> relabelled(["red", "blue"], ["1", "2"])
    '(1) red (2) blue'
    """
    return " ".join(f"({label}) {choice}" for label, choice in zip(labels, choices, strict=True))


@dataclass(frozen=True)
class Remapping:
    """The new labels.

    Attributes:
        labels: One an option.
        shift: Turns the letters instead, so that the first option is (B), and the last (A): labels that a model knows,
            where it does not expect them.
    """

    labels: tuple[str, ...] = ()
    shift: int | None = None


def remap(records: Sequence[BenchmarkRecord], settings: Remapping, job: Job) -> list[BenchmarkRecord]:
    """Give the options of each question other labels, in the same order (ChEF, arXiv 2311.02692, section 3.3).

    The record's `option_labels` tells the metric. Records whose query does not spell its options out are left out.

    Raises:
        UsageError: There are fewer labels than options.
    """
    changed = []
    for record in records:
        choices = record.gt_choices or []
        labels = _labels(settings, len(choices))
        written = lettered(choices)
        if written not in record.query:
            job.left_out["query without its options in letters"] += 1
            continue
        query = record.query.replace(written, relabelled(choices, labels))
        system = record.system and record.system.replace(LETTER_WORDS, "the label and the text")
        changed.append(replace(record, query=query, system=system, extra={**record.extra, "option_labels": labels}))
    return changed


def _labels(settings: Remapping, count: int) -> list[str]:
    if settings.shift is not None:
        return [LETTERS[(number + settings.shift) % count] for number in range(count)]
    labels = settings.labels
    if len(set(labels)) < count or not all(labels):
        raise UsageError(f"Expected `labels` with at least {count} different labels, or a `shift`, got {labels!r}.")
    return list(labels[:count])

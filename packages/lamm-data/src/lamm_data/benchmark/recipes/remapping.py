"""Options under other labels than (A), (B), (C): does a model follow what it is told, or does it know letters only?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

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


def remap(records: Sequence[BenchmarkRecord], values: Mapping[str, Any], job: Job) -> list[BenchmarkRecord]:
    """Give the options of each question other labels, in the same order (ChEF, arXiv 2311.02692, section 3.3).

    `labels` lists them; `shift` turns the letters instead, so that the first option is (B), and the last (A): labels
    that a model knows, where it does not expect them. The record's `option_labels` tells the metric.

    Args:
        records: Multiple-choice records.
        values: `labels` or `shift`.
        job: Takes account of records whose query does not spell its options out.

    Raises:
        UsageError: There are fewer labels than options.
    """
    changed = []
    for record in records:
        choices = record.gt_choices or []
        labels = _labels(values, len(choices))
        written = lettered(choices)
        if written not in record.query:
            job.left_out["query without its options in letters"] += 1
            continue
        query = record.query.replace(written, relabelled(choices, labels))
        system = record.system and record.system.replace(LETTER_WORDS, "the label and the text")
        changed.append(replace(record, query=query, system=system, extra={**record.extra, "option_labels": labels}))
    return changed


def _labels(values: Mapping[str, Any], count: int) -> list[str]:
    shift = values.get("shift")
    if isinstance(shift, int) and not isinstance(shift, bool):
        return [LETTERS[(number + shift) % count] for number in range(count)]
    labels = values.get("labels")
    if not isinstance(labels, list) or len(set(map(str, labels))) < count or not all(map(str, labels)):
        raise UsageError(f"Expected `labels` with at least {count} different labels, or a `shift`, got {labels!r}.")
    return [str(label) for label in labels[:count]]

"""Solved examples before the question, from the training split only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lamm_data.benchmark.fine_tune import as_instruction
from lamm_data.benchmark.recipes.recipe import Job
from lamm_data.benchmark.recipes.retrieval import retriever
from lamm_data.errors import UsageError
from lamm_data.records.benchmark import BenchmarkRecord
from lamm_data.records.instruction import media_paths

NOUNS = {"image": "image", "pcl": "point cloud"}


def clean_pool(
    records: Sequence[BenchmarkRecord], examples: Sequence[BenchmarkRecord], job: Job
) -> list[BenchmarkRecord]:
    """Return the examples that share neither medium nor group with what is evaluated.

    ChEF retrieves its examples from the evaluated set itself, which gives answers away; here such examples are left out
    and counted.

    Raises:
        UsageError: There are no examples, or they are of the evaluated split.
    """
    splits = {(record.meta or {}).get("split") for record in records} - {None}
    if any((example.meta or {}).get("split") in splits for example in examples):
        raise UsageError(
            f"Expected examples of the training split, got some of the evaluated one ({', '.join(map(str, splits))}). "
            "Examples of the evaluated split give answers away."
        )
    media = {name for record in records for name in media_paths(record.image) + media_paths(record.pcl)}
    groups = {record.group or record.id for record in records}
    clean = [
        example
        for example in examples
        if (example.group or example.id) not in groups
        and not media & {*media_paths(example.image), *media_paths(example.pcl)}
    ]
    if len(clean) < len(examples):
        job.left_out["example about an evaluated image or scene"] += len(examples) - len(clean)
    if not clean:
        raise UsageError(
            "Expected examples of the training split, found none. Build them with `lamm data benchmark --split train` "
            "and name their folder with --examples."
        )
    return clean


@dataclass(frozen=True)
class InContext:
    """Which examples are shown, and how many."""

    retriever: Literal["random", "fixed", "text", "picture"] = "random"
    count: int = 2


def add_examples(records: Sequence[BenchmarkRecord], settings: InContext, job: Job) -> list[BenchmarkRecord]:
    """Put solved examples before each question, as text (their pictures are not shown).

    Raises:
        UsageError: There are no examples, or a task has no fine-tune form.
    """
    pool = clean_pool(records, job.examples, job)
    choose = retriever(settings.retriever, pool, settings.count, job.seed, job.media_root)
    return [replace(record, query=_with_examples(record, choose(record))) for record in records]


def _with_examples(record: BenchmarkRecord, examples: Sequence[BenchmarkRecord]) -> str:
    noun = NOUNS[record.modality]
    solved = [as_instruction(example).dialogue() for example in examples]
    shown = [f"Question: {turns[0].text}\nAnswer: {turns[1].text}" for turns in solved]
    return "\n".join(
        [f"Examples about other {noun}s:", *shown, f"Now answer about this {noun}.", f"Question: {record.query}"]
    )

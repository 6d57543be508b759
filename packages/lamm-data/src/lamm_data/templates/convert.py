"""The converter: annotated items and a task in, instruction records out, item by item or block by block."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any

from lamm_data.errors import UsageError
from lamm_data.files.settings import did_you_mean
from lamm_data.records.annotations import Annotated
from lamm_data.records.instruction import MAX_ROUNDS_3D, InstructionRecord, Turn
from lamm_data.records.tasks import CONVERSION_TASKS
from lamm_data.sources.media import MediaCheck, with_corner
from lamm_data.templates.pairs import PAIR_MAKERS, Context, Pair
from lamm_data.templates.pools.pools import STYLES, Pool, load_pool
from lamm_data.writing.coordinates import LAYOUT, METRE_DECIMALS, NumberStyle, number_style
from lamm_data.writing.draws import fill, item_rng
from lamm_data.writing.options import AnswerPool

SEPARATORS = {"full": " ", "short": "; ", "plain": "; "}


@dataclass(slots=True)
class Conversion:
    """Settings of a conversion and the account it keeps.

    Attributes:
        task: Task key.
        dataset: Data set name written into the records.
        style: `full`, `short` or `plain` answers.
        seed: Seed; together with item id and task it decides everything random about an item.
        per_item: At most this many question-answer pairs an item, drawn by seed; 0 means all.
        rounds: Pairs of one item that share a record as rounds of one dialogue.
        choices: Options per question where options are made.
        make_options: Turn open questions into multiple choice.
        options: Answers to draw the options from; those of the converted items when None.
        numbers: Number style of 2D boxes and points (`lamm_data.writing.coordinates.NUMBER_STYLES`).
        metre_decimals: Decimals of 3D boxes.
        largest_first: List an item's objects by size, the largest first, in place of as annotated.
        closed: Classes that the source's annotators looked for in every image (`presence` tasks).
        negatives: Share of `presence` questions whose answer is no.
        meta: Provenance added to every record.
        pools: Pools of the user's own that replace the package's, by name.
        counts: What was read, written and left out, by reason.
    """

    task: str
    dataset: str
    style: str = "full"
    seed: int = 0
    per_item: int = 0
    rounds: int = 1
    choices: int = 4
    make_options: bool = False
    options: AnswerPool | None = None
    numbers: str = "paper"
    metre_decimals: int = METRE_DECIMALS
    largest_first: bool = False
    closed: tuple[str, ...] = ()
    negatives: float = 0.0
    meta: dict[str, Any] = field(default_factory=dict)
    pools: dict[str, Pool] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    _numbers: NumberStyle = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.task not in CONVERSION_TASKS:
            raise UsageError(f"Expected a task, got {self.task!r}. {did_you_mean(self.task, CONVERSION_TASKS)}")
        if self.style not in STYLES:
            raise UsageError(f"Expected a style, got {self.style!r}. {did_you_mean(self.style, STYLES)}")
        if self.rounds < 1 or self.per_item < 0:
            raise UsageError(f"Expected rounds from 1 and per_item from 0, got {self.rounds} and {self.per_item}.")
        if not 0 <= self.negatives < 1:
            raise UsageError(f"Expected a share of negatives from 0 to below 1, got {self.negatives}.")
        if self.metre_decimals < 0:
            raise UsageError(f"Expected decimals of metres from 0, got {self.metre_decimals}.")
        self._numbers = numbers = number_style(self.numbers)
        kind = CONVERSION_TASKS[self.task].kind
        if numbers == LAYOUT and kind != "boxes3d":
            raise UsageError(
                f"Expected the task detection3d with the number style 'layout', got {self.task!r}. "
                "Name it with --tasks detection3d."
            )
        if kind == "joints" and not numbers.point_pattern:
            raise UsageError(f"Expected a number style with points for {self.task}, got {self.numbers!r}: boxes only.")
        if kind == "boxes" and self.style == "full" and not numbers.sentences:
            raise UsageError(f"Expected short answers with the number style {self.numbers!r}, got the style 'full'.")


def _phrase(pair: Pair, conversion: Conversion, rng: random.Random) -> tuple[str, str]:
    pool = conversion.pools.get(pair.pool) or load_pool(pair.pool)
    question = fill(rng.choice(pool.questions), pair.question)
    if pair.text:
        return question, pair.text
    templates = pool.answers[conversion.style]
    full, sentences = conversion.style == "full", []
    for values in pair.answers:
        sentence = fill(rng.choice(templates), values)
        sentences.append(sentence[:1].upper() + sentence[1:] if full else sentence)
    return question, SEPARATORS[conversion.style].join(sentences)


def convert(items: Iterable[Annotated], conversion: Conversion) -> Iterator[InstructionRecord]:
    """Turn annotated items into instruction records of one task.

    Records depend on the item, the task and the seed only, not on what came before: any order and any number of
    workers gives the same ones. `conversion.counts` is complete when the iterator is exhausted.

    Args:
        items: What a source reader yields.
        conversion: Settings and account.

    Yields:
        Records; an item without an annotation for the task yields none and is counted.
    """
    options = conversion.options
    if conversion.make_options and options is None:
        items = list(items)
        options = AnswerPool(items)
    counts, numbers = conversion.counts, conversion._numbers
    task = CONVERSION_TASKS[conversion.task]
    for item in items:
        counts["items read"] += 1
        rng = item_rng(conversion.seed, task.key, item.id)
        context = Context(
            task,
            rng,
            options,
            conversion.choices,
            numbers,
            conversion.metre_decimals,
            conversion.largest_first,
            conversion.closed,
            conversion.negatives,
        )
        pairs = list(PAIR_MAKERS[task.kind](item, context))
        if item.account:
            counts.update(item.account)
        for reason, number in context.left_out.items():
            counts[f"left out: {reason}"] += number
        for change, number in context.noted.items():
            counts[f"noted: {change}"] += number
        if not pairs:
            counts["items without this task"] += 1
            continue
        if conversion.per_item and len(pairs) > conversion.per_item:
            counts["pairs not drawn"] += len(pairs) - conversion.per_item
            pairs = [pairs[k] for k in sorted(rng.sample(range(len(pairs)), conversion.per_item))]
        rounds = conversion.rounds if item.modality == "image" else min(conversion.rounds, MAX_ROUNDS_3D)
        for start in range(0, len(pairs), rounds):
            yield _record(item, pairs[start : start + rounds], start, conversion, rng)
            counts["records written"] += 1


def _record(
    item: Annotated, pairs: list[Pair], start: int, conversion: Conversion, rng: random.Random
) -> InstructionRecord:
    turns = []
    for pair in pairs:
        question, answer = _phrase(pair, conversion, rng)
        turns += [Turn("human", question), Turn("gpt", answer)]
    meta: dict[str, Any] = {
        "task": conversion.task,
        "file": item.origin,
        "annotations": [pair.source_id for pair in pairs if pair.source_id],
        "style": conversion.style,
        "numbers": "" if conversion.numbers == "paper" else conversion.numbers,
        "metre_decimals": "" if conversion.metre_decimals == METRE_DECIMALS else conversion.metre_decimals,
        "seed": conversion.seed,
        "pools": {
            name: conversion.pools[name].sha256 for name in {pair.pool for pair in pairs} & conversion.pools.keys()
        },
    }
    flat = item.modality == "image"
    return InstructionRecord(
        turns,
        id=f"{conversion.dataset}-{conversion.task}-{item.id}-{start}",
        image=item.media if flat else None,
        pcl=None if flat else item.media,
        task_type=CONVERSION_TASKS[conversion.task].task_type,
        src_image=conversion.dataset if flat else None,
        src_dataset=None if flat else conversion.dataset,
        src_id=item.id,
        meta={key: value for key, value in meta.items() if value not in ([], {}, "")}
        | conversion.meta
        | ({"licence": item.licence} if item.licence else {}),
    )


@dataclass(frozen=True, slots=True)
class Block:
    """What became of a block of items.

    Attributes:
        lines: Records as JSON, one a line, in the order of the items.
        counts: What was read, written and left out, by reason.
        missing: Media that are not there or damaged, in order.
    """

    lines: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    missing: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class BlockMaker:
    """Converts blocks; it can be sent to other processes and machines.

    Attributes:
        conversion: What to do; its own counts are not touched.
        media: How to look for media.
    """

    conversion: Conversion
    media: MediaCheck

    def __call__(self, items: Sequence[Annotated]) -> Block:
        """Convert one block of items; the same items give the same block wherever and whenever it is made."""
        conversion, media = copy(self.conversion), copy(self.media)
        conversion.counts, media.missing = Counter(), []
        there = items if media.mode == "ignore" else media.present(items, conversion.counts)
        if conversion.numbers == LAYOUT.name:
            there = (with_corner(media.root, item) for item in there)
        lines = [json.dumps(record.to_dict(), ensure_ascii=False) for record in convert(there, conversion)]
        conversion.counts["items read"] += len(media.missing)
        return Block(lines, conversion.counts, media.missing)


Batch = tuple[int, list[Annotated]]
"""Index of the block maker that the items are for, and the items."""

Engine = Callable[[Sequence[BlockMaker], Iterator[Batch]], Iterator[tuple[int, Block]]]
"""Makes the blocks of batches, in the order of the batches, each with the index of its maker."""

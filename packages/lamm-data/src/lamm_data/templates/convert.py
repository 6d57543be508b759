"""The converter: annotated items and a task in, instruction records out."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from lamm_data.annotations import Annotated
from lamm_data.errors import UsageError
from lamm_data.records import InstructionRecord, Turn
from lamm_data.tasks import CONVERSION_TASKS
from lamm_data.templates.numbers import fill
from lamm_data.templates.options import AnswerPool
from lamm_data.templates.pairs import PAIR_MAKERS, Context, Pair
from lamm_data.templates.pools import STYLES, Pool, load_pool

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
    meta: dict[str, Any] = field(default_factory=dict)
    pools: dict[str, Pool] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        if self.task not in PAIR_MAKERS:
            raise UsageError(f"Expected a task out of {', '.join(PAIR_MAKERS)}, got {self.task!r}.")
        if self.style not in STYLES:
            raise UsageError(f"Expected a style out of {', '.join(STYLES)}, got {self.style!r}.")
        if self.rounds < 1 or self.per_item < 0:
            raise UsageError(f"Expected rounds from 1 and per_item from 0, got {self.rounds} and {self.per_item}.")


def item_rng(seed: int, *names: str) -> random.Random:
    """Make the random stream of one item, which depends on nothing but its names and the seed."""
    digest = hashlib.blake2b("\x1f".join((str(seed), *names)).encode(), digest_size=8).digest()
    return random.Random(int.from_bytes(digest, "big"))


def _phrase(pair: Pair, conversion: Conversion, rng: random.Random) -> tuple[str, str]:
    pool = conversion.pools.get(pair.pool) or load_pool(pair.pool)
    question = fill(rng.choice(pool.questions), pair.question)
    templates = pool.answers[conversion.style]
    sentences = [fill(rng.choice(templates), values) for values in pair.answers]
    if conversion.style == "full":
        sentences = [sentence[:1].upper() + sentence[1:] for sentence in sentences]
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
    options = None
    if conversion.make_options:
        items = list(items)
        options = AnswerPool(items)
    for item in items:
        conversion.counts["items read"] += 1
        rng = item_rng(conversion.seed, conversion.task, item.id)
        context = Context(rng, options, conversion.choices)
        pairs = list(PAIR_MAKERS[conversion.task](item, context))
        for reason, number in context.left_out.items():
            conversion.counts[f"left out: {reason}"] += number
        if not pairs:
            conversion.counts["items without this task"] += 1
            continue
        if conversion.per_item and len(pairs) > conversion.per_item:
            pairs = [pairs[k] for k in sorted(rng.sample(range(len(pairs)), conversion.per_item))]
        for start in range(0, len(pairs), conversion.rounds):
            yield _record(item, pairs[start : start + conversion.rounds], start, conversion, rng)
            conversion.counts["records written"] += 1


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
        "seed": conversion.seed,
    }
    flat = item.modality == "image"
    return InstructionRecord(
        turns,
        id=f"{conversion.dataset}-{conversion.task}-{item.id}-{start}",
        image=item.media if flat else None,
        pcl=None if flat else item.media,
        task_type=CONVERSION_TASKS[conversion.task],
        src_image=conversion.dataset if flat else None,
        src_dataset=None if flat else conversion.dataset,
        src_id=item.id,
        meta={key: value for key, value in meta.items() if value != []} | conversion.meta,
    )

"""Questions with typing errors, in other letter case or word order; options and placeholders stay as they are."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lamm_data.benchmark.recipes.recipe import Job
from lamm_data.records.benchmark import BenchmarkRecord
from lamm_data.writing.draws import item_rng
from lamm_data.writing.options import lettered

SHORTEST = 4  # letters of a word that may hold a typing error


def _typos(text: str, rate: float, rng: random.Random) -> str:
    return " ".join(
        _mistyped(word, rng) if len(word) >= SHORTEST and "{" not in word and rng.random() < rate else word
        for word in text.split(" ")
    )


def _mistyped(word: str, rng: random.Random) -> str:
    at = rng.randrange(1, len(word) - 2)
    kind = rng.randrange(3)
    if kind == 0:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return word[:at] + word[at + 1 :] if kind == 1 else word[:at] + word[at] + word[at:]


def _case(text: str, rate: float, rng: random.Random) -> str:
    return "".join(letter.swapcase() if rng.random() < rate else letter for letter in text)


def _order(text: str, rate: float, rng: random.Random) -> str:
    words = text.split(" ")
    for at in range(len(words) - 1):
        if rng.random() < rate:
            words[at], words[at + 1] = words[at + 1], words[at]
    return " ".join(words)


WAYS: dict[str, Callable[[str, float, random.Random], str]] = {"typos": _typos, "case": _case, "order": _order}


@dataclass(frozen=True)
class TextCorruption:
    """What happens to questions, and `rate`, the share of words or letters it meets."""

    way: Literal["typos", "case", "order"] = "typos"
    rate: float = 0.3


def corrupt_texts(records: Sequence[BenchmarkRecord], settings: TextCorruption, job: Job) -> list[BenchmarkRecord]:
    """Corrupt the questions; options and placeholders stay."""
    changed = []
    for record in records:
        rng = item_rng(job.seed, job.variant, str(record.id))
        options = lettered(record.gt_choices or [])
        question, sign, rest = record.query.partition(options) if options else (record.query, "", "")
        # A placeholder is filled with a joint's name later: it must survive.
        pieces = [WAYS[settings.way](piece, settings.rate, rng) for piece in question.split("{}")]
        changed.append(replace(record, query="{}".join(pieces) + sign + rest))
    return changed

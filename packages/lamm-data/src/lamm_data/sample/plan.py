"""Balanced drawing: what each image shows is dealt out like cards, so that no answer is commoner than another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

T = TypeVar("T")
SPLITS = ("train", "benchmark")
WEIGHTS = {"shapes": 1, "textures": 1, "faces": 1, "scenes": 3, "figures": 1, "counts": 1, "words": 1}
"""Share of the images that each set gets; scenes serve detection, captions and questions at once."""
ASKED_FOR = ("halls", "crowds")
"""Sets that are drawn only where somebody asks for them."""
NOTE = "Synthetic: drawn by `lamm data sample`, not photographed or scanned. Made for tests and demonstrations."


def deal(values: Sequence[T], count: int, rng: np.random.Generator) -> list[T]:
    """Return `count` values, each as often as any other (give or take one), in random order."""
    rounds = [values[int(k)] for _ in range(-(-count // len(values))) for k in rng.permutation(len(values))]
    dealt = rounds[:count]
    return [dealt[int(k)] for k in rng.permutation(count)]


def options(right: T, others: Sequence[T], index: int, count: int, rng: np.random.Generator) -> list[T]:
    """Return `count` options with the right one at `place` and the rest drawn evenly from the others."""
    wrong = [value for value in others if value != right]
    drawn = [wrong[int(k)] for k in rng.permutation(len(wrong))[: count - 1]]
    return [*drawn[:index], right, *drawn[index:]]


@dataclass(frozen=True, slots=True)
class Batch:
    """The images one set has to draw for one split: numbers of their own, and a random stream of their own."""

    root: Path
    split: str
    numbers: range
    rng: np.random.Generator

    def __len__(self) -> int:
        return len(self.numbers)


def share(total: int) -> dict[str, int]:
    """Divide the images among the sets by weight; the first sets get what is left over."""
    whole = sum(WEIGHTS.values())
    counts = {name: total * weight // whole for name, weight in WEIGHTS.items()}
    for name in list(WEIGHTS)[: total - sum(counts.values())]:
        counts[name] += 1
    return counts


def batches(root: Path, name: str, count: int, seed: int, fraction: float) -> Iterator[Batch]:
    """Split one set's numbers into a training and a benchmark batch."""
    held_out = round(count * fraction)
    if count >= 2:
        held_out = min(max(held_out, 1), count - 1)
    ranges = (range(count - held_out), range(count - held_out, count))
    index = [*WEIGHTS, "rooms", *ASKED_FOR].index(name)
    for part, (split, numbers) in enumerate(zip(SPLITS, ranges, strict=True)):
        yield Batch(root, split, numbers, np.random.default_rng([seed, index, part]))

"""Solved examples before the question, from the training split only: drawn, fixed, or the most similar ones."""

from __future__ import annotations

import heapq
import math
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lamm_data.benchmark.fine_tune import as_instruction
from lamm_data.benchmark.recipes.recipe import Job
from lamm_data.errors import UsageError
from lamm_data.files.pictures import media_file, open_picture, upright
from lamm_data.records.benchmark import BenchmarkRecord
from lamm_data.records.instruction import media_paths
from lamm_data.writing.draws import item_rng

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Retriever = Callable[[BenchmarkRecord], list[BenchmarkRecord]]
_WORD = re.compile(r"\w+")
TONES, SIDE = 4, 8
NOUNS = {"image": "image", "pcl": "point cloud"}


def drawn(pool: Sequence[BenchmarkRecord], count: int, seed: int) -> Retriever:
    """Draw examples anew for each record."""
    return lambda record: item_rng(seed, "examples", str(record.id)).sample(list(pool), min(count, len(pool)))


def fixed(pool: Sequence[BenchmarkRecord], count: int, seed: int) -> Retriever:
    """Draw examples once, for all records."""
    chosen = random.Random(seed).sample(list(pool), min(count, len(pool)))
    return lambda record: chosen


class ByText:
    """The examples whose questions are most alike: cosine of TF-IDF vectors over words, earlier records first in ties.

    Args:
        pool: Records to choose from.
        count: How many.
    """

    def __init__(self, pool: Sequence[BenchmarkRecord], count: int) -> None:
        self.pool, self.count = pool, count
        bags = [Counter(_WORD.findall(record.query.lower())) for record in pool]
        held = Counter(word for bag in bags for word in bag)
        self.weight = {word: math.log((1 + len(pool)) / (1 + number)) + 1 for word, number in held.items()}
        self.postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for number, bag in enumerate(bags):
            for word, value in self._vector(bag).items():
                self.postings[word].append((number, value))

    def _vector(self, bag: Counter[str]) -> dict[str, float]:
        values = {word: times * self.weight[word] for word, times in bag.items() if word in self.weight}
        length = math.sqrt(sum(value * value for value in values.values()))
        return {word: value / length for word, value in values.items()}

    def __call__(self, record: BenchmarkRecord) -> list[BenchmarkRecord]:
        """Return the most similar examples, the most similar last: nearest to the question."""
        scores = dict.fromkeys(range(len(self.pool)), 0.0)
        for word, value in self._vector(Counter(_WORD.findall(record.query.lower()))).items():
            for number, other in self.postings[word]:
                scores[number] += value * other
        best = heapq.nsmallest(self.count, scores, key=lambda number: (-scores[number], number))
        return [self.pool[number] for number in reversed(best)]


class ByPicture:
    """The examples whose pictures are most alike in colours and coarse shape; no network, no download.

    A picture is a histogram of 4 x 4 x 4 colours beside an 8 x 8 grey thumbnail without its mean, each of length one.

    Args:
        pool: Records to choose from.
        count: How many.
        media_root: Folder of the pictures.

    Raises:
        SourceError: A picture cannot be read.
        UsageError: The records show no pictures.
    """

    def __init__(self, pool: Sequence[BenchmarkRecord], count: int, media_root: Path) -> None:
        import numpy as np

        self.pool, self.count, self.root = pool, count, media_root
        self.known: dict[str, NDArray[np.float64]] = {}
        self.matrix = np.stack([self._features(record) for record in pool])

    def _features(self, record: BenchmarkRecord) -> NDArray[np.float64]:
        names = media_paths(record.image)
        if not names:
            raise UsageError(f"Expected pictures to compare, got none in {record.id}. Choose another retriever.")
        if names[0] not in self.known:
            self.known[names[0]] = picture_features(media_file(self.root, names[0]))
        return self.known[names[0]]

    def __call__(self, record: BenchmarkRecord) -> list[BenchmarkRecord]:
        """Return the most similar examples, the most similar last."""
        import numpy as np

        order = np.argsort(-(self.matrix @ self._features(record)), kind="stable")[: self.count]
        return [self.pool[int(number)] for number in order[::-1]]


def picture_features(path: Path) -> NDArray[np.float64]:
    """Return a picture's features, [128].

    Raises:
        SourceError: It cannot be read.
    """
    import numpy as np

    with open_picture(path) as opened:
        image = upright(opened).convert("RGB")
    pixels = np.asarray(image.resize((64, 64)), np.int64) * TONES // 256
    colours = np.bincount((pixels @ [TONES * TONES, TONES, 1]).ravel(), minlength=TONES**3).astype(np.float64)
    grey = np.asarray(image.convert("L").resize((SIDE, SIDE)), np.float64).ravel()
    grey -= grey.mean()
    return np.concatenate([colours / np.linalg.norm(colours), grey / max(float(np.linalg.norm(grey)), 1e-9)])


def retriever(way: str, pool: Sequence[BenchmarkRecord], count: int, seed: int, media_root: Path) -> Retriever:
    """Make a retriever: `random`, `fixed`, `text` or `picture`."""
    if way in ("random", "fixed"):
        return (drawn if way == "random" else fixed)(pool, count, seed)
    return ByText(pool, count) if way == "text" else ByPicture(pool, count, media_root)


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

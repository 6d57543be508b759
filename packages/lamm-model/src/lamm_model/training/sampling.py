"""The order in which rows are seen: random, seeded by run and epoch, rows of like length together."""

import random
from collections.abc import Iterator, Sequence

WINDOW = 50  # batches whose rows are sorted among themselves: little padding, and still a random order


class LengthSampler:
    """Yield row numbers so that consecutive ``batch`` of them have about the same length.

    The order is a function of seed and epoch alone, so a run that is resumed in any epoch goes on in the same order.
    """

    def __init__(self, lengths: Sequence[int], batch: int, seed: int) -> None:
        self.lengths = lengths
        self.batch = batch
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order is yielded next."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        order = random.Random(f"{self.seed}/{self.epoch}")
        numbers = list(range(len(self.lengths)))
        order.shuffle(numbers)
        span = self.batch * WINDOW
        sorted_windows = [
            sorted(numbers[start : start + span], key=lambda number: self.lengths[number])
            for start in range(0, len(numbers), span)
        ]
        joined = [number for window in sorted_windows for number in window]
        batches = [joined[start : start + self.batch] for start in range(0, len(joined), self.batch)]
        # Only the last batch may be short: it stays last, or every batch after it would be cut askew.
        last = [batches.pop()] if len(batches[-1]) < self.batch else []
        order.shuffle(batches)
        return iter([number for batch in batches + last for number in batch])

"""The batches of an epoch, dealt to processes: every row is seen exactly once, whatever their number.

Batches are cut from one order that all processes know and dealt in turn. In the last round what is left is divided as
evenly as it goes; a process that nothing is left for computes a row without a token to learn, so that all take part in
every step. (The usual sharding repeats rows from the beginning to fill the last round.)
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader

from lamm_model.training.rows.packing import Row, blank_row

if TYPE_CHECKING:
    from lamm_model.training.rows.collation import Collator

BLANK = -1  # number of the row that stands for none
AHEAD = 4  # batches each worker prepares in advance
WINDOW = 50  # batches whose rows are sorted among themselves: little padding, and still a random order


class EpochBatches:
    """Batches of row numbers, each with the epoch, for one process of several; rows of one batch are about as long.

    The order is a function of seed and epoch alone, so a run that is resumed in any epoch goes on in the same order.

    Args:
        lengths: Of the rows, in tokens; equal in all processes.
        batch: Rows in one batch of one process.
        seed: Of the order.
        rank: Number of this process.
        processes: How many there are.
    """

    def __init__(self, lengths: Sequence[int], batch: int, seed: int, rank: int = 0, processes: int = 1) -> None:
        self.lengths = lengths
        self.batch = batch
        self.seed = seed
        self.rank = rank
        self.processes = processes
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that is dealt next."""
        self.epoch = epoch

    def __len__(self) -> int:
        return math.ceil(len(self.lengths) / (self.batch * self.processes))

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        epoch, numbers = self.epoch, self._order()
        span = self.batch * self.processes
        for start in range(0, len(numbers), span):
            dealt = numbers[start : start + span]
            if len(dealt) == span:
                share = dealt[self.rank * self.batch : (self.rank + 1) * self.batch]
            else:
                share = dealt[self.rank :: self.processes] or [BLANK]
            yield [(number, epoch) for number in share]

    def _order(self) -> list[int]:
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
        return [number for batch in batches + last for number in batch]


class Passing:
    """Stands for a data set in a loader whose batches bring their rows along: workers need no copy of all rows."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, row: Row) -> Row:
        return row


class RowBatches:
    """Batches of rows: the row without anything to learn too, and clouds in the sampling of the epoch.

    Args:
        rows: The data.
        batches: Which rows, for this process.
        pad_id: Fills the row that stands for none.
        variants: Samplings of each cloud that epochs take in turn.
    """

    def __init__(self, rows: Sequence[Row], batches: EpochBatches, pad_id: int, variants: int) -> None:
        self.rows = rows
        self.batches = batches
        self.variants = variants
        self.blank = blank_row(pad_id)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that is dealt next: what skips batches at a resume looks for this."""
        self.batches.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[Row]]:
        for batch in self.batches:
            yield [self._row(number, epoch) for number, epoch in batch]

    def _row(self, number: int, epoch: int) -> Row:
        return self.blank if number == BLANK else replace(self.rows[number], variant=epoch % self.variants)


class TrainLoader(DataLoader[Any]):
    """Loads batches in worker processes, ahead of their use.

    The order comes from the batches, the workers only fetch: their number changes no batch. The seed is the loader's
    own, so that fetching does not touch the random state that training uses. Workers are started anew: a fork would
    inherit the locks that threads of torch, numba and tokenizers hold.

    Args:
        rows: The data.
        collate: Makes a batch of rows.
        batches: Which rows, for this process.
        workers: Processes that load; 0 loads in this one.
        variants: Samplings of each cloud that epochs take in turn.
    """

    def __init__(
        self, rows: Sequence[Row], collate: Collator, batches: EpochBatches, workers: int = 0, variants: int = 1
    ) -> None:
        super().__init__(
            Passing(len(rows)),  # type: ignore[arg-type]
            batch_sampler=RowBatches(rows, batches, collate.pad_id, variants),
            collate_fn=collate,
            num_workers=workers,
            multiprocessing_context="spawn" if workers else None,
            prefetch_factor=AHEAD if workers else None,
            persistent_workers=workers > 0,
            pin_memory=torch.cuda.is_available(),
            generator=torch.Generator().manual_seed(0),
        )
        self.set_epoch = batches.set_epoch  # of what is loaded next

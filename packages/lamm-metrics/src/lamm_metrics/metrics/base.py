"""`Metric`, which gathers answers and says scores.

A metric keeps one small state per record id. Shards are merged by id and everything is computed in the order of the
sorted ids, so any split of the records over processes gives the very same bits as one pass.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar, Generic, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.errors import LammMetricsError, UsageError
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import Reference, group_of, record_id
from lamm_metrics.results.score import SampleResult, Score
from lamm_metrics.statistics import group_weights, percentile_interval

StateT = TypeVar("StateT")
OK = "ok"


class Entry(NamedTuple, Generic[StateT]):
    """What a metric keeps of one record: its group, how reading ended, its own compact state, why reading failed."""

    group: str
    status: str
    state: StateT
    detail: str = ""


class Metric(ABC, Generic[StateT]):
    """Gathers records by `update`, joins shards by `merge`, says scores by `compute`.

    A subclass reads one pair in `update` and stores its state with `keep`; it states its choices in `settings`, and
    gives the values under weights of groups in `resampled`, from which intervals and paired tests are drawn.
    State holds numbers, never images, and never texts where numbers will do.
    """

    name: ClassVar[str]
    higher_is_better: ClassVar[bool] = True
    # Ground truth that it reads: a record must have one of these keys. Empty where `update` says so itself.
    needs: ClassVar[Sequence[str]] = ()

    def __init__(self) -> None:
        self.entries: dict[str, Entry[StateT]] = {}

    @abstractmethod
    def update(self, reference: Reference, prediction: Prediction) -> None:
        """Read one record and its answer."""

    @abstractmethod
    def compute(self, seed: int = 0, draws: int = 1000, confidence: float = 0.95) -> list[Score]:
        """The scores of everything read so far; the first is the headline.

        Args:
            seed: Seed of the bootstrap.
            draws: Bootstrap draws.
            confidence: Coverage of the intervals.
        """

    @abstractmethod
    def resampled(self, weights: NDArray[np.int64]) -> NDArray[np.float64]:
        """The values of `compute`, in its order, when each group counts as often as its weight says.

        Args:
            weights: Integer weights [draws, len(self.groups())], a column a group in the order of `groups()`.

        Returns:
            Values [draws, scores], NaN where undefined. Weights of one give the values of `compute`.
        """

    def settings(self) -> dict[str, object]:
        """The choices that can move the numbers, in the order in which the signature prints them."""
        return {}

    def sample_value(self, state: StateT) -> float | None:
        """What one record contributes, for lists of samples; None where a record has no value of its own."""
        return None

    def shown(self, state: StateT) -> str:
        """What was extracted from the answer, for lists of samples."""
        return ""

    def keep(self, reference: Reference, status: str, state: StateT, detail: str = "") -> None:
        """Store the state of one record, and where it could not be read a sentence that says why.

        Raises:
            LammMetricsError: The record was read before.
        """
        self._insert(
            record_id(reference), Entry(group_of(reference), str(status), state, "" if status == OK else detail)
        )

    def merge(self, other: Self) -> None:
        """Take over the records of another shard. The order of merging does not matter.

        Raises:
            UsageError: The other metric is of another kind or was configured differently.
            LammMetricsError: A record is in both shards.
        """
        if type(self) is not type(other) or self.settings() != other.settings():
            raise UsageError(
                f"Expected a shard of {self.name} with {self.settings()}, got {type(other).__name__} with "
                f"{other.settings()}. Merge metrics that were made alike."
            )
        for key, entry in other.entries.items():
            self._insert(key, entry)

    def _insert(self, key: str, entry: Entry[StateT]) -> None:
        if key in self.entries:
            raise LammMetricsError(f"Expected each id once, got {key!r} twice. Remove the duplicate.")
        self.entries[key] = entry

    def ordered(self) -> list[tuple[str, Entry[StateT]]]:
        """All records sorted by id: the one order in which anything is computed."""
        return sorted(self.entries.items())

    def groups(self) -> list[str]:
        """The distinct groups, sorted."""
        return sorted({entry.group for entry in self.entries.values()})

    def group_codes(self) -> NDArray[np.int64]:
        """Index into `groups()` of each record of `ordered()`, [records]."""
        code = {group: i for i, group in enumerate(self.groups())}
        return np.fromiter((code[entry.group] for _, entry in self.ordered()), np.int64, len(self.entries))

    @property
    def n_failed(self) -> int:
        """Records whose answer could not be read."""
        return sum(entry.status != OK for entry in self.entries.values())

    def bootstrap(self, seed: int, draws: int, confidence: float) -> list[tuple[float, float] | None]:
        """Percentile intervals of the values of `resampled`, drawing whole groups with replacement.

        Returns:
            One interval a score, or None with fewer than two groups.
        """
        n_groups = len({entry.group for entry in self.entries.values()})
        if n_groups < 2 or draws < 2:
            return [None] * self.resampled(np.ones((1, n_groups), np.int64)).shape[1]
        values = np.concatenate([self.resampled(weights) for weights in group_weights(n_groups, draws, seed)])
        return [percentile_interval(column, confidence) for column in values.T]

    def remarks(self) -> list[str]:
        """What a reader of the scores should know about single records, such as faulty boxes by id."""
        return []

    def per_sample(self) -> Iterator[SampleResult]:
        """How each record was scored, sorted by id."""
        for key, entry in self.ordered():
            value, extracted = self.sample_value(entry.state), self.shown(entry.state)
            yield SampleResult(key, entry.group, entry.status, value, extracted, entry.detail)

"""The two types that every metric of this package shares: `Metric`, which gathers, and `Score`, which is said.

A metric keeps one small state per record id. Shards are merged by id and everything is computed in the order of the
sorted ids, so any split of the records over processes gives the very same bits as one pass.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from html import escape
from typing import Any, ClassVar, Generic, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.errors import LammMetricsError, UsageError
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.statistics import group_weights, percentile_interval

StateT = TypeVar("StateT")
Reference = Mapping[str, Any]
OK = "ok"


@cache
def version() -> str:
    """Version of the installed lamm-metrics, part of every signature."""
    from importlib.metadata import version as installed_version

    return installed_version("lamm-metrics")


def signature(name: str, **choices: object) -> str:
    """Name every choice that can move a number, as `name|choice:value|…|v:version`.

    >>> signature("accuracy", task="vqa", failed="wrong").rsplit("|", 1)[0]
    'accuracy|task:vqa|failed:wrong'
    """
    return "|".join([name, *(f"{key}:{value}" for key, value in choices.items()), f"v:{version()}"])


def record_id(record: Mapping[str, Any]) -> str:
    """The identifier of a record as a string, so that 7 and "7" name the same record."""
    return str(record["id"])


def group_of(reference: Reference) -> str:
    """What makes records dependent: `group`, else the image or point cloud they look at, else the record itself."""
    for key in ("group", "image", "pcl"):
        value = reference.get(key)
        if value:
            return "\n".join(map(str, value)) if isinstance(value, list) else str(value)
    return record_id(reference)


@dataclass(frozen=True, slots=True)
class Score:
    """One number and all that is needed to trust or reproduce it.

    Attributes:
        name: What it is, `paper/…` for the published formulas.
        value: The number (fractions are 0..1), or None where it is undefined, as with no records.
        interval: Confidence interval, None where there are too few groups for one.
        n: Records that were scored.
        n_failed: Records whose answer could not be read.
        higher_is_better: Direction.
        signature: Every choice that can move the number.
        extra: Further numbers about this one, such as the score if every failed answer were right.
    """

    name: str
    value: float | None
    interval: tuple[float, float] | None
    n: int
    n_failed: int
    higher_is_better: bool
    signature: str
    extra: Mapping[str, float] = field(default_factory=dict)

    @property
    def failure_rate(self) -> float:
        """Share of the records whose answer could not be read."""
        return self.n_failed / self.n if self.n else 0.0

    def __str__(self) -> str:
        value = "undefined" if self.value is None else f"{self.value:.4f}"
        interval = "" if self.interval is None else f" [{self.interval[0]:.4f}, {self.interval[1]:.4f}]"
        return f"{self.name} {value}{interval}  n={self.n} failed={self.failure_rate:.1%}  {self.signature}"

    def _repr_html_(self) -> str:
        value = "undefined" if self.value is None else f"{self.value:.4f}"
        interval = "" if self.interval is None else f" [{self.interval[0]:.4f}, {self.interval[1]:.4f}]"
        return (
            f"<p><strong>{escape(self.name)}</strong> {value}{interval} "
            f"<small>n={self.n}, failed {self.failure_rate:.1%}, <code>{escape(self.signature)}</code></small></p>"
        )

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary that `json.dumps` accepts."""
        return {
            "name": self.name,
            "value": self.value,
            "interval": None if self.interval is None else list(self.interval),
            "n": self.n,
            "n_failed": self.n_failed,
            "failure_rate": self.failure_rate,
            "higher_is_better": self.higher_is_better,
            "signature": self.signature,
            "extra": dict(self.extra),
        }

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote."""
        interval = given["interval"]
        return cls(
            name=given["name"],
            value=given["value"],
            interval=None if interval is None else (float(interval[0]), float(interval[1])),
            n=given["n"],
            n_failed=given["n_failed"],
            higher_is_better=given["higher_is_better"],
            signature=given["signature"],
            extra=given["extra"],
        )


class SampleResult(NamedTuple):
    """How one record was scored. `status` is a value of `lamm_metrics.extraction.result.Status`."""

    id: str
    group: str
    status: str
    value: float | None
    extracted: str


class Entry(NamedTuple, Generic[StateT]):
    """What a metric keeps of one record: its group, the extraction status and the metric's own compact state."""

    group: str
    status: str
    state: StateT


class Metric(ABC, Generic[StateT]):
    """Gathers records by `update`, joins shards by `merge`, says scores by `compute`.

    A subclass reads one pair in `update` and stores its state with `keep`; it states its choices in `settings`, and
    gives the values under weights of groups in `resampled`, from which intervals and paired tests are drawn.
    State holds numbers, never images, and never texts where numbers will do.
    """

    name: ClassVar[str]
    higher_is_better: ClassVar[bool] = True

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

    def keep(self, reference: Reference, status: str, state: StateT) -> None:
        """Store the state of one record.

        Raises:
            LammMetricsError: The record was read before.
        """
        self._insert(record_id(reference), Entry(group_of(reference), str(status), state))

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
            yield SampleResult(key, entry.group, entry.status, self.sample_value(entry.state), self.shown(entry.state))

"""`Metric`, which gathers answers and says scores.

A metric keeps one small state per record id. Shards are merged by id and everything is computed in the order of the
sorted ids, so any split of the records over processes gives the very same bits as one pass.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from hashlib import blake2b
from typing import Any, ClassVar, Generic, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.errors import LammMetricsError, UsageError
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import Reference, group_of, record_id
from lamm_metrics.results.score import (
    Interval,
    Mark,
    SampleResult,
    Score,
    ScoreSpec,
    check_sampling,
    drawn,
    put_together,
)
from lamm_metrics.statistics import centred_interval, group_weights, percentile_interval, wilson

StateT = TypeVar("StateT")
MetricT = TypeVar("MetricT", bound="Metric[Any]")
DerivedT = TypeVar("DerivedT")
Floats = NDArray[np.float64]
OK = "ok"
# The rank of a box without a score: behind all that have one.
UNSCORED = float("-inf")


class Entry(NamedTuple, Generic[StateT]):
    """What a metric keeps of one record: its group, how reading ended, its own compact state, why reading failed."""

    group: str
    status: str
    state: StateT
    detail: str = ""


def derived(method: Callable[[MetricT], DerivedT]) -> Callable[[MetricT], DerivedT]:
    """Remember what follows from the records until there are more of them; records are only ever added."""

    @wraps(method)
    def remembered(self: MetricT) -> DerivedT:
        count, known = self.known.get(method.__qualname__, (-1, None))
        result: DerivedT = known if count == len(self.entries) else method(self)
        self.known[method.__qualname__] = (len(self.entries), result)
        return result

    return remembered


def labels_setting(labels: Sequence[str]) -> dict[str, object]:
    """Return a closed label set as a choice of the signature: its hash, which no order changes; nothing without labels.

    >>> labels_setting(["cat", "dog"]) == labels_setting(["dog", "cat"]), labels_setting([])
    (True, {})
    """
    listed = "\n".join(sorted(set(labels))).encode("utf-8", "surrogatepass")
    return {"labels": blake2b(listed, digest_size=4).hexdigest()} if labels else {}


def overlaps(thresholds: Sequence[float]) -> tuple[float, ...]:
    """Return thresholds of overlap, checked.

    Raises:
        UsageError: There is none, or one is not above 0 and up to 1.
    """
    if not thresholds or not all(0 < threshold <= 1 for threshold in thresholds):
        raise UsageError(f"Expected overlaps above 0 and up to 1 as thresholds, got {list(thresholds)}. Change them.")
    return tuple(thresholds)


class Metric(ABC, Generic[StateT]):
    """Gathers records by `update`, joins shards by `merge`, says scores by `compute`.

    A subclass reads one pair in `update` and stores its state with `keep`; it states its choices in `settings`, its
    scores in `specs`, and gives their values under weights of groups in `resampled`, from which values, intervals and
    paired tests are drawn. State holds numbers, never images, and never texts where numbers will do.
    """

    name: ClassVar[str]
    higher_is_better: ClassVar[bool] = True
    # Ground truth that it reads: a record must have one of these keys. Empty where `update` says so itself.
    needs: ClassVar[Sequence[str]] = ()
    # Whether draws of groups are moved so that their median is the value itself, as areas under envelopes need.
    centred: ClassVar[bool] = False

    def __init__(self) -> None:
        self.entries: dict[str, Entry[StateT]] = {}
        self.known: dict[str, tuple[int, Any]] = {}
        # The published rule whose options these are; empty outside of one.
        self.protocol = ""
        # Whose numbered objects the records list, such as the annotation's; empty where they list none.
        self.proposals = ""

    @abstractmethod
    def update(self, reference: Reference, prediction: Prediction) -> None:
        """Read one record and its answer."""

    @abstractmethod
    def resampled(self, weights: NDArray[np.int64]) -> Floats:
        """Return the values of `compute`, in its order, when each group counts as often as its weight says.

        Args:
            weights: Integer weights [draws, len(self.groups())], a column a group in the order of `groups()`.

        Returns:
            Values [draws, scores], NaN where undefined. Weights of one give the values of `compute`.
        """

    def specs(self) -> Sequence[ScoreSpec]:
        """Return what each score is, in the order of `resampled`; the first is the headline."""
        named = type(self).score_names is not Metric.score_names
        return [ScoreSpec(name, self.higher_is_better) for name in (self.score_names if named else [self.name])]

    @property
    def score_names(self) -> Sequence[str]:
        """Return the names of the scores. A metric may state them here where there is no more to say in `specs`."""
        return [spec.name for spec in self.specs()]

    def settings(self) -> dict[str, object]:
        """Return the choices that can move the numbers, in the order in which the signature prints them."""
        return {}

    def extra(self, name: str) -> Mapping[str, float]:
        """Return further numbers about one score."""
        return {}

    def sample_value(self, state: StateT) -> float | None:
        """Return what one record contributes, for lists of samples; None where a record has no value of its own."""
        return None

    def shown(self, state: StateT) -> str:
        """Return what was extracted from the answer, for lists of samples."""
        return ""

    def marks(self, state: StateT) -> Sequence[Mark]:
        """Return the boxes and points of one record that were compared, true ones and answered ones."""
        return ()

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

    @derived
    def ordered(self) -> list[tuple[str, Entry[StateT]]]:
        """Return all records sorted by id: the one order in which anything is computed."""
        return [(key, self.entries[key]) for key in sorted(self.entries)]

    @derived
    def groups(self) -> list[str]:
        """Return the distinct groups, sorted."""
        return sorted({entry.group for entry in self.entries.values()})

    @derived
    def group_codes(self) -> NDArray[np.int64]:
        """Return the index into `groups()` of each record of `ordered()`, [records]."""
        code = {group: i for i, group in enumerate(self.groups())}
        return np.fromiter((code[entry.group] for _, entry in self.ordered()), np.int64, len(self.entries))

    @property
    def n_failed(self) -> int:
        """Return how many records have an answer that could not be read."""
        return sum(entry.status != OK for entry in self.entries.values())

    @property
    def n_records(self) -> int:
        """Return what `n` of the scores counts: records, unless a subclass scores larger units."""
        return len(self.entries)

    def compute(self, seed: int = 0, draws: int = 1000, confidence: float = 0.95) -> list[Score]:
        """Return the scores of everything read so far; the first is the headline.

        Args:
            seed: Seed of the bootstrap.
            draws: Bootstrap draws.
            confidence: Coverage of the intervals.
        """
        check_sampling(draws, confidence)
        specs = self.specs()
        values = self.point_values()
        intervals = self._intervals(specs, values, seed, draws, confidence)
        if_right = self.values_if_right() if self.n_failed and any(spec.bounded for spec in specs) else values
        extras = []
        for spec, value, right in zip(specs, values.tolist(), if_right, strict=True):
            bounds = {"failures_wrong": value, "failures_right": float(right)}
            extras.append({**(bounds if spec.bounded and not np.isnan(value) else {}), **self.extra(spec.name)})
        stated = {"protocol": self.protocol, "proposals": self.proposals}
        settings = {**{key: value for key, value in stated.items() if value}, **self.settings()}
        return put_together(specs, values.tolist(), intervals, extras, settings, (self.n_records, self.n_failed))

    @derived
    def point_values(self) -> Floats:
        """Return the values of all records, [scores]; NaN where undefined, as without records."""
        if not self.entries:
            return np.full(len(self.specs()), np.nan)
        return np.asarray(self.resampled(np.ones((1, len(self.groups())), np.int64))[0])

    def values_if_right(self) -> Sequence[float] | Floats:
        """Return the values, [scores], if every answer that could not be read were right; NaN for unbounded scores."""
        return [np.nan] * len(self.specs())

    def defined_groups(self) -> Sequence[int] | NDArray[np.int64]:
        """Return in how many groups each score is defined by itself, [scores]."""
        return [len(self.groups())] * len(self.specs())

    def _intervals(
        self, specs: Sequence[ScoreSpec], values: Floats, seed: int, draws: int, confidence: float
    ) -> list[tuple[Interval, str]]:
        """Shares of independent records get Wilson's interval, others a bootstrap of groups."""
        groups = len(self.groups())
        clustered = groups < len(self.entries)
        drawing = self.entries and (clustered or not all(spec.proportion for spec in specs))
        bootstrapped = self.bootstrap(seed, draws, confidence) if drawing else [None] * len(specs)
        kind, wilsons = (f"{name}{confidence * 100:g}" for name in (f"{'centred-' * self.centred}bootstrap", "wilson"))
        intervals: list[tuple[Interval, str]] = []
        for i, (spec, value, interval) in enumerate(zip(specs, values.tolist(), bootstrapped, strict=True)):
            trials = 0
            if spec.proportion and not clustered:
                trials = self.n_records
            elif value in (0.0, 1.0) and spec.proportion:
                trials = min(groups, self.n_records)
            elif value in (0.0, 1.0) and spec.share and groups > 1:
                trials = int(self.defined_groups()[i])
            if trials and not np.isnan(value):
                intervals.append((wilson(value * trials, trials, confidence), wilsons))
            else:
                intervals.append((interval, kind))
        return intervals

    def drawn(self, seed: int, draws: int) -> Floats:
        """Return the values under as many draws of whole groups, [draws, scores]; there must be a group."""
        key = f"drawn {seed} {draws}"
        if self.known.get(key, (-1, None))[0] != len(self.entries):
            chunks = [self.resampled(weights) for weights in group_weights(len(self.groups()), draws, seed)]
            self.known[key] = (len(self.entries), np.concatenate(chunks))
        values: Floats = self.known[key][1]
        return values

    def bootstrap(self, seed: int, draws: int, confidence: float) -> list[Interval]:
        """Return percentile intervals of the values of `resampled`, drawing whole groups with replacement.

        Returns:
            One interval a score, or None with fewer than two groups.
        """
        n_groups = len(self.groups())
        if n_groups < 2 or draws < 2:
            return [None] * len(self.specs())
        values = self.drawn(seed, draws)
        if not self.centred:
            return [percentile_interval(column, confidence) for column in values.T]
        points = self.point_values().tolist()
        return [centred_interval(point, column, confidence) for point, column in zip(points, values.T, strict=True)]

    def remarks(self) -> list[str]:
        """Return what a reader of the scores should know about single records, such as faulty boxes by id."""
        return []

    def per_sample(self) -> Iterator[SampleResult]:
        """Yield how each record was scored, sorted by id."""
        for key, (group, status, state, detail) in self.ordered():
            marks = self.marks(state)
            value, shown = self.sample_value(state), self.shown(state)
            yield SampleResult(key, group, status, value, shown, detail, drawn(marks) if marks else ())

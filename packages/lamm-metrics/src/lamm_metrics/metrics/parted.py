"""Metrics that score a benchmark and its parts, and that may leave out records nobody answered."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, Protocol, TypeVar

import numpy as np

from lamm_metrics.metrics.additive import AdditiveMetric
from lamm_metrics.metrics.base import OK, Floats, derived
from lamm_metrics.records.parts import in_order
from lamm_metrics.results.score import ScoreSpec

Missing = Literal["wrong", "skip"]


class Parted(Protocol):
    """What the state of one record says: the parts it belongs to, and whether it counts."""

    @property
    def parts(self) -> tuple[str, ...]:
        """Return names of parts, such as those of `lamm_metrics.records.parts.PARTS`."""

    @property
    def counted(self) -> bool:
        """Return whether the record counts; one without any answer does not under `missing="skip"`."""


PartedT = TypeVar("PartedT", bound=Parted)


class PartedMetric(AdditiveMetric[PartedT]):
    """A metric whose scores over all records are followed by those over each part that occurs.

    A subclass gives the summands of one record (`outcome`), of a right answer (`if_right`), the scores of sums
    (`shares`) and what they are (`whole`).
    """

    @abstractmethod
    def outcome(self, state: PartedT) -> Sequence[float]:
        """Return the summands of one record, whatever part it belongs to."""

    @abstractmethod
    def if_right(self, state: PartedT) -> PartedT:
        """Return the state of a record, had its answer been right."""

    @abstractmethod
    def whole(self) -> Sequence[ScoreSpec]:
        """Return what the scores over all records are."""

    def shares(self, sums: Floats) -> Floats:
        """Return scores [..., scores] of sums [..., summands]: each summand but the last over the last."""
        return np.asarray(sums[..., :-1] / sums[..., -1:])

    @derived
    def present(self) -> list[str]:
        """Return the parts that occur, in the order in which they are listed."""
        return in_order(part for entry in self.entries.values() for part in entry.state.parts)

    def rows(self, states: Sequence[PartedT]) -> Floats:
        """Return the summands of each record: of all, then of each part."""
        table = np.array([self.outcome(state) for state in states], np.float64).reshape(len(states), -1)
        table *= np.array([[state.counted] for state in states], np.float64).reshape(-1, 1)
        column = {part: place for place, part in enumerate(self.present())}
        belongs = np.zeros((len(states), len(column)))
        pairs = [(row, column[part]) for row, state in enumerate(states) for part in state.parts if part in column]
        if pairs:
            belongs[tuple(np.array(pairs).T)] = 1.0
        weights = np.hstack([self.weights(belongs)[:, None], belongs])
        return (weights[:, :, None] * table[:, None, :]).reshape(len(states), -1)

    def weights(self, belongs: Floats) -> Floats:
        """Return how often records count in the whole, [records].

        Args:
            belongs: 1 where a record belongs to a part, else 0, [records, parts].
        """
        return np.ones(len(belongs))

    def row_if_right(self, state: PartedT) -> Sequence[float]:
        """Return the summands of a right answer."""
        row: list[float] = self.rows([self.if_right(state)])[0].tolist()
        return row

    def values(self, sums: Floats) -> Floats:
        """Return the scores of all, then of each part."""
        parts = self.shares(sums.reshape(*sums.shape[:-1], 1 + len(self.present()), -1))
        return parts.reshape(*sums.shape[:-1], -1)

    def specs(self) -> Sequence[ScoreSpec]:
        """Return the scores over all records, then those over each part, which has fewer records."""
        whole = list(self.whole())
        own = [replace(spec, proportion=False, bounded=False) for spec in whole]
        named = (replace(spec, name=self.of_part(spec.name, part)) for part in self.present() for spec in own)
        return [*whole, *named]

    def of_part(self, name: str, part: str) -> str:
        """Return the name of a score over a part: `grounding_accuracy/unique@0.5` of `grounding_accuracy@0.5`."""
        head, at, tail = name.partition("@")
        return f"{head}/{part}{at}{tail}"

    @property
    def n_records(self) -> int:
        """Return how many records count."""
        return sum(entry.state.counted for entry in self.entries.values())

    @property
    def n_failed(self) -> int:
        """Return how many records that count have an answer that could not be read."""
        return sum(entry.status != OK and entry.state.counted for entry in self.entries.values())

    def left_out(self) -> list[str]:
        """Return in one sentence how many records nobody answered are left out; empty where none is."""
        count = len(self.entries) - self.n_records
        return [f"{count} of {len(self.entries)} records without an answer are left out (missing=skip)"] * bool(count)

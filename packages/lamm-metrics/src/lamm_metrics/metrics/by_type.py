"""What scores of open answers share: means over all records, and over the records of each type of question."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

import numpy as np

from lamm_metrics.extraction import Status
from lamm_metrics.metrics.base import Floats, derived
from lamm_metrics.metrics.parted import PartedMetric
from lamm_metrics.metrics.question_types import TYPES, Types
from lamm_metrics.metrics.registry import one_of
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import Reference, group_of
from lamm_metrics.results.score import ScoreSpec

MOST_TYPES = 64
"""Types that are scored one by one; more of them are no types."""
SHOWN = 80
"""Characters of a read answer that are kept."""


class Typed(NamedTuple):
    """What an answer is worth, from 0 to 1 by each measure; the types of its question; what was read of it.

    `object` names the object that the question is about, where the record says so.
    """

    values: tuple[float, ...]
    parts: tuple[str, ...]
    given: str
    counted: bool = True
    object: str = ""


class MeansByType(PartedMetric[Typed]):
    """Means over records of values from 0 to 1, the first measure is the headline; then the same of each type.

    A subclass names its `measures` and says in `judged` what an answer is worth.
    """

    needs: ClassVar[Sequence[str]] = ("answers",)
    measures: tuple[str, ...] = ()

    def __init__(self, types: Types = "record") -> None:
        """Choose how types of questions are told.

        Args:
            types: "record" takes the record's `question_type`; see `lamm_metrics.metrics.question_types.TYPES`.
        """
        super().__init__()
        one_of("types", types, Types)
        self.types: Types = types
        self.measures = self.measures or (self.name,)

    @abstractmethod
    def judged(self, reference: Reference, prediction: Prediction) -> tuple[Sequence[float], str | None]:
        """Return what an answer is worth by each measure, and what was read of it; None where it cannot be read."""

    def proportions(self) -> bool:
        """Return whether every value is 0 or 1 and every record weighs the same."""
        return False

    def settings(self) -> dict[str, object]:
        """The choices of the signature."""
        return {"types": self.types, "failed": "wrong"}

    def update(self, reference: Reference, prediction: Prediction) -> None:
        """Read one answer."""
        values, given = self.judged(reference, prediction)
        about = f"{group_of(reference)}/{reference['object_id']}" if "object_id" in reference else ""
        state = Typed(tuple(map(float, values)), TYPES[self.types](reference), (given or "")[:SHOWN], object=about)
        self.keep(reference, Status.NONE if given is None else Status.OK, state)

    @derived
    def present(self) -> list[str]:
        """Return the types that are scored one by one, sorted."""
        found = sorted({kind for entry in self.entries.values() for kind in entry.state.parts})
        return found if len(found) <= MOST_TYPES else []

    def whole(self) -> Sequence[ScoreSpec]:
        """Return the scores over all records."""
        exact = self.proportions()
        return [ScoreSpec(name, proportion=exact, share=True, bounded=not i) for i, name in enumerate(self.measures)]

    def of_part(self, name: str, part: str) -> str:
        """Return the name of a score of a type."""
        return f"{name}/{part}"

    def outcome(self, state: Typed) -> Sequence[float]:
        """Return what an answer is worth, and 1."""
        return *state.values, 1.0

    def weights(self, belongs: Floats) -> Floats:
        """Return 1 for every record; under MSQA's types how many it belongs to."""
        return np.asarray(belongs.sum(axis=1)) if self.types == "msqa" else super().weights(belongs)

    def if_right(self, state: Typed) -> Typed:
        """Return the state of a right answer."""
        return state._replace(values=(1.0,) * len(self.measures))

    def remarks(self) -> list[str]:
        """Say how many records no type of MSQA's takes in, which its mean over types leaves out."""
        bare = sum(not entry.state.parts for entry in self.entries.values()) if self.types == "msqa" else 0
        told = f"{bare} of {len(self.entries)} records do not count: their `question_type` is none of MSQA's"
        return [told] * bool(bare)

    def extra(self, name: str) -> Mapping[str, float]:
        """Return how many records a type has."""
        kind = name.partition("/")[2]
        return {"n": float(sum(kind in entry.state.parts for entry in self.entries.values()))} if kind else {}

    def sample_value(self, state: Typed) -> float | None:
        """What the answer is worth, by the headline."""
        return state.values[0]

    def shown(self, state: Typed) -> str:
        """What was read of the answer."""
        return state.given

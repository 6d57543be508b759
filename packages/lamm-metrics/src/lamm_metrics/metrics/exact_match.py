"""Exact match of open answers, strict (EM) and refined (EM-R), under every published rule."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from lamm_metrics.errors import UsageError
from lamm_metrics.extraction import Status
from lamm_metrics.metrics.additive import AdditiveMetric
from lamm_metrics.metrics.base import Floats, derived
from lamm_metrics.metrics.question_types import TYPES, Types
from lamm_metrics.metrics.registry import one_of
from lamm_metrics.metrics.texts import TEXTS, Preparation, Text
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import Reference
from lamm_metrics.results.score import ScoreSpec

Match = Literal["any", "in-order", "first"]
Refined = Literal["second", "first", "none"]
Empty = Literal["wrong", "contained"]
MOST_TYPES = 64
"""Types that are scored one by one; more of them are no types."""


class Matched(NamedTuple):
    """Whether an answer is a reference, overlaps one, is one of several that are ranked; its types; the answer."""

    exact: bool
    refined: bool
    among: bool
    types: tuple[str, ...]
    given: str


def squash(text: str) -> str:
    """Return a text without white space."""
    return "".join(text.split())


def overlaps(answer: str, reference: str) -> bool:
    """Return whether one text is a part of the other, white space aside: of letters, not of words.

    >>> overlaps("know", "no"), overlaps("book shelf", "bookshelf"), overlaps("", "brown")
    (True, True, True)
    """
    first, second = squash(answer), squash(reference)
    return first in second or second in first


def match_answer(
    answer: str, references: Sequence[str], text: Preparation, match: Match, empty: Empty
) -> tuple[bool, bool]:
    """Return whether an answer matches exactly, and whether it does in the refined way.

    Args:
        answer: As it was written.
        references: As they were written, at least one.
        text: How both are prepared.
        match: "any" looks for an equal reference first, "in-order" stops at the first reference that matches in
            either way, "first" looks at no other.
        empty: Whether an answer of which nothing is left is "wrong", or "contained" in every reference.

    >>> match_answer("brown", ["brown wooden", "brown"], TEXTS["leo"], "in-order", "wrong")
    (False, True)
    """
    prepared = text.answer(answer)
    if empty == "wrong" and not prepared.strip():
        return False, False
    strict = text.again(prepared)
    for reference in references if match == "in-order" else ():
        wanted = text.reference(reference)
        if strict == text.again(wanted):
            return True, True
        if overlaps(prepared, wanted):
            return False, True
    if match == "in-order":
        return False, False
    known = [text.reference(reference) for reference in (references[:1] if match == "first" else references)]
    if any(strict == text.again(wanted) for wanted in known):
        return True, True
    return False, any(overlaps(prepared, wanted) for wanted in known)


class ExactMatch(AdditiveMetric[Matched]):
    r"""Share of open answers that equal a reference (EM), and that overlap one (EM-R); per type of question too.

    The default cleans both sides as LEO does, takes any reference and counts empty answers as wrong. EM-R lets parts of
    words count ("know" for "no"). Rules of projects differ in all of it; `lamm metrics conventions` shows them side by
    side, and `--protocol` chooses one.

    >>> metric = ExactMatch()
    >>> metric.update({"id": 1, "answers": ["brown", "dark brown"]}, Prediction("1", "The brown."))
    >>> metric.update({"id": 2, "answers": ["two"]}, Prediction("2", "2 chairs"))
    >>> [(score.name, score.value) for score in metric.compute()]
    [('em', 0.5), ('em_r', 1.0)]
    """

    name = "exact_match"
    needs = ("answers",)

    def __init__(
        self,
        text: Text = "leo",
        *,
        match: Match = "any",
        refined: Refined = "second",
        empty: Empty = "wrong",
        top: int = 1,
        types: Types = "record",
    ) -> None:
        """Choose a rule.

        Args:
            text: How answers and references are prepared; "plain" compares them as written.
            match: "any" reference may be equal; "in-order" lets the first reference that is equal or overlaps decide;
                "first" looks at the first reference alone.
            refined: Whether EM-R is given "second", is the "first" score, or is left out ("none").
            empty: Whether an answer of which nothing is left is "wrong", or "contained" in every reference (EM-R 1).
            top: Also score whether any of so many ranked answers is right; 1 for the first alone.
            types: Rule of question types: "record" takes its `question_type`; "msqa" also weights the headline by them.
        """
        super().__init__()
        for name, value, choices in (
            ("text", text, Text), ("match", match, Match), ("refined", refined, Refined), ("empty", empty, Empty),
            ("types", types, Types),
        ):  # fmt: skip
            one_of(name, value, choices)
        if top < 1:
            raise UsageError(f"Expected top to be at least 1, got {top}. Choose a larger number.")
        self.text: Text = text
        self.match: Match = match
        self.refined: Refined = refined
        self.empty: Empty = empty
        self.top, self.types = top, types
        self._prepare, self._types = TEXTS[text], TYPES[types]

    def settings(self) -> dict[str, object]:
        """The choices of the signature."""
        chosen = {"text": self.text, "match": self.match, "empty": self.empty, "types": self.types}
        return {**chosen, **({"top": self.top} if self.top > 1 else {}), "failed": "wrong"}

    def update(self, reference: Reference, prediction: Prediction) -> None:
        """Read one answer."""
        ranked = (prediction.ranked or [prediction.plain_text])[: self.top]
        outcomes = [self._outcome(answer, reference["answers"]) for answer in ranked]
        exact, refined = outcomes[0]
        shown = self._prepare.answer(ranked[0])
        state = Matched(exact, refined, any(right for right, _ in outcomes), self._types(reference), shown[:80])
        self.keep(reference, Status.OK if ranked[0].strip() else Status.NONE, state)

    def _outcome(self, answer: str, references: Sequence[str]) -> tuple[bool, bool]:
        return match_answer(answer, references, self._prepare, self.match, self.empty)

    @derived
    def kinds(self) -> list[str]:
        """Return the types that are scored one by one, sorted."""
        found = sorted({kind for entry in self.entries.values() for kind in entry.state.types})
        return found if len(found) <= MOST_TYPES else []

    def _measured(self) -> list[str]:
        names = {"second": ["em", "em_r"], "first": ["em_r", "em"], "none": ["em"]}[self.refined]
        return [*names, *([f"em@{self.top}"] if self.top > 1 else [])]

    def specs(self) -> Sequence[ScoreSpec]:
        """Return the scores over all records, then those of each type."""
        pooled = self.types != "msqa"
        whole = [ScoreSpec(name, proportion=pooled, share=True, bounded=name == "em") for name in self._measured()]
        return [
            *whole,
            *(ScoreSpec(f"{name}/{kind}", share=True) for kind in self.kinds() for name in self._measured()),
        ]

    def rows(self, states: Sequence[Matched]) -> Floats:
        """Return what is right of each record and 1, then both again in the columns of its types."""
        values = np.array([self._values(state) for state in states], np.float64).reshape(len(states), -1)
        kinds = {kind: place for place, kind in enumerate(self.kinds())}
        belongs = np.zeros((len(states), len(kinds)))
        for place, state in enumerate(states):
            for kind in state.types:
                if kind in kinds:
                    belongs[place, kinds[kind]] = 1.0
        weight = belongs.sum(axis=1) if self.types == "msqa" else np.ones(len(states))
        every = np.hstack([weight[:, None], belongs])
        return (every[:, :, None] * np.hstack([values, np.ones((len(states), 1))])[:, None, :]).reshape(len(states), -1)

    def row_if_right(self, state: Matched) -> Sequence[float]:
        """Return the row of a right answer."""
        row: list[float] = self.rows([state._replace(exact=True, refined=True, among=True)])[0].tolist()
        return row

    def values(self, sums: Floats) -> Floats:
        """Return the shares, in the order of `specs`."""
        apart = sums.reshape(*sums.shape[:-1], len(self.kinds()) + 1, -1)
        return (apart[..., :-1] / apart[..., -1:]).reshape(*sums.shape[:-1], -1)

    def _values(self, state: Matched) -> list[float]:
        named = {"em": state.exact, "em_r": state.refined}
        return [float(named.get(name, state.among)) for name in self._measured()]

    def extra(self, name: str) -> Mapping[str, float]:
        """Return how many records a type has."""
        kind = name.partition("/")[2]
        return {"n": float(sum(kind in entry.state.types for entry in self.entries.values()))} if kind else {}

    def remarks(self) -> list[str]:
        """Say how much of EM-R is empty answers."""
        if self.empty == "wrong" or self.refined == "none":
            return []
        empty = sum(entry.state.refined and not entry.state.given.strip() for entry in self.entries.values())
        return [f"{empty} empty answers count as right in EM-R under this rule"] if empty else []

    def sample_value(self, state: Matched) -> float | None:
        """Whether it is right, by the headline."""
        return self._values(state)[0]

    def shown(self, state: Matched) -> str:
        """The prepared answer."""
        return state.given

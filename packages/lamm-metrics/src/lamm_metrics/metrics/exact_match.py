"""Exact match of open answers, strict (EM) and refined (EM-R), under every published rule."""

from collections.abc import Sequence
from typing import Literal

from lamm_metrics.errors import UsageError
from lamm_metrics.metrics.by_type import MeansByType
from lamm_metrics.metrics.question_types import Types
from lamm_metrics.metrics.registry import one_of
from lamm_metrics.metrics.texts import TEXTS, Preparation, Text
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import Reference

Match = Literal["any", "in-order", "first"]
Refined = Literal["second", "first", "none"]
Empty = Literal["wrong", "contained"]


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


class ExactMatch(MeansByType):
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
        super().__init__(types)
        for name, value, choices in (
            ("text", text, Text), ("match", match, Match), ("refined", refined, Refined), ("empty", empty, Empty),
        ):  # fmt: skip
            one_of(name, value, choices)
        if top < 1:
            raise UsageError(f"Expected top to be at least 1, got {top}. Choose a larger number.")
        self.text: Text = text
        self.match: Match = match
        self.refined: Refined = refined
        self.empty: Empty = empty
        self.top = top
        self._prepare = TEXTS[text]
        named = {"second": ("em", "em_r"), "first": ("em_r", "em"), "none": ("em",)}[refined]
        self.measures = (*named, f"em@{top}") if top > 1 else named

    def settings(self) -> dict[str, object]:
        """The choices of the signature."""
        chosen = {"text": self.text, "match": self.match, "empty": self.empty}
        return {**chosen, **({"top": self.top} if self.top > 1 else {}), **super().settings()}

    def proportions(self) -> bool:
        """Return whether records weigh the same, as they do but under MSQA's types."""
        return self.types != "msqa"

    def judged(self, reference: Reference, prediction: Prediction) -> tuple[Sequence[float], str | None]:
        """Return whether an answer is a reference, overlaps one, and whether any of those ranked first is one."""
        ranked = (prediction.ranked or [prediction.plain_text])[: self.top]
        rule = self._prepare, self.match, self.empty
        outcomes = [match_answer(answer, reference["answers"], *rule) for answer in ranked]
        named = {"em": outcomes[0][0], "em_r": outcomes[0][1]}
        among = any(right for right, _ in outcomes)
        return [named.get(name, among) for name in self.measures], self._prepare.answer(ranked[0]) if ranked[
            0
        ].strip() else None

    def remarks(self) -> list[str]:
        """Say how much of EM-R is empty answers."""
        if self.empty == "wrong" or self.refined == "none":
            return super().remarks()
        place = self.measures.index("em_r")
        states = [entry.state for entry in self.entries.values()]
        empty = sum(state.values[place] == 1 and not state.given.strip() for state in states)
        told = f"{empty} empty answers count as right in EM-R under this rule"
        return [*super().remarks(), *[told] * bool(empty)]

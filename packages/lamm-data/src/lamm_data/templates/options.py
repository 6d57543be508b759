"""Multiple choice: option letters, and options for questions that come without any."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from lamm_data.annotations import Annotated, Question

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def lettered(choices: Sequence[str]) -> str:
    """Write options as `(A) red (B) blue`."""
    return " ".join(f"({letter}) {choice}" for letter, choice in zip(LETTERS, choices, strict=False))


def question_kind(text: str) -> str:
    """Group questions whose answers are alike: the first three words, in lower case."""
    return " ".join(text.lower().rstrip("?").split()[:3])


class AnswerPool:
    """Answers seen in a data set, by kind of question; wrong options are drawn from it.

    Wrong options come from the answers of other questions of the same kind, each distinct answer equally likely, so
    that neither the wording nor the length of an option tells whether it is right.

    Args:
        items: Every item whose questions may be asked.
    """

    def __init__(self, items: Iterable[Annotated]) -> None:
        by_kind: dict[str, dict[str, None]] = defaultdict(dict)
        for item in items:
            for question in item.questions:
                if question.answers:
                    by_kind[question_kind(question.text)][question.answers[0]] = None
        self._by_kind = {kind: sorted(answers) for kind, answers in by_kind.items()}
        self._all = sorted({answer for answers in by_kind.values() for answer in answers})

    def pose(self, question: Question, count: int, rng: random.Random) -> Question:
        """Give an open question `count` options, or fewer when the data set has not as many answers.

        Args:
            question: Question with at least one answer; one that has options already is returned as it is.
            count: Options wanted, the right one included.
            rng: Decides the wrong options and the place of the right one.
        """
        if question.choices or not question.answers:
            return question
        right = question.answers[0]
        taken = {answer.casefold() for answer in question.answers}
        wrong = [a for a in self._by_kind.get(question_kind(question.text), ()) if a.casefold() not in taken]
        if len(wrong) < min(count - 1, 2):
            wrong = [answer for answer in self._all if answer.casefold() not in taken]
        drawn = rng.sample(wrong, min(count - 1, len(wrong)))
        place = rng.randrange(len(drawn) + 1)
        return replace(question, choices=(*drawn[:place], right, *drawn[place:]), answer=place)

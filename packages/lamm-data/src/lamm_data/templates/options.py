"""Multiple choice: option letters, and options for questions that come without any."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import accumulate

from lamm_data.annotations import Annotated, Question

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def lettered(choices: Sequence[str]) -> str:
    """Write options as `(A) red (B) blue`."""
    return " ".join(f"({letter}) {choice}" for letter, choice in zip(LETTERS, choices, strict=False))


def question_kind(text: str, words: int = 3) -> str:
    """Group questions whose answers are alike: their first words, in lower case."""
    return " ".join(text.lower().rstrip("?").split()[:words])


class AnswerPool:
    """Answers seen in a data set, by kind of question; wrong options are drawn from it.

    Wrong options are answers of other questions of the same kind (the same first three words; if these do not suffice
    the same first two, the same first one, then any). They are drawn as often as they are right elsewhere, so that the
    right option and the wrong ones come from one distribution: neither the wording, nor the length, nor how common an
    option is tells a blind reader which one is right.

    Args:
        items: Every item whose questions may be asked.
    """

    def __init__(self, items: Iterable[Annotated]) -> None:
        counted: dict[str, Counter[str]] = defaultdict(Counter)
        for item in items:
            for question in item.questions:
                if question.answers:
                    for words in (3, 2, 1, 0):
                        counted[question_kind(question.text, words)][question.answers[0]] += 1
        self._pools = {kind: (list(answers), list(accumulate(answers.values()))) for kind, answers in counted.items()}

    def _draw(self, kind: str, taken: set[str], count: int, rng: random.Random) -> list[str]:
        """Draw up to `count` answers that are not taken yet; frequent ones come up more often."""
        answers, weights = self._pools.get(kind, ([], []))
        free = sum(answer.casefold() not in taken for answer in answers)
        drawn: list[str] = []
        for _ in range(20 * count if answers else 0):
            if len(drawn) == min(count, free):
                break
            (answer,) = rng.choices(answers, cum_weights=weights)
            if answer.casefold() not in taken:
                taken.add(answer.casefold())
                drawn.append(answer)
        # Rare answers beside very common ones may not come up by chance: what still lacks is taken evenly.
        rest = [answer for answer in answers if answer.casefold() not in taken]
        more = rng.sample(rest, min(count - len(drawn), len(rest)))
        taken.update(answer.casefold() for answer in more)
        return drawn + more

    def pose(self, question: Question, count: int, rng: random.Random) -> Question:
        """Give an open question `count` options, or fewer when the whole data set has not as many answers.

        Args:
            question: Question with at least one answer; one that has options already is returned as it is.
            count: Options wanted, the right one included.
            rng: Decides the wrong options and the place of the right one.
        """
        if question.choices or not question.answers:
            return question
        right, wrong = question.answers[0], list[str]()
        taken = {answer.casefold() for answer in question.answers}
        for words in (3, 2, 1, 0):
            if len(wrong) < count - 1:
                wrong += self._draw(question_kind(question.text, words), taken, count - 1 - len(wrong), rng)
        rng.shuffle(wrong)
        place = rng.randrange(len(wrong) + 1)
        return replace(question, choices=(*wrong[:place], right, *wrong[place:]), answer=place)

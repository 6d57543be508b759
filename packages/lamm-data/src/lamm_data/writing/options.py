"""Multiple choice: option letters, and options for questions that come without any."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import accumulate

from lamm_data.records.annotations import Annotated, Question
from lamm_data.writing.answer_types import answer_type, content_words, overlap

ANY = "any"
"""Stands for every type of answer."""
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def lettered(choices: Sequence[str]) -> str:
    """Write options as `(A) red (B) blue`."""
    return " ".join(f"({letter}) {choice}" for letter, choice in zip(LETTERS, choices, strict=False))


def question_kind(text: str, words: int = 3) -> str:
    """Group questions whose answers are alike: their first words, in lower case."""
    return " ".join(text.lower().rstrip("?").split()[:words])


def about(word: str) -> str:
    """Name the pool of answers to questions that hold a word."""
    return f"about {word}"


class AnswerPool:
    """Answers seen in a data set, by kind of question; wrong options are drawn from it.

    Wrong options are answers of the same type (a number, a colour, a place, a thing) to other questions of the same
    kind (the same first three words; if these do not suffice the same first two, the same first one, then any). They
    are drawn as often as they are right elsewhere, so that the right option and the wrong ones have one distribution:
    neither the wording, nor the length, nor how common an option is tells a blind reader which one is right. Where the
    right answer repeats a word of the question, wrong options that do are preferred, else those that do not. No option
    of a question says only more or less than another one ("brown", "dark brown"), since both might be right.

    Args:
        items: Every item whose questions may be asked.
    """

    def __init__(self, items: Iterable[Annotated]) -> None:
        counted: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for item in items:
            for question in item.questions:
                if question.answers:
                    answer = question.answers[0]
                    for words in (3, 2, 1, 0):
                        for kind in (answer_type(answer), ANY):
                            counted[kind, question_kind(question.text, words)][answer] += 1
                    for word in content_words(question.text):
                        counted[answer_type(answer), about(word)][answer] += 1
        self._pools = {kind: (list(answers), list(accumulate(answers.values()))) for kind, answers in counted.items()}
        self._words = {answer: content_words(answer) for answers, _ in self._pools.values() for answer in answers}

    def _draw(
        self, kind: tuple[str, str], fits: Callable[[frozenset[str]], bool], count: int, rng: random.Random
    ) -> list[str]:
        """Draw up to `count` answers that fit; frequent ones come up more often."""
        answers, weights = self._pools.get(kind, ([], []))
        drawn: list[str] = []
        for _ in range(20 * count if answers else 0):
            if len(drawn) == count:
                return drawn
            (answer,) = rng.choices(answers, cum_weights=weights)
            if fits(self._words[answer]):
                drawn.append(answer)
        # Rare answers beside very common ones may not come up by chance: what still lacks is taken evenly.
        for answer in rng.sample(answers, len(answers)):
            if len(drawn) < count and fits(self._words[answer]):
                drawn.append(answer)
        return drawn

    def _turns(self, words: frozenset[str], count: int, rng: random.Random) -> list[str]:
        """Put a question's words in an order drawn by lot, over and over, twice as many as options are wanted."""
        order = rng.sample(sorted(words), len(words))
        return [order[k % len(order)] for k in range(2 * count)] if order else []

    def pose(self, question: Question, count: int, rng: random.Random) -> Question:
        """Give an open question `count` options, or fewer when the data set has not as many answers of the kind.

        A question that no other answer of the data set would fit stays open.

        Args:
            question: Question with at least one answer; one that has options already is returned as it is.
            count: Options wanted, the right one included. A question that is answered by yes or no gets these two.
            rng: Decides the wrong options and the place of the right one.
        """
        if question.choices or not question.answers:
            return question
        right, wrong = question.answers[0], list[str]()
        kind, asked = answer_type(right), content_words(question.text)
        if kind == "yes or no":
            wrong = ["no" if right.lower() == "yes" else "yes"]
        taken = [content_words(answer) for answer in question.answers]
        echo = bool(taken[0] & asked)

        def fits(words: frozenset[str], like: bool) -> bool:
            alike = not like or bool(words & asked) == echo
            if not alike or any(overlap(words, other) for other in taken):
                return False
            taken.append(words)
            return True

        # First of all answers to questions about the same things, one for each word in turn.
        for word in self._turns(asked, count, rng) if kind != "yes or no" else ():
            if len(wrong) < count - 1:
                wrong += self._draw((kind, about(word)), partial(fits, like=True), 1, rng)
        # What no answer of the type can fill is filled by answers to questions that begin alike.
        levels = [(kind, like, words) for like in (True, False) for words in (3, 2, 1, 0)]
        levels += [(ANY, False, words) for words in (3, 2)]
        for drawn_kind, like, words in levels if kind != "yes or no" else ():
            if len(wrong) < count - 1:
                key = (drawn_kind, question_kind(question.text, words))
                wrong += self._draw(key, partial(fits, like=like), count - 1 - len(wrong), rng)
        if not wrong:
            return question
        rng.shuffle(wrong)
        index = rng.randrange(len(wrong) + 1)
        return replace(question, choices=(*wrong[:index], right, *wrong[index:]), answer=index)

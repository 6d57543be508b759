"""Accuracy of open answers by the agreement of annotators: VQA v2 and TextVQA."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from lamm_metrics.metrics.by_type import MeansByType
from lamm_metrics.metrics.question_types import Types
from lamm_metrics.metrics.registry import one_of
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import Reference

Normalise = Literal["differing", "always", "evalai"]
_DIGITS = {
    "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8",
    "nine": "9", "ten": "10", "none": "0",
}  # fmt: skip
_ARTICLES = frozenset(["a", "an", "the"])
# Forms with an apostrophe too few become these.
_WHOLE = """
ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd
he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've might've mustn't must've
needn't not've o'clock oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've somebody'd've
somebody'll somebody's someone'd someone'd've someone'll someone's something'd something'd've something'll
that's there'd there'd've there're there's they'd they'd've they'll they're they've 'twas wasn't we'd've we've
weren't what'll what're what's what've when's where'd where's where've who'd who'd've who'll who's who've
why'll why're why's won't would've wouldn't wouldn't've y'all y'all'll y'all'd've you'd you'd've you'll you're
you've
""".split()  # noqa: SIM905 - a list of a hundred words reads better so
_CONTRACTIONS = {word[:i] + word[i + 1 :]: word for word in _WHOLE for i, char in enumerate(word) if char == "'"}
_CONTRACTIONS["somebody'd"] = "somebodyd"
_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
_COMMA = re.compile(r"\d,\d")
_PERIOD = re.compile(r"\.(?!\d)")
# The published code passes a flag where the number of replacements belongs.
_MOST_PERIODS = 32


def _one_line(text: str) -> str:
    return text.replace("\n", " ").replace("\t", " ").strip()


@lru_cache(maxsize=1 << 16)
def normalise_answer(text: str) -> str:
    """Return an answer as the VQA evaluation compares it: no punctuation or articles, digits, whole contractions.

    A punctuation mark that stands beside a blank vanishes, any other becomes a blank; all vanish where a number has a
    comma in it.

    >>> normalise_answer("The two dogs."), normalise_answer("black/white"), normalise_answer("dont know!")
    ('2 dogs', 'black white', "don't know")
    """
    text = _one_line(text)
    comma, plain = _COMMA.search(text), text
    for mark in _PUNCTUATION:
        plain = plain.replace(mark, "" if comma or f"{mark} " in text or f" {mark}" in text else " ")
    plain = _PERIOD.sub("", plain, count=_MOST_PERIODS)
    words = (_DIGITS.get(word, word) for word in plain.lower().split())
    return " ".join(_CONTRACTIONS.get(word, word) for word in words if word not in _ARTICLES)


@lru_cache(maxsize=1 << 16)
def _evalai(text: str) -> str:
    """Return an answer as TextVQA's server does: commas, question marks and possessives are split off first."""
    return normalise_answer(text.lower().replace(",", "").replace("?", "").replace("'s", " 's").strip())


def agreement(count: int, annotators: int) -> float:
    """Return the mean over leaving one annotator out of min(1, how many others agree / 3).

    Args:
        count: Annotators who gave the answer.
        annotators: All of them, at least 1.

    >>> [round(agreement(count, 10), 2) for count in range(5)]
    [0.0, 0.3, 0.6, 0.9, 1.0]
    """
    agreeing, others = min(1.0, (count - 1) / 3), min(1.0, count / 3)
    return (count * agreeing + (annotators - count) * others) / annotators if count else 0.0


class VqaAccuracy(MeansByType):
    """Mean of min(1, annotators who agree / 3), leaving each annotator out in turn (arXiv 1505.00468, 1612.00837).

    `answers` lists what each annotator said, repeats kept. With fewer than four annotators nobody can score 1.

    >>> metric = VqaAccuracy()
    >>> metric.update({"id": 1, "answers": ["two"] * 4 + ["three"] * 6}, Prediction("1", "2"))
    >>> metric.compute()[0].value
    1.0
    """

    name = "vqa_accuracy"

    def __init__(self, normalise: Normalise = "always", *, types: Types = "record") -> None:
        """Choose when texts are normalised.

        Args:
            normalise: "always"; "differing" only where the annotators do not all say the same, as the published code of
                VQA v2 does, so that "Yes" misses ten times "yes"; "evalai" always, as TextVQA's server.
            types: Rule of question types; "record" takes the record's `question_type`.
        """
        super().__init__(types)
        one_of("normalise", normalise, Normalise)
        self.normalise: Normalise = normalise

    def settings(self) -> dict[str, object]:
        """The choices of the signature."""
        return {"norm": self.normalise, **super().settings()}

    def judged(self, reference: Reference, prediction: Prediction) -> tuple[Sequence[float], str | None]:
        """Return how many annotators agree, in shares of what suffices."""
        plain, answer = [_one_line(text) for text in reference["answers"]], _one_line(prediction.plain_text)
        if self.normalise != "differing" or len(set(plain)) > 1:
            prepare = _evalai if self.normalise == "evalai" else normalise_answer
            plain, answer = [prepare(text) for text in plain], prepare(answer)
        return [
            agreement(plain.count(answer), len(plain)) if answer else 0.0
        ], answer if prediction.plain_text.strip() else None

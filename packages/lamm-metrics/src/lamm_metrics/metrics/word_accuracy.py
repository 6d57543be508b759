"""Text recognition: word accuracy, precision and F1, character error rate, 1 - N.E.D."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple
from unicodedata import category

import numpy as np
from numpy.typing import NDArray

from lamm_metrics import extraction
from lamm_metrics.extraction.words import plain_word
from lamm_metrics.metrics.additive import AdditiveMetric
from lamm_metrics.metrics.base import OK
from lamm_metrics.metrics.edit_distance import levenshtein
from lamm_metrics.metrics.registry import one_of
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import Reference
from lamm_metrics.results.score import ScoreSpec

Mode = Literal["exact", "ignore_case", "ignore_case_symbol"]
_SYMBOL = re.compile(r"[\W_]+")


def normalise_word(word: str, mode: Mode) -> str:
    """Bring a word into the form in which words are compared.

    Args:
        word: A word as written.
        mode: "exact", "ignore_case", or "ignore_case_symbol": also without what is neither letter nor digit.

    >>> normalise_word("SALE,", "ignore_case_symbol")
    'sale'
    """
    if mode == "exact":
        return word
    folded = word.casefold()
    if mode == "ignore_case":
        return folded
    bare = _SYMBOL.sub("", folded)
    # Vowel signs and accents of their own belong to letters.
    return bare if len(bare) == len(folded) or folded.isascii() else "".join(filter(_is_of_a_letter, folded))


def _is_of_a_letter(char: str) -> bool:
    return char.isalnum() or category(char).startswith("M")


class WordCounts(NamedTuple):
    """Words found, true and answered; character edits, true characters, and edits over the longer text."""

    hits: int
    truth: int
    given: int
    edits: int
    characters: int
    relative_edits: float


class WordAccuracy(AdditiveMetric[WordCounts]):
    """Share of an image's words that the answer names, averaged over images; every occurrence has to be named.

    Full-width, half-width and decomposed letters count as their plain forms (`plain_word`) on both sides. Words are
    then compared after `mode`, as mmocr names it: "exact", "ignore_case", or "ignore_case_symbol" (the default,
    also without everything that is neither letter nor digit). Precision and F1 are pooled over all words, so naming
    many words that are not there costs. CER = edits / true characters, over the words joined by spaces in the order
    of the file; 1 - N.E.D. = 1 - mean(edits / longer length). An answer that cannot be read names no word.

    >>> metric = WordAccuracy()
    >>> metric.update({"id": "18_01", "word_list": ["HOTEL"]}, Prediction("18_01", 'It says "Hotel."'))
    >>> metric.compute()[0].value
    1.0
    """

    name = "word_accuracy"
    needs = ("word_list",)

    def __init__(self, mode: Mode = "ignore_case_symbol") -> None:
        super().__init__()
        one_of("mode", mode, Mode)
        self.mode: Mode = mode

    def settings(self) -> dict[str, object]:
        """The choices of the signature."""
        return {"words": self.mode, "failed": "empty"}

    def update(self, reference: Reference, prediction: Prediction) -> None:
        """Read the words of one answer."""
        found = extraction.extract_words(prediction.plain_text)
        given = self._normalised(found.value or [] if found.status == OK else [])
        truth = self._normalised(reference["word_list"])
        hits = (Counter(given) & Counter(truth)).total()
        true_text, given_text = " ".join(truth), " ".join(given)
        edits = levenshtein(true_text, given_text)
        longer = max(len(true_text), len(given_text))
        counts = WordCounts(hits, len(truth), len(given), edits, len(true_text), edits / longer if longer else 0.0)
        self.keep(reference, found.status, counts, found.detail)

    def _normalised(self, words: Sequence[str]) -> list[str]:
        split = [normalise_word(part, self.mode) for word in words for part in plain_word(word).split()]
        return [word for word in split if word]

    def row(self, state: WordCounts) -> Sequence[float]:
        """Recall of the image, its counts, and 1."""
        recall = state.hits / state.truth if state.truth else float(state.given == 0)
        return recall, *state, 1.0

    def row_if_right(self, state: WordCounts) -> Sequence[float]:
        """Return the row of the true words."""
        return 1.0, state.truth, state.truth, state.truth, 0.0, state.characters, 0.0, 1.0

    def values(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """The five scores, in the order of `specs`."""
        recall, hits, truth, given, edits, characters, relative, n = np.moveaxis(sums, -1, 0)
        # An answerer that never names a word is precise about nothing.
        precision = np.where(given > 0, hits / np.maximum(given, 1), 0.0)
        f1 = 2 * hits / np.maximum(truth + given, 1)
        return np.stack([recall / n, precision, f1, edits / characters, 1 - relative / n], axis=-1)

    def specs(self) -> Sequence[ScoreSpec]:
        """Return mean recall of images, pooled precision and F1, character error rate (can exceed 1), 1 - N.E.D."""
        return [
            ScoreSpec(name, higher_is_better=name != "cer", share=name != "cer", bounded=name == self.name)
            for name in ("word_accuracy", "word_precision", "word_f1", "cer", "1-ned")
        ]

    def sample_value(self, state: WordCounts) -> float | None:
        """The recall of the image."""
        return self.row(state)[0]

    def shown(self, state: WordCounts) -> str:
        """How many words were found."""
        return f"{state.hits} of {state.truth} words, {state.given} named"

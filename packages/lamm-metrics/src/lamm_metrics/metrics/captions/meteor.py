"""METEOR 1.5 of captions without Java (Denkowski and Lavie 2014), English, with the option `-norm`."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.errors import UsageError
from lamm_metrics.extraction import Status
from lamm_metrics.metrics.captions.meteor_alignment import SYNONYM, Match, Text, align, prepare
from lamm_metrics.metrics.captions.meteor_tables import (
    NO_LISTS,
    open_index,
    tables_folder,
    word_lists,
)
from lamm_metrics.metrics.captions.meteor_words import meteor_words
from lamm_metrics.metrics.captions.prepared import PreparedTexts
from lamm_metrics.metrics.captions.tokenizers import Tokenizer
from lamm_metrics.metrics.registry import one_of
from lamm_metrics.metrics.texts import Text as TextRule
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import Reference
from lamm_metrics.results.score import ScoreSpec

ALPHA, BETA, GAMMA, DELTA = 0.85, 0.2, 0.6, 0.75
WEIGHTS = np.array([1.0, 0.6, 0.8, 0.6])
STATISTICS = 23

Stages = Literal["full", "exact stem synonym", "exact stem", "exact"]
_N_STAGES = {"exact": 1, "exact stem": 2, "exact stem synonym": 3, "full": 4}


def meteor_statistics(answer: Text, reference: Text, matches: Sequence[Match]) -> tuple[int, ...]:
    """Count what METEOR needs of one answer and one reference.

    Returns:
        The 23 numbers that METEOR prints: lengths and function words of both; per stage the matched content words of
        both and function words of both; chunks; matched words of both.
    """
    stages = [0] * 16
    matched = [0, 0]
    chunks, next_word, next_answer_word = 0, -1, -1
    for start, length, other, size, stage in matches:
        sides = ((answer.function >> other, size), (reference.function >> start, length))
        for side, (bits, words) in enumerate(sides):
            n_function = (bits & ((1 << words) - 1)).bit_count()
            stages[4 * stage + side] += words - n_function
            stages[4 * stage + 2 + side] += n_function
            matched[side] += words
        chunks += (start, other) != (next_word, next_answer_word)
        next_word, next_answer_word = start + length, other + size
    lengths = (len(answer.words), len(reference.words), answer.function.bit_count(), reference.function.bit_count())
    return (*lengths, *stages, chunks, *matched)


def meteor_of_statistics(statistics: NDArray[np.float64]) -> NDArray[np.float64]:
    """METEOR of statistics as `meteor_statistics` counts them, or of their sums over a corpus.

    Args:
        statistics: [..., 23].

    Returns:
        [...], from 0 to 1.
    """
    statistics = np.asarray(statistics, np.float64)
    length, matched = statistics[..., 0:2], statistics[..., 21:23]
    n_function, chunks = statistics[..., 2:4], statistics[..., 20]
    # Stages by content and function words by answer and reference, [..., 4, 2, 2].
    stages = statistics[..., 4:20].reshape(*statistics.shape[:-1], 4, 2, 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        weighted = np.einsum("...skn,s,k->...n", stages, WEIGHTS, np.array([DELTA, 1 - DELTA]))
        share = weighted / (DELTA * (length - n_function) + (1 - DELTA) * n_function)
        mean = 1.0 / ((1 - ALPHA) / share[..., 0] + ALPHA / share[..., 1])
        fragments = np.where(_perfect(statistics), 0.0, chunks / matched.mean(axis=-1))
        score = mean * (1.0 - GAMMA * fragments**BETA)
    return np.where(np.isnan(score), 0.0, np.maximum(score, 0.0))


def _perfect(statistics: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether everything is matched on both sides in one chunk, [...]."""
    whole = (statistics[..., 0:2] == statistics[..., 21:23]).all(axis=-1)
    return np.asarray(whole & (statistics[..., 20] == 1), bool)


@lru_cache(maxsize=4096)
def _prepared(text: str, stages: int, folder: Path | None) -> Text:
    """A text as the matchers read it; references are often the same."""
    index = open_index(folder) if folder and stages > SYNONYM else None
    lists = word_lists(folder) if folder else NO_LISTS
    return prepare(meteor_words(text, lists.abbreviations), lists.function_words, stages, index)


def best_statistics(answer: str, references: Sequence[str], stages: int, folder: Path | None) -> tuple[int, ...]:
    """Return the statistics of an answer with the reference that it is scored best by.

    Args:
        answer: A text, its words between blanks.
        references: Likewise, at least one.
        stages: How many of the four stages are used.
        folder: Of the tables; None without any.
    """
    # A mark of METEOR's own protocol, which the usual wrapper takes out of answers.
    first, *others = (_prepared(text, stages, folder) for text in (answer.replace("|||", ""), *references))
    counted = [meteor_statistics(first, other, align(first, other)) for other in others]
    # Where nothing is matched the score is 0, and the first of equals counts.
    able = [*dict.fromkeys(found for found in counted if found[-1])] or counted[:1]
    return able[int(np.argmax(meteor_of_statistics(np.array(able)))) if len(able) > 1 else 0]


def summed_statistics(statistics: Sequence[tuple[int, ...]]) -> NDArray[np.float64]:
    """Return statistics as a corpus adds them up, [answers, 23]: without the chunk of a perfect answer."""
    table = np.array(statistics, np.float64).reshape(-1, STATISTICS)
    table[_perfect(table), 20] = 0.0
    return table


def tables_setting(folder: Path | None, stages: int = len(WEIGHTS)) -> str:
    """Return the hashes of the tables that so many stages use, for signatures."""
    words = (word_lists(folder) if folder else NO_LISTS).digest
    return f"{words}-{open_index(folder).digest}" if folder and stages > SYNONYM else words


class Meteor(PreparedTexts[tuple[int, ...]]):
    """METEOR 1.5 of captions, from 0 to 1: the score of the statistics summed over the corpus.

    Each answer counts with the reference it is scored best by. The tables come from an installed pycocoevalcap, whose
    Java program gives the same numbers. With fewer stages the score is named after them, since it is no METEOR; with
    `tables="none"` all words count alike too.

    >>> metric = Meteor("exact stem", tables="none")
    >>> metric.update({"id": 1, "sentences": ["A cat sits."]}, Prediction("1", "a cat sitting"))
    >>> score = metric.compute()[0]
    >>> score.name, round(score.value, 4)
    ('meteor_exact_stem', 0.8667)
    """

    name = "meteor"

    def __init__(
        self,
        stages: Stages = "full",
        *,
        tables: str = "pycocoevalcap",
        tokenizer: Tokenizer = "ptb",
        text: TextRule = "plain",
        average: Literal["corpus", "sentence"] = "corpus",
    ) -> None:
        """Choose a variant.

        Args:
            stages: What counts as a match. "full" is METEOR: equal words, stems, synonyms and paraphrases.
            tables: "pycocoevalcap" for the installed package, a folder laid out as METEOR's release, or "none".
            tokenizer: What comes before METEOR's own words: "ptb" as in the COCO caption evaluation; "whitespace" gives
                texts as they are.
            text: How answers and references are prepared, see `exact_match`.
            average: "corpus" sums statistics, "sentence" averages the scores of the answers.

        Raises:
            UsageError: The tables are not there.
        """
        super().__init__(tokenizer, text=text)
        one_of("stages", stages, Stages)
        one_of("average", average, Literal["corpus", "sentence"])
        self.stages, self.average, self._n_stages = stages, average, _N_STAGES[stages]
        if tables == "none" and self._n_stages > SYNONYM:
            raise UsageError(
                f"Expected tables for the stages {stages!r}, got none. Choose stages=exact stem, or name the tables."
            )
        self._folder = None if tables == "none" else tables_folder(tables)
        # Damaged tables are named before any answer is read.
        tables_setting(self._folder, SYNONYM)

    def settings(self) -> dict[str, object]:
        """The choices of the signature; METEOR's own words are in lower case."""
        return {**super().settings(), "case": "lower"}

    def own_settings(self) -> dict[str, object]:
        """The choices of METEOR, with the hashes of the tables that they use."""
        tables = tables_setting(self._folder, self._n_stages)
        return {"stages": self.stages.replace(" ", "+"), "tables": tables, "avg": self.average, "refs": "best"}

    def update(self, reference: Reference, prediction: Prediction) -> None:
        """Read one caption."""
        words, truth = self.words(reference, prediction)
        found = best_statistics(" ".join(words), [*map(" ".join, truth)], self._n_stages, self._folder)
        self.keep(reference, Status.OK if found[0] else Status.NONE, found)

    def specs(self) -> Sequence[ScoreSpec]:
        """Return the one score, which has METEOR's name with all stages only."""
        name = self.name if self.stages == "full" else f"{self.name}_{self.stages.replace(' ', '_')}"
        return [ScoreSpec(name, share=True, bounded=True)]

    def rows(self, states: Sequence[tuple[int, ...]]) -> NDArray[np.float64]:
        """Return the statistics of every answer, without the chunk of a perfect one; or its score and 1."""
        if self.average == "corpus":
            return summed_statistics(states)
        scores = meteor_of_statistics(np.array(states, np.float64).reshape(-1, STATISTICS))
        return np.stack([scores, np.ones_like(scores)], axis=1)

    def row_if_right(self, state: tuple[int, ...]) -> Sequence[float]:
        """Return the row of an answer that repeats its reference."""
        length, n_function = state[1], state[3]
        content = length - n_function
        same = (content, content, n_function, n_function)
        right = (length, length, n_function, n_function, *same, *[0] * 12, 1, length, length)
        row: list[float] = self.rows([right])[0].tolist()
        return row

    def values(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """METEOR of the sums, or the mean."""
        return meteor_of_statistics(sums)[..., None] if self.average == "corpus" else sums[..., :1] / sums[..., 1:]

    def sample_value(self, state: tuple[int, ...]) -> float | None:
        """The answer's own METEOR."""
        return float(meteor_of_statistics(np.array(state)))

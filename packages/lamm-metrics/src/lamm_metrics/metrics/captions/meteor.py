"""METEOR 1.5 of captions without Java (Denkowski and Lavie 2014), English, with the option `-norm`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.errors import UsageError
from lamm_metrics.extraction import Status
from lamm_metrics.metrics.captions.meteor_alignment import STATISTICS, statistics_of_pairs
from lamm_metrics.metrics.captions.meteor_tables import (
    NO_LISTS,
    open_index,
    tables_folder,
    word_lists,
)
from lamm_metrics.metrics.captions.meteor_texts import SYNONYM, read_texts, split_texts
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
# Records that are aligned together.
_RECORDS = 1 << 13

Stages = Literal["full", "exact stem synonym", "exact stem", "exact"]
_N_STAGES = {"exact": 1, "exact stem": 2, "exact stem synonym": 3, "full": 4}


class Written(NamedTuple):
    """An answer and its references, at least one, each with its words between blanks."""

    answer: str
    references: tuple[str, ...]

    @classmethod
    def of(cls, answer: Sequence[str], references: Sequence[Sequence[str]]) -> "Written":
        """Join words; a mark of METEOR's own protocol, which the usual wrapper takes out of answers, is left out."""
        return cls(" ".join(answer).replace("|||", ""), tuple(map(" ".join, references)))


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


def best_statistics(records: Sequence[Written], stages: int, folder: Path | None) -> NDArray[np.float64]:
    """Return the statistics of answers, each with the reference that it is scored best by, [records, 23].

    Args:
        records: Answers with their references.
        stages: How many of the four stages are used.
        folder: Of the tables; None without any.
    """
    parts = [_best(records[i : i + _RECORDS], stages, folder) for i in range(0, len(records), _RECORDS)]
    return np.concatenate([np.zeros((0, STATISTICS)), *parts])


def _best(records: Sequence[Written], stages: int, folder: Path | None) -> NDArray[np.float64]:
    lists = word_lists(folder) if folder else NO_LISTS
    written = [
        *(record.answer for record in records),
        *(reference for record in records for reference in record.references),
    ]
    of_text, distinct = split_texts(written, lists)
    texts = read_texts(distinct, lists, stages, open_index(folder) if folder and stages > SYNONYM else None)
    counts = np.array([len(record.references) for record in records])
    record = np.repeat(np.arange(len(records)), counts)
    found: NDArray[np.float64] = statistics_of_pairs(texts, of_text[record], of_text[len(records) :]).astype(np.float64)
    # Where nothing is matched the score is 0; the first of equals counts.
    score = np.where(found[:, -1] > 0, meteor_of_statistics(found), -1.0)
    order = np.lexsort((-score, record))
    return np.asarray(found[order[np.cumsum(counts) - counts]])


def summed_statistics(statistics: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return statistics as a corpus adds them up, [answers, 23]: without the chunk of a perfect answer."""
    table = statistics.copy()
    table[_perfect(table), 20] = 0.0
    return table


def tables_setting(folder: Path | None, stages: int = len(WEIGHTS)) -> str:
    """Return the hashes of the tables that so many stages use, for signatures."""
    words = (word_lists(folder) if folder else NO_LISTS).digest
    return f"{words}-{open_index(folder).digest}" if folder and stages > SYNONYM else words


class Meteor(PreparedTexts[Written]):
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
        self._found: dict[Written, NDArray[np.float64]] = {}
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
        state = Written.of(*self.words(reference, prediction))
        said = state.answer.strip() or meteor_words(state.answer, {})
        self.keep(reference, Status.OK if said else Status.NONE, state)

    def statistics(self, states: Sequence[Written]) -> NDArray[np.float64]:
        """Return the statistics of answers, [answers, 23]; all that were read are aligned together."""
        if not self._found.keys() >= set(states):
            every = dict.fromkeys([*states, *(entry.state for entry in self.entries.values())])
            new = [state for state in every if state not in self._found]
            self._found.update(zip(new, best_statistics(new, self._n_stages, self._folder), strict=True))
        return np.array([self._found[state] for state in states]).reshape(-1, STATISTICS)

    def specs(self) -> Sequence[ScoreSpec]:
        """Return the one score, which has METEOR's name with all stages only."""
        name = self.name if self.stages == "full" else f"{self.name}_{self.stages.replace(' ', '_')}"
        return [ScoreSpec(name, share=True, bounded=True)]

    def rows(self, states: Sequence[Written]) -> NDArray[np.float64]:
        """Return the statistics of every answer, without the chunk of a perfect one; or its score and 1."""
        return self._rows(self.statistics(states))

    def _rows(self, statistics: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.average == "corpus":
            return summed_statistics(statistics)
        scores = meteor_of_statistics(statistics)
        return np.stack([scores, np.ones_like(scores)], axis=1)

    def row_if_right(self, state: Written) -> Sequence[float]:
        """Return the row of an answer that repeats its reference."""
        _, length, _, n_function = self.statistics([state])[0, :4].tolist()
        content = length - n_function
        same = (content, content, n_function, n_function)
        right = (length, length, n_function, n_function, *same, *[0] * 12, 1, length, length)
        row: list[float] = self._rows(np.array([right], np.float64))[0].tolist()
        return row

    def values(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """METEOR of the sums, or the mean."""
        return meteor_of_statistics(sums)[..., None] if self.average == "corpus" else sums[..., :1] / sums[..., 1:]

    def sample_value(self, state: Written) -> float | None:
        """The answer's own METEOR."""
        return float(meteor_of_statistics(self.statistics([state])[0]))

"""BLEU-1 to BLEU-4 with every choice that moves it as an option (Papineni et al. 2002)."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.extraction import Status
from lamm_metrics.metrics.additive import AdditiveMetric
from lamm_metrics.metrics.captions.tokenizers import TOKENIZERS, Tokenizer
from lamm_metrics.metrics.registry import one_of
from lamm_metrics.metrics.texts import TEXTS, Text, text_setting
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import Reference, written_truth
from lamm_metrics.results.score import ScoreSpec

ORDERS = 4
Smoothing = Literal["none", "exp", "floor", "add-k", "coco"]
# What the code of the COCO caption evaluation adds to matches and to totals.
TINY, SMALL = 1e-15, 1e-9
Averaging = Literal["corpus", "sentence"]


def _counted(tokens: Sequence[str], order: int) -> dict[tuple[str, ...], int]:
    """How often each n-gram occurs. A `Counter` takes thrice as long for texts of a few words."""
    counts: dict[tuple[str, ...], int] = {}
    for ngram in zip(*(tokens[i:] for i in range(order)), strict=False):
        counts[ngram] = counts.get(ngram, 0) + 1
    return counts


def closest_length(length: int, references: Sequence[int]) -> int:
    """The reference length closest to an answer's; the shorter one of two equally close.

    >>> closest_length(5, [3, 7, 9])
    3
    """
    return min(references, key=lambda reference: (abs(reference - length), reference))


def bleu_counts(answer: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[float, ...]:
    """What BLEU needs of one answer: its length, the closest reference length, clipped matches and n-grams per order.

    Args:
        answer: Tokens.
        references: Tokens of each reference, at least one.

    Returns:
        Ten numbers: length, reference length, four matches, four totals.
    """
    if answer in references:
        return tuple(_perfect(float(len(answer))))
    matches, totals = [0.0] * ORDERS, [0.0] * ORDERS
    for order in range(1, min(ORDERS, len(answer)) + 1):
        own = _counted(answer, order)
        most: dict[tuple[str, ...], int] = {}
        for reference in references:
            for ngram, count in _counted(reference, order).items():
                if ngram in own and count > most.get(ngram, 0):
                    most[ngram] = count
        matches[order - 1] = float(sum(min(own[ngram], count) for ngram, count in most.items()))
        totals[order - 1] = float(len(answer) - order + 1)
        if not most:
            # Without a match of this order there is none of a higher one either.
            totals[order:] = [float(max(0, len(answer) - higher)) for higher in range(order, ORDERS)]
            break
    return (float(len(answer)), float(closest_length(len(answer), [len(r) for r in references])), *matches, *totals)


def _perfect(length: float) -> list[float]:
    """The counts of an answer that repeats a reference of this length."""
    grams = [max(0.0, length - order) for order in range(ORDERS)]
    return [length, length, *grams, *grams]


def _precisions(
    matches: NDArray[np.float64], totals: NDArray[np.float64], smoothing: Smoothing, amount: float
) -> NDArray[np.float64]:
    """Modified precisions [..., 4] after smoothing."""
    if smoothing == "add-k":
        # Order 1 is not smoothed (Lin and Och 2004).
        add = np.array([0.0, amount, amount, amount])
        matches, totals = matches + add, totals + add
    plain: NDArray[np.float64] = matches / np.maximum(totals, 1)
    empty = (matches == 0) & (totals > 0)
    if smoothing == "floor":
        plain = np.where(empty, amount / np.maximum(totals, 1), plain)
    if smoothing == "exp":
        # The k-th order without a match counts 1 / 2^k of a match.
        plain = np.where(empty, 1.0 / (2.0 ** np.cumsum(empty, axis=-1) * np.maximum(totals, 1)), plain)
    return plain


def bleu_of_counts(
    counts: NDArray[np.float64], smoothing: Smoothing = "none", amount: float = 0.0, effective_order: bool = False
) -> NDArray[np.float64]:
    """BLEU-1 to BLEU-4 of counts as `bleu_counts` gives them, or of their sums over a corpus.

    Args:
        counts: [..., 10].
        smoothing: How orders without a match are treated.
        amount: Matches that such an order is given by "floor", or that "add-k" adds.
        effective_order: Leave out the orders for which the answer is too short.

    Returns:
        [..., 4], from 0 to 1.
    """
    length, reference = counts[..., 0], counts[..., 1]
    if smoothing == "coco":
        return _coco_bleu(counts)
    totals = counts[..., 2 + ORDERS :]
    precision = _precisions(counts[..., 2 : 2 + ORDERS], totals, smoothing, amount)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(precision)
        orders = np.arange(1, ORDERS + 1)
        if effective_order:
            logs = np.where(totals > 0, logs, 0.0)
            orders = np.maximum(np.cumsum(totals > 0, axis=-1), 1)
        geometric = np.exp(np.cumsum(logs, axis=-1) / orders)
        brevity = np.where(length >= reference, 1.0, np.exp(1 - reference / length))
    # Smoothing must not reward an answer that shares no word.
    some = (length > 0) & (counts[..., 2] > 0)
    return np.where(some[..., None], geometric * brevity[..., None], 0.0)


def _coco_bleu(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """BLEU-1 to BLEU-4 to the last digit of the COCO code, in which an order without any n-gram counts 1e-6."""
    precision = (counts[..., 2 : 2 + ORDERS] + TINY) / (counts[..., 2 + ORDERS :] + SMALL)
    ratio = (counts[..., :1] + TINY) / (counts[..., 1:2] + SMALL)
    brevity = np.where(ratio < 1, np.exp(1 - 1 / ratio), 1.0)
    return np.asarray(np.cumprod(precision, axis=-1) ** (1 / np.arange(1, ORDERS + 1)) * brevity)


class Bleu(AdditiveMetric[tuple[float, ...]]):
    """BLEU of captions, from 0 to 1; the headline is BLEU-4 of the corpus.

    The defaults are those of the COCO caption evaluation: Penn Treebank words in lower case without punctuation,
    counts pooled over the corpus, no smoothing. `tokenizer="13a", lowercase=False` with `smoothing="exp"` gives
    sacrebleu's default, `tokenizer="whitespace", lowercase=False` nltk's `corpus_bleu` on split text, and
    `average="sentence"` the mean of the answers' own BLEU.

    >>> metric = Bleu()
    >>> metric.update({"id": 1, "sentences": ["A cat sits on the mat."]}, Prediction("1", "a cat sits on the mat"))
    >>> [score.value for score in metric.compute()]
    [1.0, 1.0, 1.0, 1.0]
    """

    name = "bleu"
    needs = ("sentences", "answers")

    def __init__(
        self,
        tokenizer: Tokenizer = "ptb",
        *,
        lowercase: bool = True,
        smoothing: Smoothing = "none",
        amount: float | None = None,
        average: Averaging = "corpus",
        effective_order: bool = False,
        text: Text = "plain",
    ) -> None:
        """Choose a variant.

        Args:
            tokenizer: "ptb" (always lower case), "13a", "whitespace" or "blank" (each single blank).
            lowercase: Lower-case before tokenising.
            smoothing: "none", "exp" (sacrebleu's default), "floor", "add-k", or "coco": what the COCO code adds
                to avoid divisions by zero, which shows where nearly all answers are shorter than four words.
            amount: For "floor" (0.1 if None) and "add-k" (1 if None).
            average: "corpus" pools counts, "sentence" averages the BLEU of each answer.
            effective_order: Leave out the orders for which an answer is too short, as sacrebleu does for sentences.
            text: How answers and references are prepared, see `exact_match`.
        """
        super().__init__()
        one_of("tokeniser", tokenizer, Tokenizer)
        one_of("smoothing", smoothing, Smoothing)
        one_of("average", average, Averaging)
        one_of("text", text, Text)
        self.text: Text = text
        self.tokenizer, self.lowercase, self.average = tokenizer, lowercase or tokenizer == "ptb", average
        self._tokenize = TOKENIZERS[tokenizer]
        self.smoothing: Smoothing = smoothing
        self.amount = {"floor": 0.1, "add-k": 1.0}.get(smoothing, 0.0) if amount is None else amount
        self.effective_order = effective_order

    def settings(self) -> dict[str, object]:
        """The choices of the signature."""
        amount = f"{self.amount:g}" if self.smoothing in ("floor", "add-k") else ""
        return {
            "tok": self.tokenizer,
            "case": "lower" if self.lowercase else "mixed",
            "smooth": f"{self.smoothing}{amount}",
            "avg": self.average,
            "eff": "yes" if self.effective_order else "no",
            "len": "closest",
            "failed": "empty",
            **text_setting(self.text),
        }

    def tokens(self, text: str) -> tuple[str, ...]:
        """The words of a text under this variant."""
        return self._tokenize(text.lower() if self.lowercase else text)

    def update(self, reference: Reference, prediction: Prediction) -> None:
        """Read one caption."""
        prepare = TEXTS[self.text]
        answer = self.tokens(prepare.answer(prediction.plain_text))
        truth = [self.tokens(prepare.reference(sentence)) for sentence in written_truth(reference)]
        counts = bleu_counts(answer, truth)
        self.keep(reference, Status.OK if answer else Status.NONE, counts)

    def _one(self, counts: NDArray[np.float64]) -> NDArray[np.float64]:
        return bleu_of_counts(counts, self.smoothing, self.amount, self.effective_order)

    def rows(self, states: Sequence[tuple[float, ...]]) -> NDArray[np.float64]:
        """Return the counts of every answer, or its four scores and 1."""
        table = np.array(states, np.float64).reshape(-1, 2 + 2 * ORDERS)
        return table if self.average == "corpus" else np.hstack([self._one(table), np.ones((len(table), 1))])

    def row_if_right(self, state: tuple[float, ...]) -> Sequence[float]:
        """Return the row of an answer that repeats the shortest reference, the one closest to an empty answer."""
        row: list[float] = self.rows([tuple(_perfect(state[1]))])[0].tolist()
        return row

    def values(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """BLEU-4 first, then BLEU-1 to BLEU-3."""
        orders = self._one(sums) if self.average == "corpus" else sums[..., :ORDERS] / sums[..., ORDERS:]
        return np.concatenate([orders[..., 3:], orders[..., :3]], axis=-1)

    def specs(self) -> Sequence[ScoreSpec]:
        """Return the headline first."""
        return [ScoreSpec(f"bleu_{order}", bounded=order == ORDERS, most=1.0) for order in (4, 1, 2, 3)]

    def extra(self, name: str) -> Mapping[str, float]:
        """Return the answers' length over the references'."""
        answers, references = (sum(entry.state[i] for entry in self.entries.values()) for i in (0, 1))
        return {"length_ratio": answers / references} if name == "bleu_4" and references else {}

    def sample_value(self, state: tuple[float, ...]) -> float | None:
        """The answer's own BLEU-4 with exponential smoothing over the orders it is long enough for."""
        return float(bleu_of_counts(np.array(state), "exp", effective_order=True)[3])

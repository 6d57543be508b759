"""CIDEr-D of captions (arXiv 1411.5726), with the conventions of the COCO caption evaluation."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.extraction import Status
from lamm_metrics.metrics.captions.prepared import PreparedTexts
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import Reference
from lamm_metrics.results.score import ScoreSpec

ORDERS = 4
SIGMA = 6.0
SCALE = 10.0
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


class Words(NamedTuple):
    """Words of an answer and its references as 64-bit hashes, one text after the other, and how many each text has."""

    hashes: NDArray[np.uint64]
    lengths: tuple[int, ...]


class _Grams(NamedTuple):
    """Distinct n-grams of texts: the text and n-gram (numbered from 0) of each, and how often it occurs there."""

    text: NDArray[np.int64]
    gram: NDArray[np.int64]
    occurrences: NDArray[np.int64]


class _Hashes(dict[str, int]):
    """The same 64 bits a word in every process, unlike `hash`, so that shards of several processes can be merged."""

    def __missing__(self, word: str) -> int:
        if len(self) > 1 << 18:
            self.clear()
        value = int.from_bytes(blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
        self[word] = value
        return value


_HASHES = _Hashes()


def hashed(texts: Sequence[Sequence[str]]) -> Words:
    """Return an answer and its references, words each, as `cider_d` takes them."""
    hashes = np.array([_HASHES[word] for text in texts for word in text], np.uint64)
    return Words(hashes, tuple(len(text) for text in texts))


def _order_hashes(words: NDArray[np.uint64], order: int) -> NDArray[np.uint64]:
    """A hash of each run of `order` words, [words - order + 1]."""
    size = max(0, len(words) - order + 1)
    combined = np.full(size, order, np.uint64)
    for i in range(order):
        combined = (combined ^ words[i : i + size]) * _MULTIPLIER
        combined ^= combined >> np.uint64(29)
    return combined


def _grams(words: NDArray[np.uint64], lengths: NDArray[np.int64], order: int) -> _Grams:
    """The distinct n-grams of every text."""
    text = np.repeat(np.arange(len(lengths)), lengths)
    size = max(0, len(words) - order + 1)
    # Runs that reach into the next text are none.
    inside = text[:size] == text[order - 1 : order - 1 + size]
    _, number = np.unique(_order_hashes(words, order)[inside], return_inverse=True)
    distinct = int(number.max()) + 1 if len(number) else 1
    pairs, count = np.unique(text[:size][inside] * distinct + number, return_counts=True)
    return _Grams(pairs // distinct, pairs % distinct, count)


def _sums(index: NDArray[np.int64], values: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Values added up by index, [size]."""
    return np.bincount(index, weights=values, minlength=size).astype(np.float64, copy=False)


def _similarities(
    grams: _Grams, record: NDArray[np.int64], is_answer: NDArray[np.bool_], log_images: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Clipped cosine of every reference with its answer, and the norms squared: numerators [texts], norms [texts]."""
    n_texts, distinct = len(record), int(grams.gram.max(initial=0)) + 1
    in_reference = ~is_answer[grams.text]
    seen = np.sort(record[grams.text[in_reference]] * distinct + grams.gram[in_reference])
    first = np.concatenate([seen[:1] >= 0, seen[1:] != seen[:-1]])
    frequency = np.bincount(seen[first] % distinct, minlength=distinct)
    weight = grams.occurrences * (log_images - np.log(np.maximum(1.0, frequency)))[grams.gram]
    norms = _sums(grams.text, weight * weight, n_texts)
    # The answer's weight for each n-gram of a reference, 0 where the answer lacks it.
    answer_key = record[grams.text[~in_reference]] * distinct + grams.gram[~in_reference]
    answer_weight = weight[~in_reference]
    key = record[grams.text] * distinct + grams.gram
    place = np.searchsorted(answer_key, key)
    found = np.zeros(len(key))
    if len(answer_key):
        place = np.minimum(place, len(answer_key) - 1)
        found = np.where(answer_key[place] == key, answer_weight[place], 0.0)
    return _sums(grams.text, np.minimum(found, weight) * weight, n_texts), norms


def cider_d(records: Sequence[Words]) -> NDArray[np.float64]:
    """CIDEr-D of each record; document frequencies are those of the references of all the records.

    Args:
        records: The answer's text first, then the references.

    Returns:
        Scores [records], 0 to 10.
    """
    if not records:
        return np.zeros(0)
    words = np.concatenate([entry.hashes for entry in records])
    lengths = np.array([length for entry in records for length in entry.lengths], np.int64)
    texts = np.array([len(entry.lengths) for entry in records])
    record = np.repeat(np.arange(len(records)), texts)
    first = np.cumsum(texts) - texts
    is_answer = np.zeros(len(record), bool)
    is_answer[first] = True
    answer_of = first[record]
    # COCO's length is the number of bigrams, not of words.
    bigrams = np.maximum(lengths - 1, 0)
    penalty = np.exp(-((bigrams[answer_of] - bigrams) ** 2) / (2 * SIGMA**2))
    total = np.zeros(len(record))
    for order in range(1, ORDERS + 1):
        numerators, squares = _similarities(
            _grams(words, lengths, order), record, is_answer, float(np.log(len(records)))
        )
        norms = np.sqrt(squares) * np.sqrt(squares[answer_of])
        total += np.divide(numerators, norms, out=np.zeros_like(norms), where=norms > 0)
    total *= penalty * ~is_answer
    means: NDArray[np.float64] = _sums(record, total, len(records)) / (texts - 1)
    return means * (SCALE / ORDERS)


class CiderD(PreparedTexts[Words]):
    """Mean CIDEr-D over captions: how much the answer shares of the words that set the references apart; 0 to 10.

    n = 1..4, sigma = 6, times 10, clipped; document frequencies from the references of all the records read, and
    length differences counted in bigrams, as the COCO caption evaluation does. One record alone scores 0, because
    no word sets it apart. In bootstrap draws the document frequencies stay those of all the records.

    >>> metric = CiderD()
    >>> metric.update({"id": 1, "sentences": ["A cat sits on a mat."]}, Prediction("1", "A cat sits on a mat."))
    >>> metric.update({"id": 2, "sentences": ["Two dogs run over grass."]}, Prediction("2", "Two dogs run over grass."))
    >>> round(metric.compute()[0].value, 9)
    10.0
    """

    name = "cider_d"

    def own_settings(self) -> dict[str, object]:
        """The choices of the signature."""
        return {"n": ORDERS, "sigma": f"{SIGMA:g}", "df": "references"}

    def update(self, reference: Reference, prediction: Prediction) -> None:
        """Read one caption."""
        answer, truth = self.words(reference, prediction)
        self.keep(reference, Status.OK if any(answer) else Status.NONE, hashed([answer, *truth]))

    def specs(self) -> Sequence[ScoreSpec]:
        """Return the one score."""
        return [ScoreSpec(self.name, bounded=True, most=SCALE)]

    def rows(self, states: Sequence[Words]) -> NDArray[np.float64]:
        """Return the score of each record, and 1; a score needs all the records."""
        scores = cider_d(states)
        return np.stack([scores, np.ones_like(scores)], axis=1)

    def row_if_right(self, state: Words) -> Sequence[float]:
        """Return the most that a caption can get."""
        return SCALE, 1.0

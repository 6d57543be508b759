"""CIDEr-D and ROUGE-L equal plain dictionary implementations of their definitions; the tokeniser knows its cases."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamm_metrics.metrics.captions.bleu import Bleu
from lamm_metrics.metrics.captions.cider import CiderD
from lamm_metrics.metrics.captions.rouge import RougeL, rouge_l
from lamm_metrics.metrics.captions.tokenizers import ptb
from lamm_metrics.metrics.edit_distance import common_subsequence
from lamm_metrics.records.predictions import Prediction

WORDS = ["a", "the", "cat", "dog", "runs", "sits", "red", "on", "mat", "field", "two", "birds", "fly"]


def grams(words):
    return Counter(tuple(words[i : i + n]) for n in range(1, 5) for i in range(len(words) - n + 1))


def plain_cider_d(answers, references):
    """CIDEr-D written down from Eq. 1-4 of arXiv 1411.5726 and the text on CIDEr-D, with dictionaries."""
    frequency = Counter(gram for refs in references for gram in set().union(*(grams(r) for r in refs)))
    size = math.log(len(answers))

    def vector(words):
        return {g: c * (size - math.log(max(1, frequency[g]))) for g, c in grams(words).items()}

    scores = []
    for answer, refs in zip(answers, references, strict=True):
        total = 0.0
        for reference in refs:
            one, two = vector(answer), vector(reference)
            gap = max(0, len(answer) - 1) - max(0, len(reference) - 1)
            for n in range(1, 5):
                dot = sum(min(one.get(g, 0), w) * w for g, w in two.items() if len(g) == n)
                norms = [math.sqrt(sum(w * w for g, w in v.items() if len(g) == n)) for v in (one, two)]
                if norms[0] and norms[1]:
                    total += dot / norms[0] / norms[1] * math.exp(-(gap**2) / 72)
        scores.append(total / 4 / len(refs) * 10)
    return scores


def cider(answers, references):
    metric = CiderD()
    for i, (answer, refs) in enumerate(zip(answers, references, strict=True)):
        metric.update(
            {"id": f"{i:04}", "sentences": [" ".join(r) for r in refs]}, Prediction(f"{i:04}", " ".join(answer))
        )
    return metric


def test_cider_d_equals_the_plain_definition_on_random_corpora():
    generator = np.random.default_rng(0)
    compared = 0
    while compared < 1000:
        n = int(generator.integers(2, 12))
        draw = lambda low: list(generator.choice(WORDS, generator.integers(low, 12)))  # noqa: E731
        answers = [draw(0) for _ in range(n)]
        references = [[draw(1) for _ in range(generator.integers(1, 4))] for _ in range(n)]
        rows = cider(answers, references).table()[:, 0]
        assert rows == pytest.approx(plain_cider_d(answers, references), abs=1e-9)
        compared += n


def test_equals_coco_captions_scorers_on_random_corpora():
    """The scorers of pycocoevalcap on tokenised texts (its tokeniser needs Java); it is large, so in no test group."""
    bleu = pytest.importorskip("pycocoevalcap.bleu.bleu_scorer").BleuScorer
    rouge = pytest.importorskip("pycocoevalcap.rouge.rouge").Rouge()
    peer = pytest.importorskip("pycocoevalcap.cider.cider").Cider()
    generator = np.random.default_rng(1)
    compared = 0
    while compared < 1000:
        n = int(generator.integers(2, 12))
        draw = lambda: list(generator.choice(WORDS, generator.integers(1, 12)))  # noqa: E731
        answers, references = [draw() for _ in range(n)], [[draw() for _ in range(3)] for _ in range(n)]
        truth = {f"{i:04}": [" ".join(r) for r in refs] for i, refs in enumerate(references)}
        said = {f"{i:04}": [" ".join(answer)] for i, answer in enumerate(answers)}
        metric = cider(answers, references)
        assert metric.table()[:, 0] == pytest.approx(peer.compute_score(truth, said)[1], abs=1e-9)
        ours = [rouge_l(answer, refs) for answer, refs in zip(answers, references, strict=True)]
        assert ours == pytest.approx(rouge.compute_score(truth, said)[1], abs=1e-9)
        theirs, counted = bleu(n=4), Bleu()
        for key, texts in truth.items():
            theirs += (said[key][0], texts)
            counted.update({"id": key, "sentences": texts}, Prediction(key, said[key][0]))
        expected = theirs.compute_score(option="closest", verbose=0)[0]
        found = {score.name: score.value for score in counted.compute(draws=2)}
        # Its smoothing adds 1e-15 to matches and 1e-9 to n-grams.
        assert [found[f"bleu_{k}"] for k in (1, 2, 3, 4)] == pytest.approx(expected, abs=2e-4)
        compared += n


def test_one_record_alone_scores_zero():
    assert cider([["a", "cat"]], [[["a", "cat"]]]).compute()[0].value == 0


def test_repeating_a_word_does_not_help():
    references = [[["a", "cat", "sits", "on", "a", "mat"]], [["two", "dogs", "run", "over", "a", "field"]]]
    once = cider([["a", "cat"], ["dogs"]], references).compute()[0].value
    often = cider([["a", "cat", "cat", "cat", "cat", "cat", "cat", "cat"], ["dogs"]], references).compute()[0].value
    assert often < once


def plain_common(first, second):
    table = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            table[i + 1][j + 1] = table[i][j] + 1 if a == b else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


@settings(max_examples=1000, deadline=None)
@given(st.lists(st.sampled_from(WORDS[:4]), max_size=15), st.lists(st.sampled_from(WORDS[:4]), max_size=15))
def test_common_subsequence_equals_the_table(first, second):
    assert common_subsequence(first, second) == plain_common(first, second)


def test_rouge_l_worked_by_hand():
    # LCS "police the gunman" = 3; precision 3/4, recall 3/5; (1 + 1.44) p r / (r + 1.44 p).
    value = rouge_l(["police", "killed", "the", "gunman"], [["police", "kill", "the", "last", "gunman"]])
    assert value == pytest.approx(2.44 * 0.75 * 0.6 / (0.6 + 1.44 * 0.75))


def test_failures_bound_the_scores():
    records = [(["a cat sits"], "a cat sits"), (["two dogs run"], ""), (["birds fly"], "birds fly")]
    for metric, most in ((RougeL(), 1.0), (CiderD(), 10.0)):
        for i, (sentences, answer) in enumerate(records):
            metric.update({"id": i, "sentences": sentences}, Prediction(str(i), answer))
        score = metric.compute(draws=2)[0]
        assert score.extra["failures_wrong"] == pytest.approx(score.value)
        assert score.extra["failures_right"] == pytest.approx(score.value + most / 3)


def test_rouge_l_of_an_empty_answer_is_zero_and_failed():
    metric = RougeL()
    metric.update({"id": 1, "sentences": ["a cat"]}, Prediction("1", ""))
    assert (metric.compute()[0].value, metric.compute()[0].n_failed) == (0.0, 1)


# Expected tokens follow Stanford's PTBTokenizer -lowerCase with COCO's list of dropped punctuation.
@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("A man's dog.", "a man 's dog"),
        ("They don't, can't and won't!", "they do n't ca n't and wo n't"),
        ("I cannot; you're gonna win", "i can not you 're gon na win"),
        ("black-and-white T-shirt", "black-and-white t-shirt"),
        ("costs $1,200.50 (50%)", "costs $ 1,200.50 -lrb- 50 % -rrb-"),
        ("Mr. Smith lives in the U.S. now", "mr. smith lives in the u.s. now"),
        ("at 10:30 a.m. -- wait...", "at 10:30 a.m. wait"),
        ('"quoted" ‘text’ “here”', "quoted text here"),
        ("o'clock dogs' AT&T and/or", "o'clock dogs at&t and/or"),
        ("", ""),
        ("...", ""),
    ],
)
def test_ptb_tokens(text, tokens):
    assert " ".join(ptb(text)) == tokens


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80))
def test_ptb_reads_anything_and_keeps_every_letter_and_digit(text):
    kept = "".join(ptb(text))
    for character in text.lower():
        if character.isalnum():
            assert character in kept

"""Word scores by hand; edit distances against nltk."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamm_metrics.errors import UsageError
from lamm_metrics.metrics.edit_distance import levenshtein
from lamm_metrics.metrics.word_accuracy import WordAccuracy, normalise_word
from lamm_metrics.records.predictions import Prediction


def scores(pairs, **options):
    metric = WordAccuracy(**options)
    for i, (words, answer) in enumerate(pairs):
        metric.update({"id": i, "word_list": words}, Prediction(str(i), answer))
    return {score.name: score.value for score in metric.compute(draws=2)}


def test_worked_by_hand():
    found = scores([(["HOTEL", "SALE"], '"hotel"'), (["BANK"], '"bank" "open"')])
    assert found["word_accuracy"] == pytest.approx((0.5 + 1) / 2)
    assert found["word_precision"] == pytest.approx(2 / 3)
    assert found["word_f1"] == pytest.approx(2 * 2 / (3 + 3))
    # "hotel sale" against "hotel" is 5 edits of 10; "bank" against "bank open" is 5 of 4.
    assert found["cer"] == pytest.approx(10 / 14)
    assert found["1-ned"] == pytest.approx(1 - (5 / 10 + 5 / 9) / 2)


def test_punctuation_does_not_hide_a_word_unless_asked():
    pairs = [(["SALE"], '"Sale,"')]
    assert scores(pairs)["word_accuracy"] == 1
    assert scores(pairs, mode="ignore_case")["word_accuracy"] in (0, 1)
    assert normalise_word("Sale,", "exact") == "Sale,"
    assert normalise_word("Sale,", "ignore_case") == "sale,"


def test_a_word_that_stands_twice_has_to_be_named_twice():
    assert scores([(["OPEN", "OPEN"], '"open"')])["word_accuracy"] == 0.5


def test_naming_every_word_there_is_costs_precision():
    honest = scores([(["OPEN"], '"open"')])
    sprayed = scores([(["OPEN"], " ".join(f'"word{i}"' for i in range(99)) + ' "open"')])
    assert sprayed["word_accuracy"] == honest["word_accuracy"] == 1
    assert sprayed["word_f1"] < 0.05 < honest["word_f1"]


def test_image_without_words_is_right_when_nothing_is_named():
    assert scores([([], "")])["word_accuracy"] == 1
    assert scores([([], '"open"')])["word_accuracy"] == 0


def test_unknown_mode_is_refused():
    with pytest.raises(UsageError, match="ignore_case_symbol"):
        WordAccuracy("loose")


def test_levenshtein_equals_nltk_on_random_cases():
    distance = pytest.importorskip("nltk.metrics.distance").edit_distance
    generator = np.random.default_rng(0)
    for _ in range(1000):
        first, second = ("".join(generator.choice(list("abcd "), generator.integers(0, 14))) for _ in range(2))
        assert levenshtein(first, second) == distance(first, second)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_levenshtein_is_a_distance(one, two, three):
    assert (levenshtein(one, two) == 0) == (one == two)
    assert levenshtein(one, two) == levenshtein(two, one)
    assert levenshtein(one, three) <= levenshtein(one, two) + levenshtein(two, three)


def test_a_megabyte_of_answer_takes_no_time():
    assert scores([(["OPEN"], "word " * 200_000)])["word_accuracy"] == 0

"""Near duplicates against a plain dynamic-programming ROUGE-L."""

import random

import pytest

from lamm_data.errors import UsageError
from lamm_data.quality.duplicates import find_near


def rouge_l(a, b):
    a, b = a.split(), b.split()
    row = [0] * (len(b) + 1)
    for x in a:
        diagonal = 0
        for at, y in enumerate(b, start=1):
            diagonal, row[at] = row[at], diagonal + 1 if x == y else max(row[at], row[at - 1])
    return 2 * row[-1] / (len(a) + len(b))


def naive(texts, threshold):
    kept, dropped = [], []
    for place, text in enumerate(texts):
        if any(rouge_l(text, texts[other]) >= threshold - 1e-6 for other in kept):
            dropped.append(place)
        else:
            kept.append(place)
    return dropped


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.9])
def test_the_same_texts_are_dropped_as_by_the_naive_loop(threshold):
    chance = random.Random(5)
    words = [f"w{number}" for number in range(12)]
    texts = [" ".join(chance.choices(words, k=chance.randint(1, 14))) for _ in range(250)]
    found = find_near(texts, threshold)
    assert [item.place for item in found] == naive(texts, threshold)
    for item in found[:20]:
        assert item.similarity == pytest.approx(rouge_l(texts[item.place], texts[item.of]), abs=1e-3)


def test_more_than_one_block(monkeypatch):
    monkeypatch.setattr("lamm_data.quality.duplicates.BLOCK", 16)
    chance = random.Random(6)
    texts = [" ".join(chance.choices("abcdefgh", k=chance.randint(2, 9))) for _ in range(300)]
    assert [item.place for item in find_near(texts, 0.8)] == naive(texts, 0.8)


def test_a_threshold_out_of_range_is_refused():
    with pytest.raises(UsageError, match="threshold"):
        find_near(["a"], 0)

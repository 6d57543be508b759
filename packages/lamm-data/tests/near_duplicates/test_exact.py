"""Near duplicates against a plain dynamic-programming ROUGE-L."""

import random

import pytest

from lamm_data.errors import UsageError
from lamm_data.near_duplicates.bitmap_filter import BitmapFilter
from lamm_data.near_duplicates.exact import find_near


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
    assert [item.index for item in found] == naive(texts, threshold)
    for item in found[:20]:
        assert item.similarity == pytest.approx(rouge_l(texts[item.index], texts[item.of]), abs=1e-3)


def test_more_than_one_block(monkeypatch):
    monkeypatch.setattr("lamm_data.near_duplicates.exact.BLOCK", 16)
    chance = random.Random(6)
    texts = [" ".join(chance.choices("abcdefgh", k=chance.randint(2, 9))) for _ in range(300)]
    assert [item.index for item in find_near(texts, 0.8)] == naive(texts, 0.8)


@pytest.mark.parametrize("threshold", [0.5, 0.8])
def test_ruling_long_texts_out_loses_none(monkeypatch, threshold):
    chance = random.Random(7)
    words = [f"w{number}" for number in range(70)]
    texts = [" ".join(chance.choices(words, k=chance.randint(50, 110))) for _ in range(20)]
    for _ in range(16):
        changed = chance.choice(texts).split()
        for _ in range(chance.randint(1, len(changed) // 2)):
            changed[chance.randrange(len(changed))] = chance.choice(words)
        texts.append(" ".join(changed))
    monkeypatch.setattr("lamm_data.near_duplicates.exact.BLOCK", 8)
    found = find_near(texts, threshold)
    assert [item.index for item in found] == naive(texts, threshold)
    assert found


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8])
def test_no_pair_that_reaches_the_threshold_is_ruled_out(threshold):
    chance = random.Random(8)
    letters = "abcdefghijklmnop"
    coded = ["".join(chance.choices(letters, k=chance.randint(0, 40))) for _ in range(70)]
    rows, columns = BitmapFilter(coded, threshold).possible(range(70), range(70))
    possible = set(zip(rows.tolist(), columns.tolist(), strict=True))
    alike = {
        (one, other)
        for one, text in enumerate(coded)
        for other, known in enumerate(coded)
        if text and known and rouge_l(" ".join(text), " ".join(known)) >= threshold
    }
    assert alike <= possible
    assert len(possible) < 70 * 70


def test_a_threshold_out_of_range_is_refused():
    with pytest.raises(UsageError, match="threshold"):
        find_near(["a"], 0)

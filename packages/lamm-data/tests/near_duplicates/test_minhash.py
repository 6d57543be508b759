"""MinHash: its estimate of similarity, what it reports, and what it misses."""

import random

import numpy as np
import pytest

from lamm_data.errors import UsageError
from lamm_data.near_duplicates.exact import find_near
from lamm_data.near_duplicates.minhash import BANDS, ROWS, band_groups, find_near_minhash, minhash


def texts(count, seed=0, length=(8, 30)):
    chance = random.Random(seed)
    words = [f"w{number}" for number in range(400)]
    made = []
    for number in range(count):
        text = chance.choices(words, k=chance.randint(*length))
        if number % 5 == 4:
            text = list(chance.choice(made))
            text[chance.randrange(len(text))] = "changed"
        made.append(text)
    return [" ".join(text) for text in made]


@pytest.mark.parametrize("shared", [0, 20, 50, 90, 100])
def test_signatures_agree_as_often_as_the_sets_of_pairs_do(shared):
    one = [f"a{n}" for n in range(101)]
    other = one[: shared + 1] + [f"b{n}" for n in range(100 - shared)]
    both = minhash([" ".join(one), " ".join(other)])
    jaccard = shared / (200 - shared)
    spread = 4 * np.sqrt(max(jaccard * (1 - jaccard), 0.001) / (BANDS * ROWS))
    assert abs((both[0] == both[1]).mean() - jaccard) <= spread


def test_what_is_reported_is_what_the_exact_search_reports():
    corpus = texts(1500)
    exact = {item.index: item for item in find_near(corpus, 0.7)}
    found = {item.index: item for item in find_near_minhash(corpus, 0.7)}
    assert len(found.keys() - exact.keys()) <= 0.01 * len(exact)
    assert len(found.keys() & exact.keys()) >= 0.97 * len(exact)
    for place in found.keys() & exact.keys():
        assert found[place].similarity == pytest.approx(exact[place].similarity, abs=1e-3)


def test_only_texts_that_share_a_band_are_grouped():
    groups = band_groups(["one two three four", "One, two three four!", "five six seven eight", "x", ""])
    assert (groups[0] == groups[1]).all()
    assert (groups[0] >= 0).all()
    assert (groups[2:4] == -1).all()


def test_other_seeds_draw_other_hashes_and_bad_thresholds_are_refused():
    assert not np.array_equal(minhash(["a b c"], 0), minhash(["a b c"], 1))
    with pytest.raises(UsageError, match="threshold"):
        find_near_minhash(["a"], 1.5)

"""ANLS: edit distance over the longer text, nothing below one half."""

import pytest

from lamm_metrics import UsageError, make_metric, score
from lamm_metrics.metrics.anls import similarity


@pytest.mark.parametrize(
    ("answer", "reference", "value"),
    [
        ("Hotel  Adlon", "hotel adlon", 1.0),
        ("hotel", "hotels", 5 / 6),
        ("ab", "abcd", 0.5),
        ("ab", "abcde", 0.0),
        ("", "cat", 0.0),
        ("12.5", "12,5", 0.75),
    ],
)
def test_similarity(answer, reference, value):
    assert similarity(answer, reference, 0.5) == pytest.approx(value)


def test_the_best_reference_counts_under_the_protocol():
    references = [{"id": 1, "answers": ["twelve", "12"]}, {"id": 2, "answers": ["hotels"]}]
    report = score("open_vqa", references, [{"id": 1, "text": "12"}, {"id": 2, "text": "Hotel"}], "docvqa")
    assert report.headline.value == pytest.approx((1 + 5 / 6) / 2)
    assert report.headline.name == "anls"


def test_a_threshold_beyond_one_is_misuse():
    with pytest.raises(UsageError, match="threshold"):
        make_metric("anls", "open_vqa", threshold=1.5)

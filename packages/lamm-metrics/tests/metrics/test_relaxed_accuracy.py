"""Relaxed accuracy: five per cent of a true number, texts without case."""

import pytest

from lamm_metrics import UsageError, make_metric, score
from lamm_metrics.metrics.relaxed_accuracy import relaxed_match


@pytest.mark.parametrize(
    ("answer", "reference", "right"),
    [
        ("95", "100", True),
        ("94.9", "100", False),
        ("105", "100", True),
        ("-95", "-100", True),
        ("5%", "0.05", True),
        ("5%", "5", False),
        ("0", "0", True),
        ("0.001", "0", False),
        ("Blue", "blue", True),
        ("blue.", "blue", False),
        ("nan", "100", False),
        ("1,000", "1000", False),
    ],
)
def test_a_match_is_within_five_per_cent_or_equal(answer, reference, right):
    assert relaxed_match(answer, reference, 0.05) is right


def test_the_protocol_scores_any_reference():
    references = [{"id": 1, "answers": ["7", "seven"]}, {"id": 2, "answers": ["red"]}]
    report = score("open_vqa", references, [{"id": 1, "text": "Seven"}, {"id": 2, "text": "blue"}], "chartqa")
    assert (report.headline.name, report.headline.value) == ("relaxed_accuracy", 0.5)


def test_a_tolerance_of_everything_is_misuse():
    with pytest.raises(UsageError, match="tolerance"):
        make_metric("relaxed_accuracy", "open_vqa", tolerance=1.0)

"""Variants against their base files: options under other labels, paired differences, ratios only away from chance."""

import pytest

from lamm_metrics import chance_predictions, score
from lamm_metrics.comparison.variants import vary
from lamm_metrics.errors import LammMetricsError
from lamm_metrics.extraction.choices import extract_labelled_choice
from lamm_metrics.extraction.result import Status
from lamm_metrics.records.files import FileFaultsError

CHOICES = ["red", "blue", "dark red", "green"]
SURNAMES = ["Smith", "Jones", "Clark", "Taylor"]


@pytest.mark.parametrize(
    ("text", "labels", "found"),
    [
        ("The answer is (3) dark red.", "1234", 2),
        ("3", "1234", 2),
        ("(ii)", ["I", "II", "III", "IV"], 1),
        ("I think it is (IV) green.", ["I", "II", "III", "IV"], 3),
        ("I am sure it is green.", ["I", "II", "III", "IV"], 3),
        ("dark red", "1234", 2),
        ("Jones", SURNAMES, 1),
        ("It is Taylor, the green one.", SURNAMES, 3),
        ("(#)", "#@&%", 0),
        ("#", "#@&%", 0),
        ("(B) red", "BCDA", 0),
        ("A", "BCDA", 3),
    ],
)
def test_labels_and_texts_are_read(text, labels, found):
    assert extract_labelled_choice(text, CHOICES, list(labels)).value == found


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("(A) red", Status.AMBIGUOUS),  # the letter where it would stand without remapping, the text of another
        ("(B) red (C) blue", Status.AMBIGUOUS),
        ("There is a chair.", Status.NONE),
        ("I cannot see the image.", Status.REFUSED),
        ("A chair stands there.", Status.NONE),
    ],
)
def test_contradictions_are_no_choice(text, status):
    assert extract_labelled_choice(text, CHOICES, list("BCDA")).status is status


def records(count, **more):
    return [
        {"id": str(n), "query": "?", "gt_choice": n % 4, "gt_choices": CHOICES, "group": str(n), **more}
        for n in range(count)
    ]


def answers(count, wrong, labels="ABCD"):
    """All right but the first ``wrong``, which take the next option."""
    picks = [(n + (n < wrong)) % 4 for n in range(count)]
    return [{"id": str(n), "text": f"({labels[pick]}) {CHOICES[pick]}"} for n, pick in enumerate(picks)]


def test_the_difference_is_paired_and_the_ratio_hangs_on_chance():
    base, labels = records(80), list("1234")
    found = vary("vqa", (base, answers(80, 8)), (records(80, option_labels=labels), answers(80, 24, labels)), draws=500)
    assert found.base.value == pytest.approx(0.9)
    assert found.variant.value == pytest.approx(0.7)
    assert found.comparison.difference == pytest.approx(-0.2)
    low, high = found.comparison.interval
    assert -0.35 < low < -0.2 < high < -0.05
    assert found.comparison.p_value < 0.01
    assert found.same_choice.value == pytest.approx(64 / 80)
    chance = score("vqa", base, chance_predictions("vqa", base)).headline
    kept = found.retained(chance)
    assert kept.value == pytest.approx((0.7 - chance.value) / (0.9 - chance.value))
    assert kept.interval[0] < kept.value < kept.interval[1]
    near = vary("vqa", (base, answers(80, 58)), (base, answers(80, 60)), draws=200)
    assert near.retained(chance) is None


def test_a_variant_may_leave_records_out_but_not_add_any():
    found = vary("vqa", (records(40), answers(40, 4)), (records(30), answers(30, 4)), draws=200)
    assert found.base.n == found.variant.n == 30
    assert found.comparison.difference == 0
    with pytest.raises(LammMetricsError, match="records of other ids"):
        vary("vqa", (records(30), answers(30, 4)), (records(40), answers(40, 4)), draws=200)


def test_too_few_records_say_why_and_open_tasks_have_no_choices():
    one = vary("vqa", (records(1), answers(1, 0)), (records(1), answers(1, 1)), draws=20)
    assert one.comparison is None
    assert "at least two groups" in one.why
    counts = [{"id": str(n), "query": "?", "num": n} for n in range(5)]
    said = [{"id": str(n), "text": str(n)} for n in range(5)]
    found = vary("counting", (counts, said), (counts, said), draws=20)
    assert found.same_choice is None
    assert found.to_json()["comparison"]["difference"] == 0


def test_several_options_may_be_accepted_and_odd_labels_are_refused():
    accepted = records(4, gt_accepted=[0, 1])
    assert score("vqa", accepted, [{"id": str(n), "text": "(B)"} for n in range(4)]).headline.value == 1.0
    assert score("vqa", records(4), [{"id": str(n), "text": "(B)"} for n in range(4)]).headline.value == 0.25
    with pytest.raises(FileFaultsError, match="option_labels"):
        score("vqa", records(4, option_labels=["1", "2"]), [])
    with pytest.raises(FileFaultsError, match="gt_accepted"):
        score("vqa", records(4, gt_accepted=[9]), [])


def test_the_same_choice_is_the_same_option_wherever_it_stands():
    base = [{"id": i, "gt_choice": 0, "gt_choices": ["red", "blue"]} for i in range(4)]
    turned = [{"id": i, "gt_choice": 1, "gt_choices": ["blue", "red"]} for i in range(4)]
    first, second = ([{"id": i, "choice": choice} for i in range(4)] for choice in (0, 1))
    always, follows = (vary("vqa", (base, first), (turned, answers)) for answers in (first, second))
    assert (always.same_choice.value, follows.same_choice.value) == (0, 1)

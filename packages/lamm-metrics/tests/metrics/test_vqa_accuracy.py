"""Agreement of annotators, and the texts that the VQA evaluation compares."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamm_metrics import UsageError, make_metric, score
from lamm_metrics.metrics.vqa_accuracy import agreement, normalise_answer

TEN = ["yes"] * 6 + ["no"] * 3 + ["maybe"]


@given(st.integers(1, 12), st.data())
def test_agreement_is_the_mean_over_leaving_one_out(annotators, data):
    count = data.draw(st.integers(0, annotators))
    said = ["this"] * count + ["other"] * (annotators - count)
    others = [said[:place] + said[place + 1 :] for place in range(annotators)]
    plain = sum(min(1, left.count("this") / 3) for left in others) / annotators
    assert agreement(count, annotators) == pytest.approx(plain, abs=1e-12)


@pytest.mark.parametrize(
    ("written", "compared"),
    [
        ("Two", "2"),
        ("none", "0"),
        ("the red car", "red car"),
        ("black/white", "black white"),
        ("black / white", "black white"),
        ("on the left-hand side", "on left hand side"),
        ("3.5", "3.5"),
        ("St. Louis", "st louis"),
        ("1,000", "1000"),
        ("1,000 a/b", "1000 ab"),
        ("yes!", "yes"),
        ("isnt", "isn't"),
        ("couldnt've", "couldn't've"),
        ("yalld've", "yalld've"),
        ("y'alld've", "y'all'd've"),
        ("somebody'd", "somebodyd"),
        ("A", ""),
        ("line\nbreak\ttab", "line break tab"),
        ("10", "10"),
        ("eleven", "eleven"),
    ],
)
def test_texts_are_compared_as_the_evaluation_does(written, compared):
    assert normalise_answer(written) == compared


def test_more_than_32_periods_are_not_all_removed():
    assert normalise_answer("b." * 40) == "b" * 32 + "b." * 8


@pytest.mark.parametrize(
    ("protocol", "answer", "value"),
    [
        ("vqav2", "Yes.", 1.0),
        ("vqav2", "no", (3 * 2 / 3 + 7 * 1) / 10),
        ("vqav2", "maybe", 0.3),
        ("vqav2", "", 0.0),
        ("textvqa", "yes, it's", 0.0),
        ("textvqa", "Yes?", 1.0),
    ],
)
def test_ten_annotators(protocol, answer, value):
    report = score("open_vqa", [{"id": 1, "answers": TEN}], [{"id": 1, "text": answer}], protocol)
    assert report.headline.value == pytest.approx(value)


def test_annotators_who_all_say_the_same_are_compared_as_written():
    references, answers = [{"id": 1, "answers": ["yes"] * 10}], [{"id": 1, "text": "Yes"}]
    assert score("open_vqa", references, answers, "vqav2").headline.value == 0
    assert score("open_vqa", references, answers, "textvqa").headline.value == 1


def test_types_and_intervals_by_image():
    references = [
        {"id": i, "answers": TEN, "question_type": ["yes/no", "other"][i % 2], "image": f"{i // 4}.png"}
        for i in range(12)
    ]
    answers = [{"id": i, "text": "yes" if i % 3 else "maybe"} for i in range(12)]
    found = {one.name: one for one in score("open_vqa", references, answers, "vqav2").scores}
    assert found["vqa_accuracy"].interval is not None
    assert "ci:bootstrap95" in found["vqa_accuracy"].signature
    assert found["vqa_accuracy/yes/no"].extra["n"] == 6


def test_an_unknown_choice_is_misuse():
    with pytest.raises(UsageError, match="normalise"):
        make_metric("vqa_accuracy", "open_vqa", normalise="never")

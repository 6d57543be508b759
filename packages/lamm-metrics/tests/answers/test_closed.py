"""Probabilities by text, letter, label or position; a text beside them that says otherwise shows in the status."""

import pytest

from lamm_metrics import Prediction
from lamm_metrics.answers.closed import read_choice, read_label, read_yes_no

RECORD = {"id": 1, "gt_choices": ["red", "blue", "green"], "gt_choice": 1}


@pytest.mark.parametrize(
    "probabilities",
    [
        {"red": 0.1, "blue": 0.7, "green": 0.2},
        {"A": 0.1, "B": 0.7, "C": 0.2},
        {"(a)": 0.1, "(b)": 0.7, "(c)": 0.2},
        {"B": 0.7},
        [0.1, 0.7, 0.2],
    ],
)
def test_keys_may_be_texts_letters_or_positions(probabilities):
    answer = read_choice(RECORD, Prediction("1", probabilities=probabilities), [])
    assert (answer.status, answer.given, answer.correct, answer.confidence) == ("ok", "B", True, 0.7)


def test_keys_may_be_the_records_own_labels():
    record = {**RECORD, "option_labels": ["1", "2", "3"]}
    assert read_choice(record, Prediction("1", probabilities={"1": 0.1, "2": 0.9}), []).given == "B"
    assert read_choice(record, Prediction("1", choice="2"), []).given == "B"


def test_keys_that_name_no_option_settle_on_none():
    answer = read_choice(RECORD, Prediction("1", probabilities={"yellow": 1.0}), [])
    assert (answer.status, answer.correct) == ("ambiguous", False)


def test_a_text_that_says_another_option_makes_the_answer_ambiguous():
    answer = read_choice(RECORD, Prediction("1", "The answer is A.", probabilities={"B": 0.7, "A": 0.3}), [])
    assert (answer.status, answer.correct, answer.confidence) == ("ambiguous", False, 0.7)
    assert answer.detail == "the text says 'red', the probabilities say 'blue'"


@pytest.mark.parametrize("text", ["B", "It is blue.", "I cannot see it.", "hm", ""])
def test_a_text_that_agrees_or_says_nothing_changes_nothing(text):
    answer = read_choice(RECORD, Prediction("1", text, probabilities={"B": 0.7, "A": 0.3}), [])
    assert (answer.status, answer.given) == ("ok", "B")


def test_labels_and_yes_no_are_held_against_their_text_alike():
    said = Prediction("1", "A dog.", probabilities={"cat": 0.6, "dog": 0.4})
    assert read_label({"id": 1, "label": "cat"}, said, ["cat", "dog"]).status == "ambiguous"
    said = Prediction("1", "No.", probabilities={"yes": 0.6, "no": 0.4})
    assert read_yes_no({"id": 1, "label": "yes"}, said, []).status == "ambiguous"


def test_a_choice_that_is_none_of_the_options_is_malformed():
    assert read_choice(RECORD, Prediction("1", choice="Z"), []).status == "malformed"
    assert read_choice(RECORD, Prediction("1", choice=-1), []).status == "malformed"
    assert read_choice(RECORD, Prediction("1", choice="blue"), []).given == "B"

"""Checks of a record's own text: what their short cuts must not miss."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamm_data.quality.checks.record import PreparedRecord
from lamm_data.quality.checks.text import check_text
from lamm_data.records.instruction import InstructionRecord, Turn

LONG = "A brown dog lies beside the red bicycle of a man who waits for the bus that never comes"


def repeats(first, second):
    turns = [Turn("human", "What is there?"), Turn("gpt", first), Turn("human", "What else?"), Turn("gpt", second)]
    record = InstructionRecord(turns, id="1", image="a.jpg", task_type="conversation")
    return "repetition" in {finding.kind for finding in check_text(PreparedRecord(record))}


@pytest.mark.parametrize(
    "second",
    [LONG, LONG.upper(), LONG.replace(" ", " " * 30), f"\n\n{LONG}   ", LONG.replace("A brown", f"A{' ' * 60}brown"),
     LONG.replace("never comes", f"never{' ' * 60}comes")],
)  # fmt: skip
def test_the_same_answer_is_found_whatever_its_white_space(second):
    assert repeats(LONG, second)


@given(st.lists(st.text("ab", min_size=1, max_size=30), min_size=1, max_size=12), st.data())
def test_white_space_and_case_never_hide_a_repetition(words, data):
    spaces = st.text(" \n\t", min_size=1, max_size=50)
    spread = "".join(word.upper() + data.draw(spaces) for word in words)
    assert repeats(" ".join(words), spread)


def test_answers_that_differ_in_the_middle_are_no_repetition():
    assert not repeats(LONG, LONG.replace("red", "blue"))

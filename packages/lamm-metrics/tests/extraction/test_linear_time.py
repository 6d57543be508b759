"""Long nonsense is read in time: 1 MB in under a second, and twice the text in about twice the time."""

import time

import pytest

from lamm_metrics.extraction.text.answer import MAX_CHARACTERS

MEGABYTES = ["[", "1,", "(A", "not ", "<think>", "\n"]
LONGEST = [
    "[",
    "1,",
    "(A",
    "A. ",
    "dog or ",
    "[0.1,0.2,0.3,0.4] ",
    "the answer is ",
    "'a",
    "。",
    "w=Wall(",
    "a_0=Bbox(b,1,2,3,4,5,6,7)\n",
]


@pytest.mark.parametrize("piece", MEGABYTES)
def test_a_megabyte_takes_less_than_a_second(extractors, piece):
    text = (piece * (1_000_000 // len(piece) + 1))[:1_000_000]
    for kind, extract in extractors.items():
        start = time.process_time()
        extract(text)
        assert time.process_time() - start < 1, kind


@pytest.mark.parametrize("piece", LONGEST)
def test_the_longest_answer_that_is_read_takes_less_than_a_second(extractors, piece):
    text = (piece * (MAX_CHARACTERS // len(piece) + 1))[:MAX_CHARACTERS]
    for kind, extract in extractors.items():
        start = time.process_time()
        extract(text)
        assert time.process_time() - start < 1, kind


def test_a_longer_answer_says_so(extractors):
    for extract in extractors.values():
        found = extract("dog " * MAX_CHARACTERS)
        assert (found.status, "characters" in found.detail) == ("malformed", True)


def test_long_thinking_is_no_long_answer(extractors):
    text = "<think>" + "maybe a cat " * 20_000 + "</think>dog"
    assert extractors["label"](text).value == "dog"

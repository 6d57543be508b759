"""Numbers of every writing, and counts of two things that share a number."""

import pytest

from lamm_metrics.extraction import extract_number
from lamm_metrics.extraction.numerals import find_numbers, written_out


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1.5e2", [150]),
        ("2½ and ½", [2.5]),
        ("10² x 3", [100, 3]),
        ("1,200 and 1 200 and 1'200 and 1.200.000", [1200, 1200, 1200, 1200000]),
        ("two to three dozen", [30]),
        ("5-10k", [7500]),
        ("between 2 and 4", [3]),
        ("two-thirds, 3/4 and three quarters", []),
        ("in 2019, 45 people", [45]),
        ("minus 3", [-3]),
        ("12kg, 3rd, 10am, 3D", [12]),
        ("1 2/3", [1 + 2 / 3]),
    ],
)
def test_what_is_a_number(text, values):
    assert [number.value for number in find_numbers(written_out(text))] == pytest.approx(values)


@pytest.mark.parametrize(
    ("written", "value"), [("三", 3), ("十二", 12), ("二十一", 21), ("一百零五", 105), ("两千", 2000), ("三万", 30000)]
)
def test_chinese_numerals(written, value):
    assert extract_number(f"图中有{written}只鸟。").value == value


@pytest.mark.parametrize(
    "pair", ["on the left and {} on the right", "dogs, {} cats", "men plus {} women", "at the top\n{} at the bottom"]
)
@pytest.mark.parametrize("count", ["2", "seven", "14"])
def test_one_number_for_two_things_is_no_count(pair, count):
    assert extract_number(f"{count} {pair.format(count)}").status == "ambiguous"
    assert extract_number(f"{count} {pair.format(count)}. Total: 99.").value == 99


@pytest.mark.parametrize("again", ["The answer is {}.", "So there are {} dogs.", "The {} dogs are brown.", "Total: {}"])
def test_one_number_said_twice_is_a_count(again):
    assert extract_number(f"There are 4 dogs. {again.format(4)}").value == 4


def test_a_count_from_one_upwards_ends_in_the_answer():
    assert extract_number("1, 2, 3, 4. There are 4.").value == 4
    assert extract_number("1, 2, 3, 4. There are 5.").status == "ambiguous"
    assert extract_number("Counting: 1, 2, 3, 4, 5.").value == 5

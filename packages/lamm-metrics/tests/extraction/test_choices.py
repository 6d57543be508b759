"""Options are compared as written, and the strongest evidence decides; the labelled answers have the breadth."""

import pytest

from lamm_metrics import extract_choice
from lamm_metrics.extraction.choices import extract_labelled_choice
from lamm_metrics.extraction.text.correction import after_correction, drafts

COLOURS = ["red", "blue", "green"]


@pytest.mark.parametrize(
    ("options", "said", "number"),
    [
        (["7", "-7"], "It is -7.", 1),
        (["7", "7%"], "7%", 1),
        (["C", "C++", "D"], "The code is C++.", 1),
        (["A+", "A-"], "The grade is A-.", 1),
        (["3 m", "4.3 m"], "It is 4.3 m.", 1),
        (["K<1", "K>1"], "K>1", 1),
        (["x = y", "x = -y"], "x = -y", 1),
        (["$2,500", "-$2,500"], "-$2,500", 1),
        (["10²", "102"], "The answer is 10^2.", 0),
        (["Dr. Allen", "dr. Allen"], "dr. Allen", 1),
        (["a cat bites a dog", "a dog bites a cat"], "A dog bites a cat.", 1),
    ],
)
def test_signs_case_symbols_units_and_order_are_part_of_an_option(options, said, number):
    assert extract_choice(said, options).value == number


@pytest.mark.parametrize("said", ["8", "The answer is 8.", "8%", "$8"])
def test_what_is_no_option_as_written_is_none(said):
    assert extract_choice(said, ["-8", "80", "0.8"]).status == "none"


@pytest.mark.parametrize(
    ("options", "said", "number"),
    [
        (["a tundra", "a desert"], "Tundra", 0),
        (["2.5", "25"], "2.50", 0),
        (["$\\frac{1}{2}$", "$\\frac{1}{3}$"], "1/2", 0),
        (["H₂O", "CO₂"], "H2O", 0),
        (["café", "thé"], "cafe\u0301", 0),
        (["30°", "60°"], "60 degrees", 1),
        (["red-handed tamarin", "takin"], "the red handed tamarin", 0),
    ],
)
def test_looser_forms_count_where_they_fit_one_option(options, said, number):
    assert extract_choice(said, options).value == number


def test_a_looser_form_that_fits_two_options_is_ambiguous():
    assert extract_choice("the old man", ["The Old Man", "The old Man"]).status == "ambiguous"


@pytest.mark.parametrize(
    ("options", "said", "number"),
    [
        (["vitamin C", "vitamin D", "vitamin A"], "It is vitamin A.", 2),
        (["3 A", "4.8 A"], "B. 4.8 A", 1),
        (["A, B, C", "C, A, B"], "B. C, A, B", 1),
        (["A", "none", "B"], "C. B", 2),
        (["no", "yes"], "(A) no", 0),
        (["The lamp is on.", "The lamp is not on."], "B. The lamp is not on.", 1),
        (["5", "It cannot be determined"], "The answer is: It cannot be determined.", 1),
        (["right", "left"], "Option (B) left is right.", 1),
    ],
)
def test_what_an_option_holds_is_no_mention_of_its_own(options, said, number):
    assert extract_choice(said, options).value == number


def test_options_that_are_letters_are_read_as_positions_and_say_so():
    found = extract_choice("C", ["C", "D", "A"])
    assert (found.value, found.detail) == (2, "C read as a letter; it is the text of option A")
    assert extract_choice("(A) C", ["C", "D", "A"]).value == 0
    assert extract_choice("One sees the C.", ["C", "D", "A"]).status == "ambiguous"


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("It is (B). This is not in the table.", 1),
        ("B. The others are not shown.", 1),
        ("Answer: A. Wait, actually C.", 2),
        ("I first chose A, but the right one is C.", 2),
        ("A and B are wrong, C is right.", 2),
        ("I would rule out A and B. C.", 2),
        ("\\boxed{A \\cup B}\n\nAnswer: C", 2),
        ("A ❌\nB ❌\nC ✅", 2),
        ("❌ A. red\n✅ B. blue\n❌ C. green", 1),
        ("- [ ] A\n- [x] B\n- [ ] C", 1),
        ("The number without a hat was largest for blue.", 1),
        ("It is greener than red; blue would be closer, but green it is.", 2),
        ("~~A~~ B", 1),
        ("The answer is B. Hmm, A could also be right.", 1),
        ("Answer: B. Wait, is it C?", 1),
        ("B. Hmm, let me check C. Yes, C.", 2),
    ],
)
def test_the_last_and_strongest_assertion_wins(said, number):
    assert extract_choice(said, COLOURS).value == number


@pytest.mark.parametrize(
    ("options", "said", "number"),
    [
        (["hard", "soft"], "A soft object gives way. A hard object does not. Both objects are soft.", 1),
        (["3 hours", "3 minutes"], "The better estimate is 3 minutes. 3 hours is too slow.", 1),
        (["1 m", "1 mm", "1 km"], "The length is about 1 m.\n1 mm is too short, 1 km is too long.", 0),
        (["wood", "iron"], "The plank is wood, and none of the parts is iron.", 0),
        (["true", "false"], "To see whether it is true, compare the two. The first is larger, so it is false.", 1),
    ],
)
def test_explanations_are_read_by_what_they_conclude(options, said, number):
    assert extract_choice(said, options).value == number


@pytest.mark.parametrize(
    "said",
    [
        "The allele B is dominant.",
        "It is made of carbon (C).",
        "The B allele",
        "He plays a C major chord.",
        "a second one",
    ],
)
def test_letters_of_the_matter_are_no_options(said):
    assert extract_choice(said, ["wood", "iron", "gold"]).status == "none"


@pytest.mark.parametrize("said", ["B. red", "A, B", "A\nB\nC", "red or blue", "(A) red (B) blue (C) green"])
def test_contradictions_and_lists_are_ambiguous(said):
    assert extract_choice(said, COLOURS).status == "ambiguous"


def test_letters_of_options_are_taken_off_only_where_all_carry_them():
    assert extract_choice("elegans", ["C. elegans", "E. coli"]).status == "none"
    assert extract_choice("blue", ["A. red", "B. blue"]).value == 1


def test_labels_of_any_kind():
    assert extract_labelled_choice("It is not (1). It is (2) blue.", COLOURS, ["1", "2", "3"]).value == 1
    assert extract_labelled_choice("The answer is A.", COLOURS, ["C", "A", "B"]).value == 1
    assert extract_labelled_choice("Answer: (x). Wait, actually (z).", COLOURS, ["x", "y", "z"]).value == 2


def test_every_draft_stands_apart():
    assert drafts("B. Wait, C. Hmm, no, D.") == ["B.", "C.", "no, D."]
    assert drafts("It is changed.") == ["It is changed."]
    assert after_correction("Wait.") is None


def test_a_flood_of_options_settles_on_none():
    assert extract_choice("red. " * 6000, ["red", "blue"]).status == "ambiguous"
    assert extract_choice("red. " * 400, ["red", "blue"]).value == 0

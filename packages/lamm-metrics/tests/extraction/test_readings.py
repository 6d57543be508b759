"""Rules that the labelled set does not spell out one by one."""

import subprocess
import sys

import pytest

from lamm_metrics.errors import UsageError
from lamm_metrics.extraction import (
    Extraction,
    Status,
    extract_boxes_3d,
    extract_choice,
    extract_label,
    extract_noun_phrases,
    extract_number,
)
from lamm_metrics.extraction.number_words import parse_number_words
from lamm_metrics.extraction.text.names import plurals, words_of
from lamm_metrics.extraction.text.refusal import split_refusal
from lamm_metrics.extraction.text.synonyms import known_synonyms, wordnet_synonyms
from lamm_metrics.extraction.yes_no import extract_yes_no


def test_value_types_say_whether_to_trust_them():
    assert Extraction(3, Status.OK).status == "ok"
    assert Extraction(None, Status.AMBIGUOUS).status != "ok"
    assert Status("refused") is Status.REFUSED


def test_own_synonyms_replace_the_built_in_ones():
    assert extract_label("a kitten", ["cat"]).value == "cat"
    assert extract_label("a kitten", ["cat"], {}).status == "none"
    assert extract_label("a moggy", ["cat"], {"cat": ["moggy"]}).value == "cat"


def test_a_synonym_never_takes_the_name_of_another_label():
    assert extract_label("a car", ["automobile", "car"]).value == "car"
    assert extract_label("sofa", ["couch", "sofa"]).value == "sofa"


def test_labels_come_back_as_spelled():
    assert extract_label("a dining table", ["DiningTable"], None).value == "DiningTable"
    assert known_synonyms(("dining_table",))["dining_table"][0] == "dining table"


@pytest.mark.parametrize("label", ["dining table", "dining_table", "DiningTable", "diningtable"])
def test_a_name_of_two_words_may_be_written_as_one(label):
    written = ["a dining table", "a dining_table", "two diningtables", "the diningtable"]
    assert [extract_label(text, [label, "cat"]).value for text in written] == [label] * len(written)


def test_labels_without_words_or_none_at_all():
    assert extract_label("anything", []).status == "none"
    assert extract_label("+", ["+", "-"]).status == "none"
    assert extract_choice("A", []).status == "none"


def test_longest_name_wins():
    assert extract_label("a polar bear", ["bear", "polar bear"]).value == "polar bear"
    assert extract_choice("dark red", ["red", "dark red"]).value == 1


def test_the_same_answer_always_reads_the_same():
    assert len({extract_choice("It could be A or C.", ["a b", "c d", "e f"]) for _ in range(20)}) == 1


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("one hundred", 100),
        ("two thousand and five", 2005),
        ("nine hundred ninety-nine thousand nine hundred ninety-nine", 999_999),
        ("three million", 3_000_000),
        ("a hundred and one", 101),
        ("five dozen", 60),
        ("twenty twenty", None),
        ("thousand million", None),
    ],
)
def test_number_words(words, value):
    assert parse_number_words(words) == value


@pytest.mark.parametrize(
    "words", [("bus", "buses"), ("baby", "babies"), ("woman", "women"), ("policeman", "policemen"), ("box", "boxes")]
)
def test_plurals(words):
    assert words[1] in plurals(words[0])


def test_words_of_splits_what_labels_join():
    assert words_of("Dining_table-top") == ["dining", "table", "top"]


def test_a_refusal_keeps_what_is_said_besides():
    assert split_refusal("I cannot see it well, but it is a dog.") == ("it is a dog.", True)
    assert split_refusal("It is a dog.") == ("It is a dog.", False)


@pytest.mark.parametrize(
    "text",
    [
        "I could not find any dog.", "I couldn't find any dogs in the image.", "I cannot see any dog.",
        "We can't detect any cars.", "I am unable to locate any traffic light.", "I could not spot any people.",
        "Unable to identify any bicycle.", "I was unable to find any signs of a fire.",
    ],
)  # fmt: skip
def test_that_nothing_is_found_is_an_answer_and_it_is_no(text):
    assert split_refusal(text) == (text, False)
    assert extract_yes_no(text).value is False


@pytest.mark.parametrize(
    "text",
    [
        "I could not find any image.", "I can't find any answer to that.", "I can't see any picture attached.",
        "I cannot identify any specific objects in this photo.", "I cannot find any information about it.",
        "I'm unable to locate any attachment.", "I can't identify people in images.", "I could not find the image.",
        "I couldn't find any uploaded image.", "Unable to find any relevant details.", "I cannot detect objects.",
        "I can't make out any words.", "I cannot see any of that.",
    ],
)  # fmt: skip
def test_that_there_is_nothing_to_look_at_is_a_refusal(text):
    assert split_refusal(text)[1] is True


def test_a_negative_number_is_read_as_written():
    assert extract_number("-3").value == -3.0
    assert extract_number("It is 2.5").value == 2.5


def test_numbers_too_long_for_a_count_are_none():
    assert extract_number("9" * 5000).status == "none"


@pytest.mark.parametrize("kind", ["label", "choice", "number", "boxes_2d", "boxes_3d", "points", "words", "yes_no"])
def test_letters_that_equal_others_but_for_case_are_read_or_not_read(extractors, kind):
    # "İ" and "ı" match "i" where case is ignored, "ſ" matches "s"; fuzzing found "Confİdence: 0.9".
    answers = ["ConfIdence: 0.9, rIght: 4, x1: 1", "a paIr of shoes", "The thIrd one", "option fIve", "fIfty-sIx",
               "the Sixth choice", "SIX of them", "xmIn=1 ymIn=2 xmax=3 ymax=4", "no, It Is not"]  # fmt: skip
    for answer in answers:
        for letters in ("Iİ", "Iı", "SıIı", "Sſ", "sſ"):
            odd = answer.translate(str.maketrans(letters[::2], letters[1::2]))
            assert extractors[kind](odd).status in {"ok", "none", "malformed", "ambiguous", "refused"}


def test_three_dimensional_boxes_of_another_length_are_malformed():
    assert extract_boxes_3d("[1, 2, 3, 4, 5, 6, 7]", 6).status == "malformed"
    assert extract_boxes_3d("[1, 2, 3, 4, 5, 6, 0.5]", 7).status == "ok"


def test_noun_phrases_without_and_with_the_tagger(monkeypatch):
    import nltk

    text = "A brown dog runs."
    assert extract_noun_phrases(text, use_tagger=False).value == ["brown dog"]
    tags = {"a": "DT", "brown": "JJ", "dog": "NN", "runs": "VBZ", ".": "."}
    monkeypatch.setattr(nltk, "pos_tag", lambda words: [(word, tags[word.lower()]) for word in words])
    assert extract_noun_phrases(text, use_tagger=True).value == ["brown dog"]


def test_wordnet_is_asked_for_by_name_only(monkeypatch):
    import nltk

    def missing(*args, **kwargs):
        raise LookupError("no data")

    monkeypatch.setattr(nltk.data, "find", missing)
    with pytest.raises(UsageError, match="Install it"):
        wordnet_synonyms(["quokka"])


def test_importing_the_extractors_imports_nothing_heavy():
    code = (
        "import sys, lamm_metrics.extraction as e; e.extract_label('cat', ['cat']); "
        "print(*sorted({'nltk', 'torch', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_what_a_box_tag_opens_is_final():
    assert extract_choice("A or C? <|begin_of_box|>C<|end_of_box|>", ["red", "green", "blue"]).value == 2
    assert extract_number("3 chairs and 2 tables. <|begin_of_box|>5<|end_of_box|>").value == 5

"""Words are compared by their letters, however these are encoded."""

import unicodedata

import pytest

import lamm_metrics as m
from lamm_metrics.extraction.words import plain_word
from lamm_metrics.metrics.word_accuracy import normalise_word


@pytest.mark.parametrize("word", ["café", "Ålesund", "ガソリン", "한글", "naïve", "SALE", "2024"])
def test_all_unicode_forms_of_a_word_are_one(word):
    wide = "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in word)
    forms = {unicodedata.normalize(form, word) for form in ("NFC", "NFD", "NFKC", "NFKD")} | {wide}
    assert {plain_word(form) for form in forms} == {word}
    for truth in forms:
        for answer in forms:
            record = {"id": 1, "image": "a.jpg", "word_list": [truth]}
            for mode in ("exact", "ignore_case", "ignore_case_symbol"):
                found = m.score("ocr", [record], [{"id": 1, "text": f'"{answer}"'}], mode=mode, draws=2)
                assert found.headline.value == 1


def test_vowel_signs_are_part_of_a_word():
    assert normalise_word("की", "ignore_case_symbol") != normalise_word("का", "ignore_case_symbol")


def test_a_long_run_of_accents_takes_no_quadratic_time():
    marks = "\u0316\u0301" * 30_000
    assert plain_word(marks)

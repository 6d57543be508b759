"""The words that rule patterns out must never rule out a match."""

import tomllib
from importlib.resources import files

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamm_data.writing.words import PhraseIndex, compile_phrase, load_phrases, words_of

KINDS = ("leakage", "refusal", "markup", "profanity", "toxicity")


def patterns():
    folder = files("lamm_data.quality.checks")
    lists = dict(tomllib.loads((folder / "phrases.toml").read_text()))
    offensive = tomllib.loads((folder / "offensive.toml").read_text())
    lists |= {kind: table["patterns"] for kind, table in offensive.items()}
    return [pattern for kind in KINDS for pattern in lists[kind]]


def prepared(text):
    return text.lower(), frozenset(words_of(text))


@pytest.mark.parametrize("pattern", patterns(), ids=lambda pattern: pattern[:60])
def test_no_match_is_ruled_out(pattern):
    phrase = compile_phrase("kind", pattern)
    assert phrase.needs, "every pattern names what it needs"

    letters = "".join(character for character in phrase.pattern.pattern if not character.isascii())
    alphabet = st.characters(min_codepoint=32, max_codepoint=126, include_characters=letters)

    @settings(max_examples=25, suppress_health_check=list(HealthCheck), database=None)
    @given(st.from_regex(phrase.pattern, alphabet=alphabet, fullmatch=True))
    def holds(text):
        assert PhraseIndex([phrase]).possible(*prepared(text)) == {"kind": [phrase.pattern]}

    holds()


@pytest.mark.parametrize("kind", ["profanity", "toxicity"])
def test_listed_words_are_found_as_whole_words_only(kind):
    phrase = [phrase for phrase in load_phrases() if phrase.kind == kind][-1]
    for word in sorted(next(iter(phrase.needs))[0]):
        assert phrase.possible(*prepared(f"A {word.upper()}!"))
        assert phrase.pattern.search(f"A {word.upper()}!")
        assert not phrase.pattern.search(f"A x{word}x.")

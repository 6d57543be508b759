"""Reading answers: what is whole of a cut one, lists, refusals."""

import json
from contextlib import suppress

import pytest

from lamm_data.generation.answers import (
    Answer,
    UnusableAnswerError,
    parse_description,
    parse_dialogue,
    parse_options,
    parse_statements,
)
from lamm_data.generation.solving import looks_refused

ROUNDS = {"rounds": [{"question": f"What {n}?", "answer": f"That {n}."} for n in range(4)]}


@pytest.mark.parametrize("end", range(70, len(json.dumps(ROUNDS)), 9))
def test_whole_rounds_of_a_cut_json_answer_are_kept_and_marked(end):
    answer = parse_dialogue(json.dumps(ROUNDS)[:end], cut_off=True)
    assert answer.rounds == tuple((f"What {n}?", f"That {n}.") for n in range(len(answer.rounds)))
    assert answer.salvaged


def test_rounds_beyond_those_asked_for_are_dropped_and_marked():
    answer = parse_dialogue(json.dumps(ROUNDS), most=2)
    assert (len(answer.rounds), answer.salvaged) == (2, True)
    assert not parse_dialogue(json.dumps(ROUNDS), most=4).salvaged


def test_descriptions_end_with_a_whole_sentence():
    answer = parse_description("One is here. Two is there. Three st", cut_off=True)
    assert (answer.description, answer.salvaged) == ("One is here. Two is there.", True)
    with pytest.raises(UnusableAnswerError, match="two sentences"):
        parse_description("One is here. Two", cut_off=True)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('{"statements": ["A is b.", "C is d."]}', ["A is b.", "C is d."]),
        ('```json\n["A is b."]\n```', ["A is b."]),
        ("1. A is b.\n- C is d.\n\n(3) E is f.", ["A is b.", "C is d.", "E is f."]),
        ("A is b.\nYes, it is.\nIs it?\nNo chair.\nNobody sits.", ["A is b.", "Nobody sits."]),
    ],
)
def test_statements_in_any_layout(text, kept):
    assert list(parse_statements(text).items) == kept


def test_statements_of_a_cut_answer():
    answer = parse_statements('{"statements": ["A is \\"b\\".", "C is d.", "E i', cut_off=True, most=5)
    assert (answer.items, answer.salvaged) == (('A is "b".', "C is d."), True)
    assert parse_statements("A is b.\nC is", cut_off=True).items == ("A is b.",)
    for text in ("?", '{"statements": ["Yes."]}', '{"other": 1}', "{broken"):
        with pytest.raises(UnusableAnswerError):
            parse_statements(text)


def test_options_differ_from_the_right_answers_and_from_each_other():
    text = "a) Red\nb) red.\nc) Dark Green\nd) dark-green\ne) blue\nf) grey"
    assert parse_options(text, ["dark green"], 3).items == ("Red", "blue", "grey")
    with pytest.raises(UnusableAnswerError, match="Expected 4 wrong options") as caught:
        parse_options(text, ["dark green"], 4)
    assert caught.value.reason == "too_few"
    assert parse_options('{"options": ["1", "2", "3"]}', ["4"], 2).items == ("1", "2")


@pytest.mark.parametrize(
    "text", ["I'm sorry, but I can't assist with that.", "As an AI language model I do not have access to images."]
)
def test_refusals_are_recognised(text):
    assert looks_refused(text)
    assert not looks_refused(text + " A long description follows." * 30)


def test_no_answer_makes_the_parsers_fail_otherwise():
    nasty = [
        "{" * 5000,
        "[" * 100_000,
        '"' * 1000,
        "\x00",
        "Question:" * 500,
        '{"rounds": 3}',
        '{"description": []}',
        "null",
    ]
    for text in nasty:
        for parse in (parse_dialogue, parse_description, parse_statements, lambda t: parse_options(t, [], 3)):
            with suppress(UnusableAnswerError):
                assert parse(text) != Answer()


ECHO = '{"rounds": [{"question": "...", "answer": "..."}]}'
TWO = '{"rounds": [{"question": "What?", "answer": "A dog."}, {"question": "Where?", "answer": "Here."}]}'
PAIRS = (("What?", "A dog."), ("Where?", "Here."))


@pytest.mark.parametrize(
    "text",
    [
        f"The format is {ECHO}. Here is my answer:\n{TWO}",
        f"{TWO}\nI kept to {ECHO}.",
        f"Sure!\n```json\n{TWO}\n```\nLet me know if you need more.",
        '{"question": "What?", "answer": "A dog."}\n{"question": "Where?", "answer": "Here."}',
        '[["What?", "A dog."], ["Where?", "Here."]]',
        TWO.replace("question", "Question").replace("answer", "Answer"),
        f"{ECHO}\nQuestion: What?\nAnswer: A dog.\nQuestion: Where?\nAnswer: Here.",
    ],
)
def test_the_rounds_are_found_among_echoes_and_chat(text):
    answer = parse_dialogue(text)
    assert (answer.rounds, answer.salvaged) == (PAIRS, False)


def test_of_two_drafts_the_last_counts_and_is_marked():
    answer = parse_dialogue(TWO.replace("dog", "cat") + "\nCorrected:\n" + TWO)
    assert (answer.rounds, answer.salvaged) == (PAIRS, True)


@pytest.mark.parametrize("end", range(70, len(json.dumps(ROUNDS)), 9))
def test_whole_rounds_of_json_that_breaks_off_are_marked_whatever_the_server_says(end):
    answer = parse_dialogue(json.dumps(ROUNDS)[:end])
    assert answer.rounds == tuple((f"What {n}?", f"That {n}.") for n in range(len(answer.rounds)))
    assert answer.salvaged


@pytest.mark.parametrize("text", [ECHO, ECHO[:30], '{"rounds": [{"question": "<question>", "answer": "[answer]"}]}'])
def test_an_echoed_format_alone_is_no_answer(text):
    with pytest.raises(UnusableAnswerError) as caught:
        parse_dialogue(text)
    assert caught.value.reason == "unparsable"


@pytest.mark.parametrize(
    "text",
    [
        "Sure, here is a detailed description: A dog runs.",
        "Certainly!\n\nA dog runs.\n\nLet me know if you need anything else!",
        "**Description:** A dog runs.",
        "## Description\n\nA dog runs.",
        "```\nA dog runs.\n```",
        'The format is {"description": "..."}. Mine:\n{"description": "A dog runs."}',
        '{"Description": "A dog runs."}',
        '{"description": "Sure! Here is the description: A dog runs."}',
    ],
)
def test_a_description_is_taken_out_of_the_chat_around_it(text):
    assert parse_description(text).description == "A dog runs."


@pytest.mark.parametrize("text", ['{"description": "..."}', "{broken", '{"other": "A dog."}', "...", "[description]"])
def test_what_describes_nothing_is_no_description(text):
    with pytest.raises(UnusableAnswerError):
        parse_description(text)


def test_a_description_in_json_that_breaks_off_ends_with_a_whole_sentence():
    answer = parse_description('{"description": "One is here. Two is there. Three st')
    assert (answer.description, answer.salvaged) == ("One is here. Two is there.", True)


def test_lists_are_found_among_echoes_and_chat():
    text = 'Format: {"statements": ["..."]}\n```json\n{"statements": ["A is b.", "C is d."]}\n```'
    assert parse_statements(text).items == ("A is b.", "C is d.")
    answer = parse_statements('{"statements": ["A is b.", "C is')
    assert (answer.items, answer.salvaged) == (("A is b.",), True)
    assert parse_statements("Here are the statements:\n1. A is b.\nLet me know if you want more.").items == ("A is b.",)


def test_only_what_a_chatbot_adds_is_cut_off():
    text = "Here, a man holds a sign that reads: stop. Great white sharks swim: three of them."
    assert parse_description(text).description == text
    answer = parse_dialogue('{"rounds": [{"question": "What?", "answer": "Absolutely! A dog."}]}')
    assert answer.rounds == (("What?", "A dog."),)

"""`lamm data templates generate` against a real loopback server."""

import json
import re

import pytest
from click.testing import CliRunner

from lamm_data.cli import data
from lamm_data.errors import LammDataError, UsageError
from lamm_data.records.annotations import Annotated, Count
from lamm_data.templates.convert import Conversion, convert
from lamm_data.templates.pools.definitions import check_pools, pool_faults
from lamm_data.templates.pools.growing import GrowthSettings, grow_pool, listed
from lamm_data.templates.pools.pools import load_pool, parse_pool, read_pools
from lamm_llm import EndpointSettings

QUESTIONS = [
    "Could you tell the quantity of {plural}?",
    "Say the tally of {plural} for this photo.",
    "Which number of {plural} does one find here?",
    "how many {plural} are there in this image?",
    "How many {plural} are there in that image?",
    "How many things are there?",
    "How many {plural} in {colour}?",
    "How many {plural are there?",
]
ANSWERS = [
    "My tally is {number}.",
    "Clearly there are {number}.",
    "Unique {plural}: {number}.",
    "One counts {number} {noun} overall.",
]


def server_for(loopback, reply, questions=QUESTIONS, answers=ANSWERS):
    """Answers with JSON, first for questions and then for answers; every answer is the same list."""

    def script(seen):
        asked = seen.body["messages"][-1]["content"]
        return reply(json.dumps({"templates": questions if "new question templates" in asked else answers}))

    return loopback(script)


def grow(server, path, **changes):
    settings = {"name": "counting", "model": "m", "questions": 23, "answers": 17}
    return grow_pool(GrowthSettings(output=path, endpoint=EndpointSettings(server.url), **settings | changes))


def test_a_pool_grows_by_what_is_right_and_new(loopback, reply, tmp_path):
    server = server_for(loopback, reply)
    growth = grow(server, tmp_path / "counting.toml")
    assert growth.added == {"question": 3, "answer": 2}
    assert growth.stopped == ""
    assert growth.rejected == {
        "duplicate": 1,
        "near duplicate": 1,
        "lacks {plural}": 1,
        "unknown placeholder {colour}": 1,
        "stray brace": 1,
        "claims what no annotation says (clearly)": 1,
        "claims what no annotation says (unique)": 1,
    }
    pool = parse_pool("counting", (tmp_path / "counting.toml").read_text())
    base = load_pool("counting")
    assert pool.questions == base.questions + tuple(QUESTIONS[:3])
    assert pool.answers["full"][-2:] == (ANSWERS[0], ANSWERS[3])
    assert pool.answers["short"] == base.answers["short"]
    assert list(pool_faults(pool)) == []
    assert [text for text in (tmp_path / "counting.toml").read_text().splitlines() if growth.prompt_sha256 in text]
    body = server.requests[0].body
    assert body["response_format"]["json_schema"]["schema"]["required"] == ["templates"]
    asked = body["messages"][-1]["content"]
    assert "{plural}: apples" in asked
    assert "how many objects of a named class" in asked
    assert sum(text in asked for text in base.questions) == 6


def test_the_same_call_again_asks_for_nothing_twice(loopback, reply, tmp_path):
    server = server_for(loopback, reply)
    grow(server, tmp_path / "counting.toml")
    first, sent = (tmp_path / "counting.toml").read_bytes(), len(server.requests)
    (tmp_path / "counting.toml").unlink()
    grow(server, tmp_path / "counting.toml")
    assert (tmp_path / "counting.toml").read_bytes() == first
    assert len(server.requests) == sent


def test_growing_ends_when_nothing_new_comes_and_at_the_limit(loopback, reply, tmp_path):
    server = server_for(loopback, reply, questions=["How many things?"])
    growth = grow(server, tmp_path / "a.toml", answers=15)
    assert "3 answers in a row brought no new question" in growth.stopped
    assert growth.rejected["lacks {plural}"] == 3
    growth = grow(server, tmp_path / "b.toml", max_requests=2)
    assert "--max-requests 2" in growth.stopped
    assert parse_pool("counting", (tmp_path / "b.toml").read_text()).questions == load_pool("counting").questions


def test_servers_without_json_schema_are_asked_for_lines(loopback, reply, answer, tmp_path):
    def script(seen):
        if "response_format" in seen.body:
            return answer(400, {"error": {"message": "response_format is not supported"}})
        return reply("1. " + QUESTIONS[0] + "\n- " + QUESTIONS[1])

    growth = grow(loopback(script), tmp_path / "counting.toml", questions=22, answers=15)
    assert growth.questions[-2:] == QUESTIONS[:2]


def test_questions_of_small_models_are_mended_and_their_answers_are_not(loopback, reply, tmp_path):
    said = "The task is to count.\n\nQuestion: Could you tell the quantity of apples?\n\nQuestion: How many apples"
    server = loopback(lambda seen: reply(said + "?\nAnswer: There are 3 apples.\nAnswer: I see {number} apples."))
    growth = grow(server, tmp_path / "counting.toml", questions=21, answers=16)
    assert growth.questions[20:] == ["Could you tell the quantity of {plural}?"]
    assert growth.added["answer"] == 0
    assert growth.rejected["repeats an example"] == 3


def test_the_command_grows_and_the_converter_takes_it(loopback, reply, tmp_path):
    server = server_for(loopback, reply)
    output = tmp_path / "pools" / "counting.toml"
    arguments = ["templates", "generate", "counting", "--endpoint", server.url, "--model", "m", "--output", str(output)]
    result = CliRunner().invoke(data, [*arguments, "--questions", "23", "--answers", "17", "--json"])
    assert result.exception is None
    assert json.loads(result.output)["added"] == {"question": 3, "answer": 2}
    assert "no new question" in str(CliRunner().invoke(data, [*arguments, "--questions", "99"]).exception)
    checked = CliRunner().invoke(data, ["templates", "check", str(output.parent)])
    assert checked.exit_code == 0
    assert re.search(r"counting: 23 questions", checked.output)
    item = Annotated("1", "1.png", counts=(Count("apple", 2),))
    pools = check_pools(read_pools(output.parent))
    (record,) = convert([item], Conversion("counting", "x", pools=pools))
    assert record.meta["pools"] == {"counting": pools["counting"].sha256}
    (tmp_path / "pools" / "ocr.toml").write_text('questions = ["Text?"]\nanswers = ["Clearly {words}."]\n')
    assert isinstance(CliRunner().invoke(data, ["templates", "check", str(output.parent)]).exception, LammDataError)
    names = {row["name"] for row in json.loads(CliRunner().invoke(data, ["templates", "list", "--json"]).output)}
    assert {"counting", "presence"} <= names


def test_misuse_is_named(loopback, reply, tmp_path):
    server = server_for(loopback, reply)
    with pytest.raises(UsageError, match="Expected a template pool, got 'nothing'"):
        grow(server, tmp_path / "x.toml", name="nothing")
    with pytest.raises(UsageError, match="similarity"):
        grow(server, tmp_path / "x.toml", similarity=0.0)
    assert not server.requests


def test_what_may_be_incomplete_of_a_cut_answer_is_dropped():
    assert listed('{"templates": ["Where is it?", "Find {x}.", "Whe', cut_off=True) == ["Where is it?", "Find {x}."]
    assert listed("Where is it?\nFind it.\nWhe", cut_off=True) == ["Where is it?", "Find it."]


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '{"templates": 3}', '{"other": ["x"]}', "[[]]"])
def test_answers_that_are_no_lists_give_no_templates_from_thin_air(text):
    assert all("{" in item or "[" in item for item in listed(text))

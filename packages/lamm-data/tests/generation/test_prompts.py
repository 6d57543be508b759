"""Prompts: what the packaged ones ask, the user's files over them, and the texts of queries."""

import hashlib
import json

import pytest

from lamm_data.errors import UsageError
from lamm_data.generation.input_rows import row_from_json, split_row
from lamm_data.generation.prompts import load_prompt, prompt_names
from lamm_data.generation.request_builder import RequestBuilder, Sampling, focus_row, render_query
from lamm_data.records.tasks import TASK_TYPES
from lamm_llm import FORMATS, make_request

ROOM = {
    "id": "r1",
    "pcl": "r1.npy",
    "captions": [f"Statement {number} about chairs." for number in range(30)],
    "instances": [
        {"category": "chair", "bbox": [1, 2, 0.5, 0.4, 0.4, 0.9], "attributes": ["wooden"]},
        {"category": "sink", "bbox": [4, 2, 0.5, 0.4, 0.4, 0.2]},
    ],
    "relations": [["chair", "close by", "chair"], ["chair", "left of", "sink"]],
    "questions": [["Is there a sink?", "yes"], {"question": "What colour is it?", "answers": ["white", "light"]}],
}


@pytest.mark.parametrize("name", prompt_names())
@pytest.mark.parametrize("answer_format", FORMATS)
def test_every_prompt_makes_requests_whose_fast_key_is_that_of_the_whole_payload(name, answer_format):
    prompt = load_prompt(name)
    assert prompt.task_type in TASK_TYPES
    builder = RequestBuilder(prompt, Sampling("m", 0.7, 300, 5))
    request = builder.first(prompt.examples[0].row, answer_format)
    assert (request.key, request.seed, request.tokens) == _slow(request, answer_format)
    canonical = json.dumps([5, request.payload], separators=(",", ":"), sort_keys=True).encode()
    assert request.key == hashlib.sha256(canonical).hexdigest()
    roles = [message["role"] for message in request.payload["messages"]]
    assert roles == ["system", *["user", "assistant"] * len(prompt.examples), "user"]


def _slow(request, answer_format):
    whole = make_request(request.payload, answer_format, 5)
    return whole.key, whole.seed, whole.tokens


@pytest.mark.parametrize("name", prompt_names())
def test_brief_forms_are_a_fraction_of_the_full_ones(name):
    full = RequestBuilder(load_prompt(name), Sampling("m")).first(load_prompt(name).examples[0].row, "text")
    try:
        brief = load_prompt(name, style="brief")
    except UsageError:
        assert name in ("distractors", "factual_knowledge_dialogue_3d")
        return
    request = RequestBuilder(brief, Sampling("m")).first(brief.examples[0].row, "text")
    assert request.prompt_tokens < full.prompt_tokens / 1.5


def test_3d_prompts_use_ten_captions_and_only_the_objects_they_name():
    prompt, row = load_prompt("daily_dialogue_3d"), row_from_json(ROOM, {})
    used = focus_row(prompt, row)
    assert len(used.captions) == 10
    assert used == focus_row(prompt, row) != focus_row(prompt, row, seed=1)
    assert [item.label for item in used.objects] == ["chair"]
    assert used.relations == (("chair", "close by", "chair"),)
    text = render_query(prompt, used)
    assert "chair: wooden, [1.0, 2.0, 0.5, 0.4, 0.4, 0.9]" in text
    assert "sink" not in text


def test_statements_are_asked_of_all_questions_and_options_of_each_one():
    row = row_from_json(ROOM, {})
    text = render_query(load_prompt("statements"), row)
    assert "1. Is there a sink? yes\n2. What colour is it? white, light\n\nWrite the 2 statements." in text
    parts = split_row(row)
    assert [part.id for part in parts] == ["r1-0", "r1-1"]
    assert "Right answers: white; light" in render_query(load_prompt("distractors"), parts[1])


def test_any_part_can_come_from_files_of_the_users_own(tmp_path):
    (tmp_path / "system.txt").write_text("Write like a pirate.\n")
    examples = [{"captions": ["A ship."], "rounds": [["What is it?", "A ship, arr."]]}]
    (tmp_path / "examples.jsonl").write_text("\n".join(map(json.dumps, examples)))
    own = tmp_path / "own.toml"
    own.write_text(
        'system = { file = "system.txt" }\nexamples = { file = "examples.jsonl" }\nrounds = 7\n'
        'query = "Say something of: {captions}"\n[formats]\ntext = "Pairs."\n'
    )
    prompt, packaged = load_prompt("daily_dialogue", own), load_prompt("daily_dialogue")
    assert (prompt.system, prompt.rounds, len(prompt.examples)) == ("Write like a pirate.", 7, 1)
    assert prompt.formats == {"json": packaged.formats["json"], "text": "Pairs."}
    assert prompt.sha256 != packaged.sha256
    (tmp_path / "system.txt").write_text("Write like a poet.\n")
    assert load_prompt("daily_dialogue", own).sha256 != prompt.sha256


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('query = "About {colour}."', "unknown placeholder {colour}"),
        ('sistem = "x"', "unknown key 'sistem'"),
        ("system = ", "TOML"),
        ("rounds = true", "'rounds' must be a whole number"),
        ('needs = ["colour"]', "'needs' must be out of captions"),
        ('examples = ["x"]', "an example that is no table"),
        ('system = { file = "missing.txt" }', "missing.txt"),
        ("[[examples]]\ncaptions = 3", "readable example"),
        ('[[examples]]\nrounds = ["x"]', "pairs under `rounds`"),
    ],
)
def test_faults_of_prompt_files_are_named(tmp_path, text, said):
    path = tmp_path / "prompt.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        load_prompt("daily_dialogue", path)
    assert said in str(caught.value)

"""A judge of faithfulness: what it is sent, what its verdicts do, and how calibration tells judges apart."""

import base64
import json
import random

import pytest
from click.testing import CliRunner
from PIL import Image
from scenes import write_sound_records

from lamm_data.cli import data
from lamm_data.errors import LammDataError, UsageError
from lamm_data.generation.answers import UnusableAnswerError, parse_verdict
from lamm_data.generation.input_rows import rows_by_id
from lamm_data.quality.judging.calibration import calibrate_judge
from lamm_data.quality.judging.judge import FaithfulnessSettings
from lamm_data.quality.judging.planting import KINDS, plant_faults
from lamm_data.records.instruction import read_records
from lamm_llm import EndpointSettings


def verdict(score, *quotes):
    return json.dumps({"unsupported": list(quotes), "score": score})


@pytest.fixture
def scenes(world, tmp_path):
    """Sound records of the sample world's scenes: what there is, how many, where, and a box."""
    write_sound_records(rows_by_id(world / "scenes").values(), tmp_path / "records.jsonl")
    return tmp_path / "records.jsonl", world / "scenes"


def asked_about(seen):
    """The dialogue that a request asks about."""
    content = seen.body["messages"][1]["content"]
    text = content if isinstance(content, str) else content[-1]["text"]
    return text.partition("Dialogue to check:\n")[2].partition("\n\nGive the verdict")[0]


def judging(server, tmp_path, **changes):
    endpoint = EndpointSettings(server.url, concurrency=4)
    return FaithfulnessSettings("m", endpoint, tmp_path / "judge.jsonl", **changes)


def run(*arguments):
    return CliRunner().invoke(data, ["check", *map(str, arguments)])


def test_one_fault_of_each_kind_is_planted_and_only_that(scenes):
    path, annotations = scenes
    records, rows = read_records(path), rows_by_id(annotations)
    pairs = plant_faults(records, rows, len(records))
    assert {planted.kind for _, planted in pairs} == set(KINDS)
    for sound, planted in pairs:
        changed = [
            (old.text, new.text)
            for old, new in zip(sound.conversations, planted.record.conversations, strict=True)
            if old != new
        ]
        assert len(changed) == 1
        assert planted.words in changed[0][1]
        assert planted.kind == "relation" or planted.words not in changed[0][0]
        if planted.kind == "absent_object":
            held = " ".join(rows[str(sound.id)].captions)
            named = [label for label in {item.label for row in rows.values() for item in row.objects}
                     if label in planted.words]  # fmt: skip
            assert named
            assert not any(label in held for label in named)
    assert plant_faults(records, rows, 5, seed=1) == plant_faults(records, rows, 5, seed=1)


def oracle(path, found=1.0, accused=0.0, seed=0):
    """A judge that knows the sound dialogues, finds this share of all others and accuses this share of the sound."""
    answers = [[turn.text for turn in record.conversations if turn.role == "gpt"] for record in read_records(path)]

    def answer(text):
        is_sound = any(all(part in text for part in parts) for parts in answers)
        chance = random.Random(f"{seed}{text}").random()
        faulty = chance < (accused if is_sound else found)
        return verdict(2, text) if faulty else verdict(5)

    return answer


@pytest.mark.parametrize(
    ("found", "accused", "useful"), [(1.0, 0.0, True), (0.8, 0.15, True), (0.5, 0.5, False), (0.0, 0.0, False)]
)
def test_calibration_tells_a_truthful_judge_from_noise(loopback, reply, scenes, tmp_path, found, accused, useful):
    path, annotations = scenes
    judge = oracle(path, found, accused)
    server = loopback(lambda seen: reply(judge(asked_about(seen))))
    result = calibrate_judge(path, annotations, judging(server, tmp_path), 40)
    planted, sound = result.judged
    assert planted == sound == result.pairs >= 15
    assert abs(result.found[4] / planted - found) < 0.25
    assert abs(result.accused[4] / sound - accused) < 0.25
    assert result.tells_apart is useful
    if found == 1.0:
        assert result.area == 1.0
        assert result.named == planted
        assert all(result.found_by_kind[kind] == count for kind, count in result.kinds.items())
    sent = len(server.requests)
    calibrate_judge(path, annotations, judging(server, tmp_path), 40)
    assert len(server.requests) == sent  # the journal answers


def test_the_command_fails_records_below_the_least_score_and_those_without_a_verdict(loopback, reply, scenes, tmp_path):
    path, annotations = scenes
    ids = [str(record.id) for record in read_records(path)]
    firsts = [record.conversations[1].text for record in read_records(path)]

    def answer(seen):
        text = asked_about(seen)
        if firsts[0] in text:
            return reply(verdict(2, "shapes in all"))
        return reply("I like shapes." if firsts[1] in text else verdict(5))

    server = loopback(answer)
    asked = [path, "--annotations", annotations, "--judge", "m", "--endpoint", server.url, "--json"]
    result = run(*asked, "--output", tmp_path / "kept.jsonl")
    assert isinstance(result.exception, LammDataError)
    report = json.loads(result.stdout)
    assert report["kinds"] == {"unfaithful": 1, "unjudged": 1}
    first, second = (finding["detail"] for finding in report["findings"])
    assert first == "score 2: shapes in all"
    assert second.startswith("unparsable: ")
    assert report["judge"]["scores"] == {"2": 1, "5": len(ids) - 2}
    kept = [json.loads(line)["id"] for line in (tmp_path / "kept.jsonl").read_text().splitlines()]
    assert kept == ids[2:]
    sent = len(server.requests)
    assert sent == len(ids) + 1  # one was asked again
    assert json.loads(run(*asked).stdout)["kinds"] == report["kinds"]
    assert len(server.requests) == sent


def test_records_with_other_findings_cost_nothing(loopback, reply, scenes):
    path, annotations = scenes
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:3], lines[0]]) + "\n")
    server = loopback(lambda seen: reply(verdict(5)))
    run(path, "--annotations", annotations, "--judge", "m", "--endpoint", server.url)
    assert len(server.requests) == 3


def test_the_picture_is_shown_where_a_media_root_is_stated(loopback, reply, scenes, world):
    path, annotations = scenes
    path.write_text(path.read_text().splitlines()[0] + "\n")
    server = loopback(lambda seen: reply(verdict(5)))
    asked = [path, "--annotations", annotations, "--judge", "m", "--endpoint", server.url]
    assert run(*asked, "--media-root", world / "scenes" / "images").exit_code == 0
    [picture, text] = server.requests[0].body["messages"][1]["content"]
    content = base64.b64decode(picture["image_url"]["url"].partition(",")[2])
    assert content[:3] == b"\xff\xd8\xff"
    assert "Numbers of objects:" in text["text"]
    assert run(*asked).exit_code == 0  # another request: without the picture
    assert isinstance(server.requests[1].body["messages"][1]["content"], str)


def test_views_of_a_cloud_are_shown(loopback, reply, world, tmp_path):
    row = next(iter(rows_by_id(world / "rooms").values()))
    turns = [{"from": "human", "value": "What is there?"}, {"from": "gpt", "value": f"A {row.objects[0].label}."}]
    record = {"id": row.id, "pcl": row.media, "conversations": turns, "task_type": "conversation3d"}
    (tmp_path / "rooms.jsonl").write_text(json.dumps(record) + "\n")
    server = loopback(lambda seen: reply(verdict(5)))
    result = run(tmp_path / "rooms.jsonl", "--annotations", world / "rooms", "--media-root", world / "rooms",
                 "--judge", "m", "--endpoint", server.url)  # fmt: skip
    assert result.exit_code == 0, result.output
    content = server.requests[0].body["messages"][1]["content"]
    assert [part["type"] for part in content] == ["image_url"] * 4 + ["text"]
    assert row.questions[0].text in content[-1]["text"]  # what people asked is evidence, too


def test_a_record_that_nothing_can_be_compared_with_is_not_passed(loopback, reply, scenes, tmp_path):
    path, annotations = scenes
    record = json.loads(path.read_text().splitlines()[0]) | {"id": "elsewhere"}
    path.write_text(json.dumps(record) + "\n")
    server = loopback(lambda seen: reply(verdict(5)))
    asked = [path, "--annotations", annotations, "--judge", "m", "--endpoint", server.url, "--json"]
    report = json.loads(run(*asked).stdout)
    assert report["kinds"] == {"unjudged": 1}
    assert not server.requests
    Image.new("RGB", (8, 8)).save(tmp_path / record["image"])
    assert run(*asked, "--media-root", tmp_path).exit_code == 0


def test_a_reached_limit_leaves_records_unjudged_and_the_next_call_goes_on(loopback, reply, scenes, tmp_path):
    path, annotations = scenes
    (tmp_path / "prices.toml").write_text("[models]\nm = { prompt = 1000, answer = 0 }\n")
    server = loopback(lambda seen: reply(verdict(5), prompt_tokens=800))
    asked = [path, "--annotations", annotations, "--judge", "m", "--endpoint", server.url, "--json", "--no-fail",
             "--prices", tmp_path / "prices.toml"]  # fmt: skip
    report = json.loads(run(*asked, "--max-cost", 4).stdout)
    some = report["judge"]["scores"]["5"]
    assert 0 < some < report["records"]
    assert report["judge"]["unjudged"] == {"not_asked": report["records"] - some}
    assert report["judge"]["cost"] <= 4
    sent = len(server.requests)
    report = json.loads(run(*asked).stdout)
    assert report["kinds"] == {}
    assert len(server.requests) - sent == report["records"] - some


def test_options_of_the_judge_belong_together(scenes):
    path, annotations = scenes
    assert isinstance(run(path, "--judge", "m").exception, UsageError)
    assert isinstance(run(path, "--annotations", annotations, "--calibrate", 3).exception, UsageError)


@pytest.mark.parametrize(
    ("text", "score", "quotes"),
    [
        ('{"unsupported": [], "score": 5}', 5, ()),
        ('Checked.\n```json\n{"unsupported": ["a dog"], "score": "3"}\n```', 3, ("a dog",)),
        ("Unsupported: a dog\nUnsupported: two cats\nScore: 2/5", 2, ("a dog", "two cats")),
        ("Unsupported: none\n**Score:** 5", 5, ()),
        ("Score: 4", 4, ()),
    ],
)
def test_verdicts_are_read_as_judges_write_them(text, score, quotes):
    answer = parse_verdict(text)
    assert (answer.score, answer.items) == (score, quotes)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("It is faithful.", "unparsable"),
        ('{"score": 5}', "unparsable"),
        ('{"unsupported": [], "score": 7}', "unparsable"),
        ('{"unsupported": [], "score": 3.5}', "unparsable"),
        ('{"unsupported": [], "score": true}', "unparsable"),
        ('{"unsupported": ["a dog"], "score": 5}', "contradictory"),
        ('{"unsupported": [], "score": 5}\n{"unsupported": [], "score": 2}', "contradictory"),
        ("Score: 3\nScore: 5", "contradictory"),
        ("Score: 4.5", "unparsable"),
        ("Score: 10", "unparsable"),
    ],
)
def test_what_is_no_verdict_is_none(text, reason):
    with pytest.raises(UnusableAnswerError) as caught:
        parse_verdict(text)
    assert caught.value.reason == reason

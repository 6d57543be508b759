"""Every kind of answer over a real socket: what is asked, and what is written."""

import json

import pytest

from lamm_data.errors import UsageError
from lamm_data.generation.estimate import estimate
from lamm_data.generation.input_rows import read_rows
from lamm_data.generation.run import generate
from lamm_data.records.benchmark import read_benchmark
from lamm_data.records.instruction import read_records

QUESTIONS = [["Are there chairs?", "yes"], ["How many tables are there?", "2"], ["What is white?", "the sink"]]
ROOM = {
    "pcl": "3rscan_pcls/r1.npy",
    "id": "r1",
    "questions": QUESTIONS,
    "instances": [{"category": "chair", "bbox": [1, 2, 0.5, 0.4, 0.4, 0.9], "attributes": ["wooden"]}],
    "relations": [["chair", "close by", "chair"]],
    "src_dataset": "3RScan",
    "src_id": "r1",
    "licence": "terms",
}
STATEMENTS = ["There are chairs.", "There are two tables.", "The sink is white."]


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_statements_become_the_captions_of_rows_for_3d_dialogues(loopback, reply, settings, tmp_path):
    server = loopback(lambda seen: reply(json.dumps({"statements": STATEMENTS})))
    rows = write(tmp_path / "rooms.jsonl", ROOM)
    first = settings(server.url, type="statements", annotations=rows, output=tmp_path / "statements.jsonl")
    assert generate(first).counts.finished == 1
    (row,) = read_rows(first.output)
    assert (row.captions, row.relations, row.licence) == (tuple(STATEMENTS), (("chair", "close by", "chair"),), "terms")
    assert row.objects[0].attributes == ("wooden",)
    assert json.loads(first.output.read_text())["meta"]["prompt"]["name"] == "statements"

    rounds = {"rounds": [{"question": f"What {n}?", "answer": f"That {n}."} for n in range(24)]}
    server = loopback(lambda seen: reply(json.dumps(rounds)))
    output = tmp_path / "daily.jsonl"
    second = settings(server.url, type="daily_dialogue_3d", annotations=first.output, output=output, rounds=24)
    summary = generate(second)
    assert (summary.counts.finished, summary.counts.records, summary.counts.salvaged) == (1, 3, 0)
    records = read_records(output)
    assert [len(record.conversations) // 2 for record in records] == [10, 10, 4]
    assert {(record.pcl, record.task_type, record.src_dataset) for record in records} == {
        ("3rscan_pcls/r1.npy", "conversation3d", "3RScan")
    }
    sent = server.requests[0].body["messages"][-1]["content"]
    assert "There are two tables." in sent
    assert "conversation of 24 rounds" in sent


def test_distractors_make_multiple_choice_benchmark_records(loopback, reply, settings, tmp_path, lines):
    def script(seen):
        good = "sink" in seen.body["messages"][-1]["content"] or len(seen.body["messages"]) > 6
        return reply("a bed\na lamp\na desk\na box\na bin" if good else "yes\nyes.\nno")

    server = loopback(script)
    rows = write(tmp_path / "rooms.jsonl", ROOM)
    output = tmp_path / "VQA_Rooms.jsonl"
    run = settings(server.url, type="distractors", annotations=rows, output=output, format="text", media_prefix="x/")
    summary = generate(run)
    assert (summary.counts.rows, summary.counts.finished, summary.counts.asked_again) == (3, 3, 2)
    for record, (question, right) in zip(read_benchmark(output, "vqa3d"), QUESTIONS, strict=True):
        assert record.gt_choices[record.gt_choice] == right
        assert len(set(record.gt_choices)) == 6
        assert question in record.query
        assert (record.pcl, record.group) == ("x/3rscan_pcls/r1.npy", "r1")
    assert len({record.gt_choice for record in read_benchmark(output, "vqa3d")}) > 1


def test_descriptions_of_clouds_and_knowledge_of_shapes(loopback, reply, settings, tmp_path):
    server = loopback(lambda seen: reply(json.dumps({"description": "A room with chairs. It is empty."})))
    rows = write(tmp_path / "rooms.jsonl", {**ROOM, "captions": STATEMENTS})
    run = settings(server.url, type="detailed_description_3d", annotations=rows, output=tmp_path / "c3.jsonl")
    assert generate(run).counts.finished == 1
    assert read_records(run.output)[0].task_type == "description3d"

    server = loopback(lambda seen: reply())
    rows = write(tmp_path / "shapes.jsonl", {"pcl": "a.npy", "label": "chair"}, {"pcl": "b.npy", "label": "blob"})
    texts = tmp_path / "texts.toml"
    texts.write_text('chair = "A seat for one."\n')
    changes = {"type": "factual_knowledge_dialogue_3d", "annotations": rows, "descriptions": texts}
    run = settings(server.url, output=tmp_path / "c2.jsonl", **changes)
    summary = generate(run)
    assert (summary.counts.finished, summary.counts.rejected) == (1, {"no_description": 1})
    assert "A seat for one." in server.requests[0].body["messages"][-1]["content"]
    texts.write_text("chair = 3\n")
    with pytest.raises(UsageError, match="table of class names"):
        generate(run)


def test_rows_of_the_other_modality_are_rejected_without_a_request(loopback, reply, settings, tmp_path):
    server = loopback(lambda seen: reply())
    rows = write(tmp_path / "mixed.jsonl", {**ROOM, "captions": STATEMENTS}, {"image": "a.jpg", "captions": ["A cup."]})
    summary = generate(settings(server.url, annotations=rows))
    assert (summary.counts.finished, summary.counts.rejected) == (1, {"other_modality": 1})
    assert len(server.requests) == 1
    expected = estimate(settings(server.url, annotations=rows, output=tmp_path / "anew.jsonl"))
    assert (expected.rows, expected.requests, expected.unusable) == (2, 1, 1)


def test_refusals_in_plain_words_are_rejected_as_such(loopback, reply, settings):
    server = loopback(lambda seen: reply("I'm sorry, but I can't assist with that."))
    summary = generate(settings(server.url, type="detailed_description", rows=2, format="text"))
    assert summary.counts.rejected == {"refusal": 2}
    assert len(server.requests) == 2


def test_shards_share_the_rows_and_their_requests(loopback, reply, settings, tmp_path):
    server = loopback(lambda seen: reply())
    parts = [settings(server.url, rows=9, output=tmp_path / f"{n}.jsonl", shard=f"{n}/2") for n in (1, 2)]
    ids = [[record.id for record in _made(part)] for part in parts]
    assert ids == [[f"{n:06d}" for n in range(0, 9, 2)], [f"{n:06d}" for n in range(1, 9, 2)]]
    with pytest.raises(UsageError, match="shard"):
        generate(settings(server.url, shard="3/2"))


def _made(run):
    generate(run)
    return read_records(run.output)


def test_an_estimate_learns_from_the_answers_in_the_journal(loopback, reply, settings):
    server = loopback(lambda seen: reply(completion_tokens=40))
    before = estimate(settings(server.url, rows=20, model="gpt-4o-mini"))
    assert (before.requests, before.sample, before.answer_tokens) == (20, 0, 20 * 512)
    generate(settings(server.url, model="gpt-4o-mini", max_requests=5))
    after = estimate(settings(server.url, model="gpt-4o-mini"))
    assert (after.answered, after.requests, after.sample, after.answer_tokens) == (5, 15, 5, 15 * 40)
    assert after.batch_cost == pytest.approx(after.cost / 2)


def test_redirects_are_not_followed(loopback, reply, answer, settings):
    elsewhere = loopback(lambda seen: reply())
    server = loopback(lambda seen: answer(307, {}, {"location": f"{elsewhere.url}/chat/completions"}))
    with pytest.raises(Exception, match="HTTP 307"):
        generate(settings(server.url, rows=20, concurrency=2))
    assert not elsewhere.requests

"""A whole run over a real socket: counts, resume, rejections, formats."""

import json

import pytest

from lamm_data.errors import LammDataError
from lamm_data.generation.run import generate
from lamm_data.records.instruction import read_records
from lamm_llm import EndpointError, LammLlmError


def test_every_row_becomes_a_valid_record_in_row_order(loopback, reply, settings):
    server = loopback(lambda seen: reply())
    run = settings(server.url, rows=25)
    summary = generate(run)
    records = read_records(run.output)
    assert [record.id for record in records] == [f"{number:06d}" for number in range(25)]
    assert summary.counts.finished == summary.counts.rows == 25
    assert summary.counts.add_up()
    assert summary.traffic.sent == len(server.requests) == 25
    meta = records[0].meta
    assert meta["source"] == {"file": "rows.jsonl", "line": 1}
    assert len(meta["prompt"]["sha256"]) == 64
    assert meta["generator"] == "served"


def test_a_complete_run_sends_nothing_when_run_again(loopback, reply, settings):
    server = loopback(lambda seen: reply())
    first = generate(settings(server.url))
    before = (settings(server.url).output).read_bytes()
    again = generate(settings(server.url))
    assert (first.traffic.sent, again.traffic.sent, len(server.requests)) == (10, 0, 10)
    assert settings(server.url).output.read_bytes() == before


def test_rows_in_another_order_or_more_of_them_reuse_answers(loopback, reply, settings):
    server = loopback(lambda seen: reply())
    run = settings(server.url, rows=6)
    generate(run)
    rows = run.annotations.read_text().splitlines()
    extra = json.dumps({"id": "new", "image": "new.jpg", "captions": ["Something new."]})
    run.annotations.write_text("\n".join([extra, *reversed(rows)]))
    summary = generate(run)
    assert summary.traffic.sent == 1
    assert summary.traffic.reused == 6


def test_unusable_answers_are_asked_once_more_and_then_rejected_with_reason_and_text(loopback, reply, settings, lines):
    server = loopback(lambda seen: reply("no dialogue at all"))
    run = settings(server.url, rows=3)
    summary = generate(run)
    assert summary.counts.rejected == {"unparsable": 3}
    assert summary.counts.add_up()
    assert len(server.requests) == 6
    correction = server.requests[-1].body["messages"][-1]["content"]
    assert "holds no complete pair" in correction
    rejected = lines(run.output.with_name("out.rejected.jsonl"))
    assert [item["id"] for item in rejected] == ["000000", "000001", "000002"]
    assert all(item["text"] == "no dialogue at all" and item["final"] for item in rejected)
    assert generate(run).traffic.sent == 0


def test_a_correction_can_succeed(loopback, reply, settings):
    server = loopback(lambda seen: reply() if len(seen.body["messages"]) > 6 else reply("rubbish"))
    summary = generate(settings(server.url, rows=4))
    assert summary.counts.finished == summary.counts.asked_again == 4


@pytest.mark.parametrize(
    ("finish", "message", "reason"),
    [("stop", {"refusal": "I will not."}, "refusal"), ("content_filter", {}, "filtered")],
)
def test_refusals_are_not_asked_again(loopback, reply, settings, finish, message, reason):
    server = loopback(lambda seen: reply("", finish, **message))
    summary = generate(settings(server.url, rows=2))
    assert summary.counts.rejected == {reason: 2}
    assert len(server.requests) == 2


def test_a_cut_answer_is_salvaged_or_asked_again_with_more_room(loopback, reply, settings):
    server = loopback(lambda seen: reply("Question: What", "length") if seen.body["max_tokens"] == 1024 else reply())
    summary = generate(settings(server.url, rows=1))
    assert [seen.body["max_tokens"] for seen in server.requests] == [1024, 2048]
    assert summary.counts.finished == 1

    cut = "Question: Where is it?\nAnswer: On a table. It may\nQuestion: And"
    server = loopback(lambda seen: reply(cut, "length"))
    summary = generate(settings(server.url, output=settings(server.url).output.with_name("cut.jsonl")))
    assert summary.counts.salvaged == 1


def test_the_format_ladder_steps_down_when_the_server_refuses_a_format(loopback, reply, answer, settings):
    def script(seen):
        if seen.body.get("response_format", {}).get("type") == "json_schema":
            return answer(400, {"error": {"message": "response_format json_schema is not supported"}})
        if "response_format" in seen.body:
            return answer(400, {"error": {"message": "unknown field response_format"}})
        return reply("Question: What?\nAnswer: A cup.")

    summary = generate(settings(loopback(script).url, format="auto", concurrency=1))
    assert summary.format == "text"
    assert summary.counts.finished == 10


def test_the_ladder_ends_at_text_when_json_only_yields_rubbish(loopback, reply, settings):
    server = loopback(
        lambda seen: reply("hm") if "response_format" in seen.body else reply("Question: What?\nAnswer: A cup.")
    )
    run = settings(server.url, format="auto", concurrency=1)
    summary = generate(run)
    assert summary.format == "text"
    assert summary.counts.rows == 10 == summary.counts.finished + summary.counts.rejected.total()
    assert summary.counts.finished >= 7
    assert generate(run).traffic.sent == 0


def test_rows_without_captions_are_rejected_without_a_request(loopback, reply, settings, lines):
    server = loopback(lambda seen: reply())
    run = settings(server.url, rows=3)
    with run.annotations.open("a") as file:
        file.write('{"id": "bare", "image": "bare.jpg"}\n{"id": "x", "image"\n')
        file.write(
            '{"id": "px", "image": "p.jpg", "captions": ["A."], "instances": [{"label": "c", "bbox": [9, 9, 9, 9]}]}\n'
        )
    summary = generate(run)
    assert summary.counts.rejected == {"no_captions": 1, "bad_row": 2}
    rejected = lines(run.output.with_name("out.rejected.jsonl"))
    assert [item["source"]["line"] for item in rejected] == [4, 5, 6]
    assert "fractions of the image size" in rejected[2]["detail"]
    assert len(server.requests) == 3


def test_a_file_of_which_no_row_can_be_used_is_an_error(loopback, reply, settings):
    run = settings(loopback(lambda seen: reply()).url, rows=1)
    run.annotations.write_text('{"id": "bare", "image": "bare.jpg"}\n')
    with pytest.raises(LammDataError, match="1 no_captions"):
        generate(run)
    assert not run.output.exists()


def test_rows_with_the_same_payload_share_one_answer(loopback, reply, settings):
    server = loopback(lambda seen: reply())
    run = settings(server.url, rows=1)
    row = json.loads(run.annotations.read_text())
    run.annotations.write_text("".join(json.dumps({**row, "id": f"copy{n}"}) + "\n" for n in range(5)))
    summary = generate(run)
    assert (summary.counts.records, len(server.requests)) == (5, 1)


def test_a_journal_of_another_run_is_refused_with_the_difference(loopback, reply, settings):
    server = loopback(lambda seen: reply())
    generate(settings(server.url))
    with pytest.raises(LammLlmError, match="model: 'm' there, 'other' here"):
        generate(settings(server.url, model="other"))


def test_a_wrong_model_once_corrected_is_no_other_run_while_nothing_was_answered(loopback, reply, answer, settings):
    unknown = answer(404, {"error": {"message": "The model does not exist."}})
    server = loopback(lambda seen: reply() if seen.body["model"] == "right" else unknown, models=["right"])
    with pytest.raises(EndpointError, match=r"does not exist\. Check --endpoint .* The server offers: right"):
        generate(settings(server.url, model="wrong"))
    assert generate(settings(server.url, model="right")).counts.finished == 10
    assert generate(settings(server.url, model="right")).traffic.sent == 0
    with pytest.raises(LammLlmError, match="model: 'right' there, 'wrong' here"):
        generate(settings(server.url, model="wrong"))


def test_no_key_reaches_a_file_or_an_error(loopback, reply, answer, settings, tmp_path, monkeypatch):
    secret = "sk-verysecretkey123456"
    monkeypatch.setenv("SOME_KEY", secret)
    server = loopback(lambda seen: reply())
    generate(settings(server.url, api_key_env="SOME_KEY"))
    assert server.requests[0].headers["authorization"] == f"Bearer {secret}"
    echo = loopback(lambda seen: answer(401, {"error": {"message": f"Incorrect API key provided: {secret}"}}))
    with pytest.raises(LammLlmError, match="HTTP 401") as caught:
        generate(settings(echo.url, api_key_env="SOME_KEY", output=tmp_path / "b.jsonl"))
    assert secret not in str(caught.value)
    assert secret not in repr(settings(server.url, api_key_env="SOME_KEY"))
    for file in tmp_path.rglob("*"):
        assert secret.encode() not in file.read_bytes()


def test_requests_share_their_prefix_and_put_the_query_last(loopback, reply, settings):
    server = loopback(lambda seen: reply())
    generate(settings(server.url, rows=2))
    first, second = (seen.body["messages"] for seen in server.requests)
    assert first[:-1] == second[:-1]
    assert "Cup" in first[-1]["content"]
    assert "Relations" not in first[-1]["content"]


def test_the_key_of_openai_is_sent_to_no_other_endpoint_unless_named(loopback, reply, settings, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-verysecretkey123456")
    server = loopback(lambda seen: reply())
    generate(settings(server.url, rows=1))
    assert "secret" not in server.requests[0].headers["authorization"]
    named = settings(server.url, rows=1, api_key_env="OPENAI_API_KEY", output=tmp_path / "b.jsonl")
    generate(named)
    assert server.requests[1].headers["authorization"] == "Bearer sk-verysecretkey123456"

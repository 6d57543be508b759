"""Answers as models give them, against a real loopback server: each is the right record or a rejection."""

import json

import pytest

from lamm_data.generation.run import generate

GOOD = json.dumps({"rounds": [{"question": "What is there?", "answer": "A cup."}]})
TEXT = "Question: What is there?\nAnswer: A cup."


def run(loopback, reply, settings, lines, text, finish="stop", **changes):
    server = loopback(lambda seen: reply(text, finish))
    made = settings(server.url, rows=1, **changes)
    summary = generate(made)
    rejected = lines(made.output.with_name("out.rejected.jsonl"))
    assert summary.counts.add_up()
    return summary, lines(made.output), rejected, server


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (f'<think>They want {{"rounds": []}}, e.g. {GOOD.replace("cup", "draft")}</think>\n{GOOD}', "json_schema"),
        (f"They want rounds.</think>{GOOD}", "json_schema"),
        (f"<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>{GOOD}", "json_schema"),
        (f"<think>Question: Is it?\nAnswer: A draft.</think>\n{TEXT}<|im_end|>", "text"),
    ],
)
def test_thinking_is_no_part_of_a_record(loopback, reply, settings, lines, text, form):
    summary, records, _, _ = run(loopback, reply, settings, lines, text, format=form)
    assert summary.counts.finished == 1
    assert [turn["value"] for turn in records[0]["conversations"]] == ["What is there?", "A cup."]


@pytest.mark.parametrize(
    ("text", "kind", "reason"),
    [
        (
            '{"rounds": [{"question": "Q?", "answer": "As an AI, I cannot see the image."}]}',
            "daily_dialogue",
            "refusal",
        ),
        ('{"rounds": [{"question": "Q?", "answer": "Red.<|im_end|>"}, ]}', "daily_dialogue", "markup"),
        ('{"description": "I\'m sorry, but I cannot view images."}', "detailed_description", "refusal"),
        ("", "daily_dialogue", "empty"),
    ],
)
def test_what_is_no_answer_is_rejected_with_its_reason(loopback, reply, settings, lines, text, kind, reason):
    summary, records, rejected, _ = run(loopback, reply, settings, lines, text, type=kind)
    assert (summary.counts.rejected, records, rejected[0]["reason"]) == ({reason: 1}, [], reason)


def test_a_faulty_round_is_dropped_and_counted(loopback, reply, settings, lines):
    rounds = [{"question": "Who?", "answer": "I'm sorry, but I cannot help with that."}, *json.loads(GOOD)["rounds"]]
    summary, records, _, _ = run(loopback, reply, settings, lines, json.dumps({"rounds": rounds}))
    assert (summary.counts.salvaged, len(records[0]["conversations"])) == (1, 2)


@pytest.mark.parametrize("text", ["", "<think>Let me see"])
def test_thinking_up_to_the_limit_is_asked_again_once_with_twice_the_room(loopback, reply, settings, lines, text):
    summary, _, rejected, server = run(loopback, reply, settings, lines, text, "length")
    assert [seen.body["max_tokens"] for seen in server.requests] == [1024, 2048]
    assert (summary.counts.rejected, "--max-tokens" in rejected[0]["detail"]) == ({"cut_off": 1}, True)


def test_an_error_with_http_200_is_tried_again_and_named(loopback, answer, settings, lines):
    server = loopback(lambda seen: answer(body={"error": {"code": 500, "message": "worker died"}}))
    made = settings(server.url, rows=1, attempts=2, retry_delay=0.01)
    summary = generate(made)
    rejected = lines(made.output.with_name("out.rejected.jsonl"))
    assert (summary.counts.failed, summary.traffic.retried) == ({"http_500": 1}, {"http_500": 2})
    assert "worker died" in rejected[0]["detail"]


def test_a_429_within_http_200_throttles(loopback, reply, answer, settings):
    bodies = iter([answer(body={"error": {"code": 429}}, headers={"retry-after": "0"})])
    server = loopback(lambda seen: next(bodies, reply()))
    summary = generate(settings(server.url, rows=1))
    assert (summary.counts.finished, summary.traffic.throttled) == (1, 1)

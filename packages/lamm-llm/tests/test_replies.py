"""Chat completions as servers write them, errors that come with HTTP 200, and what of a text is the answer."""

import json
import time

import pytest

from lamm_llm import (
    Endpoint,
    EndpointError,
    EndpointSettings,
    RefusedError,
    Reply,
    ThrottledError,
    TransientError,
    UnsupportedError,
    json_values,
    read_reply,
    without_thinking,
)


def completion(content, finish="stop", **message):
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content, **message}}
    return {"model": "m", "choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}


def read(values):
    return read_reply(json.dumps(values).encode())


def test_texts_are_joined_and_thinking_is_left_out():
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
        {"type": "text", "text": "A "},
        {"type": "text", "text": "dog."},
    ]
    assert read(completion(parts)).text == "A dog."
    assert read(completion("A dog.", reasoning_content="Hm.")).text == "A dog."
    assert read(completion(None, reasoning="Hm.")).text == ""


@pytest.mark.parametrize(
    ("finish", "same"),
    [("length", "length"), ("max_tokens", "length"), ("MAX_TOKENS", "length"), ("SAFETY", "content_filter"),
     ("end_turn", "stop"), (None, "stop"), ("odd", "odd")],
)  # fmt: skip
def test_reasons_to_stop_are_told_in_one_language(finish, same):
    assert read(completion("A", finish)).finish == same


def failure(values, headers=None):
    endpoint = Endpoint(EndpointSettings("http://127.0.0.1:9/v1", key="sk-secret12345"))
    with pytest.raises((TransientError, ThrottledError, RefusedError, EndpointError, UnsupportedError)) as caught:
        endpoint.read(json.dumps(values).encode(), headers)
    return caught.value


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        ({"error": {"code": 429, "message": "later"}}, ThrottledError, "slow down"),
        ({"error": {"code": "rate_limit_exceeded", "message": "later"}}, ThrottledError, "slow down"),
        ({"error": "Rate limit reached, try again in 2 s"}, ThrottledError, "slow down"),
        ({"base_resp": {"status_code": 1002, "status_msg": "rate limit"}}, ThrottledError, "slow down"),
        ({"error": {"code": 500, "message": "worker died"}}, TransientError, "error 500 in a reply with HTTP 200: wor"),
        ({"error": {"type": "overloaded_error", "message": "busy"}}, TransientError, "error 503 in a reply"),
        ({"error": {"message": "odd"}}, TransientError, "error in a reply with HTTP 200: odd"),
        ({"detail": "odd"}, TransientError, "odd"),
        ({"errors": [{"code": 502, "message": "no worker"}]}, TransientError, "error 502 in a reply with HTTP 200: no"),
        ({"object": "error", "message": "too long", "code": 400}, RefusedError, "error 400 in a reply with HTTP 200: "),
        ({"error": {"code": "context_length_exceeded", "message": "too long"}}, RefusedError, "too long"),
        ({"error": {"code": 400, "message": "no response_format"}}, UnsupportedError, "response_format"),
        ({"error": {"code": "invalid_api_key", "message": "sk-secret12345"}}, EndpointError, "error 401 in a reply"),
        ({"error": {"code": "insufficient_quota", "message": "pay"}}, EndpointError, "quota"),
        ({"error": {"code": "model_not_found", "message": "no m"}}, EndpointError, "--model"),
        ({"choices": [{"error": {"code": 502, "message": "upstream"}}]}, TransientError, "upstream"),
        ({"choices": []}, TransientError, "not a chat completion"),
        ([], TransientError, "not a chat completion"),
    ],
)  # fmt: skip
def test_errors_with_http_200_are_what_they_say(body, kind, words):
    error = failure(body)
    assert type(error) is kind
    assert words in str(error)
    assert "secret" not in str(error)


def test_a_throttling_reply_says_how_long_to_wait():
    assert failure({"error": {"code": 429}}, {"retry-after": "7"}).retry_after == 7.0


def test_an_empty_error_beside_an_answer_is_none():
    assert read({**completion("A"), "error": None, "code": 0, "base_resp": {"status_code": 0}}).text == "A"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<think>Red or blue?</think>\n\nRed.", "Red."),
        ("<thinking>a</thinking>B", "B"),
        ("<think>never closed", ""),
        ("Is <think> a tag? Yes.", "Is <think> a tag? Yes."),
    ],
)
def test_thinking_is_no_part_of_an_answer(text, answer):
    assert without_thinking(text) == answer


HARMONY = "<|channel|>analysis<|message|>Red?<|end|><|start|>assistant<|channel|>final<|message|>"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Red or blue?\n</think>\nRed.", "Red."),  # opened by the prompt
        ("Fine. <think>Red?</think> Red.", "Red."),
        ("<think>I put <think> here</think> and more</think>Red.", "Red."),
        ("Red.\n<think>Was that right?</think>", "Red."),
        ("Red.\n<think>Was that", "Red."),
        ("only thoughts</think>", ""),
        ("<think></think>\n\nRed.", "Red."),
        ("\u25c1think\u25b7Red?\u25c1/think\u25b7Red.", "Red."),
        ("[THINK]Red?[/THINK]Red.", "Red."),
        ("<seed:think>Red?</seed:think>Red.", "Red."),
        ("<think time=3>Red?</think>Red.", "Red."),
        ("&lt;think&gt;Red?&lt;/think&gt;Red.", "Red."),
        ("<|START_THINKING|>Red?<|END_THINKING|><|START_RESPONSE|>Red.<|END_RESPONSE|>", "Red."),
        ("<|begin_of_thought|>Red?<|end_of_thought|><|begin_of_solution|>Red.<|end_of_solution|>", "Red."),
        ("<unused94>thought\nRed?<unused95>Red.", "Red."),
        ("<|channel>thought\nRed?<channel|>Red.", "Red."),
        ("<think>Red?</think><answer>Red.</answer>", "Red."),
        (HARMONY + "Red.<|return|>", "Red."),
        ("<|channel|>analysis<|message|>Red or", ""),
        (
            "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final <|constrain|>json<|message|>[1]",
            "[1]",
        ),
        ("analysisWe need a colour.assistantfinalRed.", "Red."),
        ("analysisWe need a", ""),
        ("Red.<|im_end|>\n<|im_start|>user\nAnd?", "Red."),
        ("<|im_start|>assistant\nRed.<|im_end|>", "Red."),
        ("<start_of_turn>model\nRed.<end_of_turn>", "Red."),
        ("Red.</s>", "Red."),
        ('{"a": "<think>x</think>Red."}', '{"a": "Red."}'),
        ('```json\n{"a": "<think>x</think>Red."}\n```', '```json\n{"a": "Red."}\n```'),
        ("Analysis of the scene shows a dog.", "Analysis of the scene shows a dog."),
        ("a < b and b > c", "a < b and b > c"),
    ],
)
def test_what_is_answered_in_every_chat_format(text, answer):
    assert without_thinking(text) == answer
    assert Reply(text).answer == answer
    assert Reply(text).cut_off == (not answer)


@pytest.mark.parametrize(
    "text", ["<think>" * 20_000, "</think>" + '{"<think>' * 10_000, "\n" * 50_000, "<answer>" * 20_000]
)
def test_hostile_texts_take_no_longer_than_others(text):
    started = time.perf_counter()
    without_thinking(text)
    json_values(text)
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    ("text", "values", "broken"),
    [
        ("A dog [brown] {big}.", [], False),
        ('Before {"a": 1} after [{"b": 2}] end', [{"a": 1}, [{"b": 2}]], False),
        ('{"a": [1, 2,],}', [{"a": [1, 2]}], False),
        ('{"a": "line\nline"}', [{"a": "line\nline"}], False),
        ('{"a": [{"b": 1}, {"b"', [{"b": 1}], True),
        ("[" * 50_000, [], True),
    ],
)
def test_json_is_found_within_text(text, values, broken):
    assert json_values(text) == (values, broken)

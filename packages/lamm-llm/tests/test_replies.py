"""Chat completions as servers write them, and errors that come with HTTP 200."""

import json

import pytest

from lamm_llm import (
    Endpoint,
    EndpointError,
    EndpointSettings,
    RefusedError,
    ThrottledError,
    TransientError,
    UnsupportedError,
    read_reply,
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

"""Keys of requests: the same for the same question, made in parts or whole."""

import pytest

from lamm_llm import FORMATS, RequestMould, make_request

PREFIX = [{"role": "system", "content": "Be brief. \u00e9 \U0001f600"}]


@pytest.mark.parametrize("query", ["What?", "", 'quoted "text"\n', "\u65e5\u672c", "a" * 5000])
@pytest.mark.parametrize("answer_format", FORMATS)
def test_a_mould_makes_the_request_that_the_whole_payload_makes(query, answer_format):
    payload = {"model": "m", "messages": PREFIX, "max_tokens": 7, "temperature": 0.5}
    whole = {**payload, "messages": [*PREFIX, {"role": "user", "content": query}]}
    assert RequestMould(payload, answer_format, 3).request(query) == make_request(whole, answer_format, 3)


def test_what_decides_the_answer_decides_the_key():
    payload = {"model": "m", "messages": PREFIX, "max_tokens": 7}
    keys = {make_request({**payload, **change}).key for change in ({}, {"model": "n"}, {"max_tokens": 8})}
    assert len(keys | {make_request(payload, seed=1).key}) == 4
    assert make_request(payload).key == make_request(payload, "json_object").key

"""Servers that misbehave, over real sockets."""

import asyncio
import json
import random
import time

import pytest

from lamm_data.generation.run import generate
from lamm_data.records.instruction import read_records
from lamm_llm import EndpointError, LammLlmError


def test_an_endpoint_that_is_down_says_what_was_tried_and_how_to_start_one(settings):
    with pytest.raises(EndpointError, match=r"127\.0\.0\.1:9/v1/chat/completions.*transformers serve"):
        generate(settings("http://127.0.0.1:9/v1", retry_delay=0.01))


def test_credentials_in_the_address_are_refused_and_not_repeated(settings):
    with pytest.raises(LammLlmError, match="without user name") as caught:
        generate(settings("http://user:hunter2@127.0.0.1:9/v1"))
    assert "hunter2" not in str(caught.value)


def test_an_unknown_model_error_lists_the_servers_models(loopback, answer, settings):
    server = loopback(
        lambda seen: answer(404, {"error": {"message": "The model m does not exist"}}), models=["small", "large"]
    )
    with pytest.raises(EndpointError, match="The server offers: large, small"):
        generate(settings(server.url))
    assert len(server.requests) <= 8


def test_a_server_that_refuses_everything_stops_the_run(loopback, answer, settings):
    server = loopback(lambda seen: answer(400, {"detail": "Server is pinned to 'x'; requested 'm'."}))
    with pytest.raises(EndpointError, match="pinned"):
        generate(settings(server.url, rows=200, concurrency=4))
    assert len(server.requests) < 20


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_key_stops_at_once(loopback, answer, settings, status):
    server = loopback(lambda seen: answer(status, {"error": {"message": "no"}}))
    with pytest.raises(EndpointError, match="valid API key"):
        generate(settings(server.url, rows=100, concurrency=2))
    assert len(server.requests) <= 2


def test_a_spent_quota_stops_at_once_though_it_is_a_429(loopback, answer, settings):
    body = {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}
    server = loopback(lambda seen: answer(429, body))
    with pytest.raises(EndpointError, match="quota"):
        generate(settings(server.url, rows=100, concurrency=2))
    assert len(server.requests) <= 2


def test_a_row_that_keeps_failing_is_kept_as_failed_and_tried_again_next_time(loopback, reply, answer, settings, lines):
    broken = True

    def script(seen):
        bad = "Cup 3." in seen.body["messages"][-1]["content"]
        return answer(500, {"error": {"message": "boom"}}) if bad and broken else reply()

    server = loopback(script)
    run = settings(server.url, attempts=2, retry_delay=0.01)
    summary = generate(run)
    assert summary.counts.failed == {"http_500": 1}
    assert summary.counts.add_up()
    assert not lines(run.output.with_name("out.rejected.jsonl"))[0]["final"]
    broken = False
    summary = generate(run)
    assert (summary.traffic.sent, summary.counts.finished) == (1, 10)


@pytest.mark.parametrize("headers", [{"retry-after": "1"}, {"retry-after-ms": "300"}])
def test_retry_after_is_honoured(loopback, reply, answer, settings, headers):
    times = []

    def script(seen):
        times.append(seen.at)
        return answer(429, {"error": {"message": "slow"}}, headers) if len(times) == 1 else reply()

    summary = generate(settings(loopback(script).url, rows=2, concurrency=1))
    assert summary.counts.finished == 2
    assert times[1] - times[0] >= (0.99 if "retry-after" in headers else 0.29)


def test_slow_answers_time_out_and_are_tried_again(loopback, reply, settings):
    calls = []

    async def script(seen):
        calls.append(seen)
        if len(calls) == 1:
            await asyncio.sleep(5)
        return reply()

    summary = generate(settings(loopback(script).url, rows=1, timeout=0.3))
    assert summary.traffic.retried == {"timeout": 1}
    assert summary.counts.finished == 1


def test_a_dead_endpoint_hands_its_rows_to_the_living_one(loopback, reply, settings):
    server = loopback(lambda seen: reply())
    run = settings("", rows=40, endpoints=[{"url": "http://127.0.0.1:9/v1"}, {"url": server.url}], retry_delay=0.01)
    summary = generate(run)
    assert summary.counts.finished == 40


def test_the_request_limit_stops_the_run_and_resume_finishes_it(loopback, reply, settings):
    server = loopback(lambda seen: reply())
    summary = generate(settings(server.url, rows=30, max_requests=12))
    assert (len(server.requests), summary.counts.finished, summary.counts.unsent) == (12, 12, 18)
    assert summary.stopped == "--max-requests 12 is reached"
    assert generate(settings(server.url)).traffic.sent == 18


def test_the_cost_limit_overshoots_by_no_more_than_the_requests_in_flight(loopback, reply, settings, tmp_path):
    table = tmp_path / "prices.toml"
    table.write_text("[models]\nm = { prompt = 1000.0, answer = 0.0 }\n")  # 0.1 USD for each request of 100 tokens
    server = loopback(lambda seen: reply())
    summary = generate(settings(server.url, rows=60, prices=table, max_cost=1.0, concurrency=4))
    assert 1.0 <= summary.cost <= 1.0 + 4 * 0.1 + 1e-9
    assert summary.counts.add_up()


def test_a_cost_limit_without_a_price_is_refused(settings):
    with pytest.raises(LammLlmError, match="price"):
        generate(settings("http://127.0.0.1:9/v1", max_cost=1.0))


FAULTS = [
    (0.030, lambda answer: answer(429, {"error": {"message": "slow"}}, {"retry-after-ms": "20"})),
    (0.032, lambda answer: answer(429, {"error": {"message": "slow"}})),
    (0.060, lambda answer: answer(503, {"error": {"message": "busy"}}, {"retry-after-ms": "10"})),
    (0.070, lambda answer: answer(503, {"error": {"message": "busy"}})),
    (0.120, lambda answer: answer(500, {"error": {"message": "boom"}})),
    (0.160, lambda answer: answer(drop=True)),
    (0.200, lambda answer: answer(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{")),
    (0.220, lambda answer: answer(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nnonsense!")),
    (0.240, lambda answer: answer(body={"choices": []})),
]
LIMIT = 15_000
"""Requests a minute that the server's headers allow."""


@pytest.mark.slow
def test_a_thousand_rows_through_every_kind_of_fault(loopback, reply, answer, settings, lines):
    chance = random.Random(7)
    answered, times, spent = {}, [], []

    async def script(seen):
        times.append(seen.at)
        draw = chance.random()
        fault = next((make for below, make in FAULTS if draw < below), None)
        if fault:
            return fault(answer)
        if draw < 0.245:
            await asyncio.sleep(60)
        if len(answered) >= 700 and not spent:
            spent.append(seen)
            return answer(429, {"error": {"message": "no quota left", "code": "insufficient_quota"}})
        key = json.dumps(seen.body["messages"])
        answered[key] = answered.get(key, 0) + 1
        found = reply("no dialogue") if "7." in seen.body["messages"][5]["content"] else reply()
        found.headers = {"x-ratelimit-limit-requests": str(LIMIT)}
        return found

    run = settings(loopback(script).url, rows=1000, concurrency=64, attempts=12, timeout=4.0, retry_delay=0.01)
    started = time.monotonic()
    first = generate(run)
    assert "quota" in first.stopped
    second = generate(run)
    assert time.monotonic() - started < 90
    assert first.counts.add_up()
    assert (second.counts.finished, second.counts.rejected) == (900, {"unparsable": 100})
    assert second.counts.add_up()
    assert len(read_records(run.output)) == 900
    assert len(lines(run.output.with_name("out.rejected.jsonl"))) == 100
    assert len(answered) == 1100  # a hundred corrections
    assert set(answered.values()) == {1}
    traffic = first.traffic.retried + second.traffic.retried
    assert {"http_500", "http_503", "connection", "malformed_reply", "timeout"} <= set(traffic)
    assert first.traffic.throttled > 10
    most = max(sum(at <= other < at + 2 for other in times) for at in times[::10])
    assert (
        most <= 64 + 1.02 * (2 + 1) * LIMIT / 60
    )  # what flew before the limit was known, a second's burst, two seconds

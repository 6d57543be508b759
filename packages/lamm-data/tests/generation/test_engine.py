"""Server processes that die in mid-run, several endpoints, budgets, and rates after pauses."""

import asyncio
import json
import subprocess
import sys
import time

import pytest

from lamm_data.generation.run import generate
from lamm_data.records.instruction import read_records
from lamm_llm import EndpointError, Gate

SERVER = """
import json, socket, sys
content = json.dumps({"rounds": [{"question": "What?", "answer": "That."}]})
body = json.dumps({"model": "s", "choices": [{"message": {"content": content}, "finish_reason": "stop"}]}).encode()
head = b"HTTP/1.1 200 X\\r\\ncontent-type: application/json\\r\\nconnection: close\\r\\ncontent-length: "
listener = socket.create_server(("127.0.0.1", 0), backlog=64)
print(listener.getsockname()[1], flush=True)
for _ in range(int(sys.argv[1])):
    connection, _ = listener.accept()
    data = b""
    while b"\\r\\n\\r\\n" not in data:
        data += connection.recv(65536)
    sent, _, rest = data.partition(b"\\r\\n\\r\\n")
    size = int(sent.lower().split(b"content-length:")[1].split(b"\\r\\n")[0])
    while len(rest) < size:
        rest += connection.recv(65536)
    connection.sendall(head + str(len(body)).encode() + b"\\r\\n\\r\\n" + body)
    connection.close()
"""
"""Answers so many requests, without counting tokens, and is gone: its port refuses connections."""


@pytest.fixture
def mortal():
    """`mortal(answers)` starts a server process that dies after so many answers, and gives its URL."""
    servers = []

    def start(answers):
        server = subprocess.Popen([sys.executable, "-c", SERVER, str(answers)], stdout=subprocess.PIPE)
        servers.append(server)
        return f"http://127.0.0.1:{int(server.stdout.readline())}/v1"

    yield start
    for server in servers:
        server.kill()
        server.wait()
        server.stdout.close()


def test_a_server_process_that_dies_ends_the_run_with_counts_that_add_up(mortal, loopback, reply, settings):
    run = settings(mortal(30), rows=80, concurrency=4, attempts=2, retry_delay=0.01)
    summary = generate(run)
    counts = summary.counts
    assert (counts.finished, counts.unsent, counts.rows) == (30, 50, 80)
    assert counts.add_up()
    assert "transformers serve" in summary.stopped
    assert len(read_records(run.output)) == 30
    server = loopback(lambda seen: reply())
    assert generate(settings(server.url)).counts.finished == 80
    assert len(server.requests) == 50


def test_when_one_of_two_servers_dies_the_other_does_the_rest(mortal, loopback, reply, settings):
    server = loopback(lambda seen: reply())
    endpoints = [{"url": mortal(10), "concurrency": 2}, {"url": server.url, "concurrency": 2}]
    summary = generate(settings("", rows=60, endpoints=endpoints, attempts=2, retry_delay=0.01))
    assert summary.counts.finished == 60
    assert len(server.requests) == 50
    assert len(summary.traffic.given_up) == 1


def test_the_last_rows_of_a_dead_endpoint_are_taken_up_when_the_other_has_nothing_left_to_do(
    loopback, reply, answer, settings
):
    async def slow_refusal(seen):
        await asyncio.sleep(0.5)
        return answer(401, {"error": {"message": "no"}})

    dead, server = loopback(slow_refusal), loopback(lambda seen: reply())
    endpoints = [{"url": dead.url, "concurrency": 3}, {"url": server.url, "concurrency": 1}]
    summary = generate(settings("", rows=12, endpoints=endpoints))
    assert (summary.counts.finished, len(server.requests)) == (12, 12)


def test_rows_that_share_a_request_outlive_the_endpoint_that_was_asking_it(loopback, reply, answer, settings):
    async def slow_refusal(seen):
        await asyncio.sleep(0.3)
        return answer(401, {"error": {"message": "no"}})

    dead, server = loopback(slow_refusal), loopback(lambda seen: reply())
    endpoints = [{"url": dead.url, "concurrency": 1}, {"url": server.url, "concurrency": 2}]
    run = settings("", rows=1, endpoints=endpoints)
    row = json.loads(run.annotations.read_text())
    run.annotations.write_text("".join(json.dumps({**row, "id": f"copy{n}"}) + "\n" for n in range(6)))
    summary = generate(run)
    assert (summary.counts.finished, len(server.requests), len(dead.requests)) == (6, 1, 1)


def test_a_quota_that_ends_in_mid_run_keeps_what_was_answered(loopback, reply, answer, settings):
    def script(seen):
        spent = len(server.requests) > 7
        return answer(429, {"error": {"message": "quota", "code": "insufficient_quota"}}) if spent else reply()

    server = loopback(script)
    run = settings(server.url, rows=40, concurrency=2)
    summary = generate(run)
    assert (summary.counts.finished, summary.counts.unsent) == (7, 33)
    assert "quota" in summary.stopped
    assert len(server.requests) <= 9
    with pytest.raises(EndpointError, match="quota"):
        generate(run)
    assert len(read_records(run.output)) == 7


def test_a_cost_limit_holds_for_a_server_that_counts_no_tokens(mortal, settings, tmp_path):
    table = tmp_path / "prices.toml"
    table.write_text("[models]\nm = { prompt = 1000.0, answer = 0.0 }\n")  # about 0.9 USD a prompt, estimated
    summary = generate(settings(mortal(50), rows=50, prices=table, max_cost=3.0, concurrency=1))
    assert 3.0 <= summary.cost <= 4.5
    assert "--max-cost 3" in summary.stopped


def test_a_stopped_run_does_not_wait_for_its_rate_limit_with_every_row_left(loopback, reply, settings):
    server = loopback(lambda seen: reply())
    started = time.monotonic()
    summary = generate(settings(server.url, rows=500, max_requests=2, requests_per_minute=60))
    assert (summary.counts.finished, summary.counts.unsent) == (2, 498)
    assert time.monotonic() - started < 15


def test_no_burst_follows_a_pause():
    """Places in time that passed during a pause are taken anew, or everyone who waited would send at once."""

    async def enter(gate, times):
        await gate.enter(0)
        times.append(time.monotonic())

    async def run():
        gate, times = Gate(64, requests_per_minute=1200), []
        tasks = [asyncio.create_task(enter(gate, times)) for _ in range(60)]
        await asyncio.sleep(0.05)
        gate.throttled(time.monotonic(), 1.0)
        gate.limit = 64
        await asyncio.gather(*tasks)
        return times

    times = asyncio.run(run())
    late = [at for at in times if at > times[0] + 0.5]
    assert len(late) >= 35
    within = max(sum(at <= other < at + 0.5 for other in late) for at in late)
    assert within <= 20 + 10 + 2  # a second's worth at most at once, and half a second's worth after it

"""Servers that misbehave, on a real socket and through the real client: a reason in one line, and an end in time."""

import asyncio
import json
import logging
import socket
import sys
import threading
import time

import pytest

from lamm_llm import (
    BatchServer,
    Budget,
    Endpoint,
    EndpointError,
    EndpointSettings,
    Engine,
    GaveUpError,
    Reply,
    RetryPolicy,
    make_request,
    user_message,
)

KEY = "mine-0123456789abcdef"
COMPLETION = {
    "choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": "A dog."}}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 4},
}


def http(body, status="200 OK", headers=""):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n{headers}\r\n".encode() + body


class Server:
    """Answers every connection once with `behaviour(connection)` bytes; keeps the heads of the requests."""

    def __init__(self, behaviour):
        self.behaviour, self.heads = behaviour, []
        self.socket = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.socket.getsockname()[1]}/v1"

    def _serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection):
        try:
            with connection:
                connection.settimeout(5)
                head = connection.recv(65536)
                while head[:4] == b"POST" and (b"\r\n\r\n" not in head or not head.endswith(b"}")):
                    head += connection.recv(65536)
                self.heads.append(head)
                said = self.behaviour(len(self.heads))
                for part in [said] if isinstance(said, bytes) else said:
                    connection.sendall(part)
        except OSError:
            pass


@pytest.fixture(params=["aiohttp", "plain sockets"], autouse=True)
def transport(request, monkeypatch):
    """Go through either transport of the SDK."""
    if request.param == "aiohttp":
        pytest.importorskip("aiohttp", reason='install "lamm-llm[fast]"')
    else:
        monkeypatch.setitem(sys.modules, "aiohttp", None)


@pytest.fixture
def serve():
    servers = []

    def start(behaviour):
        servers.append(Server(behaviour if callable(behaviour) else lambda number: behaviour))
        return servers[-1]

    yield start
    for server in servers:
        server.socket.close()


def ask(server, scheme="http", attempts=2, timeout=20.0, patience=900.0, key=KEY) -> Reply:
    async def main():
        endpoint = Endpoint(EndpointSettings(f"{scheme}://{server.address}", key, timeout=timeout))
        engine = Engine([endpoint], None, Budget(), RetryPolicy(attempts, first_delay=0.01, patience=patience))
        try:
            request = {"model": "m", "messages": [user_message("What?")], "max_tokens": 9}
            return await engine.ask(make_request(request), endpoint)
        finally:
            await endpoint.close()

    return asyncio.run(main())


def failure(server, **options):
    with pytest.raises((EndpointError, GaveUpError)) as caught:
        ask(server, **options)
    assert "\n" not in str(caught.value)
    assert KEY not in str(caught.value)
    return caught.value


def test_a_request_tells_nothing_of_this_machine(serve):
    server = serve(http(COMPLETION))
    ask(server)
    head = server.heads[0].partition(b"\r\n\r\n")[0].lower()
    assert b"idempotency-key: " in head
    assert b"content-type: application/json" in head
    assert b"x-stainless" not in head  # the SDK's own: system, processor, Python


def test_names_of_an_openai_account_go_to_openai_only(serve, monkeypatch):
    for variable in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_ADMIN_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(variable, "not-for-strangers")
    server = serve(http(COMPLETION))
    ask(server)
    assert b"not-for-strangers" not in server.heads[0]
    own = Endpoint(EndpointSettings("https://api.openai.com/v1", key=KEY))
    assert (own.client.organization, own.client.project) == ("not-for-strangers", "not-for-strangers")


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Temporary", "308 Permanent"])
def test_a_redirect_is_named_and_the_key_is_not_carried_there(serve, status):
    other = serve(http(COMPLETION))
    server = serve(http(b"", status, f"location: http://me:pw@{other.address}/chat/completions?key=abc\r\n"))
    error = failure(server)
    assert isinstance(error, EndpointError)
    assert f"redirect (HTTP {status[:3]}) to 'http://{other.address}/chat/completions'" in str(error)
    assert (len(server.heads), len(other.heads)) == (1, 0)


def test_an_answer_that_drips_ends_at_the_time_limit(serve):
    def drip(number):
        yield b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"
        while True:
            time.sleep(0.1)
            yield b" "

    started = time.monotonic()
    error = failure(serve(drip), attempts=1, timeout=1.0)
    assert error.reason == "timeout"
    assert "no whole answer within 1 s" in str(error)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "greeting",
    [b"SSH-2.0-OpenSSH_9.6\r\n\r\n", b"220 mail.example.org ESMTP\r\n\r\n", b"\x00\xff\x00\xff" * 20, b"{}\r\n\r\n"],
)
def test_a_server_that_speaks_no_http_is_named_at_the_first_try(serve, greeting):
    server = serve(greeting)
    error = failure(server, attempts=5)
    assert isinstance(error, EndpointError)
    assert f"Expected a server that speaks HTTP at http://{server.address}, got: " in str(error)
    assert len(server.heads) == 1


def test_tls_to_a_server_without_is_named_at_the_first_try(serve):
    server = serve(http(b"<html>", "400 Bad Request"))
    error = failure(server, scheme="https", attempts=5)
    assert isinstance(error, EndpointError)
    assert f"Expected a server with TLS that can be trusted at https://{server.address}, got: " in str(error)
    assert len(server.heads) == 1


@pytest.mark.parametrize(
    "body",
    [b"<!doctype html><html><body>Log in</body></html>", b"[" * 100_000, b'{"a":' * 100_000, b"", b"\xff\xfe\x00",
     b'{"error":' + b"[" * 900 + b"]" * 900 + b"}", b'{"choices":' + b"9" * 5000 + b"}", b"null", b"1"],
)  # fmt: skip
def test_a_page_and_json_beyond_reason_are_a_reason(serve, body):
    assert failure(serve(http(body))).reason in ("malformed_reply", "error_reply")


@pytest.mark.parametrize("header", ["retry-after: 86400", "retry-after: 1e999", "retry-after-ms: 86400000"])
def test_a_long_wait_that_a_server_asks_for_is_capped_and_told(serve, header, monkeypatch, caplog):
    monkeypatch.setattr("lamm_llm.errors.LONGEST_PAUSE", 0.2)
    monkeypatch.setattr("lamm_llm.engine.LONGEST_PAUSE", 0.2)
    server = serve(lambda number: http({}, "429 Slow", header + "\r\n") if number < 3 else http(COMPLETION))
    with caplog.at_level(logging.WARNING, "lamm_llm"):
        assert ask(server).text == "A dog."
    assert [record.name for record in caplog.records] == ["lamm_llm"]
    assert f"http://{server.address} asks to wait for" in caplog.text
    patient = serve(http({}, "429 Slow", "retry-after: 86400\r\n"))
    assert "it only asks to slow down for 86400 s (Retry-After)" in str(failure(patient, patience=0.1))


def test_odd_limits_in_headers_do_not_stop_a_run(serve):
    headers = (
        "x-ratelimit-limit-requests: \u00b2\r\nx-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: nan\r\n"
    )
    assert ask(serve(http(COMPLETION, headers=headers))).text == "A dog."


@pytest.mark.parametrize("status", ["400 Bad", "401 No", "404 No", "500 Odd", "200 OK"])
def test_keys_that_a_server_echoes_are_struck_out(serve, status):
    words = "x" * 490 + f" your key is {KEY}"
    for message in (words, f"{KEY} is wrong, Bearer {KEY}"):
        with pytest.raises(Exception) as caught:
            ask(serve(http({"error": {"message": message}}, status)), attempts=1)
        assert not any(KEY[:length] in str(caught.value) for length in range(8, len(KEY)))


def test_keys_are_struck_out_of_every_field_of_a_reply_and_words_are_left(serve):
    body = {**COMPLETION, "model": f"m {KEY}", "system_fingerprint": KEY}
    body["choices"] = [{"finish_reason": KEY, "message": {"content": f"none of {KEY}", "refusal": KEY}}]
    assert KEY not in str(ask(serve(http(body))))
    assert ask(serve(http(body)), key="none").text == f"none of {KEY}"


@pytest.mark.parametrize("key", ['own"secret"word', "own\\secret\\word", "own/secret/word"])
def test_keys_that_json_escapes_are_struck_out(serve, key):
    body = {"choices": [{"message": {"content": f"Your key is {key}."}}]}
    assert ask(serve(http(body)), key=key).text == "Your key is ***."


@pytest.mark.parametrize("count", [-5, 10**12, 1e300, 2.5, "many", True, [1], {"a": 1}])
def test_counts_of_tokens_that_cannot_be_are_estimated_in_their_place(serve, count):
    usage = {"prompt_tokens": count, "completion_tokens": 4}
    reply = ask(serve(http({**COMPLETION, "usage": usage})))
    assert 0 < reply.prompt_tokens < 100
    assert reply.completion_tokens == 4


@pytest.mark.parametrize("body", [b"<html>", b"[" * 100_000, b'{"data": 5}', b'{"data": [[1], {"name": 1}]}', b"null"])
def test_models_that_a_server_does_not_tell_are_none(serve, body):
    async def names(address):
        endpoint = Endpoint(EndpointSettings(f"http://{address}", KEY))
        try:
            return await endpoint.model_names()
        finally:
            await endpoint.close()

    assert asyncio.run(names(serve(http(body)).address)) == []
    told = json.dumps({"data": [{"id": f"m {KEY}"}]}).encode()
    assert asyncio.run(names(serve(http(told)).address)) == ["m ***"]


@pytest.mark.parametrize("body", [b"<html>", b"[" * 100_000, b"null"])
def test_pages_in_place_of_batches_are_a_reason(serve, body):
    async def look(address):
        endpoint = Endpoint(EndpointSettings(f"http://{address}", KEY))
        try:
            await BatchServer(endpoint, RetryPolicy(2, first_delay=0.01)).retrieve("b")
        finally:
            await endpoint.close()

    headers = "content-type: application/json\r\n" if body[:1] != b"<" else "content-type: text/html\r\n"
    server = serve(http(body, headers=headers))
    with pytest.raises(EndpointError, match="the Batch API: ") as caught:
        asyncio.run(look(server.address))
    assert "\n" not in str(caught.value)

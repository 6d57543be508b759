"""What strangers send, over a real socket: each gets its own answer, and the next request is answered as ever."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hostile_requests import HOSTILE, file, huge_array, plain
from serving_requests import raw

from lamm_model.serving import server as server_module
from lamm_model.serving.engine import ChatEngine
from lamm_model.serving.server import ChatServer


def ask(server, body, **headers):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return raw(server, body=content, **{"content_type": "application/json", **headers})


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_requests_end_alone(server, name):
    body, status, words = HOSTILE[name]
    good = ask(server, plain())[1]["choices"][0]["message"]["content"]
    found, reply = ask(server, body)
    assert found in ((200, 400) if status is None else (status,)), reply
    if found != 200:
        message = reply["error"]["message"]
        assert words is None or words in message
        assert tempfile.gettempdir() not in message
        assert "\n" not in message
    assert ask(server, plain())[1]["choices"][0]["message"]["content"] == good
    assert raw(server, "GET", "/health", None) == (200, {"status": "ok"})


def test_fifty_at_once_beside_hostile_ones_and_a_hundred_idle_connections(server):
    idle = [socket.create_connection(("127.0.0.1", server.server_port)) for _ in range(100)]
    good = ask(server, plain())[1]["choices"][0]["message"]["content"]
    bad = [body for body, status, _ in HOSTILE.values() if status == 400][:10]
    try:
        with ThreadPoolExecutor(60) as pool:
            hostile = [pool.submit(ask, server, body) for body in bad]
            replies = list(pool.map(lambda _: ask(server, plain()), range(50)))
            assert {one.result()[0] for one in hostile} == {400}
        assert {(status, reply["choices"][0]["message"]["content"]) for status, reply in replies} == {(200, good)}
    finally:
        for connection in idle:
            connection.close()


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_leaves_the_batch(model_and_processor, stream, monkeypatch):
    engine = ChatEngine(*model_and_processor, batch_size=2)
    httpd = ChatServer(("127.0.0.1", 0), engine, "tiny")
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    body = json.dumps(plain("Tell a long story.", max_tokens=400, stream=stream)).encode()
    try:
        monkeypatch.setattr("lamm_model.serving.engine.advance", slowed(0.02))
        with socket.create_connection(("127.0.0.1", httpd.server_port)) as connection:
            head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
            connection.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + body)
            wait_for(lambda: engine.load == (0, 1))
        wait_for(lambda: engine.load == (0, 0), seconds=3)
        assert engine.metrics.answers["abandoned"] == 1
        wait_for(lambda: engine.metrics.requests["499" if not stream else "200"] == 1)
    finally:
        httpd.shutdown()
        engine.close()


def slowed(seconds):
    from lamm_model.answering.decoding import advance

    def slow(*arguments):
        time.sleep(seconds)
        return advance(*arguments)

    return slow


def wait_for(found, seconds=10):
    end = time.monotonic() + seconds
    while not found() and time.monotonic() < end:
        time.sleep(0.01)
    assert found()


def test_a_slow_body_and_an_endless_one_are_ended(server, monkeypatch):
    monkeypatch.setattr(server_module, "BODY_SECONDS", 0.3)
    monkeypatch.setattr(server_module, "MAX_BODY", 1000)
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as connection:
        connection.sendall(head + b"Content-Length: 500\r\n\r\n{")
        assert b" 408 " in connection.recv(1000).split(b"\r\n")[0]
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as connection:
        connection.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n" + b"100\r\n" + b"x" * 256 + b"\r\n")
        for _ in range(5):
            connection.sendall(b"100\r\n" + b"x" * 256 + b"\r\n")
        assert b" 413 " in connection.recv(1000).split(b"\r\n")[0]
    assert ask(server, plain())[0] == 200


def test_foreign_names_and_foreign_pages_are_refused(server):
    def status(**headers):
        connection = server_module.socket.create_connection(("127.0.0.1", server.server_port), timeout=10)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        with connection:
            connection.sendall(f"GET /v1/models HTTP/1.1\r\n{lines}Connection: close\r\n\r\n".encode())
            return int(connection.recv(100).split()[1])

    port = server.server_port
    for name in ("127.0.0.1", f"localhost:{port}", f"[::1]:{port}", "192.168.1.7"):
        assert status(Host=name) == 200
    for name in ("attacker.example", f"attacker.example:{port}", "localhost.attacker.example", "[", "127.0.0.1.nip.io"):
        assert status(Host=name) in (400, 403), name
    assert status(Host=f"localhost:{port}", Origin=f"http://localhost:{port}") == 200
    for origin in ("http://attacker.example", "null", f"http://localhost:{port + 1}", "http://["):
        assert status(Host=f"localhost:{port}", Origin=origin) == 403, origin


def test_a_fault_of_ours_is_a_500_with_its_id_in_the_log(server, monkeypatch, caplog):
    from lamm_model.serving.sampling import Sampler

    monkeypatch.setattr(Sampler, "choose", lambda *_: {}["a secret"])
    status, reply = ask(server, plain())
    assert (status, reply["error"]["message"]) == (500, "Expected an answer, got KeyError.")
    assert any("chatcmpl-" in record.getMessage() and "500" in record.getMessage() for record in caplog.records)
    monkeypatch.undo()
    assert ask(server, plain())[0] == 200


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_health_says_when_the_worker_has_died(model_and_processor, monkeypatch):
    engine = ChatEngine(*model_and_processor)
    httpd = ChatServer(("127.0.0.1", 0), engine, "tiny")
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    monkeypatch.setattr(engine, "_turn", lambda: sys.exit())
    while ask(httpd, plain())[0] == 200:  # a turn that waits already is of the old kind
        pass
    wait_for(lambda: raw(httpd, "GET", "/health", None)[0] == 503)
    httpd.shutdown()
    engine.close()


def counters(server) -> dict[str, str]:
    connection = socket.create_connection(("127.0.0.1", server.server_port), timeout=10)
    with connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        text = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    return dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("lamm_"))


def test_metrics_count(server):
    ask(server, plain())
    ask(server, b"{")
    deadline = time.monotonic() + 10  # an answer is out a moment before its row has left the batch
    while (values := counters(server))["lamm_running"] != "0" and time.monotonic() < deadline:
        time.sleep(0.02)
    assert int(values['lamm_requests_total{status="200"}']) >= 1
    assert int(values['lamm_requests_total{status="400"}']) >= 1
    assert int(values['lamm_tokens_total{kind="completion"}']) >= 6
    assert values["lamm_running"] == "0"
    assert values['lamm_answer_seconds_bucket{le="+Inf"}'] == values["lamm_answer_seconds_count"]


def test_folders_of_a_killed_server_are_removed_at_the_next_start(tmp_path, monkeypatch):
    code = (
        "import os, tempfile, time; from lamm_model.serving.reading import FOLDER_PREFIX;"
        "print(tempfile.mkdtemp(prefix=f'{FOLDER_PREFIX}{os.getpid()}-'), flush=True); time.sleep(60)"
    )
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    folder = Path(process.stdout.readline().strip())
    (folder / "room.npy").write_bytes(b"private")
    other = tmp_path / "lamm-serve-notes"
    other.mkdir()
    server_module.remove_leftovers()
    assert folder.is_dir()  # its process runs
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    server_module.remove_leftovers()
    assert not folder.exists()
    assert other.is_dir()


def test_nothing_stays_of_uploads(server, media):
    body = file("room.npy", (media / "0.npy").read_bytes())
    assert ask(server, body)[0] == 200
    folders = list(Path(tempfile.gettempdir()).glob(f"lamm-serve-{os.getpid()}-*/*"))
    assert folders == []


def test_clouds_are_drawn_for_the_page_and_broken_ones_refused(server, media):
    import http.client

    def post(name, content):
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
        connection.request("POST", f"/cloud?name={name}", content, {"Content-Type": "application/octet-stream"})
        reply = connection.getresponse()
        found = reply.status, reply.read()
        connection.close()
        return found

    status, packed = post("room.npy", (media / "0.npy").read_bytes())
    assert status == 200
    cloud = json.loads(packed)
    assert (cloud["n"], cloud["total"], cloud["outside"]) == (100, 100, 0)
    assert cloud["low"] < cloud["high"]
    assert post("room.npy", huge_array())[0] == 400
    assert post("room.exe", b"x")[0] == 400

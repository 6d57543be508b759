"""Mixed requests over sixteen connections, a tenth of them hostile: none is lost, memory stays flat.

`nox -s soak` sends 2,000; by itself the test sends LAMM_SOAK_REQUESTS, 240 where nothing is said.
"""

import http.client
import json
import os
import queue
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hostile_requests import HOSTILE, plain
from serving_requests import cloud, picture, question

CONNECTIONS = 16
MOST_GROWTH = 48 << 20  # bytes, from a third of the requests to the last
WANTED = {"type": "json_schema", "json_schema": {"schema": {"enum": ["red", "blue"]}}}


@pytest.fixture(scope="module")
def served(model_and_processor, tmp_path_factory):
    from lamm_model import save_model

    folder = tmp_path_factory.mktemp("served") / "tiny"
    save_model(*model_and_processor, folder)
    code = "from lamm_model.cli import model; model()"
    command = [sys.executable, "-c", code, "serve", "--model", str(folder), "--port", "0", "--batch-size", "8"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with open(folder.parent / "log", "w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
    yield process, urlsplit(process.stdout.readline().split()[0]).port, folder.parent / "log"
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    process.stdout.close()


def requests(media):
    """Every kind of request that the soak sends, hostile ones apart."""
    return [
        plain("How many lamps?", max_tokens=9),
        plain("Where?", max_tokens=30, stream=True, stream_options={"include_usage": True}),
        {"messages": question("How many?", picture(media / "0.png")), "max_tokens": 12},
        {"messages": question("How many?", cloud(media / "1.npy")), "max_tokens": 5},
        {"messages": question("Both?", picture(media / "2.png"), cloud(media / "2.npy")), "max_tokens": 20},
        plain("Draw.", max_tokens=9, temperature=1.2, seed=5, n=3),
        plain("How sure?", max_tokens=4, logprobs=True, top_logprobs=5),
        plain("Which colour?", max_tokens=20, response_format=WANTED),
    ]


def text_of(content, stream):
    if not stream:
        return [choice["message"]["content"] for choice in json.loads(content)["choices"]]
    lines = content.decode().split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    pieces = [json.loads(line[6:]) for line in lines[:-2]]
    return ["".join(choice["delta"]["content"] for piece in pieces for choice in piece["choices"])]


def memory(process):
    return int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_soak_of_mixed_requests_loses_none_and_keeps_memory_flat(served, media):
    process, port, log = served
    count = int(os.environ.get("LAMM_SOAK_REQUESTS", "240"))
    good = requests(media)
    bad = [(body, status) for body, status, _ in HOSTILE.values() if status == 400]
    waiting, found, sizes = queue.SimpleQueue(), {}, {}
    for number in range(count):
        waiting.put(number)

    def work():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        while True:
            try:
                number = waiting.get_nowait()
            except queue.Empty:
                connection.close()
                return
            draw = random.Random(number)
            hostile = number % 10 == 3
            body = draw.choice(bad)[0] if hostile else good[number % len(good)]
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            connection.request("POST", "/v1/chat/completions", content, {"Content-Type": "application/json"})
            reply = connection.getresponse()
            received = reply.read()
            stream = isinstance(body, dict) and body.get("stream", False)
            texts = text_of(received, stream) if reply.status == 200 else json.loads(received)["error"]["message"]
            found[number] = (hostile, reply.status, number % len(good), texts)
            if len(found) == count // 3:
                sizes["third"] = memory(process)

    threads = [threading.Thread(target=work) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(count))
    assert {status for hostile, status, _, _ in found.values() if hostile} == {400}
    assert {status for hostile, status, _, _ in found.values() if not hostile} == {200}
    for kind in range(len(good)):  # whoever was answered beside it, the same question has the same answer
        answers = {tuple(texts) for hostile, _, its, texts in found.values() if its == kind and not hostile}
        assert len(answers) == 1, kind
    assert "Traceback" not in log.read_text()
    grown = memory(process) - sizes["third"]
    sys.stdout.write(
        f"\n{count} requests, {memory(process) / 2**20:.0f} MiB, {grown / 2**20:+.1f} since a third of them\n"
    )
    assert grown < MOST_GROWTH

"""A loopback server that speaks OpenAI's chat completions, and judges of known bias."""

import json
import re
import threading
from collections import Counter
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from lamm_metrics.gpt.settings import JudgeSettings

CRITERIA = ("accuracy", "relevance", "fluency", "logical_coherence", "information_richness")


def shown_answers(body):
    """The answers in a request, in the order shown."""
    user = body["messages"][1]["content"]
    return [hit[2] for hit in re.finditer(r"<answer (\w) \w+>\n(.*?)\n</answer \1 ", user, re.S)]


def coin(*parts):
    """A number from 0 to 1 that depends on the parts only."""
    return int(sha256(json.dumps(parts).encode()).hexdigest()[:12], 16) / 16**12


def verdict(pick):
    """A verdict of a comparison: 0 the first answer, 1 the second, None neither."""
    return json.dumps({"explanation": "because", "verdict": "tie" if pick is None else "AB"[pick]})


def grades(value):
    """A verdict in absolute mode with the same grade throughout."""
    return json.dumps({"explanation": "because", **dict.fromkeys(CRITERIA, value)})


def always_first(body):
    return verdict(0)


def longest_wins(body):
    lengths = [len(answer) for answer in shown_answers(body)]
    return verdict(None if lengths[0] == lengths[1] else lengths.index(max(lengths)))


def truth_plus_noise(better):
    """Prefers the answer that holds "good", with this chance in every single verdict."""

    def judge(body):
        answers = shown_answers(body)
        good = next(index for index, answer in enumerate(answers) if "good" in answer)
        return verdict(good if coin(body["model"], *answers, body["seed"]) < better else 1 - good)

    return judge


class Server(ThreadingHTTPServer):
    """Counts what comes in and what went out; `behaviour(body, times)` gives a text or (status, headers, text)."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.behaviour = always_first
        self.lock = threading.Lock()
        self.received = Counter()
        self.by_key = Counter()
        self.answered = Counter()
        self.bodies = []
        self.headers_seen = []
        self.models = ["judge-1"]
        self.batches = None
        self.hold_from = None
        self.released = threading.Event()
        self.usage = {"prompt_tokens": 100, "completion_tokens": 10}

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, request, client_address):
        """Clients are killed on purpose here."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # One packet a reply; otherwise the kernel waits 40 ms for the first one to be confirmed.
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def do_GET(self):
        if self.server.batches is not None and not self.path.startswith("/v1/models"):
            self.reply(200, {}, self.server.batches.get(self.path).decode())
            return
        self.reply(200, {}, json.dumps({"data": [{"id": name} for name in self.server.models]}))

    def do_POST(self):
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.path.endswith("/chat/completions"):
            self.other(raw)
            return
        body, server = json.loads(raw), self.server
        key = sha256(raw).hexdigest()
        with server.lock:
            server.received[key] += 1
            server.by_key[self.headers.get("Idempotency-Key")] += 1
            server.bodies.append(body)
            server.headers_seen.append(dict(self.headers))
            times, number = server.received[key], len(server.bodies)
        if server.hold_from is not None and number >= server.hold_from:
            server.released.wait(60)
            self.close_connection = True
            return
        found = server.behaviour(body, times) if server.behaviour.__code__.co_argcount == 2 else server.behaviour(body)
        if isinstance(found, tuple):
            self.reply(*found)
            return
        self.reply(200, {}, completion(found, body, server.usage))
        with server.lock:
            server.answered[key] += 1

    def other(self, raw):
        """Files and batches, where a test has some."""
        if self.server.batches is None:
            self.reply(404, {}, json.dumps({"error": {"message": f"no {self.path} here"}}))
        else:
            self.reply(200, {}, json.dumps(self.server.batches.post(self.path, raw, self.headers["Content-Type"])))

    def reply(self, status, headers, text):
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


def completion(text, body, usage):
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    values = {"id": "1", "object": "chat.completion", "created": 1, "model": body["model"], "choices": [choice]}
    return json.dumps(values | ({"usage": usage} if usage else {}))


@pytest.fixture
def server():
    pytest.importorskip("openai")
    running = Server()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield running
    running.released.set()
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.fixture
def kit():
    """The judges and builders that tests use."""
    return SimpleNamespace(
        always_first=always_first,
        longest_wins=longest_wins,
        truth_plus_noise=truth_plus_noise,
        shown_answers=shown_answers,
        verdict=verdict,
        grades=grades,
        coin=coin,
        captions=captions,
        completion=completion,
        settings=settings,
    )


def captions(records, *texts):
    """Caption records, and the predictions of one model a text; {} is the number of the record."""
    references = [
        {"id": number, "image": f"{number}.jpg", "query": "What is shown?", "sentences": [f"thing {number}"]}
        for number in range(records)
    ]
    answers = [[{"id": number, "text": text.format(number)} for number in range(records)] for text in texts]
    return references, answers


def settings(server, **options):
    return JudgeSettings(server.url, **{"judges": ("judge-1",), "draws": 300, "repeat_share": 0.0, **options})

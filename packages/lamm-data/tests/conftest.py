"""The sample world, real files, and a scripted OpenAI-compatible server on a real loopback socket."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings

from lamm_data.sample.world import write_world

# Shared machines are slow at times: a property is no clock.
settings.register_profile("lamm-data", deadline=None)
settings.load_profile("lamm-data")

DIALOGUE = json.dumps({"rounds": [{"question": "What is there?", "answer": "A thing."}]})


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """A small sample world: 180 images, 60 rooms."""
    root = tmp_path_factory.mktemp("world") / "sample"
    write_world(root, images=126, rooms=40, seed=3)
    return root


@pytest.fixture(scope="session")
def real_data():
    """The folder of real annotation files; tests that need it skip without it."""
    default = Path(__file__).resolve().parents[4] / "shared" / "data"
    root = Path(os.environ.get("LAMM_TEST_DATA", default))
    if not root.is_dir():
        pytest.skip(f"no real annotation files at {root}; set LAMM_TEST_DATA")
    return root


@dataclass
class Seen:
    """One request as the server saw it."""

    body: dict
    headers: dict[str, str]
    path: str
    at: float


@dataclass
class Answer:
    """What to send back; `raw` replaces the whole answer, `drop` closes the connection without one."""

    status: int = 200
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    drop: bool = False


def completion(
    text: str = DIALOGUE, finish: str = "stop", prompt_tokens: int = 100, completion_tokens: int = 10, **message
):
    return Answer(
        body={
            "id": "x",
            "model": "served",
            "system_fingerprint": "fp",
            "choices": [
                {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text, **message}}
            ],
            "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens},
        }
    )


Script = Callable[[Seen], "Answer | Awaitable[Answer]"]
Desk = Callable[[str, str, dict[str, str], bytes], "Answer | None"]


class Loopback:
    """Runs in a thread of its own; `requests` holds all chat requests seen. A desk answers for files and batches."""

    def __init__(self, script: Script, models: list[str] | None = None, desk: Desk | None = None) -> None:
        self.script = script
        self.models = models
        self.desk = desk
        self.requests: list[Seen] = []
        self.answered: list[Seen] = []
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode().split("\r\n")
                headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines if line)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                method, path, _ = first.split()
                answer = self.desk(method, path, headers, body) if self.desk else None
                answer = answer or await self._answer(path, headers, body)
                if answer.drop:
                    break
                writer.write(answer.raw if answer.raw is not None else _encode(answer))
                await writer.drain()
                if answer.raw is not None:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        if path.endswith("/models"):
            if self.models is None:
                return Answer(404, {"error": {"message": "no such page"}})
            return Answer(body={"data": [{"id": name} for name in self.models]})
        seen = Seen(json.loads(body), headers, path, asyncio.get_running_loop().time())
        self.requests.append(seen)
        answer = self.script(seen)
        if isinstance(answer, Awaitable):
            answer = await answer
        if answer.status == 200 and answer.raw is None and not answer.drop:
            self.answered.append(seen)
        return answer


def _encode(answer: Answer) -> bytes:
    body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body)), **answer.headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {answer.status} X\r\n{lines}\r\n".encode() + body


@pytest.fixture
def loopback():
    """`loopback(script)` starts a server that lives until the test ends."""
    with ExitStack() as stack:
        yield lambda script, **options: stack.enter_context(Loopback(script, **options))


@pytest.fixture
def reply():
    return completion


@pytest.fixture
def answer():
    return Answer


@pytest.fixture
def lines():
    return lambda path: [json.loads(line) for line in path.read_text().splitlines()]

"""The HTTP side: chat completions as OpenAI's clients expect them, a page, `/health` and `/metrics`."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import json
import os
import shutil
import socket
import tempfile
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

from lamm_data import packed_cloud, viewer_script
from lamm_model.errors import LammModelError
from lamm_model.serving.answers import Answers, AnswerStream, ClientGoneError, error, status_of
from lamm_model.serving.engine import LOG, ChatEngine
from lamm_model.serving.messages import POINT_CLOUD_SUFFIXES, RequestError, read_request
from lamm_model.serving.reading import FOLDER_PREFIX, Prompt

MAX_BODY = 256 << 20  # bytes; a cloud of a few million points in base64
MAX_BODIES = 1 << 30  # bytes of all requests that are being read
MOST_VALUES = 200_000  # of a JSON body; each takes fifty times its length in memory
UNREAD_BODY = 1 << 20  # bytes taken from a request that is refused before it is read, so that most clients hear why
BODY_SECONDS = 60.0
IDLE_SECONDS = 120
READERS = 2  # threads that read media: each may hold a large picture
BACKLOG = 1024  # connections that wait to be taken
OPEN_TO_ALL = ("/", "/health")  # what needs no key
T = TypeVar("T")


class ChatServer:
    """Serves one model.

    Args:
        address: Host and port; port 0 takes a free one.
        engine: What answers.
        name: What clients call the model.
        max_new_tokens: Longest answer where a request states none.
        api_key: Bearer token that requests must carry; none is needed when empty.
        names: Names that requests may address the server by, besides `localhost` and any IP address.

    Raises:
        LammModelError: The address cannot be listened on.

    Attributes:
        server_port: The port.
        url: Base address for clients.
    """

    def __init__(
        self,
        address: tuple[str, int],
        engine: ChatEngine,
        name: str,
        max_new_tokens: int = 256,
        api_key: str = "",
        names: tuple[str, ...] = (),
    ) -> None:
        self._engine = engine
        self._name = name
        self._max_new_tokens = max_new_tokens
        self._api_key = api_key
        self._names = {"localhost", *(name.lower() for name in names)}
        self._being_read = 0  # bytes
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="lamm-reader")
        self._page = _page()
        self._routes = {
            ("GET", "/"): self._show_page,
            ("GET", "/health"): self._health,
            ("GET", "/metrics"): self._metrics,
            ("GET", "/v1/models"): self._models,
            ("POST", "/v1/chat/completions"): self._chat,
            ("POST", "/cloud"): self._cloud,
        }
        self._socket = _listen(*address)
        host, self.server_port = self._socket.getsockname()[:2]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.server_port}/v1"
        config = uvicorn.Config(
            self, log_level="warning", access_log=False, server_header=False, lifespan="off", ws="none", http="h11",
            backlog=BACKLOG, timeout_keep_alive=IDLE_SECONDS, timeout_graceful_shutdown=10,
        )  # fmt: skip
        self._server = uvicorn.Server(config)

    def serve_forever(self) -> None:
        """Answer until `shutdown`, or a signal in the main thread."""
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._socket.close()
            self._readers.shutdown(wait=False, cancel_futures=True)

    def shutdown(self) -> None:
        """Let what is being answered end, for ten seconds, and stop; from any thread."""
        self._server.should_exit = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever it is; what goes wrong ends it alone, and its id is in the log."""
        request = Request(scope, receive)
        scope["lamm_id"] = name = f"chatcmpl-{uuid.uuid4().hex}"
        status = 499  # nobody is there to be told

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] += [(b"x-request-id", name.encode()), (b"x-content-type-options", b"nosniff")]
            await send(message)

        try:
            await (await self._respond(request))(scope, receive, counted)
        except (ClientGoneError, ClientDisconnect, OSError):
            LOG.info("request %s: the client has gone", name)
        finally:
            self._engine.metrics.requests[str(status)] += 1

    async def _respond(self, request: Request) -> Response:
        name = request.scope["lamm_id"]
        refusal: LammModelError
        try:
            self._check(request)
            method = "GET" if request.method == "HEAD" else request.method
            path = request.scope["path"]
            route = self._routes.get((method, path))
            if route is None:
                known = ", ".join(" ".join(pair) for pair in self._routes)
                raise RequestError(f"Expected one of {known}; got {method} {path[:80]}.", 404, "not_found")
            return await route(request)
        except (ClientGoneError, ClientDisconnect):
            raise
        except LammModelError as fault:
            LOG.warning("request %s: %d", name, status_of(fault))  # its words may hold what was shown to the model
            refusal = fault
        except Exception as unforeseen:  # noqa: BLE001 - said in the log
            LOG.exception("request %s: 500", name)
            refusal = RequestError(f"Expected an answer, got {type(unforeseen).__name__}.", 500, "server_error")
        await self._drain(request)
        return JSONResponse({"error": error(refusal)}, status_of(refusal), headers={"Connection": "close"})

    def _check(self, request: Request) -> None:
        """Refuse what a foreign web page may send, by another name of this machine or straight, and wrong keys."""
        host = _split(f"//{request.headers.get('host', '')}")
        if not _is_address(host.hostname or "") and host.hostname not in self._names:
            shown = request.headers.get("host", "")[:80]
            raise RequestError(f"Expected this server's address as Host, got {shown!r}; see --allow-host.", 403, "host")
        origin = request.headers.get("origin")
        if origin is not None and _split(origin).netloc != host.netloc:
            raise RequestError(f"Expected this server's own page as Origin, got {origin[:80]!r}.", 403, "origin")
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        closed = self._api_key and request.scope["path"] not in OPEN_TO_ALL
        if closed and not hmac.compare_digest(token.encode(), self._api_key.encode()):
            raise RequestError("Expected the server's API key, got another or none.", 401, "invalid_api_key")

    async def _show_page(self, request: Request) -> Response:
        html, policy = self._page
        return HTMLResponse(html, headers={"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"})

    async def _health(self, request: Request) -> Response:
        alive = self._engine.alive
        return JSONResponse({"status": "ok" if alive else "the model has stopped"}, 200 if alive else 503)

    async def _metrics(self, request: Request) -> Response:
        return PlainTextResponse(self._engine.metrics.text(*self._engine.load))

    async def _models(self, request: Request) -> Response:
        card = {"id": self._name, "object": "model", "created": 0, "owned_by": "lamm"}
        return JSONResponse({"object": "list", "data": [card]})

    async def _cloud(self, request: Request) -> Response:
        """Return a cloud as the page draws it (`lamm_data.packed_cloud`)."""
        suffix = Path(request.query_params.get("name", "")[-100:]).suffix.lower()
        if suffix not in POINT_CLOUD_SUFFIXES:
            raise RequestError(f"Expected a cloud ({', '.join(POINT_CLOUD_SUFFIXES)}), got {suffix!r}.")

        def draw(content: bytes) -> bytes:
            with self._engine.reader.uploaded(f"cloud{suffix}", content) as path:
                return json.dumps(packed_cloud(path)).encode()

        packed = await self._read(request, "application/octet-stream", draw)
        return Response(packed, media_type="application/json")

    async def _chat(self, request: Request) -> Response:
        name = request.scope["lamm_id"]
        prompt = await self._read(request, "application/json", lambda body: self._prompt(body, name))
        wanted = prompt.request
        envelope = {"id": name, "created": int(time.time()), "model": self._name}
        answers = Answers(envelope, wanted.choices, self._engine.processor.decode_answer, wanted.logprobs)
        watch = answers.watch(request)
        streams = False
        try:
            for number in range(wanted.choices):
                answers.jobs.append(self._engine.submit(prompt, answers.emit(number), number))
            first = await answers.next()  # a request that fails at once gets a status of its own, not an event
            streams = wanted.stream
            if streams:
                return AnswerStream(answers, first, wanted.include_usage)
            return JSONResponse(await answers.completion(first))
        finally:
            watch.cancel()
            if not streams:
                answers.abandon()

    def _prompt(self, body: bytes, name: str) -> Prompt:
        if sum(body.count(mark) for mark in (b"[", b"{", b",")) > MOST_VALUES:
            raise RequestError(f"Expected JSON of at most {MOST_VALUES} values, got more.")
        try:
            parsed = json.loads(body)
        except (ValueError, RecursionError) as fault:
            raise RequestError(f"Expected JSON, got {fault}.") from fault
        request = read_request(parsed, self._max_new_tokens)
        if parsed.get("model") not in (None, self._name):
            shown = repr(parsed["model"])[:80]
            raise RequestError(f"Expected the model {self._name!r}, got {shown}.", 404, "not_found")
        return self._engine.reader.prepare(request, name)

    async def _read(self, request: Request, kind: str, use: Callable[[bytes], T]) -> T:
        """Read a body within the limits and hand it to `use` in a thread that reads.

        Raises:
            RequestError: It is too large, too slow, or of another kind.
        """
        found = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if found != kind:  # a foreign web page may post other kinds without asking
            raise RequestError(f"Expected {kind}, got {found[:80]!r}.", 415)
        stated = request.headers.get("content-length", "")
        if stated.isdigit() and int(stated) > MAX_BODY:
            raise RequestError(f"Expected at most {MAX_BODY >> 20} MiB, got {int(stated) >> 20}.", 413)
        parts: list[bytes] = []
        taken = 0
        try:
            async with asyncio.timeout(BODY_SECONDS):
                async for part in request.stream():
                    parts.append(part)
                    taken += len(part)
                    self._being_read += len(part)
                    if taken > MAX_BODY:
                        raise RequestError(f"Expected at most {MAX_BODY >> 20} MiB, got more.", 413)
                    if self._being_read > MAX_BODIES:
                        raise RequestError("Expected less to read at once. Try again.", 503, "overloaded")
            body = b"".join(parts)
            parts.clear()
            return await asyncio.get_running_loop().run_in_executor(self._readers, use, body)
        except TimeoutError as fault:
            raise RequestError(f"Expected the body within {BODY_SECONDS:.0f} s, got a part of it.", 408) from fault
        finally:
            self._being_read -= taken

    async def _drain(self, request: Request) -> None:
        """Take what little a refused request still sends."""
        left = UNREAD_BODY
        try:
            async with asyncio.timeout(1):
                async for part in request.stream():
                    left -= len(part)
                    if left < 0:
                        return
        except (TimeoutError, RuntimeError, ClientDisconnect):  # slow, read before, or gone
            return


def remove_leftovers() -> None:
    """Remove the folders of uploads that killed servers left behind; for the start of a process that serves."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*"):
        number = folder.name.removeprefix(FOLDER_PREFIX).partition("-")[0]
        if number.isdigit() and not folder.is_symlink() and (int(number) == os.getpid() or not _runs(int(number))):
            shutil.rmtree(folder, ignore_errors=True)


def _runs(process: int) -> bool:
    if os.name != "posix":  # elsewhere a signal 0 would not only ask
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _split(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError:  # odd brackets
        return urlsplit("")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as fault:
        raise LammModelError(
            f"Expected to listen on {host} port {port}, got {fault}. Choose another --port or --host."
        ) from fault


def _page() -> tuple[str, str]:
    """Return the page and a policy that lets it run its own script and ask this server, and nothing else."""
    html = files(__package__).joinpath("page.html").read_text("utf-8")
    html = html.replace("/* viewer.js */", viewer_script())
    script = html.split('<script type="module">')[1].split("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return html, (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; connect-src 'self'; "
        "img-src blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )

"""The HTTP side: `/v1/chat/completions`, `/v1/models` and `/health`, as OpenAI's clients expect them."""

from __future__ import annotations

import hmac
import json
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from typing import Any

from lamm_model.errors import LammModelError
from lamm_model.serving.engine import ChatEngine, Piece
from lamm_model.serving.messages import RequestError, read_request

MAX_BODY = 256 << 20  # bytes; a cloud of a few million points in base64
UNREAD_BODY = 1 << 20  # bytes taken from a client without the key
IDLE_SECONDS = 120.0


class ChatServer(ThreadingHTTPServer):
    """Serves one model.

    Raises:
        LammModelError: The address cannot be listened on.

    Attributes:
        engine: What answers.
        name: What clients call the model.
        max_new_tokens: Longest answer where a request states none.
        api_key: Bearer token that requests must carry; none is needed when empty.
    """

    daemon_threads = True

    def __init__(
        self, address: tuple[str, int], engine: ChatEngine, name: str, max_new_tokens: int = 256, api_key: str = ""
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        try:
            super().__init__(address, _Handler)
        except OSError as fault:
            raise LammModelError(
                f"Expected to listen on {address[0]} port {address[1]}, got {fault}. Choose another --port or --host."
            ) from fault
        self.engine = engine
        self.name = name
        self.max_new_tokens = max_new_tokens
        self.api_key = api_key

    @property
    def url(self) -> str:
        """Base address for clients."""
        host = str(self.server_address[0])
        return f"http://{f'[{host}]' if ':' in host else host}:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: ChatServer
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS

    def do_GET(self) -> None:
        """Answer `/health` and `/v1/models`."""
        if self.path == "/health":
            self._send(200, {"status": "ok"})
        elif self.path == "/v1/models" and self._allowed():
            card = {"id": self.server.name, "object": "model", "created": 0, "owned_by": "lamm"}
            self._send(200, {"object": "list", "data": [card]})
        elif self.path != "/v1/models":
            self._fail(RequestError(f"Expected /v1/models, got {self.path}.", 404, "not_found"))

    def do_POST(self) -> None:
        """Answer `/v1/chat/completions`."""
        try:
            if not self._allowed():
                return
            body = self._body()
            if self.path != "/v1/chat/completions":
                raise RequestError(f"Expected /v1/chat/completions, got {self.path}.", 404, "not_found")
            request = read_request(body, self.server.max_new_tokens)
            if body.get("model") not in (None, self.server.name):
                raise RequestError(f"Expected the model {self.server.name!r}, got {body['model']!r}.", 404, "not_found")
            with closing(self.server.engine.answer(request)) as pieces:  # type: ignore[type-var]
                if request.stream:
                    self._stream(pieces, request.include_usage)
                else:
                    self._send(200, self._completion(list(pieces)))
        except LammModelError as fault:
            self._fail(fault)
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            self.close_connection = True  # the client has gone; the engine was told by closing the iterator

    def _body(self) -> Any:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit():
            raise RequestError("Expected a Content-Length, got none.", 411)
        if int(length) > MAX_BODY:
            raise RequestError(f"Expected at most {MAX_BODY >> 20} MiB, got {int(length) >> 20}.", 413)
        content = self.rfile.read(int(length))
        if self.headers.get_content_type() != "application/json":  # what a foreign web page may post without asking
            raise RequestError(f"Expected application/json, got {self.headers.get_content_type()}.", 415)
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as fault:
            raise RequestError(f"Expected JSON, got {fault}.") from fault

    def _allowed(self) -> bool:
        key = self.server.api_key
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if key and not hmac.compare_digest(token.encode(), key.encode()):
            length = self.headers.get("Content-Length", "")
            self.rfile.read(min(int(length), UNREAD_BODY) if length.isdigit() else 0)  # lets most clients hear why
            self._fail(RequestError("Expected the server's API key, got another or none.", 401, "invalid_api_key"))
            return False
        return True

    def _completion(self, pieces: list[Piece]) -> dict[str, Any]:
        message = {"role": "assistant", "content": "".join(piece.text for piece in pieces)}
        choice = {"index": 0, "message": message, "finish_reason": pieces[-1].finish, "logprobs": None}
        return {**self._envelope("chat.completion"), "choices": [choice], "usage": _usage(pieces[-1])}

    def _envelope(self, kind: str) -> dict[str, Any]:
        name = self.server.name
        return {"id": f"chatcmpl-{uuid.uuid4().hex}", "object": kind, "created": int(time.time()), "model": name}

    def _stream(self, pieces: Iterator[Piece], include_usage: bool) -> None:
        first = next(pieces)  # a refused request gets a status of its own, not an event
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        envelope = self._envelope("chat.completion.chunk")
        self._event({**envelope, "choices": [_delta({"role": "assistant", "content": ""})]})
        last = first
        try:
            for last in chain([first], pieces):
                self._event({**envelope, "choices": [_delta({"content": last.text}, last.finish)]})
        except LammModelError as fault:
            self._event({"error": _error(fault)})
            return
        if include_usage:
            self._event({**envelope, "choices": [], "usage": _usage(last)})
        self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, value: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps(value)}\n\n".encode())
        self.wfile.flush()

    def _fail(self, fault: LammModelError) -> None:
        status = fault.status if isinstance(fault, RequestError) else 400
        self.close_connection = True  # part of a refused body may be unread
        self._send(status, {"error": _error(fault)})

    def _send(self, status: int, value: dict[str, Any]) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Keep quiet: requests may hold what people show the model."""


def _delta(delta: dict[str, str], finish: str = "") -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish or None}


def _usage(piece: Piece) -> dict[str, int]:
    prompt, answer = piece.prompt_tokens, piece.completion_tokens
    return {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}


def _error(fault: LammModelError) -> dict[str, Any]:
    code = fault.code if isinstance(fault, RequestError) else "invalid_request_error"
    return {"message": str(fault), "type": code, "code": code, "param": None}

"""Serves the review page on the loopback interface, to the browser that was given its token and to nobody else."""

from __future__ import annotations

import hmac
import json
import secrets
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from lamm_data.errors import LammDataError, UsageError
from lamm_data.review.session import ReviewSession
from lamm_data.view.media import packed_cloud, picture_png
from lamm_llm import loads
from lamm_metrics import viewer_script

ADDRESS = "127.0.0.1"
LONGEST_BODY = 16_384
PAGE = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/review.css": ("review.css", "text/css; charset=utf-8"),
    "/review.js": ("review.js", "text/javascript; charset=utf-8"),
}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class ReviewServer(ThreadingHTTPServer):
    """The server of one session.

    Requests must name the loopback address in `Host` (a page elsewhere that rebinds its name does not), come from this
    origin when they name one, and carry the token, which only the printed address holds: in its fragment, which
    browsers never send. Clients ask for media by index, never by path.

    Args:
        session: What is reviewed.
        port: Port; 0 for any free one.
        token: Token; drawn when empty.

    Raises:
        UsageError: The port is taken.
    """

    daemon_threads = True

    def __init__(self, session: ReviewSession, port: int = 0, token: str = "") -> None:
        self.session = session
        self.token = token or secrets.token_urlsafe(24)
        try:
            super().__init__((ADDRESS, port), _Handler)
        except (OSError, OverflowError) as error:
            raise UsageError(f"Expected a free port, got {port}: {error}. Give another --port.") from error

    @property
    def url(self) -> str:
        """Address to open, with the token in its fragment."""
        return f"http://{ADDRESS}:{self.server_port}/#{self.token}"

    def hosts(self) -> set[str]:
        """Values of `Host` that mean this server."""
        return {f"{ADDRESS}:{self.server_port}", f"localhost:{self.server_port}"}


class _RefusedError(Exception):
    """A request that is not answered, with its status."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    server: ReviewServer
    protocol_version = "HTTP/1.1"
    server_version = "lamm-review"
    sys_version = ""
    timeout = 30

    def do_GET(self) -> None:
        """Answer a page file, or an item, a medium or the report of the session."""
        self._answer(self._get)

    def do_POST(self) -> None:
        """Store a verdict."""
        self._answer(self._post)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the name that the base class gave it)
        """Log nothing: the terminal belongs to the command."""

    def _answer(self, work: Any) -> None:
        try:
            self._check_host()
            kind, body = work(urlsplit(self.path).path)
            self._send(HTTPStatus.OK, kind, body)
        except _RefusedError as refusal:
            self.close_connection = True
            self._send_error(refusal.status, str(refusal))
        except UsageError as error:
            self._send_error(HTTPStatus.BAD_REQUEST, str(error))
        except LammDataError as error:
            self._send_error(HTTPStatus.NOT_FOUND, str(error))
        except ConnectionError:
            self.close_connection = True
        except OSError as error:
            self._send_error(HTTPStatus.INSUFFICIENT_STORAGE, f"The disk did not take or give it: {error}")

    def _get(self, path: str) -> tuple[str, bytes]:
        if path == "/viewer.js":
            return "text/javascript; charset=utf-8", viewer_script().encode("utf-8")
        if path in PAGE:
            name, kind = PAGE[path]
            return kind, (files("lamm_data.review") / "page" / name).read_bytes()
        self._check_token()
        session = self.server.session
        match path.strip("/").split("/"):
            case ["api", "overview"]:
                return _json(session.overview())
            case ["api", "report"]:
                return _json(session.report().to_dict())
            case ["api", "items", index]:
                return _json(session.item(_number(index)))
            case ["api", "items", index, "media", number]:
                modality, file = session.medium(_number(index), _number(number))
                if modality == "image":
                    return "image/png", picture_png(file)
                return _json(packed_cloud(file))
        raise _RefusedError(HTTPStatus.NOT_FOUND, "Expected an address of the review page, got another one.")

    def _post(self, path: str) -> tuple[str, bytes]:
        self._check_token()
        values = self._body()
        match path.strip("/").split("/"):
            case ["api", "items", index, "verdict"]:
                known = {name: values.get(name, "") for name in ("verdict", "reason", "note")}
                if not all(isinstance(value, str) for value in known.values()):
                    raise UsageError("Expected texts for verdict, reason and note, got something else.")
                return _json(self.server.session.judge(_number(index), **known))
        raise _RefusedError(HTTPStatus.NOT_FOUND, "Expected the address of a verdict, got another one.")

    def _check_host(self) -> None:
        hosts = self.server.hosts()
        if self.headers.get("Host", "") not in hosts:
            raise _RefusedError(HTTPStatus.MISDIRECTED_REQUEST, "Expected a request to the loopback address.")
        origin = self.headers.get("Origin")
        if origin is not None and origin not in {f"http://{host}" for host in hosts}:
            raise _RefusedError(HTTPStatus.FORBIDDEN, "Expected a request from the review page itself.")

    def _check_token(self) -> None:
        token = self.headers.get("X-Review-Token", "")
        if not hmac.compare_digest(token.encode("utf-8", "replace"), self.server.token.encode()):
            raise _RefusedError(
                HTTPStatus.FORBIDDEN, "Expected the token of this review. Open the address that was printed."
            )

    def _body(self) -> dict[str, Any]:
        length = self.headers.get("Content-Length", "")
        if self.headers.get_content_type() != "application/json" or not length.isdecimal():
            raise _RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Expected JSON with its length.")
        if int(length) > LONGEST_BODY:
            raise _RefusedError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"Expected at most {LONGEST_BODY} bytes, got {length}."
            )
        try:
            values = loads(self.rfile.read(int(length)))
        except ValueError as error:
            raise UsageError(f"Expected JSON, got {error}.") from error
        if not isinstance(values, dict):
            raise UsageError("Expected a JSON object, got another value.")
        return values

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def _send_error(self, status: HTTPStatus, message: str) -> None:
        self._send(status, "application/json", json.dumps({"error": message}).encode())


def _json(values: Any) -> tuple[str, bytes]:
    return "application/json", json.dumps(values, ensure_ascii=False).encode("utf-8", "replace")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise UsageError(f"Expected a number, got {text[:40]!r}.")
    return int(text)

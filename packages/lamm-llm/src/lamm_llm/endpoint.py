"""One OpenAI-compatible endpoint through the `openai` SDK.

The SDK carries the request (addresses, authentication, headers, connection pool); its own retries are off, because one
policy has to see every failure. Requests go through the SDK's raw `post`, which skips the re-typing of messages that
takes over half of the time of `chat.completions.create`.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from inspect import signature
from typing import Any
from urllib.parse import quote

from lamm_llm.addresses import check_address, check_key, is_openai, shown_address
from lamm_llm.errors import (
    EndpointError,
    ErrorReplyError,
    RefusedError,
    ThrottledError,
    TransientError,
    UnsupportedError,
    UsageError,
    connection_failure,
    retry_after,
)
from lamm_llm.files import dumps
from lamm_llm.limits import Gate
from lamm_llm.replies import Reply, read_reply, server_words
from lamm_llm.requests import Request

_SHORTEST_KEY = 8
_KEYS = re.compile(r"\bsk-[\w\-*]{8,}")
_LOCAL_SERVER = "To start a local one: pip install 'transformers[serving]', then transformers serve MODEL --port 8000."


@dataclass(frozen=True)
class EndpointSettings:
    """How to reach and how hard to use one endpoint.

    Attributes:
        url: Base URL, usually ending in `/v1`.
        key: API key; empty for servers without keys. Never written anywhere.
        model: The model's name at this endpoint when it differs from the run's.
        concurrency: Requests at once, at most.
        requests_per_minute: Most requests sent in a minute; none sets no limit.
        tokens_per_minute: Most tokens asked for in a minute; none sets no limit.
        timeout: Seconds one whole answer may take.

    Raises:
        UsageError: The address is none or carries a secret, the key cannot be sent, or a limit is no number above 0.
    """

    url: str
    key: str = ""
    model: str = ""
    concurrency: int = 8
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    timeout: float = 600.0

    def __repr__(self) -> str:
        return f"EndpointSettings({self.shown_url}, concurrency={self.concurrency})"

    def __post_init__(self) -> None:
        for name in ("concurrency", "requests_per_minute", "tokens_per_minute", "timeout"):
            value = getattr(self, name)
            if value is not None and not (type(value) in (int, float) and value > 0):
                raise UsageError(f"Expected {name} to be a number above 0, got {value!r} (endpoint {self.shown_url}).")
        check_address(self.url)
        check_key(self.key, f" for {self.shown_url}")

    @property
    def shown_url(self) -> str:
        """The URL without its query, fit for messages."""
        return shown_address(self.url)


class Endpoint:
    """An open connection pool to one endpoint.

    Args:
        settings: How to reach it.

    Attributes:
        client: The SDK's client.
        gate: Admission to the endpoint.
        reachable: False once it has failed for good.
    """

    def __init__(self, settings: EndpointSettings) -> None:
        import openai

        self.settings = settings
        self.gate = Gate(settings.concurrency, settings.requests_per_minute, settings.tokens_per_minute)
        self.reachable = True
        self.client, self._response_type = _make_client(settings)
        # A whole address: joining the SDK's base and a path anew takes a twentieth of a request's time.
        self._address = "/chat/completions" if "?" in settings.url else f"{self.client.base_url}chat/completions"
        self._unsent = dict.fromkeys(("X-Stainless-Retry-Count", "X-Stainless-Read-Timeout"), openai.Omit())
        self._takes_bytes = "content" in signature(self.client.post).parameters
        self._limit_name = "max_completion_tokens" if is_openai(settings.url) else "max_tokens"
        self._long_key = settings.key if len(settings.key) >= _SHORTEST_KEY else ""
        self._dropped: set[str] = set()
        self._answered = False

    async def close(self) -> None:
        """Close the connections."""
        await self.client.close()

    async def send(self, request: Request) -> tuple[Reply, Mapping[str, str]]:
        """Send one request once; return the reply and the answer's headers.

        Raises:
            ThrottledError, TransientError, UnsupportedError, RefusedError, EndpointError: By what to do about it.
        """
        import openai

        try:
            async with asyncio.timeout(self.settings.timeout):  # the SDK's own begins anew with every byte that arrives
                response = await self._post(self.body(request), request.key)
        except TimeoutError:
            detail = f"no whole answer within {self.settings.timeout:g} s"
            raise TransientError("timeout", detail, unknown=True) from None
        except openai.APIError as error:
            if isinstance(error, openai.APIStatusError) and self._adapt(error.status_code, error.response.text):
                return await self.send(request)
            raise self.failure(error) from None
        self._answered = True
        return self.read(response.content, response.headers), response.headers

    def read(self, body: bytes, headers: Mapping[str, str] | None = None, status: int = 200) -> Reply:
        """Read an answer, keys struck out; an error is sorted, also one that came with HTTP 200.

        Raises:
            ThrottledError, TransientError, UnsupportedError, RefusedError, EndpointError: By what to do about it.
        """
        if status != 200:
            raise self.status_failure(status, body.decode("utf-8", "replace"), headers or {})
        try:
            return self._clean(read_reply(body))
        except ErrorReplyError as error:
            if not error.status:
                raise TransientError(error.reason, self.hide_key(str(error))) from None
            named = f"error {error.status} in a reply with HTTP 200"
            raise self.status_failure(error.status, error.text, headers or {}, named) from None

    async def _post(self, body: dict[str, Any], key: str) -> Any:
        """Hand the SDK finished bytes where it takes them (openai 3), else the mapping (openai 2).

        Every sending of a request carries its key, so that a server that knows `Idempotency-Key` answers it once.
        """
        # What is not named, the SDK copies deeply out of its defaults for every request.
        options: Any = {"max_retries": 0, "timeout": self.client.timeout}
        options["headers"] = {"Idempotency-Key": key, **self._unsent}
        content: Any = {"content": dumps(body)} if self._takes_bytes else {"body": body}
        return await self.client.post(self._address, cast_to=self._response_type, options=options, **content)

    def _clean(self, reply: Reply) -> Reply:
        """Strike keys out of a reply; a word that is no secret, such as `none`, stays."""
        words = {name: word for name, word in vars(reply).items() if isinstance(word, str)}
        together = "\n".join(words.values())
        if "sk-" not in together and not (self._long_key and self._long_key in together):
            return reply
        clean: dict[str, Any] = {
            name: _KEYS.sub("sk-***", word.replace(self._long_key, "***") if self._long_key else word)
            for name, word in words.items()
        }
        return replace(reply, **clean)

    async def model_names(self) -> list[str]:
        """Ask the server for the names of its models; none when it does not tell."""
        return [self.hide_key(str(card["id"])) for card in await self.model_cards() if "id" in card]

    async def model_cards(self) -> list[dict[str, Any]]:
        """Ask the server for what it tells of its models; nothing when it does not tell."""
        import openai

        try:
            async with asyncio.timeout(self.settings.timeout):
                response = await self.client.get("/models", cast_to=self._response_type)
            return [card for card in json.loads(response.content)["data"] if isinstance(card, dict)]
        except (openai.APIError, TimeoutError, ValueError, KeyError, TypeError, RecursionError):
            return []

    def hide_key(self, text: str) -> str:
        """Strike the key out of a text that a server wrote."""
        key = self.settings.key
        for written in {key, quote(key, safe=""), json.dumps(key)[1:-1]} - {""}:
            text = text.replace(written, "***")
        return re.sub(r"\b(sk|key)-[\w\-*]{8,}", r"\1-***", text)

    def unreachable_error(self, detail: str, tried: str = "") -> EndpointError:
        """Build the error for an endpoint that is down."""
        tried = tried or f"POST {self.settings.shown_url}/chat/completions"
        return EndpointError(
            f"Expected a server at {self.settings.shown_url}, got none "
            f"(tried {tried}: {self.hide_key(detail)}). {_LOCAL_SERVER}"
        )

    def failure(self, error: Any) -> Exception:
        """Sort an `openai.APIError` by what to do about it: return one of the errors that `send` raises."""
        status = getattr(error, "status_code", None)
        if status is None:
            failure = connection_failure(error, self.settings.timeout)
            expected = {"tls": "a server with TLS that can be trusted", "not_http": "a server that speaks HTTP"}
            if self._answered or failure.reason not in expected:
                return failure
            return EndpointError(
                f"Expected {expected[failure.reason]} at {self.settings.shown_url}, got: "
                f"{self.hide_key(str(failure))}. Check http or https, the port and the certificate."
            )
        return self.status_failure(int(status), error.response.text, error.response.headers)

    def body(self, request: Request) -> dict[str, Any]:
        """Write a request as this endpoint takes it: its name of the model, its name of the length limit, the seed."""
        body = dict(request.payload)
        body[self._limit_name] = body.pop("max_tokens")
        body.setdefault("seed", request.seed)
        for name in self._dropped:
            body.pop(name, None)
        if self.settings.model:
            body["model"] = self.settings.model
        return body

    def _adapt(self, status: int, text: str) -> bool:
        """Rename the limit, or drop what the server names as unknown; tell whether to ask again."""
        if status not in (400, 422):
            return False
        if self._limit_name in text and ("max_tokens" in text or "unsupported" in text.lower()):
            wanted = "max_completion_tokens" if self._limit_name == "max_tokens" else "max_tokens"
            if wanted in text or self._limit_name == "max_completion_tokens":
                self._limit_name = wanted
                return True
        for name in ("seed", "temperature"):
            if name not in self._dropped and re.search(rf"\b{name}\b", text):
                self._dropped.add(name)
                return True
        return False

    def status_failure(self, status: int, text: str, headers: Mapping[str, str], named: str = "") -> Exception:
        """Sort an HTTP error, with what the server wrote, by what to do about it; see `failure`."""
        said, named = self.hide_key(server_words(self.hide_key(text))), named or f"HTTP {status}"
        if 300 <= status < 400:
            target = self.hide_key(shown_address(headers.get("location", "")))
            return EndpointError(
                f"Expected an answer from {self.settings.shown_url}, got a redirect ({named}) to {target!r}. None is "
                "followed, since the key is for this address; give the other one as --endpoint if you trust it."
            )
        if "insufficient_quota" in text:
            return EndpointError(
                f"Expected quota left at {self.settings.shown_url}, got: {said}. Add credit and resume."
            )
        if status in (401, 403):
            sent = "" if self.settings.key else " (no key was sent)"
            return EndpointError(
                f"Expected a valid API key for {self.settings.shown_url}, got {named}: {said}{sent}. "
                "Put it into an environment variable and name that with --api-key-env."
            )
        wait = retry_after(headers)
        if status == 429 or (status == 503 and wait is not None):
            return ThrottledError(wait)
        if status in (408, 409) or status >= 500:
            unknown = status in (408, 502, 504)  # a gateway had no answer: the server behind it may have done the work
            return TransientError(f"http_{status}", f"{named}: {said}", retry_after=wait, unknown=unknown)
        if status in (400, 422) and re.search(r"response_format|json_schema|json_object|guided", said):
            return UnsupportedError(said)
        if status == 404:
            return EndpointError(
                f"Expected a chat model at {self.settings.shown_url}, got {named}: {said.rstrip('.')}. "
                "Check --endpoint and --model."
            )
        return RefusedError(f"{named}: {said}")


def _make_client(settings: EndpointSettings) -> tuple[Any, Any]:
    """Build the SDK client on the fastest transport installed, with as many kept connections as are used."""
    import openai

    try:
        import httpx2 as transport
    except ImportError:  # openai 2 stands on httpx, openai 3 on httpx2
        import httpx as transport  # type: ignore[import-not-found,no-redef,unused-ignore]
    most = settings.concurrency + 4
    limits = transport.Limits(max_connections=most, max_keepalive_connections=most)
    timeout = transport.Timeout(settings.timeout, connect=10.0, pool=None)

    class Client(openai.AsyncOpenAI):
        """Parses an address once, since it is the same for every request, and tells nothing of this machine."""

        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self._parsed: dict[str, Any] = {}

        def _prepare_url(self, url: str) -> Any:
            if url not in self._parsed:
                self._parsed[url] = super()._prepare_url(url)
            return self._parsed[url]

        def platform_headers(self) -> dict[str, str]:
            return {}

    client = Client(
        base_url=settings.url,
        default_headers={"X-Stainless-Async": openai.Omit()},
        api_key=settings.key or "no-key",
        max_retries=0,
        timeout=timeout,
        http_client=_make_http_client(transport, limits, timeout),
    )
    if not is_openai(settings.url):  # the SDK takes both from the environment, for whichever server
        client.organization = client.project = None
    return client, transport.Response


def _make_http_client(library: Any, limits: Any, timeout: Any) -> Any:
    """Make the fastest HTTP client under the SDK that is installed.

    The SDK's own, on aiohttp, parses the address, merges client headers and cookies, and walks through authentication,
    redirects and hooks for every request; sending finished bytes to one address needs none of that, which saves a
    seventh of all processor time of a run. Redirects are not followed: no network but the endpoint.
    Where aiohttp is missing (`lamm-llm[fast]`), it is the SDK's on plain sockets.

    Args:
        library: `httpx2`, on which openai 3 stands, or `httpx`, on which openai 2 stands.
        limits: Its limits of connections.
        timeout: Its time-outs.
    """
    try:
        return _make_direct_client(library, limits, timeout)
    except (ImportError, RuntimeError):  # no aiohttp, or the SDK's client on it is not installed
        import openai

        return openai.DefaultAsyncHttpxClient(limits=limits, timeout=timeout, follow_redirects=False)


def _make_direct_client(library: Any, limits: Any, timeout: Any) -> Any:
    """Make the client on aiohttp; see `_make_http_client`."""
    import aiohttp
    import openai

    class DirectClient(openai.DefaultAioHttpClient):
        """Sends bytes as they are; whatever else is asked of it, it does as any client would."""

        def __init__(self) -> None:
            super().__init__(limits=limits, timeout=timeout, follow_redirects=False)
            self._addresses: dict[str, Any] = {}

        def build_request(self, method: str, url: Any, *, content: Any = None, **options: Any) -> Any:
            if not isinstance(content, bytes) or options.get("files") or options.get("params"):
                return super().build_request(method, url, content=content, **options)
            if url not in self._addresses:
                self._addresses[url] = library.URL(url)
            request = library.Request(
                method,
                self._addresses[url],
                headers=options.get("headers"),
                stream=library.ByteStream(content),
                extensions={"timeout": options["timeout"].as_dict()},
            )
            request.read()
            return request

        async def send(self, request: Any, *, stream: bool = False, **options: Any) -> Any:
            if stream:
                return await super().send(request, stream=stream, **options)
            try:
                response = await self._transport_for_url(request.url).handle_async_request(request)
            except aiohttp.ClientResponseError as error:  # what answers speaks no HTTP; the SDK's transport lets it out
                raise library.RemoteProtocolError(str(error), request=request) from error
            try:
                await response.aread()
            except BaseException:
                await response.aclose()
                raise
            return response

    return DirectClient()

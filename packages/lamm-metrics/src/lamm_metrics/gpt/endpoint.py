"""One OpenAI-compatible server through the `openai` SDK, whose own retries are off: one policy sees every failure."""

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from lamm_metrics.errors import UsageError
from lamm_metrics.gpt.cache import Reply
from lamm_metrics.gpt.failures import EndpointError, PassingError, RefusedError, UnknownError, UnsupportedFormatError
from lamm_metrics.gpt.items import sendable
from lamm_metrics.gpt.settings import JudgeSettings

_NO_KEY = "no-key"
# What a gateway says when the server behind it did not answer it: that server may have done the work.
GATEWAY_STATUSES = (408, 502, 504)
T = TypeVar("T")


class Endpoint:
    """A connection pool to one server.

    Raises:
        UsageError: The `openai` package is missing.
    """

    def __init__(self, settings: JudgeSettings) -> None:
        try:
            import openai
        except ImportError as error:
            raise UsageError(
                'Expected the openai package, got none. Install it: pip install "lamm-metrics[gpt]".'
            ) from error
        self.settings = settings
        self._sdk: Any = openai
        self._client: Any = openai.OpenAI(
            base_url=settings.endpoint, api_key=settings.key or _NO_KEY, max_retries=0, timeout=settings.timeout
        )
        # Parameters that this server wants under another name (or not at all: None).
        self._renamed: dict[str, str | None] = {}

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def send(self, payload: Mapping[str, Any], key: str) -> Reply:
        """Send a request once; again only where the server wants a parameter under another name.

        Args:
            payload: Body of a chat completion.
            key: The request's key, sent as `Idempotency-Key`.

        Raises:
            EndpointError, PassingError, UnsupportedFormatError, RefusedError: By what to do about it.
        """
        try:
            content = self.call(
                lambda client: (
                    client.chat.completions.with_raw_response.create(
                        **self.body(payload), extra_headers={"Idempotency-Key": key}
                    ).http_response.content
                )
            )
        except RefusedError as error:
            if self._adapt(str(error)):
                return self.send(payload, key)
            raise
        return self.clean_reply(read_reply(content))

    def body(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """The body as this server wants it."""
        wanted = {name: self._renamed.get(name, name) for name in payload}
        return {name: payload[own] for own, name in wanted.items() if name is not None}

    def call(self, work: Callable[[Any], T]) -> T:
        """Do work with the SDK's client, its errors sorted by what to do about them.

        Raises:
            EndpointError, PassingError, UnsupportedFormatError, RefusedError: By what to do about it.
        """
        try:
            return work(self._client)
        except self._sdk.APIStatusError as error:
            code = str(getattr(error, "code", None) or "")
            raise self.failure(int(error.status_code), error.response.text, error.response.headers, code) from None
        except self._sdk.APIConnectionError as error:
            raise self._connection_failure(error) from None

    def only_model(self) -> str:
        """The server's one model.

        Raises:
            UsageError: It has several or does not tell.
            EndpointError: It cannot be reached or refuses.
        """
        try:
            content = self.call(lambda client: client.models.with_raw_response.list().http_response.content)
            names = [str(item["id"]) for item in json.loads(content)["data"]]
        except PassingError as error:
            raise self.unreachable(str(error)) from None
        except (RefusedError, UnsupportedFormatError, ValueError, KeyError, TypeError):
            names = []
        if len(names) != 1:
            listed = f": {', '.join(names[:10])}" if names else ""
            raise UsageError(f"Expected one model at {self._url}, got {len(names)}{listed}. Name one with --judge.")
        return names[0]

    def unreachable(self, detail: str) -> EndpointError:
        """The error for a server that is not there."""
        return EndpointError(
            f"Expected a server at {self._url}, got none ({self._clean(detail)}). Start it, or correct --endpoint."
        )

    @property
    def _url(self) -> str:
        return self.settings.shown_endpoint

    def _clean(self, text: str) -> str:
        """Strike keys out of a text that a server wrote."""
        if self.settings.key:
            text = text.replace(self.settings.key, "***")
        return re.sub(r"\bsk-[\w\-*]{8,}", "sk-***", text)

    def clean_reply(self, reply: Reply) -> Reply:
        """The reply without keys."""
        return replace(reply, text=self._clean(sendable(reply.text)), refusal=self._clean(sendable(reply.refusal)))

    def _adapt(self, said: str) -> bool:
        """Rename or drop a parameter that the server complains about; tell whether to ask again."""
        if not said.startswith(("HTTP 400", "HTTP 422")):
            return False
        if "max_completion_tokens" in said and "max_tokens" not in self._renamed:
            self._renamed["max_tokens"] = "max_completion_tokens"
            return True
        for name in ("seed", "temperature"):
            if re.search(rf"\b{name}\b", said) and name not in self._renamed:
                self._renamed[name] = None
                return True
        return False

    def failure(self, status: int, text: str, headers: Mapping[str, str], code: str = "") -> Exception:
        """Sort an HTTP error by what to do about it."""
        said = self._clean(_server_words(text))
        if "insufficient_quota" in f"{code} {said}":
            return EndpointError(f"Expected quota left at {self._url}, got: {said}. Add credit and run again.")
        if status in (401, 403):
            return EndpointError(
                f"Expected a valid API key for {self._url}, got HTTP {status}: {said}. "
                "Set it in the environment variable that --api-key-env names."
            )
        if status == 404:
            return UnknownError(
                f"Expected a chat model at {self._url}, got HTTP 404: {said}. Check --endpoint and --judge."
            )
        if status in (408, 409, 429) or status >= 500:
            return PassingError(
                f"http_{status}", f"HTTP {status}: {said}", retry_after(headers), unknown=status in GATEWAY_STATUSES
            )
        if status in (400, 422) and re.search(r"response_format|json_schema|json_object|guided", said):
            return UnsupportedFormatError(said)
        return RefusedError(f"HTTP {status}: {said}")

    def _connection_failure(self, error: BaseException) -> PassingError:
        """Tell a server that is not there, a time-out and a broken connection apart, by the chain of causes."""
        chain = [error]
        while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
            chain.append(cause)
        names = {type(item).__name__ for item in chain}
        detail = f"{type(chain[-1]).__name__}: {chain[-1]}"
        if names & {"ConnectError", "ConnectTimeout"}:
            return PassingError("connection", detail, unreachable=True)
        if "APITimeoutError" in names:
            return PassingError("timeout", f"no reply within {self.settings.timeout:g} s", unknown=True)
        return PassingError("connection", detail, unknown=True)


def read_reply(content: bytes) -> Reply:
    """Read a chat completion, trusting nothing about its shape.

    Raises:
        PassingError: It is none.
    """
    try:
        values = json.loads(content)
        choice = values["choices"][0]
        usage = values.get("usage") or {}
        text = choice["message"].get("content") or ""
        if not isinstance(text, str):
            raise TypeError(f"content is {type(text).__name__}")
        return Reply(
            text=text,
            finish=str(choice.get("finish_reason") or "stop"),
            refusal=str(choice["message"].get("refusal") or ""),
            prompt_tokens=max(0, int(usage.get("prompt_tokens") or 0)),
            answer_tokens=max(0, int(usage.get("completion_tokens") or 0)),
            model=str(values.get("model") or ""),
        )
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise PassingError("malformed_reply", f"not a chat completion: {error!r}", unknown=True) from None


def _server_words(text: str) -> str:
    """The server's error message in one line."""
    try:
        values = json.loads(text)
        found = values.get("error", values.get("detail", values)) if isinstance(values, dict) else values
        found = found.get("message", found) if isinstance(found, dict) else found
        text = found if isinstance(found, str) else json.dumps(found)
    except (ValueError, RecursionError):
        text = text[:2000]
    return " ".join(text.split())[:500]


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait: `retry-after-ms`, or `Retry-After` in seconds or as a date.

    >>> retry_after({"retry-after": "2"})
    2.0
    """
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value):
            return float(value) / unit
        if name == "retry-after" and value:
            try:
                return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
            except (ValueError, TypeError, OverflowError):
                return None
    return None

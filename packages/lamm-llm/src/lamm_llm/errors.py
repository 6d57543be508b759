"""What lamm-llm raises: errors under one base class, and what can go wrong with one request, sorted by what to do.

`ThrottledError` waits, `TransientError` is tried again, `UnsupportedError` changes how to ask, `RefusedError` ends one
row, and `EndpointError` ends the use of an endpoint at once. How long a server asks to wait is read here, too.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

LONGEST_PAUSE = 60.0
"""Seconds that a server's headers can make everybody wait at once; then it is asked again."""
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_COUNT = re.compile(r"[0-9]{1,12}")
_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class LammLlmError(Exception):
    """A fault the user can mend: the message says what was expected, what was found and what to do.

    Attributes:
        exit_code: Process status a command line should end with: 1 when the work failed, 2 when it was misused.
    """

    exit_code = 1


class UsageError(LammLlmError):
    """The call itself is wrong: an unknown price, an address that is none, a journal of another run."""

    exit_code = 2


class InUseError(UsageError):
    """Another process is at work at an output."""


class EndpointError(LammLlmError):
    """An endpoint cannot be used: it is down, the key or the model is wrong, or the quota is spent."""


class ThrottledError(Exception):
    """The server asks for patience (429, or 503 with Retry-After).

    Attributes:
        retry_after: Seconds the server asks to wait, or None.
    """

    def __init__(self, retry_after: float | None) -> None:
        super().__init__("the server asks to slow down")
        self.retry_after = retry_after


class TransientError(Exception):
    """A failure that may pass: no connection, a time-out, a 5xx, half an answer.

    Attributes:
        reason: Word for counting, for example `http_500`, `timeout`, `connection`, `malformed_reply`.
        unreachable: True when no connection to the server could be made.
        unknown: True when the server may have done the work, and bill it, although its answer did not arrive.
        retry_after: Seconds the server asks to wait, or None.
    """

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        unreachable: bool = False,
        unknown: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.reason, self.unreachable, self.unknown, self.retry_after = reason, unreachable, unknown, retry_after


class ErrorReplyError(TransientError):
    """An error that came with HTTP 200 in place of an answer.

    Attributes:
        status: The HTTP status that it stands for; 0 where it does not tell.
        text: The error as JSON.
    """

    def __init__(self, status: int, text: str, message: str) -> None:
        super().__init__("error_reply", f"error in a reply with HTTP 200: {message}")
        self.status, self.text = status, text


class UnsupportedError(Exception):
    """The server knows no such answer format."""


class RefusedError(Exception):
    """The server refuses this one request for good (400, 413, 422)."""


class GaveUpError(Exception):
    """One request failed as often as the policy allows.

    Attributes:
        reason: The last failure's reason.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class BudgetReachedError(Exception):
    """The run may send no more requests."""


class WaitingError(Exception):
    """A batch is to answer this request, and has not yet."""


_NOT_HTTP = {"BadStatusLine", "BadHttpMessage", "LineTooLong", "ClientResponseError"}
_NO_STATUS = re.compile(r"illegal (?:\w+ line|header)", re.IGNORECASE)  # plain sockets have one error for all


def connection_failure(error: BaseException, timeout: float) -> TransientError:
    """Tell a server that is not there, a broken connection and a time-out apart.

    The SDK's aiohttp transport reports refused and dropped connections as time-outs too: the chain of causes decides.
    """
    chain = [error]
    while (cause := chain[-1].__cause__) is not None:
        chain.append(cause)
    names = {type(item).__name__ for item in chain}
    detail = f"{type(chain[-1]).__name__}: {chain[-1]}"
    if any("SSL" in name or "Certificate" in name for name in names) or "[SSL" in detail:
        return TransientError("tls", " ".join(detail.split()))
    if names & _NOT_HTTP or _NO_STATUS.search(detail):
        return TransientError("not_http", " ".join(detail.split())[:200])
    if names & {"ConnectError", "ClientConnectorError", "ClientConnectorDNSError"}:
        return TransientError("connection", detail, unreachable=True)
    broken = {"ServerDisconnectedError", "ClientPayloadError", "ClientOSError", "ReadError", "RemoteProtocolError"}
    if "APITimeoutError" in names and not names & broken:
        return TransientError("timeout", f"no answer within {timeout:g} s", unknown=True)
    return TransientError("connection", detail, unknown=True)


def parse_duration(text: str) -> float | None:
    """Read a rate-limit header's time as seconds; None when the text is no duration.

    >>> parse_duration("6m30s"), parse_duration("200ms"), parse_duration("2")
    (390.0, 0.2, 2.0)
    """
    try:
        return min(max(float(text), 0.0), 1e9)
    except ValueError:
        parts = _DURATION.findall(text.strip())
        return sum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts) if parts else None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a server asks to wait: `retry-after-ms`, or `Retry-After` as a time or as a date.

    >>> retry_after({"retry-after": "2"}), retry_after({"retry-after": "soon"})
    (2.0, None)
    """
    milliseconds = headers.get("retry-after-ms", "")
    if _COUNT.fullmatch(milliseconds):
        return int(milliseconds) / 1000
    value = headers.get("retry-after", "").strip()
    if _COUNT.fullmatch(value[:1]):
        return parse_duration(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time()) if value else None
    except (ValueError, TypeError, OverflowError):
        return None


def longest_pause(seconds: float) -> float:
    """Return how long is waited where a server asks for so many seconds: a minute at most.

    >>> longest_pause(2.0), longest_pause(86400.0)
    (2.0, 60.0)
    """
    return seconds if seconds < LONGEST_PAUSE else LONGEST_PAUSE

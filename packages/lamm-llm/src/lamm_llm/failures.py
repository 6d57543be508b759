"""What can go wrong with one request, sorted by what to do about it.

`ThrottledError` waits, `TransientError` is tried again, `UnsupportedError` changes how to ask, `RefusedError` ends one
row, and `EndpointError` ends the use of an endpoint at once.
"""

from __future__ import annotations

from lamm_llm.errors import LammLlmError


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
        self.reason = reason
        self.unreachable = unreachable
        self.unknown = unknown
        self.retry_after = retry_after


class UnsupportedError(Exception):
    """The server knows no such parameter.

    Attributes:
        feature: The parameter's name: `response_format` or `seed`.
    """

    def __init__(self, feature: str, message: str) -> None:
        super().__init__(message)
        self.feature = feature


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


class EndpointError(LammLlmError):
    """An endpoint cannot be used: it is down, the key or the model is wrong, or the quota is spent."""

"""What can go wrong with one request, sorted by what to do about it."""

from lamm_metrics.errors import LammMetricsError


class EndpointError(LammMetricsError):
    """The endpoint cannot be used: it is down, or the key, the model or the quota is wrong. The run stops at once."""


class UnknownError(EndpointError):
    """The server knows no such model or address (404)."""


class PassingError(Exception):
    """A failure that may pass: no connection, a time-out, 429, 5xx, half a reply.

    Attributes:
        reason: Word to count it by, for example `http_500`.
        wait: Seconds the server asks to wait, or None.
        unreachable: Whether no connection could be made.
        unknown: Whether the server may have done the work, and bill it, although its answer did not arrive.
    """

    def __init__(
        self,
        reason: str,
        detail: str,
        wait: float | None = None,
        *,
        unreachable: bool = False,
        unknown: bool = False,
    ) -> None:
        super().__init__(detail)
        self.reason = reason
        self.wait = wait
        self.unreachable = unreachable
        self.unknown = unknown

    @property
    def throttled(self) -> bool:
        """Whether the server asked for patience instead of failing."""
        return self.reason == "http_429" or self.wait is not None


class UnsupportedFormatError(Exception):
    """The server does not know the asked format of replies."""


class RefusedError(Exception):
    """The server refuses this one request for good."""


class NotSentError(Exception):
    """A request was not sent, because the run stops: the money is spent, or the endpoint failed.

    Attributes:
        reason: Word to count it by, `max_cost` or `stopped`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

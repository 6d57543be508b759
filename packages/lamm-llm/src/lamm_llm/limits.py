"""Admission to an endpoint: how many requests at once, how many a minute, how many tokens a minute.

Rates are kept by virtual scheduling (each request reserves its place in time), with bursts of at most one second's
worth, so that no minute holds more than 1/60 above the limit. Concurrency follows the server: three quarters after a
throttled burst, one more after 25 successes.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

_DECREASE = 0.75
_SUCCESSES_PER_STEP = 25
_MIN_COOLDOWN = 2.0
LONGEST_PAUSE = 60.0
"""Seconds that a server's headers can make everybody wait at once; then it is asked again."""
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_COUNT = re.compile(r"[0-9]{1,12}")
_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


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


class Rate:
    """A limit of so many units a minute.

    Args:
        per_minute: The limit; None for no limit.
        clock: Source of seconds.

    Attributes:
        chosen: Whether the user set the limit, so that no header changes it.
    """

    def __init__(self, per_minute: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_minute = per_minute
        self.chosen = bool(per_minute)
        self._clock = clock
        self._next = clock()

    def reserve(self, units: float) -> float:
        """Take a place in time for what will be used; return the seconds to wait before using it."""
        if not self.per_minute:
            return 0.0
        now = self._clock()
        rate = self.per_minute / 60
        burst_seconds = max(1.0 - 1.0 / rate, 0.0)
        place = max(self._next, now)
        self._next = place + units / rate
        return max(place - now - burst_seconds, 0.0)

    def settle(self, reserved: float, used: float) -> None:
        """Correct an estimate by what was really used."""
        if self.per_minute:
            self._next += (used - reserved) * 60 / self.per_minute


class Gate:
    """Admission to one endpoint.

    Args:
        concurrency: Requests at once, at most.
        requests_per_minute: Limit, or None until the server's headers tell one.
        tokens_per_minute: Limit, or None until the server's headers tell one.
    """

    def __init__(
        self, concurrency: int, requests_per_minute: float | None = None, tokens_per_minute: float | None = None
    ) -> None:
        self.ceiling = concurrency
        self.limit = float(concurrency)
        self.active = 0
        self.requests = Rate(requests_per_minute)
        self.tokens = Rate(tokens_per_minute)
        self._resume_at = 0.0
        self._successes = 0
        self._decreased_at = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self, tokens: int) -> None:
        """Wait until a request may be sent that will use about so many tokens."""
        while self.active >= max(int(self.limit), 1):
            place = asyncio.get_running_loop().create_future()
            self._waiting.append(place)
            await place
        self.active += 1
        try:
            await self._wait(tokens)
        except asyncio.CancelledError:
            self.leave()
            raise

    async def _wait(self, tokens: int) -> None:
        """Wait for a pause to end, then for a place in time; a place that a pause has swallowed is taken anew."""
        while True:
            while (pause := self._resume_at - time.monotonic()) > 0:
                await asyncio.sleep(pause)
            delay = max(self.requests.reserve(1), self.tokens.reserve(tokens))
            if delay <= 0:
                return
            await asyncio.sleep(delay)
            if self._resume_at <= time.monotonic():
                return

    def leave(self) -> None:
        """Give the place back."""
        self.active -= 1
        free = max(int(self.limit), 1) - self.active
        while free > 0 and self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                free -= 1

    def succeeded(self, reserved: int, used: int, headers: Mapping[str, str]) -> None:
        """Learn from an answer.

        Args:
            reserved: Tokens that were reserved.
            used: Tokens the server counted.
            headers: The answer's headers; `x-ratelimit-*` set limits that the user did not.
        """
        self.tokens.settle(reserved, used)
        self._successes += 1
        if self._successes >= _SUCCESSES_PER_STEP and self.limit < self.ceiling:
            self._successes = 0
            self.limit = min(self.limit + 1, self.ceiling)
        if "x-ratelimit-limit-requests" in headers or "x-ratelimit-limit-tokens" in headers:
            self._read_headers(headers)

    def throttled(self, sent_at: float, retry_after: float | None) -> None:
        """Slow down after a 429 or 503; requests of one burst count once.

        Args:
            sent_at: When the throttled request was sent, by `time.monotonic()`.
            retry_after: What the server asked for, in seconds.
        """
        now = time.monotonic()
        self._successes = 0
        if sent_at > self._decreased_at:
            self.limit = max(self.limit * _DECREASE, 1.0)
            self._decreased_at = now
        self._pause(_MIN_COOLDOWN if retry_after is None else retry_after)

    def _pause(self, seconds: float) -> None:
        """Let nobody in for so many seconds, and for no longer than a minute."""
        self._resume_at = max(self._resume_at, time.monotonic() + longest_pause(seconds))

    def _read_headers(self, headers: Mapping[str, str]) -> None:
        for rate, name in ((self.requests, "requests"), (self.tokens, "tokens")):
            limit = headers.get(f"x-ratelimit-limit-{name}", "")
            if not rate.chosen and _COUNT.fullmatch(limit) and int(limit) > 0:
                rate.per_minute = float(limit)
            if headers.get(f"x-ratelimit-remaining-{name}") == "0":
                pause = parse_duration(headers.get(f"x-ratelimit-reset-{name}", ""))
                if pause:
                    self._pause(pause)

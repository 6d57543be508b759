"""What may be sent: how many requests at once, how many a minute, how many tokens a minute, for how much money.

Rates are kept by virtual scheduling (each request reserves its place in time), with bursts of at most one second's
worth, so that no minute holds more than 1/60 above the limit. Concurrency follows the server: three quarters after a
throttled burst, one more after 25 successes.
"""

from __future__ import annotations

import asyncio
import re
import time
import tomllib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from lamm_llm.errors import BudgetReachedError, UsageError, longest_pause, parse_duration

_DECREASE = 0.75
_SUCCESSES_PER_STEP = 25
_MIN_COOLDOWN = 2.0
_COUNT = re.compile(r"[0-9]{1,12}")


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


@dataclass(frozen=True)
class Price:
    """US dollars for a million tokens of prompts, and of answers."""

    prompt: float
    answer: float

    def cost(self, prompt_tokens: int, answer_tokens: int) -> float:
        """Return the cost of so many tokens, in US dollars.

        >>> Price(2.0, 8.0).cost(1_000_000, 500_000)
        6.0
        """
        return (prompt_tokens * self.prompt + answer_tokens * self.answer) / 1e6

    def scaled(self, share: float) -> Price:
        """Return a share of the price."""
        return Price(self.prompt * share, self.answer * share)


def find_price(model: str, table: Path | None = None) -> Price | None:
    """Return a model's price; None when the table does not hold the model.

    A dated name such as gpt-4o-2024-08-06 has the price of its longest known beginning.

    Args:
        model: Model name.
        table: A price table of the user's; the packaged one by default.

    Raises:
        UsageError: When the table cannot be read.
    """
    models: dict[str, Price] = _read_table(table)["models"]
    known = [name for name in models if model == name or model.startswith(f"{name}-2")]
    return models[max(known, key=len)] if known else None


def batch_share(table: Path | None = None, default: float = 1.0) -> float:
    """Return what a request costs in a batch, as a share of its price; `default` where the table names none."""
    return float(_read_table(table).get("batch", default))


def _read_table(table: Path | None) -> dict[str, Any]:
    """Read and check a price table."""
    try:
        source = table if table is not None else files("lamm_llm") / "prices.toml"
        values = tomllib.loads(source.read_text(encoding="utf-8"))
        prices = values["models"].items()
        models = {name: Price(float(price["prompt"]), float(price["answer"])) for name, price in prices}
        if wrong := [name for name, price in models.items() if not (price.prompt >= 0 and price.answer >= 0)]:
            raise ValueError(f"a price below 0 for {', '.join(wrong)}")
        return {"models": models, **({"batch": float(values["batch"])} if "batch" in values else {})}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(
            f'Expected a price table with [models] "name" = {{ prompt = 0.1, answer = 0.4 }}, got {table}: {error!r}.'
        ) from error


class Budget:
    """Counts what is spent and stops the run before the next request once a limit is reached.

    Args:
        price: The model's price, or those of several models by name; None when unknown.
        max_cost: US dollars, or None.
        max_requests: Requests sent, repeats included, or None.
        promise: Set aside the most that a request may cost before it is sent, so that the cost limit is never passed;
            otherwise the requests under way when it is reached are still paid.

    Attributes:
        cost: US dollars spent, or None when the price is unknown.
        suspected: US dollars that sendings may have cost whose answer never arrived: they count against the limit, but
            are no known cost.

    Raises:
        UsageError: When a cost limit is set but no price is known.
    """

    def __init__(
        self,
        price: Price | Mapping[str, Price] | None = None,
        max_cost: float | None = None,
        max_requests: int | None = None,
        *,
        promise: bool = False,
    ) -> None:
        if max_cost is not None and price is None:
            raise UsageError(
                "Expected a price for the model because --max-cost is set, found none in the price table. "
                "Add it to a table and pass --prices, or use --max-requests."
            )
        self.price, self.max_cost, self.max_requests = price, max_cost, max_requests
        self.requests = self.prompt_tokens = self.answer_tokens = 0
        self.cost = None if price is None else 0.0
        self.suspected = 0.0
        self._stopped = ""
        self._promises = promise and max_cost is not None
        self._promised, self._under_way = 0.0, 0
        self._settled = asyncio.Event()

    @property
    def gone(self) -> float:
        """US dollars that are or may be spent."""
        return (self.cost or 0.0) + self.suspected

    def dollars(self, prompt_tokens: int, answer_tokens: int, model: str = "") -> float:
        """Return the cost of so many tokens of a model; 0 where the price is unknown."""
        price = self.price.get(model) if isinstance(self.price, Mapping) else self.price
        return price.cost(prompt_tokens, answer_tokens) if price else 0.0

    def stop(self, why: str) -> None:
        """Let no request pass any more."""
        self._stopped = self._stopped or why

    def check(self) -> None:
        """Tell whether a request may be sent at all.

        Raises:
            BudgetReachedError: When it may not.
        """
        if self._stopped:
            raise BudgetReachedError(self._stopped)
        if self.max_requests is not None and self.requests >= self.max_requests:
            raise BudgetReachedError(f"--max-requests {self.max_requests} is reached")
        if self.max_cost is not None and self.gone >= self.max_cost:
            raise self._reached()

    async def promise(self, prompt_tokens: int, answer_tokens: int, model: str = "") -> float:
        """Set aside the most that a request can cost; wait for requests under way where they may leave enough.

        Returns:
            The sum, to be given to `settle`.

        Raises:
            BudgetReachedError: The limit would be passed.
        """
        if not self._promises or self.max_cost is None:
            return 0.0
        most = self.dollars(prompt_tokens, answer_tokens, model)
        while self.gone + self._promised + most > self.max_cost:
            if self.gone + most > self.max_cost or not self._under_way:
                raise self._reached()
            self._settled.clear()
            await self._settled.wait()
        self._promised += most
        self._under_way += 1
        return most

    def settle(self, promised: float) -> None:
        """Free what was set aside: what the request did cost has been counted by then."""
        if promised:
            self._promised -= promised
            self._under_way -= 1
            self._settled.set()

    def suspect(self, prompt_tokens: int, answer_tokens: int, model: str = "") -> None:
        """Count what a sending may have cost whose answer never arrived."""
        self.suspected += self.dollars(prompt_tokens, answer_tokens, model)

    def _reached(self) -> BudgetReachedError:
        return BudgetReachedError(f"--max-cost {self.max_cost:g} is reached")

    def admit(self) -> None:
        """Count one request that is about to be sent.

        Raises:
            BudgetReachedError: When it may not be sent.
        """
        self.check()
        self.requests += 1

    def admit_whole(self, prompt_tokens: int, answer_tokens: int) -> None:
        """Count one request that cannot be stopped later, as a batch's: it must fit at its longest.

        Raises:
            BudgetReachedError: When it may not be sent.
        """
        if self.max_cost is not None and self.gone + self.dollars(prompt_tokens, answer_tokens) > self.max_cost:
            raise self._reached()
        self.admit()
        self.spend(prompt_tokens, answer_tokens)

    def spend(self, prompt_tokens: int, answer_tokens: int, model: str = "", share: float = 1.0) -> None:
        """Add what one answer used, and what it cost: a share of the price through the Batch API."""
        if self.cost is not None:
            self.cost += share * self.dollars(prompt_tokens, answer_tokens, model)
        self.prompt_tokens += prompt_tokens
        self.answer_tokens += answer_tokens

"""The engine: workers that pull rows, ask endpoints and never lose an answer.

Rows are pulled from an iterator only when a worker is free, so a run of any size holds no more rows than it has
requests in flight. Every endpoint has its own workers; one that goes down hands its rows to the others.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from lamm_llm.endpoint import Endpoint
from lamm_llm.errors import (
    LONGEST_PAUSE,
    EndpointError,
    GaveUpError,
    RefusedError,
    ThrottledError,
    TransientError,
    UnsupportedError,
    longest_pause,
)
from lamm_llm.journal import Journal, Sending
from lamm_llm.limits import Budget
from lamm_llm.replies import Reply
from lamm_llm.requests import Request

_LOG = logging.getLogger("lamm_llm")
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how patiently a request is tried again.

    Attributes:
        attempts: Tries of one request; waits that a throttling server asks for are not counted.
        first_delay: Seconds before the second try, doubled each time and drawn from 50 % to 100 % of that.
        longest_delay: Ceiling of one wait.
        patience: Seconds without any success after which a throttling or unreachable endpoint is given up.
        failures_in_a_row: Requests given up one after another after which the endpoint is taken for down; None for
            never.
    """

    attempts: int = 6
    first_delay: float = 0.5
    longest_delay: float = 30.0
    patience: float = 900.0
    failures_in_a_row: int | None = None

    def delay(self, attempt: int, chance: random.Random) -> float:
        """Return the seconds to wait after so many tries, with jitter from `chance`."""
        longest = min(self.first_delay * 2.0 ** (attempt - 1), self.longest_delay)
        return longest * (0.5 + chance.random() / 2)


@dataclass
class Traffic:
    """What went over the wire.

    Attributes:
        sent: Requests sent, repeats included.
        answered: Requests answered.
        reused: Answers taken from the journal, or from the same request under way, instead.
        repeated: Requests sent although an earlier sending may have been billed, its answer never having arrived (in a
            journal that notes sendings). Both carry the same `Idempotency-Key`.
        throttled: Answers 429 or 503 that asked to slow down.
        retried: Failures tried again, by reason.
        given_up: Endpoints that could not be used any more, and why, while others went on.
    """

    sent: int = 0
    answered: int = 0
    reused: int = 0
    repeated: int = 0
    throttled: int = 0
    retried: Counter[str] = field(default_factory=Counter)
    given_up: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {**vars(self), "retried": dict(self.retried)}


class Engine(Generic[Item]):
    """Sends requests for items under one policy.

    Args:
        endpoints: Where to send.
        journal: Where answers are kept; None where the caller keeps them.
        budget: What may be sent.
        policy: How to repeat.
        seed: Seed of the jitter.
    """

    def __init__(
        self, endpoints: list[Endpoint], journal: Journal | None, budget: Budget, policy: RetryPolicy, seed: int = 0
    ) -> None:
        self.endpoints = endpoints
        self.journal = journal
        self.budget = budget
        self.policy = policy
        self.traffic = Traffic()
        self._chance = random.Random(seed)
        self._returned: deque[Item] = deque()
        self._flights: dict[str, asyncio.Task[Reply]] = {}
        self._last_success = time.monotonic()
        self._refused_in_a_row = 0
        self._given_up_in_a_row = 0
        self._told: set[str] = set()

    async def run(self, items: Iterator[Item], work: Callable[[Item, Endpoint], Awaitable[None]]) -> None:
        """Work through all items.

        Args:
            items: Where items are pulled from.
            work: Does one item with one endpoint, by way of `ask`.

        Raises:
            EndpointError: When no endpoint is left that can be used.
        """
        self._last_success = time.monotonic()
        await self._run_workers(items, work)
        while self._returned and any(endpoint.reachable for endpoint in self.endpoints):
            # An endpoint went down when the workers of the others had gone home already.
            await self._run_workers(iter(()), work)

    async def ask(self, request: Request, endpoint: Endpoint) -> Reply:
        """Get the reply to a request: from the journal, from one in flight, or from the endpoint.

        Args:
            request: What to ask.
            endpoint: Whom to ask.

        Returns:
            The reply; it is in the journal.

        Raises:
            BudgetReachedError, GaveUpError, RefusedError, UnsupportedError, EndpointError: When there is none.
        """
        known = None if self.journal is None else self.journal.get(request.key)
        if known is not None:
            self.traffic.reused += 1
            return known
        while (flight := self._flights.get(request.key)) is not None:
            try:
                reply = await asyncio.shield(flight)
            except EndpointError:  # the other one's endpoint, which need not be ours
                continue
            self.traffic.reused += 1
            return reply
        # A task of its own: what waits for it is not walked through each time that a part of the answer arrives.
        flight = self._flights[request.key] = asyncio.create_task(self._fly(request, endpoint))
        flight.add_done_callback(lambda _: self._flights.pop(request.key))
        return await flight

    async def _fly(self, request: Request, endpoint: Endpoint) -> Reply:
        reply = await self._deliver(request, endpoint)
        if self.journal is not None:
            await self.journal.append(request.key, reply, request.payload["model"])
        return reply

    async def _run_workers(self, items: Iterator[Item], work: Callable[[Item, Endpoint], Awaitable[None]]) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for endpoint in self.endpoints:
                    for _ in range(endpoint.settings.concurrency):
                        group.create_task(self._worker(items, work, endpoint))
        except BaseExceptionGroup as failures:
            raise _first_leaf(failures) from None

    async def _worker(
        self, items: Iterator[Item], work: Callable[[Item, Endpoint], Awaitable[None]], endpoint: Endpoint
    ) -> None:
        while endpoint.reachable:
            item = self._returned.popleft() if self._returned else next(items, None)
            if item is None:
                return
            try:
                await work(item, endpoint)
            except EndpointError as error:
                self._returned.append(item)
                self._lose(endpoint, error)

    def _lose(self, endpoint: Endpoint, error: EndpointError) -> None:
        """Go on without an endpoint; without any, go through the remaining rows for what the journal holds of them."""
        others = [other for other in self.endpoints if other is not endpoint and other.reachable]
        if not others and not self.traffic.answered:
            raise error
        if not others:
            self.budget.stop(str(error))
        elif endpoint.reachable:
            endpoint.reachable = False
            self.traffic.given_up.append(str(error))

    async def _deliver(self, request: Request, endpoint: Endpoint) -> Reply:
        attempt = 0
        while True:
            self.budget.check()  # a stopped run must not wait for its turn with every row that is left
            await endpoint.gate.enter(request.tokens)
            promised, sent_at = 0.0, time.monotonic()
            try:
                promised = await self.budget.promise(*request.most)
                reply, headers = await self._send(request, endpoint)
            except ThrottledError as signal:
                self.traffic.throttled += 1
                endpoint.gate.throttled(sent_at, signal.retry_after)
                self._check_patience(endpoint, signal.retry_after)
                continue
            except TransientError as failure:
                attempt += 1
                if failure.reason == "http_503":  # overloaded, but it does not say for how long
                    endpoint.gate.throttled(sent_at, 0.0)
                delay = self._plan_retry(attempt, failure, endpoint)
            except RefusedError as refusal:
                self._count_refusal(endpoint, str(refusal))
                raise
            else:
                used = reply.prompt_tokens + reply.completion_tokens
                endpoint.gate.succeeded(request.tokens, used or request.tokens, headers)
                return self._succeed(request, reply)
            finally:
                self.budget.settle(promised)
                endpoint.gate.leave()
            await asyncio.sleep(delay)

    async def _send(self, request: Request, endpoint: Endpoint) -> tuple[Reply, Mapping[str, str]]:
        """Send once; in a journal that notes sendings, it is noted before, and how it failed after."""
        self.budget.admit()
        self.traffic.sent += 1
        if self.journal is None or not self.journal.sendings:
            return await endpoint.send(request)
        self.traffic.repeated += self.journal.unknown(request.key) > 0
        prompt, answer, model = request.most
        self.journal.begin(request.key, Sending(model, prompt, answer))
        try:
            return await endpoint.send(request)
        except (EndpointError, RefusedError, ThrottledError, TransientError, UnsupportedError) as failure:
            if isinstance(failure, TransientError) and failure.unknown:
                self.budget.suspect(prompt, answer, model)
            else:
                self.journal.fail(request.key)
            raise

    def _succeed(self, request: Request, reply: Reply) -> Reply:
        self.traffic.answered += 1
        self._last_success = time.monotonic()
        self._refused_in_a_row = self._given_up_in_a_row = 0
        # A server that counts no tokens must not make a cost limit blind, in this run or a later one.
        answer = len(reply.text.encode("utf-8", "replace")) // 4 + 1
        if not reply.prompt_tokens:
            reply = replace(reply, prompt_tokens=request.prompt_tokens)
        if not reply.completion_tokens and (reply.text or not reply.prompt_tokens):
            reply = replace(reply, completion_tokens=answer)
        self.budget.spend(reply.prompt_tokens, reply.completion_tokens, request.payload["model"])
        return reply

    def _plan_retry(self, attempt: int, failure: TransientError, endpoint: Endpoint) -> float:
        """Decide whether to try again; give the seconds to wait."""
        self.traffic.retried[failure.reason] += 1
        if attempt >= self.policy.attempts:
            self._given_up_in_a_row += 1
            most = self.policy.failures_in_a_row
            if failure.unreachable or (most is not None and self._given_up_in_a_row >= most):
                raise endpoint.unreachable_error(str(failure)) from None
            raise GaveUpError(failure.reason, f"{attempt} tries, the last: {endpoint.hide_key(str(failure))}") from None
        if failure.unreachable and not self.traffic.answered and attempt >= 2:
            raise endpoint.unreachable_error(str(failure)) from None
        return max(self.policy.delay(attempt, self._chance), longest_pause(failure.retry_after or 0.0))

    def _check_patience(self, endpoint: Endpoint, asked: float | None) -> None:
        """Say once of an endpoint that it asks for a longer wait than is made; give it up in the end."""
        url, wait = endpoint.settings.shown_url, f" for {asked:g} s (Retry-After)" if asked else ""
        if asked is not None and asked > LONGEST_PAUSE and url not in self._told:
            self._told.add(url)
            _LOG.warning("%s asks to wait%s; it is asked again after %g s.", url, wait, LONGEST_PAUSE)
        if time.monotonic() - self._last_success > self.policy.patience:
            raise EndpointError(
                f"Expected an answer from {endpoint.settings.shown_url} within {self.policy.patience:g} s, got none: "
                f"it only asks to slow down{wait}. Run the same command again later; finished rows are kept."
            )

    def _count_refusal(self, endpoint: Endpoint, said: str) -> None:
        """Stop when the server refuses everything from the start: then the fault is not in the rows."""
        self._refused_in_a_row += 1
        if not self.traffic.answered and self._refused_in_a_row >= 5:
            raise EndpointError(
                f"Expected answers from {endpoint.settings.shown_url}, got only refusals: {said}. "
                "Check --model and the prompt."
            )


def run_async(main: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """Run the coroutine that `main` makes: on uvloop where it is installed, in notebooks beside the loop that runs."""
    try:
        import uvloop
    except ModuleNotFoundError:
        factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    else:
        factory = uvloop.new_event_loop

    def run() -> Result:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(main())

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return run()
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result()


def _first_leaf(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    first = failures.exceptions[0]
    return _first_leaf(first) if isinstance(first, BaseExceptionGroup) else first

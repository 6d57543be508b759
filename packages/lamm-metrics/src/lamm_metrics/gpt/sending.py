"""Send requests: from the cache where possible, within the money, with patience for failures that pass."""

import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from threading import Event, Lock
from typing import Any

from lamm_metrics.gpt.cache import Reply, ReplyCache, Sending, request_key
from lamm_metrics.gpt.endpoint import Endpoint
from lamm_metrics.gpt.failures import (
    EndpointError,
    NotSentError,
    PassingError,
    RefusedError,
    UnsupportedFormatError,
)
from lamm_metrics.gpt.prices import BYTES_PER_TOKEN, Budget, estimate_tokens
from lamm_metrics.gpt.settings import JudgeSettings

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
# A server that asks to wait longer than this is as good as down.
MOST_PATIENCE = 600.0
# Requests given up in a row after which the server is taken for down.
GIVEN_UP = 10


def _with_usage(reply: Reply, payload: Mapping[str, Any]) -> Reply:
    """The reply with estimated tokens where the server does not count them, so that the limit on money holds."""
    if reply.prompt_tokens or reply.rejected:
        return reply
    answer = len(reply.text.encode("utf-8", "replace")) // BYTES_PER_TOKEN + 1
    return replace(reply, prompt_tokens=estimate_tokens(payload), answer_tokens=answer)


class Sender:
    """Answers requests from the cache or the server; shared by all threads of a run.

    Attributes:
        sent: Requests that went out, with every further attempt.
        repeated: Those of them that went out although an earlier sending of the same request may have been billed:
            its answer never arrived. All of them carry the same `Idempotency-Key`.
        cached: Requests that the cache answered.
        failures: How often each failure happened.
        stopped: Set once nothing may be sent any more.
        fatal: The error that stopped the run, if one did.
    """

    def __init__(self, endpoint: Endpoint, cache: ReplyCache, budget: Budget, settings: JudgeSettings) -> None:
        self.endpoint, self.cache, self.budget, self.settings = endpoint, cache, budget, settings
        self.sent = 0
        self.repeated = 0
        self.cached = 0
        self.failures: Counter[str] = Counter()
        self.stopped = Event()
        self.fatal: EndpointError | None = None
        self._lock = Lock()
        self._given_up = 0
        self._open_at = 0.0
        # Only the waiting times depend on it, so it need not be told apart from run to run.
        self._random = random.Random(settings.seed)

    def fetch(self, payload: Mapping[str, Any]) -> tuple[str, Reply]:
        """Answer a request.

        Returns:
            Its key and the reply; a reply with `rejected` where the server refuses the request for good.

        Raises:
            NotSentError: The run stops.
            PassingError: It failed as often as the policy allows.
        """
        key = request_key(self.settings.shown_endpoint, payload)
        with self.cache.claim(key):
            reply = self.cache.get(key)
            if reply is not None:
                with self._lock:
                    self.cached += 1
                return key, reply
            reply = self._paid(payload, key)
            self.cache.append(key, str(payload["model"]), reply)
        return key, reply

    def stop(self, error: EndpointError) -> None:
        """Let nothing be sent any more."""
        with self._lock:
            self.fatal = self.fatal or error
        self.stopped.set()

    def _paid(self, payload: Mapping[str, Any], key: str) -> Reply:
        """Send within the money."""
        model = str(payload["model"])
        promised = self.budget.promise(model, payload)
        reply = None
        try:
            reply = self._patiently(payload, key)
            reply = _with_usage(reply, payload)
        finally:
            self.budget.settle(promised, model, reply)
        return reply

    def _patiently(self, payload: Mapping[str, Any], key: str) -> Reply:
        """Send until there is an answer or the policy's attempts are used up."""
        attempts, waited = 0, 0.0
        while True:
            self._wait_for_turn()
            try:
                reply = self._send(payload, key)
            except PassingError as error:
                attempts += 0 if error.throttled and error.wait is not None else 1
                pause = self._pause(error, attempts)
                waited += pause
                if attempts > self.settings.retries or waited > MOST_PATIENCE:
                    self._give_up(error)
                    raise
                self._hold(error, pause)
            except EndpointError as error:
                self.stop(error)
                raise NotSentError("stopped") from None
            else:
                with self._lock:
                    self._given_up = 0
                return reply

    def _send(self, payload: Mapping[str, Any], key: str) -> Reply:
        """Send once; what the server refuses for good is an answer too, so that it is not asked again."""
        sending = Sending(str(payload["model"]), estimate_tokens(payload), int(payload["max_tokens"]))
        with self._lock:
            self.sent += 1
            self.repeated += self.cache.unknown(key) > 0
        self.cache.begin(key, sending)
        try:
            return self.endpoint.send(payload, key)
        except UnsupportedFormatError as error:
            return Reply(rejected="format", text=str(error))
        except RefusedError as error:
            return Reply(rejected="request", text=str(error))
        except PassingError as error:
            if error.unknown:
                self.budget.suspect(sending)
                self._check_money(error)
            else:
                self.cache.fail(key)
            raise
        except EndpointError:
            self.cache.fail(key)
            raise

    def _check_money(self, error: PassingError) -> None:
        """Let nothing be sent again that the limit on money has no room for beside what may be billed already."""
        if not self.budget.holds:
            with self._lock:
                self.failures[error.reason] += 1
            raise NotSentError("max_cost") from None

    def _pause(self, error: PassingError, attempts: int) -> float:
        """How long to wait: what the server asks for, else ever longer up to a limit, with chance in it."""
        if error.wait is not None:
            return error.wait
        with self._lock:
            return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** (attempts - 1)) * self._random.uniform(0.5, 1.0)

    def _hold(self, error: PassingError, pause: float) -> None:
        """Wait alone after a failure; hold everybody back where the server asks for patience."""
        with self._lock:
            self.failures[error.reason] += 1
            if error.throttled:
                self._open_at = max(self._open_at, time.monotonic() + pause)
                return
        if self.stopped.wait(pause):
            raise NotSentError("stopped")

    def _wait_for_turn(self) -> None:
        while not self.stopped.is_set():
            with self._lock:
                left = self._open_at - time.monotonic()
            if left <= 0:
                return
            self.stopped.wait(left)
        raise NotSentError("stopped")

    def _give_up(self, error: PassingError) -> None:
        with self._lock:
            self.failures[error.reason] += 1
            self._given_up += 1
            down = self._given_up >= GIVEN_UP
        if error.unreachable or down:
            self.stop(self.endpoint.unreachable(str(error)))

"""Rates and concurrency, on a clock of our own."""

import asyncio
import time

import pytest

from lamm_llm import Gate, Rate, parse_duration


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize("per_minute", [6, 60, 600, 6000, 30000])
def test_no_minute_holds_more_than_two_percent_above_the_limit(per_minute):
    clock = Clock()
    rate = Rate(per_minute, clock)
    sent = []
    while clock.now < 180:
        sent.append(clock.now + rate.reserve(1))
        if sent[-1] > clock.now:
            clock.now = sent[-1]
    first = 0
    most = 0
    for last, at in enumerate(sent):
        while sent[first] <= at - 60 + 1e-9:
            first += 1
        most = max(most, last - first + 1)
    assert 0.98 * per_minute <= most <= 1.02 * per_minute
    assert len(sent) >= 0.98 * 3 * per_minute


def test_an_overestimate_is_given_back():
    clock = Clock()
    rate = Rate(6000, clock)
    rate.reserve(3000)
    rate.settle(3000, 300)
    assert rate.reserve(1) == pytest.approx(300 / 100 - 0.99)


@pytest.mark.parametrize(
    ("text", "seconds"), [("1", 1), ("6m0s", 360), ("250ms", 0.25), ("1h2m", 3720), ("soon", None)]
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


def test_a_burst_of_throttles_counts_once_and_successes_recover():
    gate = Gate(16)
    sent = time.monotonic()
    for _ in range(5):
        gate.throttled(sent, 0.0)
    assert gate.limit == 12
    for _ in range(25):
        gate.succeeded(10, 10, {})
    assert gate.limit == 13


def test_headers_set_limits_and_pauses():
    gate = Gate(4)
    gate.succeeded(10, 10, {"x-ratelimit-limit-requests": "600", "x-ratelimit-limit-tokens": "1000"})
    assert (gate.requests.per_minute, gate.tokens.per_minute) == (600, 1000)
    headers = {
        "x-ratelimit-limit-requests": "600",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "200ms",
    }
    gate.succeeded(0, 0, headers)
    started = time.monotonic()
    asyncio.run(gate.enter(0))
    assert time.monotonic() - started >= 0.19

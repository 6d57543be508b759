"""Rates and concurrency over a socket."""

import asyncio
import time

from lamm_data.generation.run import generate


def test_the_server_sees_no_more_than_the_limit(loopback, reply, settings):
    server = loopback(lambda seen: reply())
    started = time.monotonic()
    generate(settings(server.url, rows=120, requests_per_minute=1800, concurrency=32))
    # 30 at once, then 30 a second: however late a busy machine lets requests arrive, none may arrive before its place.
    times = sorted(seen.at - started for seen in server.requests)
    assert all(at >= (number - 30) / 30 for number, at in enumerate(times))
    assert times[-1] < 20


def test_concurrency_is_kept(loopback, reply, settings):
    flying = most = 0

    async def script(seen):
        nonlocal flying, most
        flying += 1
        most = max(most, flying)
        await asyncio.sleep(0.02)
        flying -= 1
        return reply()

    generate(settings(loopback(script).url, rows=40, concurrency=5))
    assert most == 5

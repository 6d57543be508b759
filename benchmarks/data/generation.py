"""Records a second and CPU a record of the whole generation pipeline, in one process and in two, beside its peers.

A loopback server in a process of its own answers at once with the same 1.6 kB completion. Ours runs everything: prompt,
request key, request by the openai SDK, parsing, durable append, records in row order. Peers only ask, as their
documentation shows. All run in one call, the server's own CPU is told too: on two cores it takes from everybody.

    python benchmarks/data/generation.py [--rows 4000] [--concurrency 64] [--litellm PYTHON] [--output FILE]

`--litellm` names the Python of an environment with litellm, the transport of several generation tools.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path
from typing import Any

from installed import versions

RESULT = Path(__file__).parents[1] / "results" / "data_generation.json"
ROUND = {
    "question": "What is on the table in the middle of the room?",
    "answer": "There is a cup beside two books. " * 3,
}
CONTENT = json.dumps({"rounds": [ROUND | {"question": f"{ROUND['question']} ({n})"} for n in range(6)]})
BODY = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": CONTENT}}],
        "usage": {"prompt_tokens": 900, "completion_tokens": 300, "total_tokens": 1200},
    }
).encode()
RESPONSE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(BODY) + BODY


class Answering(asyncio.Protocol):
    """Answers each complete request with the same bytes; it copies a body only when it comes in pieces."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.missing = 0
        self.head = b""

    def data_received(self, data: bytes) -> None:
        if self.missing:
            self.missing -= len(data)
            if self.missing <= 0:
                self.missing = 0
                self.transport.write(RESPONSE)
            return
        data = self.head + data
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self.head = data
            return
        self.head = b""
        at = data.find(b"ontent-", 0, end)
        while data[at + 7 : at + 14].lower() != b"length:":
            at = data.find(b"ontent-", at + 7, end)
        size = int(data[at + 14 : data.find(b"\r", at)])
        self.missing = max(end + 4 + size - len(data), 0)
        if not self.missing:
            self.transport.write(RESPONSE)


def serve(port_queue: multiprocessing.Queue[int], stop: Event, cpu: multiprocessing.Queue[float]) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Answering, "127.0.0.1", 0, backlog=4096)
        port_queue.put(server.sockets[0].getsockname()[1])
        await loop.run_in_executor(None, stop.wait)
        server.close()

    try:
        import uvloop
    except ImportError:
        asyncio.run(run())
    else:
        uvloop.run(run())
    cpu.put(cpu_seconds())


def write_rows(path: Path, count: int, first: int = 0) -> None:
    box = {"category": "cup", "bbox": [0.1, 0.2, 0.3, 0.4]}
    with path.open("w") as out:
        for number in range(first, first + count):
            captions = [f"Sentence {k} about picture {number}, with a cup on a table beside books." for k in range(5)]
            row = {"id": f"{number:012d}", "image": f"{number:012d}.jpg", "captions": captions, "instances": [box] * 8}
            out.write(json.dumps(row) + "\n")


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def ours(url: str, rows: int, concurrency: int, first: int, start: Barrier, results: Any) -> None:
    from lamm_data import generate, make_settings

    with tempfile.TemporaryDirectory() as folder:

        def settings(count: int, name: str) -> Any:
            annotations = Path(folder) / f"rows_{name}"
            write_rows(annotations, count, first)
            values = {"type": "daily_dialogue", "annotations": annotations, "endpoint": url, "model": "m"}
            return make_settings(values | {"output": Path(folder) / name, "concurrency": concurrency, "rounds": 6})

        generate(settings(100, "warm.jsonl"))
        measured = settings(rows, "out.jsonl")
        start.wait()
        cpu, started = cpu_seconds(), time.perf_counter()
        summary = generate(measured)
        results.put((summary.counts.records, time.perf_counter() - started, cpu_seconds() - cpu))


def make_payloads(folder: Path, rows: int, first: int = 0) -> list[dict[str, Any]]:
    """Build the requests beforehand: peers only have to send them."""
    from lamm_data import RequestBuilder, Sampling, load_prompt, read_rows

    write_rows(folder / "rows.jsonl", rows, first)
    builder = RequestBuilder(load_prompt("daily_dialogue"), Sampling("m"))
    return [builder.first(row, "json_schema").payload for row in read_rows(folder / "rows.jsonl")]


def plain(url: str, rows: int, concurrency: int, first: int, start: Barrier, results: Any) -> None:
    from openai import AsyncOpenAI

    with tempfile.TemporaryDirectory() as folder:
        payloads = make_payloads(Path(folder), rows, first)

    async def run() -> int:
        client = AsyncOpenAI(base_url=url, api_key="none", max_retries=0)
        left = iter(payloads)

        async def worker() -> int:
            done = 0
            for payload in left:
                answer = await client.chat.completions.create(**payload)
                done += bool(answer.choices[0].message.content)
            return done

        return sum(await asyncio.gather(*(worker() for _ in range(concurrency))))

    start.wait()
    cpu, started = cpu_seconds(), time.perf_counter()
    records = asyncio.run(run())
    results.put((records, time.perf_counter() - started, cpu_seconds() - cpu))


def measure(work: Any, url: str, rows: int, concurrency: int, processes: int) -> dict[str, float]:
    """Run so many processes at the same time; the time is the slowest one's."""
    context = multiprocessing.get_context("spawn")
    results, start = context.Queue(), context.Barrier(processes)
    shares = [
        context.Process(target=work, args=(url, rows, concurrency, number * rows, start, results))
        for number in range(processes)
    ]
    for share in shares:
        share.start()
    found = [results.get() for _ in shares]
    for share in shares:
        share.join()
    return summary(sum(item[0] for item in found), max(item[1] for item in found), sum(item[2] for item in found))


def summary(records: int, seconds: float, cpu: float) -> dict[str, float]:
    return {
        "records": records,
        "records_per_second": round(records / seconds, 1),
        "cpu_ms_per_record": round(1000 * cpu / records, 3),
    }


LITELLM = """
import asyncio, json, os, resource, sys, time
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
import litellm
url, concurrency, payloads = sys.argv[1], int(sys.argv[2]), json.load(open(sys.argv[3]))
def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
async def run(payloads):
    left = iter(payloads)
    async def worker():
        done = 0
        for payload in left:
            answer = await litellm.acompletion(api_base=url, api_key="none", num_retries=0, **payload)
            done += bool(answer.choices[0].message.content)
        return done
    return sum(await asyncio.gather(*(worker() for _ in range(concurrency))))
async def main():
    await run(payloads[:20])
    before, started = cpu(), time.perf_counter()
    records = await run(payloads)
    print("RESULT", json.dumps([records, time.perf_counter() - started, cpu() - before]))
asyncio.run(main())
"""
"""litellm, the transport of several generation tools."""


def litellm(python: str, url: str, rows: int, concurrency: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        payloads = [{**payload, "model": "openai/gpt-4o-mini"} for payload in make_payloads(Path(folder), rows)]
        file = Path(folder) / "payloads.json"
        file.write_text(json.dumps(payloads))
        arguments = [python, "-c", LITELLM, url, str(concurrency), str(file)]
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=300, cwd=folder)
    found = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not found:
        return {"failed": done.stderr.strip().splitlines()[-1:]}
    return summary(*json.loads(found[0].removeprefix("RESULT ")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--litellm")
    parser.add_argument("--output", type=Path, default=RESULT)
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    ports, stop, cpu = context.Queue(), context.Event(), context.Queue()
    server = context.Process(target=serve, args=(ports, stop, cpu), daemon=True)
    server.start()
    url, rows, together = f"http://127.0.0.1:{ports.get()}/v1", options.rows, options.concurrency
    load = os.getloadavg()[0]
    measured: dict[str, Any] = {
        "lamm-data, 1 process": measure(ours, url, rows, together, 1),
        "lamm-data, 2 processes": measure(ours, url, rows, together, 2),
        "AsyncOpenAI, create(), 1 process": measure(plain, url, rows // 4, together, 1),
        "AsyncOpenAI, create(), 2 processes": measure(plain, url, rows // 4, together, 2),
    }
    if options.litellm:
        measured["litellm, acompletion(), 1 process"] = litellm(options.litellm, url, rows // 8, together)
    stop.set()
    answered = 3 * (rows + 100) + 3 * (rows // 4) + (rows // 8 + 20 if options.litellm else 0)
    measured["the server, about"] = {"cpu_ms_per_request": round(1000 * cpu.get() / answered, 3)}
    report = {
        "benchmark": "data_generation",
        "date": date.today().isoformat(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load_average": round(load, 2),
        "versions": versions("lamm-data", "openai", "aiohttp", "orjson", "uvloop"),
        "settings": {"rows a process": rows, "concurrency": together},
        "measured": measured,
    }
    text = json.dumps(report, indent=1)
    sys.stdout.write(text + "\n")
    options.output.write_text(text + "\n")


if __name__ == "__main__":
    main()

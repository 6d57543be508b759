"""Records a second and CPU a record of the whole generation pipeline, beside plain AsyncOpenAI.

A loopback server in a process of its own answers at once. Ours runs everything: prompt, request key, request by the
openai SDK, parsing, durable append, records in row order. The peer only awaits `chat.completions.create`.

    python benchmarks/data/generation.py [--rows 3000] [--concurrency 64] [--processes 1] [--output results.json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import platform
import resource
import tempfile
import time
from pathlib import Path

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
    """Answers each complete request with the same bytes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.buffer = bytearray()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self.buffer[:end]).lower()
            at = head.find(b"content-length:")
            size = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.buffer) < end + 4 + size:
                return
            del self.buffer[: end + 4 + size]
            self.transport.write(RESPONSE)


def serve(port_queue: multiprocessing.Queue) -> None:
    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0, backlog=4096)
        port_queue.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    try:
        import uvloop
    except ImportError:
        asyncio.run(run())
    else:
        uvloop.run(run())


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


def ours(url: str, rows: int, concurrency: int, first: int, results: multiprocessing.Queue) -> None:
    from lamm_data.generation import generate, make_settings

    with tempfile.TemporaryDirectory() as folder:
        annotations = Path(folder) / "rows.jsonl"

        def settings(count: int, name: str) -> object:
            write_rows(annotations, count, first)
            values = {"type": "daily_dialogue", "annotations": annotations, "endpoint": url, "model": "m"}
            return make_settings(values | {"output": Path(folder) / name, "concurrency": concurrency, "rounds": 6})

        generate(settings(50, "warm.jsonl"))
        measured = settings(rows, "out.jsonl")
        cpu, started = cpu_seconds(), time.perf_counter()
        summary = generate(measured)
        results.put((summary.counts.records, time.perf_counter() - started, cpu_seconds() - cpu))


def plain(url: str, rows: int, concurrency: int, first: int, results: multiprocessing.Queue) -> None:
    from openai import AsyncOpenAI

    from lamm_data.generation import load_prompt, read_rows
    from lamm_data.generation.requests import RequestBuilder, Sampling

    with tempfile.TemporaryDirectory() as folder:
        annotations = Path(folder) / "rows.jsonl"
        write_rows(annotations, rows, first)
        builder = RequestBuilder(load_prompt("daily_dialogue"), Sampling("m"))
        payloads = [builder.first(row, "json_schema").payload for row in read_rows(annotations)]

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

    cpu, started = cpu_seconds(), time.perf_counter()
    records = asyncio.run(run())
    results.put((records, time.perf_counter() - started, cpu_seconds() - cpu))


def measure(work: object, url: str, rows: int, concurrency: int, processes: int) -> dict[str, float]:
    results: multiprocessing.Queue = multiprocessing.Queue()
    shares = [
        multiprocessing.Process(target=work, args=(url, rows, concurrency, number * rows, results))
        for number in range(processes)
    ]
    for share in shares:
        share.start()
    found = [results.get() for _ in shares]
    for share in shares:
        share.join()
    records, cpu = sum(item[0] for item in found), sum(item[2] for item in found)
    return {
        "records": records,
        "records_per_second": round(sum(item[0] / item[1] for item in found), 1),
        "cpu_ms_per_record": round(1000 * cpu / records, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    ports: multiprocessing.Queue = multiprocessing.Queue()
    server = multiprocessing.Process(target=serve, args=(ports,), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{ports.get()}/v1"
    report = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "options": {"rows": options.rows, "concurrency": options.concurrency, "processes": options.processes},
        "lamm-data": measure(ours, url, options.rows, options.concurrency, options.processes),
        "AsyncOpenAI, create()": measure(plain, url, options.rows // 3, options.concurrency, options.processes),
    }
    server.terminate()
    text = json.dumps(report, indent=1)
    print(text)
    if options.output:
        options.output.write_text(text + "\n")


if __name__ == "__main__":
    main()

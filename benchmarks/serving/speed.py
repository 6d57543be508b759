"""Answers a second at 1, 4 and 16 clients: `lamm model serve` beside `transformers serve`, one run, one language model.

    python benchmarks/serving/speed.py [--output benchmarks/results/serving_speed.json] [--tokens 16]

SmolLM2-135M in float32 answers short questions greedily. `transformers serve` does not take our model class (it has no
point clouds), so both are asked text only: it serves the language model alone, ours the same one inside a model with an
image tower. It runs twice, with and without `--continuous-batching`. Every client sends its next question when it has
its answer; answers are streamed, so that the wait for the first token is known. Answers of the servers are compared.

All servers are up from the start, and those that are not being asked are stopped (SIGSTOP); they take turns, and the
better of two rounds counts. The processor time a token is what the server process used, whatever else the machine did.
"""

import argparse
import http.client
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "results" / "serving_speed.json"
CLIENTS = {1: 4, 4: 2, 16: 2}  # questions each of so many clients asks
ROUNDS = 2
SYSTEM = "You are a helpful assistant."
THINGS = ("chair", "table", "lamp", "window", "door", "shelf", "sofa", "mirror")
TRANSFORMERS = [sys.executable, "-c", "from transformers.cli.transformers import main; main()"]
LAMM = "lamm model serve"
PEERS = {"transformers serve": [], "transformers serve --continuous-batching": ["--continuous-batching"]}
# Without these limits the cache of the batching engine takes most of the machine's memory.
LIMITS = ["--cb-block-size", "32", "--cb-num-blocks", "512", "--cb-max-batch-tokens", "512"]


def question(client: int, number: int) -> str:
    return (
        f"What is a {THINGS[(client + 3 * number) % len(THINGS)]} made of, and where in room {client} would you put it?"
    )


@contextmanager
def running(command: list[str], port: int, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a server and wait until it answers."""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1"}
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment)
    try:
        for _ in range(600):
            if process.poll() is not None:
                raise SystemExit(f"Expected {command[1]} to run, got its end: {log.read_text()[-2000:]}")
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
                connection.request("GET", "/health")
                connection.getresponse().read()
                break
            except OSError:
                time.sleep(0.5)
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


def ask(port: int, model: str, text: str, tokens: int) -> tuple[str, float, float, int]:
    """Return an answer, the seconds until its first token and its end, and its pieces."""
    body = {
        "model": model,
        "messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}],
        "max_tokens": tokens,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
    reply = connection.getresponse()
    if reply.status != 200:
        raise SystemExit(f"Expected an answer, got {reply.status}: {reply.read()[:500]!r}")
    answer, first, pieces, written = "", 0.0, 0, 0
    for raw in reply:
        line = raw.decode().strip()
        if not line.startswith("data: ") or line == "data: [DONE]":
            continue
        event = json.loads(line[6:])
        for choice in event.get("choices", []):
            if part := choice["delta"].get("content"):
                first = first or time.perf_counter() - began
                answer += part
                pieces += 1
        written = (event.get("usage") or {}).get("completion_tokens", written)
    connection.close()
    return answer.strip(), first, time.perf_counter() - began, written or pieces


def used(process: "subprocess.Popen[bytes]") -> float:
    """Processor seconds of a server."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(
    process: "subprocess.Popen[bytes]", port: int, model: str, clients: int, each: int, tokens: int
) -> dict[str, Any]:
    """Ask from so many clients at once."""
    found: dict[str, tuple[str, float, float, int]] = {}

    def work(client: int) -> None:
        for number in range(each):
            text = question(client, number)
            found[text] = ask(port, model, text, tokens)

    threads = [threading.Thread(target=work, args=(client,)) for client in range(clients)]
    process.send_signal(signal.SIGCONT)
    before, began = used(process), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    answers = found.values()
    busy, all_tokens = used(process) - before, sum(written for *_, written in answers)
    process.send_signal(signal.SIGSTOP)
    return {
        "answers_per_second": round(len(found) / seconds, 3),
        "tokens_per_second": round(all_tokens / seconds, 1),
        "processor_ms_per_token": round(1000 * busy / all_tokens, 1),
        "median_first_token_s": round(statistics.median(first for _, first, _, _ in answers), 3),
        "longest_first_token_s": round(max(first for _, first, _, _ in answers), 3),
        "median_answer_s": round(statistics.median(whole for _, _, whole, _ in answers), 3),
        "texts": {text: answer for text, (answer, *_) in found.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--tokens", type=int, default=16)
    options = parser.parse_args()

    from lamm_model import build_pair, embedded_parts, save_model

    with tempfile.TemporaryDirectory() as root:
        folder = Path(root, "model")
        save_model(*build_pair("embedded", "embedded", None), folder)
        language = str(embedded_parts().language_model)
        lamm = [sys.executable, "-c", "from lamm_model.cli import model; model()", "serve", "--model", str(folder)]
        servers = {LAMM: (lamm, folder.name)}
        for name, extra in PEERS.items():
            limits = LIMITS if extra else []
            serve = [*TRANSFORMERS, "serve", language, "--host", "127.0.0.1", "--dtype", "float32"]
            servers[name] = ([*serve, *extra, *limits], language)
        measured: dict[str, dict[str, Any]] = {str(clients): {} for clients in CLIENTS}
        with ExitStack() as stack:
            started = {}
            for place, (name, (command, model)) in enumerate(servers.items()):
                port = 8201 + place
                log = Path(root, f"{place}.log")
                process = stack.enter_context(running([*command, "--port", str(port)], port, log))
                ask(port, model, "Hello?", 2)
                process.send_signal(signal.SIGSTOP)
                started[name] = (process, port, model)
            for _ in range(ROUNDS):
                for clients, each in CLIENTS.items():
                    for name, server in started.items():
                        found = measure(*server, clients, each, options.tokens)
                        print(clients, name, {k: v for k, v in found.items() if k != "texts"}, flush=True)
                        best = measured[str(clients)].setdefault(name, found)
                        if found["answers_per_second"] > best["answers_per_second"]:
                            measured[str(clients)][name] = found
    for servers_at in measured.values():
        texts = {name: found.pop("texts") for name, found in servers_at.items()}
        for name, found in servers_at.items():
            found["answers_equal_to_ours"] = sum(texts[name][text] == ours for text, ours in texts[LAMM].items())
            found["answers"] = len(texts[name])
    result = {
        "benchmark": "serving speed",
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
        "versions": {name: version(name) for name in ("lamm-model", "transformers", "torch", "uvicorn", "starlette")},
        "note": "SmolLM2-135M, float32, one thread each, text only, greedy, streamed; clients ask again when answered",
        "measured_at_clients": measured,
    }
    options.output.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()

"""Does calibration tell a judge that sees faults from one that guesses?

Records of the sample world's scenes (what there is, how many, where, a box), each as it is and with one planted fault
(another colour, count, object, place or box), are put to scripted judges on a real loopback socket: a truthful one,
noisy ones that miss and accuse at a stated rate, one that always agrees, one that tosses a coin, and a truthful one
whose every tenth reply cannot be read. `lamm data check --calibrate` should report each at its own rates, and refuse
the two that say nothing.

    python benchmarks/data/judging.py [--pairs 200] [--output FILE]
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lamm_data import FaithfulnessSettings, calibrate_judge, read_records, read_rows, write_world
from lamm_llm import EndpointSettings

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "shared"))
from scenes import write_sound_records

RESULT = Path(__file__).parents[1] / "results" / "data_judging.json"
JUDGES = {
    "truthful": {"found": 1.0, "accused": 0.0},
    "noisy, 10 %": {"found": 0.9, "accused": 0.1},
    "noisy, 30 %": {"found": 0.7, "accused": 0.3},
    "coin": {"found": 0.5, "accused": 0.5},
    "always agrees": {"found": 0.0, "accused": 0.0},
    "truthful, every tenth reply unreadable": {"found": 1.0, "accused": 0.0, "unreadable": 0.1},
}


def write_scenes(folder: Path) -> tuple[Path, Path]:
    """Write records that say only what the scenes' annotations hold."""
    write_world(folder / "world", images=900, rooms=0, seed=1)
    annotations, records = folder / "world" / "scenes", folder / "records.jsonl"
    write_sound_records(read_rows(annotations), records)
    return records, annotations


def scripted(
    sound: set[tuple[str, ...]], found: float, accused: float, unreadable: float = 0.0
) -> Callable[[str], str]:
    """Return a judge that knows the sound dialogues; the draw depends on the dialogue alone."""
    by_answer = {answers[0]: answers for answers in sound}

    def judge(asked: str) -> str:
        dialogue = asked.partition("Dialogue to check:\n")[2].partition("\n\nGive the verdict")[0]
        lines = [line.partition("? ")[2] or line.partition(". ")[2].partition(". ")[2] for line in dialogue.split("\n")]
        is_sound = tuple(lines) in sound
        chance = random.Random(dialogue)
        if chance.random() < unreadable:
            return "As the pictures are lovely, so is the text."
        if chance.random() >= (accused if is_sound else found):
            return json.dumps({"unsupported": [], "score": 5})
        wrong = [line for line in lines if line not in by_answer.get(lines[0], ())]
        return json.dumps({"unsupported": wrong or lines[:1], "score": chance.choice((1, 2, 3))})

    return judge


@contextmanager
def served(judge: Callable[[str], str]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            message = {"role": "assistant", "content": judge(body["messages"][1]["content"])}
            choice = {"index": 0, "finish_reason": "stop", "message": message}
            usage = {"prompt_tokens": 500, "completion_tokens": 20, "total_tokens": 520}
            reply = json.dumps({"id": "x", "model": "judge", "choices": [choice], "usage": usage}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--output", type=Path, default=RESULT)
    options = parser.parse_args()
    measured: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        records, annotations = write_scenes(Path(name))
        sound = {
            tuple(turn.text for turn in record.conversations if turn.role == "gpt") for record in read_records(records)
        }
        for title, rates in JUDGES.items():
            with served(scripted(sound, **rates)) as url:
                journal = Path(name) / f"{len(measured)}.jsonl"
                settings = FaithfulnessSettings("judge", EndpointSettings(url, concurrency=8), journal)
                measured[title] = {
                    "rates": rates,
                    **calibrate_judge(records, annotations, settings, options.pairs).to_dict(),
                }
    result = {
        "benchmark": "judging",
        "date": datetime.now(UTC).date().isoformat(),
        "versions": {"lamm-data": version("lamm-data")},
        "measured": measured,
    }
    options.output.write_text(json.dumps(result, indent=1) + "\n")
    for title, values in measured.items():
        planted, clean = values["judged"]
        print(
            f"{title:40} found {values['found'][4]}/{planted}, accused {values['accused'][4]}/{clean}, "
            f"order {values['area']:.3f}, quoted {values['named']}, tells apart {values['tells_apart']}"
        )


if __name__ == "__main__":
    main()

"""Records a second of `lamm data check`, files read and written included.

The records are dialogues of the published size (six turns, about 1,750 bytes), drawn from a seed, each with an
annotation row; every check runs but the comparison of pictures, which reads each picture. A peer that does the same
work does not exist; for scale, reading and writing the same file with `json` alone is timed in the same run.

    python benchmarks/data/checking.py [--count 40000] [--workers 2] [--output FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lamm_data import CheckSettings, ContaminationSettings, check_file

RESULT = Path(__file__).parents[1] / "results" / "data_checking.json"
LABELS = ["cat", "dog", "chair", "umbrella", "pizza", "truck", "zebra", "kite", "laptop", "vase", "bench", "person"]
FILLER = [
    "the",
    "light",
    "falls",
    "softly",
    "over",
    "everything",
    "in",
    "view",
    "while",
    "others",
    "walk",
    "past",
    "and",
    "talk",
    "about",
    "their",
    "plans",
    "for",
    "later",
    "on",
    "a",
    "quiet",
    "street",
    "near",
    "water",
    "where",
    "old",
    "trees",
    "stand",
    "close",
    "together",
    "behind",
    "low",
    "walls",
    "made",
    "of",
    "grey",
    "stone",
    "with",
    "small",
    "windows",
    "above",
    "them",
    "that",
    "reflect",
    "clouds",
    "moving",
    "slowly",
    "across",
    "an",
    "open",
    "sky",
    "late",
    "in",
    "summer",
    "as",
    "birds",
    "play",
    "nearby",
]


def sentence(chance: random.Random, count: int) -> str:
    return " ".join(chance.choices(FILLER, k=count)).capitalize() + "."


def write_files(folder: Path, count: int, seed: int = 0) -> tuple[Path, Path, Path]:
    """Write records, their annotation rows and a benchmark."""
    chance = random.Random(seed)
    records, rows, benchmark = folder / "records.jsonl", folder / "rows.jsonl", folder / "Caption_x.json"
    with records.open("w") as to_records, rows.open("w") as to_rows:
        for number in range(count):
            labels = chance.sample(LABELS, 3)
            box = [0.1, 0.2, 0.4, 0.6]
            objects = [{"category": label, "bbox": box} for label in labels for _ in range(2)]
            captions = [f"A {labels[0]} near two {labels[1]}s. {sentence(chance, 8)}" for _ in range(5)]
            name = f"{number:012d}"
            to_rows.write(
                json.dumps({"id": name, "image": f"{name}.jpg", "captions": captions, "instances": objects}) + "\n"
            )
            turns = []
            for k in range(3):
                question = f"What can be said about the {labels[k]} in this picture of scene {number}?"
                answer = f"There are two {labels[k]}s. " + " ".join(sentence(chance, 14) for _ in range(5))
                turns += [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]
            record = {"id": name, "image": f"{name}.jpg", "conversations": turns, "task_type": "conversation"}
            to_records.write(json.dumps(record) + "\n")
    items = [
        {"id": n, "image": f"b{n:011d}.jpg", "query": "?", "sentences": [f"unseen {n} " + sentence(chance, 14)]}
        for n in range(500)
    ]
    benchmark.write_text(json.dumps(items))
    return records, rows, benchmark


def processor_seconds() -> float:
    parts = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in parts)


def measure(work: Any, count: int) -> dict[str, float]:
    before, started = processor_seconds(), time.perf_counter()
    work()
    seconds = time.perf_counter() - started
    return {
        "seconds": round(seconds, 2),
        "records_per_second": round(count / seconds),
        "processor_us_per_record": round(1e6 * (processor_seconds() - before) / count, 1),
    }


def copy(records: Path, target: Path) -> None:
    with records.open() as lines, target.open("w") as out:
        for line in lines:
            out.write(json.dumps(json.loads(line)) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=40_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--output", type=Path, default=RESULT)
    options = parser.parse_args()
    load, count, workers = os.getloadavg()[0], options.count, options.workers
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        records, rows, benchmark = write_files(folder, count)
        kept, rejected = folder / "kept.jsonl", folder / "rejected.jsonl"

        def check(**settings: Any) -> dict[str, float]:
            return measure(
                lambda: check_file(records, CheckSettings(workers=workers, **settings), kept, rejected), count
            )

        measured: dict[str, Any] = {
            "text, duplicates": check(),
            "text, duplicates, grounding": check(annotations=rows),
            "text, duplicates, grounding, contamination": check(
                annotations=rows, contamination=ContaminationSettings((benchmark,))
            ),
            "json.loads and json.dumps of each line": measure(lambda: copy(records, kept), count),
        }
        size = records.stat().st_size / count
    result = {
        "benchmark": "checking",
        "date": datetime.now(UTC).date().isoformat(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load_average": round(load, 2),
        "versions": {"python": platform.python_version(), "lamm-data": version("lamm-data")},
        "records": count,
        "bytes_per_record": round(size),
        "workers": workers,
        "measured": measured,
    }
    options.output.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(measured, indent=1))


if __name__ == "__main__":
    main()

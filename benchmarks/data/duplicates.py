"""Near duplicates of 20,000 instructions by exact ROUGE-L, the time 186,000 take by that, and MinHash beside it.
Whole dialogues too, of which a tenth as many are enough to see what they take.

Instructions are drawn from a seed: words after Zipf's law, 6 to 22 of them as in the LAMM dataset's questions, one in
ten a light change of an earlier one. The work is all pairs whose lengths allow the threshold, so that it grows with the
square of the number; 5,000, 10,000 and 20,000 show that it does. The peer is self-instruct's loop, which scores one
pair after the other with the package rouge-score; a sample of its pairs is timed.

    python benchmarks/data/duplicates.py [--count 20000] [--workers 2] [--output FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import time
from datetime import UTC, datetime
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path
from typing import Any

from installed import versions

from lamm_data import find_near, find_near_minhash

RESULT = Path(__file__).parents[1] / "results" / "data_duplicates.json"
THRESHOLD, WHOLE = 0.7, 186_000
VOCABULARY = 8_000


def instructions(count: int, shortest: int = 6, longest: int = 22, seed: int = 0) -> list[str]:
    chance = random.Random(seed)
    words = [f"w{number}" for number in range(VOCABULARY)]
    shares = list(accumulate(1 / (number + 1) for number in range(VOCABULARY)))
    made: list[list[str]] = []
    for number in range(count):
        if number % 10 == 9:
            text = list(chance.choice(made))
            for _ in range(chance.randint(1, max(3, shortest // 10))):
                text[chance.randrange(len(text))] = chance.choice(words)
        else:
            text = chance.choices(words, cum_weights=shares, k=chance.randint(shortest, longest))
        made.append(text)
    return [" ".join(text) for text in made]


def timed(work: Any) -> tuple[Any, dict[str, float]]:
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    found = work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return found, {"seconds": round(time.perf_counter() - started, 2), "processor_seconds": round(processor, 2)}


def exact(texts: list[str], workers: int) -> tuple[set[int], dict[str, Any]]:
    count = len(texts)
    found, times = timed(lambda: find_near(texts, THRESHOLD, workers))
    pairs = count * (count - 1) / 2
    per_pair = round(1e9 * times["processor_seconds"] / pairs, 1)
    return {item.index for item in found}, {**times, "duplicates": len(found), "processor_ns_per_pair": per_pair}


def computed(times: dict[str, Any], count: int) -> dict[str, float]:
    """The time of 186,000 texts, the work growing with the square of their number."""
    growth = (WHOLE / count) ** 2
    return {
        "minutes": round(times["seconds"] * growth / 60, 1),
        "processor_minutes": round(times["processor_seconds"] * growth / 60, 1),
    }


def rouge_loop(pairs: int) -> dict[str, Any] | str:
    if find_spec("rouge_score") is None:
        return "rouge-score is not installed"
    from rouge_score import rouge_scorer

    texts = instructions(2 * pairs)
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
    _, times = timed(lambda: [scorer.score(texts[n], texts[n + pairs])["rougeL"].fmeasure for n in range(pairs)])
    per_pair = times["processor_seconds"] / pairs
    days = per_pair * WHOLE * (WHOLE - 1) / 2 / 86_400
    return {**times, "pairs": pairs, "processor_us_per_pair": round(1e6 * per_pair, 1), "days_for_186k": round(days, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--output", type=Path, default=RESULT)
    options = parser.parse_args()
    load, count = os.getloadavg()[0], options.count
    measured: dict[str, Any] = {}
    for part in (count // 4, count // 2, count):
        places, measured[f"exact, {part}"] = exact(instructions(part), options.workers)
    measured["exact, 186000, computed"] = computed(measured[f"exact, {count}"], count)
    texts = instructions(count)
    found, times = timed(lambda: find_near_minhash(texts, THRESHOLD))
    caught = len({item.index for item in found} & places)
    measured[f"minhash, {count}"] = {**times, "duplicates": len(found), "of_exact": round(caught / len(places), 4)}
    _, times = exact(instructions(count // 5, 150, 350), options.workers)
    measured[f"exact, {count // 5} dialogues of 150 to 350 words"] = times
    measured["exact, 186000 dialogues, computed"] = computed(times, count // 5)
    measured["self-instruct's loop, rouge-score"] = rouge_loop(2000)
    result = {
        "benchmark": "near duplicates",
        "date": datetime.now(UTC).date().isoformat(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load_average": round(load, 2),
        "versions": versions("lamm-data", "rapidfuzz", "numpy", "rouge-score"),
        "threshold": THRESHOLD,
        "measured": measured,
    }
    options.output.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(measured, indent=1))


if __name__ == "__main__":
    main()

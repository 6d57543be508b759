"""METEOR of made-up captions and short answers, beside the Java program of pycocoevalcap, each in its own process.

The texts describe objects of rooms; the seed draws words, relations and synonyms. A process starts, reads its tables
and scores; the index of the tables, which is made once in the user's cache, is timed apart. `scoring` leaves start
and tables out on both sides, after one pass over a hundred records.
Run: OMP_NUM_THREADS=1 python benchmarks/metrics/meteor.py
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np

from lamm_metrics import Prediction, make_metric

SIZES = {"100 captions x 2 references": (100, 2, True), "4,675 answers x 2 references": (4_675, 2, False),
         "3,000 captions x 3 references": (3_000, 3, True)}  # fmt: skip
OBJECTS, LOOKS, PLACES = (
    ["chair", "couch", "sofa", "table", "desk", "cabinet", "cupboard", "trash can", "garbage bin", "lamp", "painting"],
    ["big", "large", "small", "little", "brown", "dark", "white", "wooden", "black", "tall", "round", "gray", "grey"],
    ["next to", "beside", "in front of", "behind", "on the left of", "to the left of", "under", "below", "close to"],
)


def texts(records: int, references: int, long: bool) -> list[tuple[str, list[str]]]:
    """Draw answers with their references, which share some words."""
    draw = np.random.default_rng(0)
    pick = lambda items: str(items[int(draw.integers(len(items)))])  # noqa: E731

    def sentence() -> str:
        if not long:
            return pick(
                [pick(LOOKS), pick(OBJECTS), f"{pick(PLACES)} {pick(OBJECTS)}", f"{pick(LOOKS)} {pick(OBJECTS)}"]
            )
        return (
            f"{pick(['this is', 'there is', 'it is'])} a {pick(LOOKS)} {pick(LOOKS)} {pick(OBJECTS)} {pick(PLACES)} "
            f"the {pick(OBJECTS)}. it {pick(['is', 'stands', 'sits'])} {pick(PLACES)} a {pick(LOOKS)} {pick(OBJECTS)}."
        )

    return [(sentence(), [sentence() for _ in range(references)]) for _ in range(records)]


def ours(pairs: list[tuple[str, list[str]]]) -> float | None:
    metric = make_metric("meteor", "caption", tokenizer="whitespace")
    for i, (answer, references) in enumerate(pairs):
        metric.update({"id": f"{i:06}", "sentences": references}, Prediction(f"{i:06}", answer))
    return metric.compute(draws=2)[0].value


def java(pairs: list[tuple[str, list[str]]], program: Any) -> float:
    truth = {i: references for i, (_, references) in enumerate(pairs)}
    return float(program.compute_score(truth, {i: [answer] for i, (answer, _) in enumerate(pairs)})[0])


def measure(side: str, size: str) -> None:
    """Score one set in this process and print what it took."""
    pairs = texts(*SIZES[size])
    start = time.perf_counter()
    if side == "ours":
        ours(pairs[:100])
        warm, begun = time.perf_counter(), ours
    else:
        from pycocoevalcap.meteor.meteor import Meteor

        program = Meteor()
        java(pairs[:100], program)
        warm, begun = time.perf_counter(), lambda pairs: java(pairs, program)
    print(json.dumps({"score": begun(pairs), "start": warm - start, "scoring": time.perf_counter() - warm}))


def run(side: str, size: str, **environment: str) -> dict[str, Any]:
    start = time.perf_counter()
    command = [sys.executable, __file__, side, size]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **environment})
    return {**json.loads(done.stdout.splitlines()[-1]), "whole process": time.perf_counter() - start}


if __name__ == "__main__":
    if len(sys.argv) == 3:
        measure(*sys.argv[1:])
        sys.exit()
    from measuring import write_result

    measured: dict[str, Any] = {}
    for size in SIZES:
        runs = {side: [run(side, size) for _ in range(3)] for side in ("ours", "java")}
        best = {side: {key: min(one[key] for one in found) for key in found[0]} for side, found in runs.items()}
        measured[size] = {
            **{f"{side} {key} s": round(best[side][key], 3) for side in best for key in ("whole process", "scoring")},
            "times as fast, whole process": round(best["java"]["whole process"] / best["ours"]["whole process"], 1),
            "times as fast, scoring": round(best["java"]["scoring"] / best["ours"]["scoring"], 1),
            "difference of scores": abs(best["java"]["score"] - best["ours"]["score"]),
        }
    with tempfile.TemporaryDirectory() as cache:
        first = run("ours", next(iter(SIZES)), XDG_CACHE_HOME=cache)["whole process"]
    measured["first use, which makes the index, s"] = round(first, 1)
    write_result("meteor", measured, ["nltk", "pycocoevalcap"])

"""METEOR of made-up captions and short answers, beside the Java program of pycocoevalcap, each in its own process.

The texts describe objects of rooms; the seed draws words, relations and synonyms. `whole process` starts, reads texts
and tables and scores once; the index of the tables, which is made once in the user's cache, is timed apart. `scoring`
leaves start and tables out on both sides, after one pass over a hundred records, in processes of their own; the Java
program is asked record by record, as pycocoevalcap does. Besides the time on the clock it counts that of the
processors, which other work on the machine stretches less. Both give the score without an interval, in what threads
they like: ours has one.
Run: OMP_NUM_THREADS=1 python benchmarks/metrics/meteor.py
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from lamm_metrics import Prediction, make_metric

SIZES = {"100 captions x 2 references": (100, 2, True), "4,675 answers x 2 references": (4_675, 2, False),
         "3,000 captions x 3 references": (3_000, 3, True)}  # fmt: skip
REPEATS = 2
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
    return metric.compute(draws=0)[0].value


def java(pairs: list[tuple[str, list[str]]], program: Any) -> float:
    truth = {i: references for i, (_, references) in enumerate(pairs)}
    return float(program.compute_score(truth, {i: [answer] for i, (answer, _) in enumerate(pairs)})[0])


def busy(child: int | None) -> float:
    """Return the seconds of processors that this process and a child of it have used."""
    if child is None:
        return time.process_time()
    fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
    return time.process_time() + sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def measure(side: str, place: str, warm: bool) -> None:
    """Score one set in this process and print what it took."""
    pairs, child, score = json.loads(Path(place).read_text()), None, ours
    if side == "java":
        from pycocoevalcap.meteor.meteor import Meteor

        program = Meteor()
        child, score = program.meteor_p.pid, lambda pairs: java(pairs, program)
    if warm:
        score(pairs[:100])
    start, used = time.perf_counter(), busy(child)
    found = {"score": score(pairs), "scoring": time.perf_counter() - start, "scoring, processors": busy(child) - used}
    print(json.dumps({**found, "whole process, processors": busy(child)}))


def run(side: str, place: Path, warm: bool, **environment: str) -> dict[str, Any]:
    """Return what one process took; a warm one tells the time of scoring, another that of the whole."""
    start = time.perf_counter()
    command = [sys.executable, __file__, side, str(place), "warm" * warm]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **environment})
    found = {**json.loads(done.stdout.splitlines()[-1]), "whole process": time.perf_counter() - start}
    return {key: value for key, value in found.items() if key == "score" or key.startswith("scoring") == warm}


if __name__ == "__main__":
    if len(sys.argv) == 4:
        measure(*sys.argv[1:3], warm=bool(sys.argv[3]))
        sys.exit()
    from measuring import write_result

    measured: dict[str, Any] = {}
    timed = ("whole process", "whole process, processors", "scoring", "scoring, processors")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "texts.json"
        for size, drawn in SIZES.items():
            place.write_text(json.dumps(texts(*drawn)))
            # In turn, so that what else the machine does strikes both sides.
            runs = [{side: run(side, place, False) | run(side, place, True) for side in ("ours", "java")}
                    for _ in range(REPEATS)]  # fmt: skip
            best = {side: {key: min(one[side][key] for one in runs) for key in (*timed, "score")} for side in runs[0]}
            measured[size] = {
                **{f"{side} {key} s": round(best[side][key], 3) for side in best for key in timed},
                **{f"times as fast, {key}": round(best["java"][key] / best["ours"][key], 1) for key in timed},
                "difference of scores": abs(best["java"]["score"] - best["ours"]["score"]),
            }
        first = run("ours", place, False, XDG_CACHE_HOME=folder)["whole process"]
    measured["first use, which makes the index, s"] = round(first, 1)
    write_result("meteor", measured, ["nltk", "pycocoevalcap"])

"""COCO's twelve numbers at COCO's validation scale, beside faster-coco-eval and pycocotools in one run.

Ours and the peers' times are of matching and accumulating, from loaded records; reading the records is timed apart.
Run: OMP_NUM_THREADS=1 python benchmarks/metrics/coco_map.py [--large-peers]
"""

import argparse
import contextlib
import io
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from detections import as_files, coco_like
from measuring import REPEATS, peak_memory_mib, seconds, write_result

from lamm_metrics import coco_summary, read_coco_found, read_coco_truth, summarise_coco

SMALL, LARGE = 35_000, 500_000
# What the peak memory is measured of; "records" begins with the contents of the two files as Python objects.
MEMORY = ("ours, columns", "records alone", "ours, records", "faster_coco_eval, records")
Timed = tuple[dict[str, float], list[float]]


def _timed(make: Callable[[], Any], repeats: int) -> tuple[dict[str, float], list[float]]:
    """Evaluate and accumulate with a new evaluator each time; the numbers, and the seconds these two steps took."""
    evaluators = [make() for _ in range(repeats)]
    waiting = iter(evaluators)

    def run() -> None:
        evaluation = next(waiting)
        evaluation.evaluate()
        evaluation.accumulate()

    took = seconds(run, repeats)
    evaluators[-1].summarize()
    return took, [float(value) for value in evaluators[-1].stats[:12]]


def pycocotools(content: dict[str, Any], detections: list[dict[str, Any]], repeats: int) -> Timed:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO()
        known.dataset = content
        known.createIndex()
        results = known.loadRes(detections)
        return _timed(lambda: COCOeval(known, results, "bbox"), repeats)


def faster_coco_eval(content: dict[str, Any], detections: list[dict[str, Any]], repeats: int) -> Timed:
    from faster_coco_eval import COCO, COCOeval_faster

    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO(content)
        results = known.loadRes(detections)
        return _timed(lambda: COCOeval_faster(known, results, "bbox", print_function=lambda *_: None), repeats)


def measure(n: int, peers: tuple[Any, ...], repeats: int) -> dict[str, Any]:
    truth, found = coco_like(n)
    content, detections = as_files(truth, found)
    measured: dict[str, Any] = {
        "ours_reading": seconds(lambda: read_coco_found(detections, read_coco_truth(content), "bbox"))
    }
    columns = read_coco_truth(content), read_coco_found(detections, read_coco_truth(content), "bbox")
    measured["ours"] = seconds(lambda: summarise_coco(columns[1], columns[0]))
    ours = np.nan_to_num(list(coco_summary(content, detections).numbers.values()), nan=-1)
    measured["numbers"] = [round(float(value), 9) for value in ours]
    for peer in peers:
        took, numbers = peer(content, detections, repeats)
        measured[peer.__name__] = {
            **took,
            "times_ours_wall": round(took["median_s"] / measured["ours"]["median_s"], 1),
            "times_ours_processor": round(took["median_processor_s"] / measured["ours"]["median_processor_s"], 1),
            "largest_difference": float(np.abs(ours - numbers).max()),
        }
    return measured


def memory_of(kind: str) -> float:
    """The most memory that this process holds while it evaluates 500,000 detections one way."""
    truth, found = coco_like(LARGE)
    if kind == "ours, columns":
        summarise_coco(found, truth)
        return peak_memory_mib()
    content, detections = as_files(truth, found)
    if kind == "ours, records":
        coco_summary(content, detections)
    elif kind == "faster_coco_eval, records":
        faster_coco_eval(content, detections, 1)
    return peak_memory_mib()


def in_a_process_of_its_own(kind: str) -> float:
    done = subprocess.run([sys.executable, __file__, "--memory", kind], capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large-peers", action="store_true", help="also run pycocotools on 500,000 detections")
    parser.add_argument("--memory", choices=MEMORY, help="only print the peak memory of 500,000 detections")
    chosen = parser.parse_args()
    if chosen.memory:
        print(json.dumps(memory_of(chosen.memory)))
        return
    # First of all: a child process begins with its parent's peak.
    memory = {kind: in_a_process_of_its_own(kind) for kind in MEMORY}
    large_peers = (faster_coco_eval, pycocotools) if chosen.large_peers else (faster_coco_eval,)
    measured = {
        "35,000 detections": measure(SMALL, (faster_coco_eval, pycocotools), REPEATS),
        "500,000 detections": measure(LARGE, large_peers, 1 if chosen.large_peers else REPEATS),
        "500,000 detections, peak_memory_mib": memory,
    }
    note = "medians of five (with --large-peers, peers on 500,000 detections once); evaluate and accumulate only"
    write_result("coco_map", measured, ["pycocotools", "faster-coco-eval"], note)


if __name__ == "__main__":
    main()

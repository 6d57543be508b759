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
import time
from typing import Any

import numpy as np
from detections import as_files, coco_like
from measuring import peak_memory_mib, seconds, write_result

from lamm_metrics.coco import coco_summary, summarise
from lamm_metrics.coco_records import read_found, read_truth

SMALL, LARGE = 35_000, 500_000


def _timed(evaluation: Any) -> tuple[dict[str, float], list[float]]:
    """Evaluate and accumulate once; the numbers, and the seconds these two steps took."""
    start, busy = time.perf_counter(), time.process_time()
    evaluation.evaluate()
    evaluation.accumulate()
    took = {
        "median_s": round(time.perf_counter() - start, 3),
        "median_processor_s": round(time.process_time() - busy, 3),
        "repeats": 1,
    }
    evaluation.summarize()
    return took, [float(value) for value in evaluation.stats[:12]]


def pycocotools(content: dict[str, Any], detections: list[dict[str, Any]]) -> tuple[dict[str, float], list[float]]:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO()
        known.dataset = content
        known.createIndex()
        return _timed(COCOeval(known, known.loadRes(detections), "bbox"))


def faster_coco_eval(content: dict[str, Any], detections: list[dict[str, Any]]) -> tuple[dict[str, float], list[float]]:
    from faster_coco_eval import COCO, COCOeval_faster

    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO(content)
        return _timed(COCOeval_faster(known, known.loadRes(detections), "bbox", print_function=lambda *_: None))


def measure(n: int, peers: tuple[Any, ...]) -> dict[str, Any]:
    truth, found = coco_like(n)
    content, detections = as_files(truth, found)
    measured: dict[str, Any] = {"ours_reading": seconds(lambda: read_found(detections, read_truth(content), "bbox"), 3)}
    columns = read_truth(content), read_found(detections, read_truth(content), "bbox")
    measured["ours"] = seconds(lambda: summarise(columns[1], columns[0]))
    ours = np.nan_to_num(list(coco_summary(content, detections).numbers.values()), nan=-1)
    measured["numbers"] = [round(float(value), 9) for value in ours]
    for peer in peers:
        took, numbers = peer(content, detections)
        measured[peer.__name__] = {
            **took,
            "times_ours_wall": round(took["median_s"] / measured["ours"]["median_s"], 1),
            "times_ours_processor": round(took["median_processor_s"] / measured["ours"]["median_processor_s"], 1),
            "largest_difference": float(np.abs(ours - numbers).max()),
        }
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large-peers", action="store_true", help="also run pycocotools on 500,000 detections")
    parser.add_argument("--memory", action="store_true", help="only print the peak memory of 500,000 detections")
    chosen = parser.parse_args()
    if chosen.memory:
        truth, found = coco_like(LARGE)
        summarise(found, truth)
        print(json.dumps(peak_memory_mib()))
        return
    memory = subprocess.run([sys.executable, __file__, "--memory"], capture_output=True, text=True, check=True)
    large_peers = (faster_coco_eval, pycocotools) if chosen.large_peers else (faster_coco_eval,)
    measured = {
        "35,000 detections": measure(SMALL, (faster_coco_eval, pycocotools)),
        "500,000 detections": measure(LARGE, large_peers),
        "peak_memory_mib_500k": json.loads(memory.stdout),
    }
    note = "ours: medians of five; peers once; evaluate and accumulate only"
    write_result("coco_map", measured, ["pycocotools", "faster-coco-eval"], note)


if __name__ == "__main__":
    main()

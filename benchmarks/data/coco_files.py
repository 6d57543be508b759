"""Synthetic COCO instances files of any size, and what the scripts here need to measure work in a fresh process."""

import contextlib
import json
import os
import platform
import random
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lamm_data import load_exhaustive

RESULTS = Path(__file__).parents[1] / "results"
TRAIN2017 = 118_287, 860_001
"""Images and boxes of instances_train2017.json."""


def write_instances(path: Path, images: int, boxes: int, seed: int = 0) -> int:
    """Write an instances file with polygons, as COCO lays it out; return its size in bytes.

    Boxes are dealt to images unevenly, as in COCO; a polygon of about 25 corners makes an annotation take 500 bytes.
    """
    rng = random.Random(seed)
    names = load_exhaustive()[0]["coco_detection", "detection"].classes
    numbers = [f"{rng.uniform(0, 640):.2f}" for _ in range(5000)]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        file.write('{"info": {"description": "synthetic"}, "licenses": [], "images": [')
        for k in range(images):
            name = f"{k:012d}.jpg"
            file.write(
                f'{", " if k else ""}{{"license": 3, "file_name": "{name}", "coco_url": "http://127.0.0.1/{name}", '
                f'"height": 480, "width": 640, "date_captured": "2013-11-14 17:02:52", "id": {k}}}'
            )
        file.write('], "annotations": [')
        for k in range(boxes):
            x, y = rng.uniform(0, 600), rng.uniform(0, 440)
            start = rng.randrange(4900)
            polygon = ", ".join(numbers[start : start + rng.randrange(20, 80)])
            file.write(
                f'{", " if k else ""}{{"segmentation": [[{polygon}]], "area": {x * 9:.4f}, "iscrowd": 0, '
                f'"image_id": {int(images * rng.random() ** 1.5)}, "bbox": [{x:.2f}, {y:.2f}, '
                f"{rng.uniform(8, 640 - x):.2f}, {rng.uniform(8, 480 - y):.2f}], "
                f'"category_id": {rng.randrange(80) + 1}, "id": {k + 1}}}'
            )
        categories = [{"supercategory": "thing", "id": k, "name": name} for k, name in enumerate(names, 1)]
        file.write(f'], "categories": {json.dumps(categories)}}}')
    return path.stat().st_size


def _children_peaks(peaks: dict[int, int], ended: threading.Event) -> None:
    """Note the peak memory (KiB) of every child while it lives.

    The system's own account of children (`ru_maxrss`) begins with what the parent held when it started them.
    """
    while not ended.wait(0.2):
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, StopIteration):
                lines = (folder / "status").read_text().splitlines()
                fields = {key: value.split() for key, _, value in (line.partition(":") for line in lines)}
                if fields["PPid"] == [str(os.getpid())] and "VmHWM" in fields:
                    peaks[int(folder.name)] = int(fields["VmHWM"][0])


def measured_here(work: Callable[[], Any]) -> dict[str, Any]:
    """Do a piece of work and say what it took; the processor time of children counts where they have ended."""
    peaks, ended = dict[int, int](), threading.Event()
    watch = threading.Thread(target=_children_peaks, args=(peaks, ended))
    watch.start()
    started = time.perf_counter()
    result = work()
    wall = time.perf_counter() - started
    ended.set()
    watch.join()
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "wall_s": round(wall, 2),
        "cpu_s": round(own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime, 2),
        "peak_mib": round(own.ru_maxrss / 1024, 1),
        "children_peak_mib": round(sum(peaks.values()) / 1024, 1),
        "result": result,
    }


def in_fresh_process(script: str, *arguments: object) -> dict[str, Any]:
    """Run `script --measure ARGUMENTS` and read the JSON it prints, so that memory is the work's own."""
    command = [sys.executable, script, "--measure", *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def write_result(name: str, measured: dict[str, Any], note: str) -> None:
    """Write and print one benchmark's result with date, versions and machine."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    result = {
        "benchmark": name,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "processor": model or platform.machine(),
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
        "versions": {"python": platform.python_version(), "lamm-data": version("lamm-data")},
        "note": note,
        "measured": measured,
    }
    text = json.dumps(result, indent=1) + "\n"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"data_{name}.json").write_text(text)
    print(text)

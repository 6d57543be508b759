"""Time things, and write what was measured with the date, the versions and the machine."""

import json
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "results"
REPEATS = 5


def seconds(work: Callable[[], object], repeats: int = REPEATS) -> dict[str, float]:
    """Median and smallest wall time, and median processor time, of several runs."""
    wall, processor = [], []
    for _ in range(repeats):
        start, busy = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - start)
        processor.append(time.process_time() - busy)
    return {
        "median_s": round(statistics.median(wall), 4),
        "least_s": round(min(wall), 4),
        "median_processor_s": round(statistics.median(processor), 4),
        "repeats": repeats,
    }


def peak_memory_mib() -> float:
    """The most memory this process has held so far."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def processor() -> str:
    """The processor's model, where the system says it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _versions(names: Sequence[str]) -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def write_result(name: str, measured: dict[str, Any], packages: Sequence[str], note: str = "") -> None:
    """Write and print one benchmark's result."""
    result = {
        "benchmark": name,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "processor": processor(),
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
        "versions": _versions(["lamm-metrics", "numpy", *packages]),
        "note": note,
        "measured": measured,
    }
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(result, indent=1) + "\n"
    (RESULTS / f"metrics_{name}.json").write_text(text)
    print(text)

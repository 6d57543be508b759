"""What importing costs, beside numpy, nltk and sacrebleu: fresh processes, median of five.

Run: python benchmarks/metrics/import_time.py
"""

import resource
import statistics
import subprocess
import sys
import time

from measuring import REPEATS, write_result

STATEMENTS = {
    "python": "pass",
    "numpy": "import numpy",
    "lamm_metrics": "import lamm_metrics",
    "lamm_metrics, ready to score": "from lamm_metrics import score",
    "nltk": "import nltk.translate.bleu_score",
    "sacrebleu": "import sacrebleu",
}


def measure(code: str) -> dict[str, float]:
    wall, busy = [], []
    for _ in range(REPEATS):
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        wall.append(time.perf_counter() - start)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        busy.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return {
        "median_ms": round(1e3 * statistics.median(wall), 1),
        "processor_ms": round(1e3 * statistics.median(busy), 1),
    }


if __name__ == "__main__":
    found = {name: measure(code) for name, code in STATEMENTS.items()}
    beyond = {
        f"{name}, beyond numpy, {kind}": round(found[name][kind] - found["numpy"][kind], 1)
        for name in ("lamm_metrics", "lamm_metrics, ready to score")
        for kind in ("median_ms", "processor_ms")
    }
    write_result("import_time", {**found, **beyond}, ["nltk", "sacrebleu"])

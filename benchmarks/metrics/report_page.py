"""A report of 10,000 and of 100,000 samples: written, and opened in headless Chromium.

The samples are those of `whole_benchmark.py`, its eleven sets enlarged or thinned to the total. Measured are writing
(scoring is not), the sizes, the time from opening the page until everything is loaded and until the first samples stand
on it, and the time from choosing another task until its samples stand there: from a part beside the page where samples
are too many for one file. Medians of five openings. No peer writes such a page.
Run: python benchmarks/metrics/report_page.py
"""

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from measuring import REPEATS, peak_memory_mib, write_result
from whole_benchmark import SETS

from lamm_metrics import score, write_report

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "shared"))
from headless_browser import Browser, find_browser

SHOWN = "document.querySelectorAll('article').length > 0"
ROW = 'document.querySelector(`button[data-task="{}"]`).click()'


def reports(total: int) -> dict[str, Any]:
    """Score as many samples as wanted, every set in its share of the paper's benchmark."""
    whole = sum(size for _, size, _ in SETS.values())
    made = {}
    for name, (task, size, draw) in SETS.items():
        generator = np.random.default_rng(0)
        drawn = [draw(generator) for _ in range(round(size * total / whole))]
        references = [
            {"id": f"{name}-{i}", "image": f"{i}.jpg", "query": "What is to be seen?", **truth}
            for i, (truth, _) in enumerate(drawn)
        ]
        answers = [{"id": f"{name}-{i}", "text": text} for i, (_, text) in enumerate(drawn)]
        made[name] = score(task, references, answers, draws=20)
    return made


def opened(browser: Browser, page: Path, other: str) -> dict[str, float]:
    """Open the page, then choose a task; return the times."""
    began = time.perf_counter()
    browser.open(page.as_uri())
    browser.wait(SHOWN, 60)
    first = time.perf_counter() - began
    timing = json.loads(browser.value("JSON.stringify(performance.getEntriesByType('navigation')[0])"))
    began = time.perf_counter()
    browser.value(ROW.format(other))
    browser.wait(f"{SHOWN} && document.querySelector('article').innerText.includes('{other}-')", 60)
    return {
        "loaded_s": timing["domComplete"] / 1000,
        "first_samples_s": first,
        "other_task_s": time.perf_counter() - began,
    }


def measure(total: int, program: str, folder: Path) -> dict[str, Any]:
    made = reports(total)
    began = time.perf_counter()
    page = write_report(folder / f"{total}.html", {"model": made})
    wrote = time.perf_counter() - began
    parts = [path for path in (folder / f"{total}.parts").glob("*") if path.is_file()]
    browser = Browser(program, folder / f"browser-{total}")
    try:
        times = [opened(browser, page, "LSP") for _ in range(REPEATS)]
        complaints, requests = len(browser.complaints()), len(browser.requests())
    finally:
        browser.close()
    return {
        "samples": sum(len(report.samples) for report in made.values()),
        "write_s": round(wrote, 2),
        "page_mib": round(page.stat().st_size / 2**20, 2),
        "parts": len(parts),
        "parts_mib": round(sum(path.stat().st_size for path in parts) / 2**20, 2),
        **{key: round(statistics.median(one[key] for one in times), 3) for key in times[0]},
        "console_complaints": complaints,
        "network_requests": requests,
    }


if __name__ == "__main__":
    found = find_browser()
    if found is None:
        raise SystemExit("Expected Chromium, found none (apt-get install chromium).")
    with tempfile.TemporaryDirectory() as name:
        measured = {str(total): measure(total, found, Path(name)) for total in (10_000, 100_000)}
    write_result("report_page", {**measured, "peak_memory_mib": peak_memory_mib()}, [])

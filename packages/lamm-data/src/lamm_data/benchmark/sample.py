"""The benchmark of the sample world, in one call: one file a task, two for faces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lamm_data.benchmark.run import build_benchmark


def build_sample_benchmark(root: str | Path, output: str | Path, **settings: Any) -> dict[str, int]:
    """Write the benchmark files of a sample world; keywords are those of `build_benchmark`.

    Returns:
        Number of records by file name.
    """
    return {file.name: file.records for file in build_benchmark("sample", root, output, **settings)}

"""Turn vision annotations into instruction data and benchmark sets."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamm_data.benchmark.run import build_benchmark
    from lamm_data.records.benchmark import BenchmarkRecord, read_benchmark, write_benchmark
    from lamm_data.records.instruction import InstructionRecord, Turn, read_records, scan_records, write_records
    from lamm_data.sample.world import write_world
    from lamm_data.templates.run import ConvertSettings, convert_source

__all__ = [
    "BenchmarkRecord",
    "ConvertSettings",
    "InstructionRecord",
    "Turn",
    "build_benchmark",
    "convert_source",
    "read_benchmark",
    "read_records",
    "scan_records",
    "write_benchmark",
    "write_records",
    "write_world",
]

_HOMES = {
    "records.benchmark": ("BenchmarkRecord", "read_benchmark", "write_benchmark"),
    "benchmark.run": ("build_benchmark",),
    "records.instruction": ("InstructionRecord", "Turn", "read_records", "scan_records", "write_records"),
    "sample.world": ("write_world",),
    "templates.run": ("ConvertSettings", "convert_source"),
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: importing the package alone loads nothing heavy."""
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"lamm_data.{module}"), name)
    raise AttributeError(f"module 'lamm_data' has no attribute {name!r}")

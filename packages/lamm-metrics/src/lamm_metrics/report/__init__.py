"""Reports: text, JSON and a single HTML file; what writes pages is loaded when it is asked for."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lamm_metrics.report.text import comparison_table
from lamm_metrics.results.report import Report, Sample

if TYPE_CHECKING:
    from lamm_metrics.report.page import write_report

__all__ = ["Report", "Sample", "comparison_table", "write_report"]


def __getattr__(name: str) -> Any:
    if name != "write_report":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module("lamm_metrics.report.page").write_report

"""Reports: what `lamm_metrics.score` returns, as text, JSON and a single HTML file."""

from lamm_metrics.report.html import write_report
from lamm_metrics.report.result import Report, Sample
from lamm_metrics.report.text import comparison_table

__all__ = ["Report", "Sample", "comparison_table", "write_report"]

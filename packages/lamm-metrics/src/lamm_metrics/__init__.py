"""Score free-form answers of multimodal models on image and point-cloud tasks."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamm_metrics.comparison.chance import chance_predictions
    from lamm_metrics.comparison.paired import Comparison, compare
    from lamm_metrics.errors import LammMetricsError, UsageError
    from lamm_metrics.metrics.base import Metric
    from lamm_metrics.metrics.registry import make_metric, metric_names
    from lamm_metrics.records.predictions import Prediction, Predictions, read_predictions
    from lamm_metrics.records.references import References, read_references
    from lamm_metrics.records.tasks import TASKS, Task
    from lamm_metrics.report import Report, Sample, write_report
    from lamm_metrics.results.score import SampleResult, Score
    from lamm_metrics.scoring import score

# Where each public name lives; a module is imported when one of its names is first used.
_HOME = {
    "chance_predictions": "comparison.chance",
    "Comparison": "comparison.paired",
    "compare": "comparison.paired",
    "LammMetricsError": "errors",
    "UsageError": "errors",
    "Metric": "metrics.base",
    "SampleResult": "results.score",
    "Score": "results.score",
    "Prediction": "records.predictions",
    "Predictions": "records.predictions",
    "read_predictions": "records.predictions",
    "References": "records.references",
    "read_references": "records.references",
    "make_metric": "metrics.registry",
    "metric_names": "metrics.registry",
    "Report": "report",
    "Sample": "report",
    "write_report": "report",
    "score": "scoring",
    "TASKS": "records.tasks",
    "Task": "records.tasks",
}

__all__ = [
    "TASKS",
    "Comparison",
    "LammMetricsError",
    "Metric",
    "Prediction",
    "Predictions",
    "References",
    "Report",
    "Sample",
    "SampleResult",
    "Score",
    "Task",
    "UsageError",
    "chance_predictions",
    "compare",
    "make_metric",
    "metric_names",
    "read_predictions",
    "read_references",
    "score",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("lamm_metrics.results.score").version()
    if name not in _HOME:
        raise AttributeError(f"module 'lamm_metrics' has no attribute {name!r}")
    value = getattr(import_module(f"lamm_metrics.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

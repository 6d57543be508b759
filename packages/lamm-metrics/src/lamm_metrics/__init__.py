"""Score free-form answers of multimodal models on image and point-cloud tasks."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamm_metrics.chance import chance_predictions
    from lamm_metrics.comparison import Comparison, compare
    from lamm_metrics.errors import LammMetricsError, UsageError
    from lamm_metrics.metric import Metric, SampleResult, Score
    from lamm_metrics.predictions import Prediction, Predictions, read_predictions
    from lamm_metrics.references import References, read_references
    from lamm_metrics.registry import make_metric, metric_names
    from lamm_metrics.report import Report, Sample, write_report
    from lamm_metrics.scoring import score
    from lamm_metrics.tasks import TASKS, Task

# Where each public name lives; a module is imported when one of its names is first used.
_HOME = {
    "chance_predictions": "chance",
    "Comparison": "comparison",
    "compare": "comparison",
    "LammMetricsError": "errors",
    "UsageError": "errors",
    "Metric": "metric",
    "SampleResult": "metric",
    "Score": "metric",
    "Prediction": "predictions",
    "Predictions": "predictions",
    "read_predictions": "predictions",
    "References": "references",
    "read_references": "references",
    "make_metric": "registry",
    "metric_names": "registry",
    "Report": "report",
    "Sample": "report",
    "write_report": "report",
    "score": "scoring",
    "TASKS": "tasks",
    "Task": "tasks",
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
        return import_module("lamm_metrics.metric").version()
    if name not in _HOME:
        raise AttributeError(f"module 'lamm_metrics' has no attribute {name!r}")
    value = getattr(import_module(f"lamm_metrics.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

"""Metrics by name: the built-in ones and those that other packages bring by the entry point group `lamm.metrics`."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from inspect import signature as call_signature
from typing import Any

from lamm_metrics.errors import UsageError
from lamm_metrics.metrics.base import Metric
from lamm_metrics.metrics.options import read_options

ENTRY_POINTS = "lamm.metrics"

# Modules are imported when a metric is first asked for.
BUILT_IN: Mapping[str, str] = {
    "accuracy": "metrics.accuracy:Accuracy",
    "circular_accuracy": "metrics.accuracy:CircularAccuracy",
    "bleu": "metrics.captions.bleu:Bleu",
    "rouge_l": "metrics.captions.rouge:RougeL",
    "cider_d": "metrics.captions.cider:CiderD",
    "counting": "metrics.counting:CountingError",
    "word_accuracy": "metrics.word_accuracy:WordAccuracy",
    "ece": "metrics.calibration:CalibrationError",
    "yes_no": "metrics.yes_no:YesNo",
    "detection_ap": "metrics.detection:DetectionAP",
    "detection_ap_3d": "metrics.detection:DetectionAP3D",
    "grounding_accuracy": "metrics.grounding:GroundingAccuracy",
    "binary_locating": "metrics.locating:BinaryLocating",
    "pck": "metrics.keypoints:KeypointPCK",
    "paper": "paper.metric:PaperMetric",
}


def _plugins() -> dict[str, Any]:
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


def metric_names() -> list[str]:
    """The names of all metrics, built in or installed."""
    return sorted({*BUILT_IN, *_plugins()})


def metric_class(name: str) -> type[Metric[Any]]:
    """The class of a metric.

    Raises:
        UsageError: No metric has this name, or what an installed package offers under it is none.
    """
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        found = getattr(import_module(f"lamm_metrics.{module}"), attribute)
    else:
        plugins = _plugins()
        if name not in plugins:
            raise UsageError(f"Expected a metric ({', '.join(metric_names())}), got {name!r}. Choose among them.")
        found = plugins[name].load()
    if not (isinstance(found, type) and issubclass(found, Metric)):
        raise UsageError(
            f"Expected the metric {name!r} to be a subclass of lamm_metrics.metrics.base.Metric, got {found!r}. "
            "Tell the authors of the package that brings it."
        )
    return found


def make_metric(name: str, task: str, labels: Sequence[str] = (), **options: Any) -> Metric[Any]:
    """Make an empty metric.

    Args:
        name: Its name.
        task: Passed on to constructors that have a parameter `task`.
        labels: Closed label set, passed on to constructors that have a parameter `labels`.
        options: Options of the metric, as text or as the types that its constructor annotates.

    Raises:
        UsageError: There is no such metric or option, or an option has another kind of value.
    """
    made = metric_class(name)
    accepted = call_signature(made).parameters
    filled_in = {key: value for key, value in (("task", task), ("labels", list(labels))) if key in accepted}
    return made(**filled_in, **read_options(name, made, options))

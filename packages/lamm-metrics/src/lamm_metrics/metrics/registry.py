"""Metrics by name, built in or brought by the entry point group `lamm.metrics`, and their options.

Options are what constructors annotate, read from text and checked here and nowhere else.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from importlib import import_module
from inspect import Parameter
from inspect import signature as call_signature
from math import isfinite
from numbers import Real
from operator import index
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from lamm_metrics.errors import UsageError
from lamm_metrics.metrics.base import Metric

ENTRY_POINTS = "lamm.metrics"
# Modules are imported when a metric is first asked for.
BUILT_IN: Mapping[str, str] = {
    "accuracy": "metrics.accuracy:Accuracy",
    "circular_accuracy": "metrics.accuracy:CircularAccuracy",
    "exact_match": "metrics.exact_match:ExactMatch",
    "mra": "metrics.spatial:MeanRelativeAccuracy",
    "judge_mark": "metrics.judge_mark:JudgeMark",
    "vqa_accuracy": "metrics.vqa_accuracy:VqaAccuracy",
    "anls": "metrics.anls:Anls",
    "relaxed_accuracy": "metrics.relaxed_accuracy:RelaxedAccuracy",
    "bleu": "metrics.captions.bleu:Bleu",
    "rouge_l": "metrics.captions.rouge:RougeL",
    "cider_d": "metrics.captions.cider:CiderD",
    "chair": "metrics.captions.chair:Chair",
    "meteor": "metrics.captions.meteor:Meteor",
    "counting": "metrics.counting:CountingError",
    "word_accuracy": "metrics.word_accuracy:WordAccuracy",
    "ece": "metrics.calibration:CalibrationError",
    "yes_no": "metrics.yes_no:YesNo",
    "detection_ap": "metrics.detection:DetectionAP",
    "detection_ap_3d": "metrics.detection:DetectionAP3D",
    "dense_captions": "metrics.captions.dense:DenseCaptions",
    "dense_caption_f1": "metrics.captions.dense:DenseCaptionF1",
    "grounding_accuracy": "metrics.grounding:GroundingAccuracy",
    "grounding_f1": "metrics.grounding_f1:GroundingF1",
    "referring_accuracy": "metrics.grounding:ReferringAccuracy",
    "localisation": "metrics.localisation:Localisation",
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


FILLED_IN = ("task", "labels")
"""Parameters of constructors that scoring fills in; they are no options."""


class Option(NamedTuple):
    """One option of a metric: its name, its type as annotated and its default."""

    name: str
    type: Any
    default: Any

    @property
    def kind(self) -> str:
        """Return what may be given, in words."""
        return _in_words(self.type)

    @property
    def default_text(self) -> str:
        """Return the default as it would be written on a command line."""
        return _as_text(self.default)


def options_of(metric: Callable[..., Any]) -> dict[str, Option]:
    """Return the options that a metric's constructor declares, by name."""
    options = {}
    for name, parameter in call_signature(metric, eval_str=True).parameters.items():
        if name in FILLED_IN or parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
            continue
        default = None if parameter.default is Parameter.empty else parameter.default
        # Without an annotation the default says what kind of value is meant.
        guessed = type(default) if isinstance(default, bool | int | float | str) else Any
        declared = guessed if parameter.annotation is Parameter.empty else parameter.annotation
        options[name] = Option(name, declared, default)
    return options


def read_options(name: str, metric: Callable[..., Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Read and check the options of one metric.

    Args:
        name: The metric's name, for messages.
        metric: Its class.
        values: Values by name, as text or as the type that the constructor annotates.

    Raises:
        UsageError: There is no such option, or a value is of another kind.
    """
    known = options_of(metric)
    refuse_unknown([name], known, values)
    read = {}
    for key, value in values.items():
        try:
            read[key] = _read(known[key].type, value)
        except (ValueError, TypeError, UsageError) as fault:
            listed = ", ".join(f"{option.name} ({option.kind})" for option in known.values())
            expected = f"Expected {known[key].kind} for the option {key} of {name}, got {value!r}."
            why = str(fault) if isinstance(fault, UsageError) else expected
            raise UsageError(f"{why} Options of {name}: {listed}.") from fault
    return read


def refuse_unknown(metrics: Sequence[str], known: Iterable[str], asked: Iterable[str]) -> None:
    """Raise an error if options are asked for that none of the metrics knows.

    Raises:
        UsageError: There are such options; the message names those that exist.
    """
    able = sorted(known)
    unknown = sorted({*asked} - {*able})
    if unknown:
        raise UsageError(
            f"Expected an option of {', '.join(metrics)} ({', '.join(able) or 'there is none'}), got "
            f"{', '.join(unknown)}. Leave it out."
        )


def one_of(name: str, value: object, choices: Any) -> None:
    """Check an argument that a constructor annotates as a `Literal`.

    Raises:
        UsageError: The value is none of its choices.

    >>> one_of("binning", "width", Literal["width", "mass"])
    """
    if value not in get_args(choices):
        raise UsageError(f"Expected {name} to be {_in_words(choices)}, got {value!r}. Choose one of them.")


def _read(kind: Any, value: Any) -> Any:
    """A value of an annotated type, from text where it is written."""
    if kind is Any:
        return value
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return _read_union(inner, value)
    if origin is Literal:
        if value not in inner:
            raise ValueError(value)
        return value
    if isinstance(origin, type) and issubclass(origin, Mapping):
        written = json.loads(value) if isinstance(value, str) else value
        return {_read(inner[0], key): _read(inner[1], item) for key, item in dict(written).items()}
    if isinstance(origin, type) and issubclass(origin, Iterable):
        return tuple(_read(inner[0], item) for item in _listed(value))
    if isinstance(value, bool) and kind in (int, float):
        raise TypeError("a truth value is no number")
    return _read_class(kind, value) if isinstance(kind, type) and not isinstance(value, kind) else value


def _read_union(members: Sequence[Any], value: Any) -> Any:
    if NoneType in members and (value is None or str(value).lower() in ("none", "null")):
        return None
    faults: list[Exception] = []
    for member in members:
        try:
            return _read(member, value)
        except (ValueError, TypeError, UsageError) as fault:
            faults.append(fault)
    raise faults[0]


def _read_class(kind: type, value: Any) -> Any:
    """A value of a class that is given as something else: as text, or as another kind of number."""
    written = isinstance(value, str)
    if kind is bool and written and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if kind is int:
        return int(value) if written else index(value)
    if kind is float and (written or isinstance(value, Real)) and isfinite(float(value)):
        return float(value)
    if written and hasattr(kind, "parse"):
        return kind.parse(value)
    if written and issubclass(kind, Enum):
        return kind(value)
    raise TypeError(f"no {kind.__name__}")


def _listed(value: Any) -> Iterable[Any]:
    """The items of a list that may be written `0.5,0.75` or as JSON."""
    if not isinstance(value, str):
        return tuple(value)
    items: list[Any] = json.loads(value) if value.lstrip().startswith("[") else value.split(",")
    return items


_WORDS: Mapping[Any, tuple[str, str]] = {
    bool: ("true or false", "truth values"),
    int: ("a whole number", "whole numbers such as 2,3"),
    float: ("a number", "numbers such as 0.5,0.75"),
    str: ("a text", "texts such as a,b"),
}
"""What a type is called for one value and for several."""


def _in_words(kind: Any, several: bool = False) -> str:
    origin, inner = get_origin(kind), get_args(kind)
    if kind in _WORDS:
        return _WORDS[kind][several]
    if origin in (Union, UnionType):
        return " or ".join("none" if member is NoneType else _in_words(member) for member in inner)
    if origin is Literal or (isinstance(kind, type) and issubclass(kind, Enum)):
        choices = [str(item) for item in (inner or list(kind))]
        return (" or " if len(choices) == 2 else ", ").join(choices)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"a JSON object of {_in_words(inner[1], True).split(' such')[0]} by {_in_words(inner[0])}"
    if isinstance(origin, type) and issubclass(origin, Iterable):
        return _in_words(inner[0], True)
    words = re.findall("[A-Z][a-z]+", "" if kind is Any else getattr(kind, "__name__", ""))
    return f"a {' '.join(words).lower()}" if words else "anything"


def _as_text(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, Mapping):
        return json.dumps({str(key): item for key, item in value.items()})
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ",".join(map(_as_text, value))
    return f"{value:g}" if isinstance(value, float) else str(value)

"""Options of metrics: declared by constructors, read from text, checked in one place."""

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Literal

import numpy as np
import pytest

from lamm_metrics import make_metric, score
from lamm_metrics.comparison.conventions import compare_conventions
from lamm_metrics.comparison.paired import compare
from lamm_metrics.errors import UsageError
from lamm_metrics.geometry.conventions import BoxConvention
from lamm_metrics.metrics.registry import BUILT_IN, metric_class, one_of, options_of, read_options


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Everything:
    """Not a metric, but a constructor with an option of every kind."""

    def __init__(
        self,
        task: str = "",
        labels: Sequence[str] = (),
        flag: bool = False,
        count: int = 1,
        limit: int | None = None,
        size: float = 0.5,
        sizes: Sequence[float] = (0.5,),
        names: Sequence[str] = (),
        mode: Literal["a", "b"] = "a",
        colour: Colour = Colour.RED,
        by_colour: Mapping[Colour, float] | None = None,
        convention: BoxConvention = BoxConvention(),  # noqa: B008 - as a metric might
        plain=3,
        anything=None,
    ) -> None:
        pass


GOOD = [
    ("flag", "TRUE", True),
    ("flag", False, False),
    ("count", "7", 7),
    ("count", np.int64(7), 7),
    ("limit", "none", None),
    ("limit", "4", 4),
    ("size", "0.25", 0.25),
    ("size", 1, 1.0),
    ("sizes", "0.5,0.75", (0.5, 0.75)),
    ("sizes", "[0.5, 1]", (0.5, 1.0)),
    ("sizes", [1, 0.5], (1.0, 0.5)),
    ("sizes", np.array([0.5]), (0.5,)),
    ("names", "left eye,right eye", ("left eye", "right eye")),
    ("mode", "b", "b"),
    ("colour", "blue", Colour.BLUE),
    ("by_colour", '{"red": 0.1}', {Colour.RED: 0.1}),
    ("convention", "thousand-xywh", BoxConvention.parse("thousand-xywh")),
    ("plain", "5", 5),
    ("anything", "5", "5"),
]
BAD = [
    ("flag", "maybe"), ("flag", 1), ("count", "1.5"), ("count", True), ("count", 1.5), ("limit", "many"),
    ("size", "abc"), ("size", "nan"), ("size", None), ("sizes", "abc"), ("sizes", 0.5), ("sizes", "[1"), ("mode", "c"),
    ("mode", 1), ("colour", "green"), ("by_colour", '{"green": 1}'), ("by_colour", "red"), ("convention", "5"),
    ("convention", 5), ("convention", "inches"), ("plain", "x"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "given", "expected"), GOOD)
def test_values_are_read_as_the_constructor_annotates_them(name, given, expected):
    read = read_options("everything", Everything, {name: given})[name]
    assert read == expected
    assert type(read) is type(expected)


@pytest.mark.parametrize(("name", "given"), BAD)
def test_other_values_are_refused_in_one_line_that_names_the_options(name, given):
    with pytest.raises(
        UsageError, match=r"Options of everything: flag \(true or false\), count \(a whole number\)"
    ) as e:
        read_options("everything", Everything, {name: given})
    assert "\n" not in str(e.value)
    assert repr(given) in str(e.value)


def test_what_scoring_fills_in_is_no_option():
    assert options_of(Everything).keys().isdisjoint({"task", "labels"})
    with pytest.raises(UsageError, match=r"Expected an option of everything .*got labels"):
        read_options("everything", Everything, {"labels": "a"})
    with pytest.raises(UsageError, match="thing to be x or y"):
        one_of("thing", "z", Literal["x", "y"])


@pytest.mark.usefixtures("made_up_meteor")
def test_every_option_of_every_metric_is_declared_and_its_default_can_be_given():
    for name in BUILT_IN:
        for option in options_of(metric_class(name)).values():
            assert option.kind != "anything", (name, option)
            metric = make_metric(name, "counting" if name == "paper" else "vqa", **{option.name: option.default_text})
            assert metric.settings() == make_metric(name, "counting" if name == "paper" else "vqa").settings()


BOX = [{"id": i, "object": [{"label": "cat", "bbox": [0.1, 0.1, 0.5, 0.5]}]} for i in range(2)]
ANSWERS = [{"id": i, "boxes": [{"label": "cat", "box": [100, 100, 500, 500]}]} for i in range(2)]


@pytest.mark.parametrize("use", [score, compare, compare_conventions])
@pytest.mark.parametrize(
    "options", [{"convention": 5}, {"thresholds": "abc"}, {"class_agnostic": "maybe"}, {"nonsense": 1}]
)
def test_the_same_options_are_refused_everywhere(use, options):
    files = (BOX, ANSWERS, ANSWERS) if use is compare else (BOX, ANSWERS)
    arguments = files if use is compare_conventions else ("detection", *files)
    with pytest.raises(UsageError, match=r"detection_ap.*convention.*thresholds") as raised:
        use(*arguments, **options)
    assert raised.value.exit_code == 2
    assert use(*arguments, convention="thousand-xyxy", class_agnostic="true")


def test_numbers_that_no_metric_can_use_are_refused():
    for name, options in (("ece", {"bins": 0}), ("detection_ap", {"thresholds": "2"}), ("bleu", {"tokenizer": "x"})):
        with pytest.raises(UsageError):
            make_metric(name, "vqa", **options)


def test_thresholds_of_some_norms_leave_the_others():
    metric = make_metric("pck", "keypoint_detection", thresholds='{"box": 0.1}')
    assert "box<0.1,head<0.5" in metric.settings()["below"]
    assert json.loads(options_of(type(metric))["thresholds"].default_text)["image"] == 0.1

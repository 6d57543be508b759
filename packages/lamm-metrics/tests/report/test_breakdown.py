"""Where a model fails: groups of records and boxes, confusion of classes, found and missed boxes, overlaps."""

import math

import pytest

from lamm_metrics import Mark, Report, Sample, Score, score
from lamm_metrics.report.breakdown import REST, boxes_of, breakdown_of, confusion_of, tasks_of
from lamm_metrics.report.overlaps import best_overlaps


def scored(task, records, texts):
    answers = [{"id": record["id"], "text": text} for record, text in zip(records, texts, strict=True)]
    return score(task, records, answers, draws=2)


def test_classes_are_counted_with_what_they_are_taken_for():
    records = [{"id": f"{i:02}", "label": ["cat", "dog"][i % 2], "labels": ["cat", "dog", "cow"]} for i in range(12)]
    report = scored("classification", records, ["a cat"] * 8 + ["a dog", "a dog", "a cow", "hm"])
    groups = breakdown_of(report)["By true class"]
    assert {name: (group.n, group.value) for name, group in groups.items()} == {
        "cat": (6, pytest.approx(4 / 6)),
        "dog": (6, pytest.approx(1 / 6)),
    }
    assert groups["cat"].low < 4 / 6 < groups["cat"].high
    assert confusion_of(report) == {"labels": ["cat", "cow", "dog"], "rows": [[4, 1, 1, 0], [0, 0, 0, 0], [4, 0, 1, 1]]}


def test_options_are_told_by_their_letter_and_yes_by_its_word():
    records = [{"id": i, "gt_choice": i % 2, "gt_choices": ["(red", "blue"]} for i in range(4)]
    found = confusion_of(scored("vqa", records, ["(A)", "(A)", "(A)", "(B)"]))
    assert found == {"labels": ["A", "B"], "rows": [[2, 0, 0], [1, 1, 0]]}
    records = [{"id": i, "label": ["Yes", "no"][i % 2]} for i in range(4)]
    found = confusion_of(scored("yes_no", records, ["yes", "yes", "No.", "no"]))
    assert found == {"labels": ["no", "yes"], "rows": [[1, 1, 0], [1, 1, 0]]}


def test_the_rarest_classes_come_together():
    records = [{"id": f"{i:03}", "label": f"class {i % 30:02}" if i > 60 else "cat"} for i in range(100)]
    report = scored("classification", records, [record["label"] for record in records])
    groups = breakdown_of(report)["By true class"]
    assert len(groups) == 13
    assert sum(group.n for group in groups.values()) == 100
    found = confusion_of(report)
    assert found["labels"][-1] == REST
    assert sum(map(sum, found["rows"])) == 100
    assert all(row[place] == sum(row) for place, row in enumerate(found["rows"]))


def test_an_error_is_told_by_the_true_number():
    records = [{"id": i, "num": number} for i, number in enumerate([1, 1, 2, 20])]
    groups = breakdown_of(scored("counting", records, ["1", "2", "2", "10"]))["By true number"]
    assert {name: (group.n, group.value) for name, group in groups.items()} == {
        "1": (2, 0.5), "2 to 3": (1, 0.0), "16 or more": (1, 10.0),
    }  # fmt: skip


def test_intervals_stay_where_values_can_be():
    records = [{"id": i, "num": 1 if i < 6 else 5} for i in range(12)]
    errors = breakdown_of(scored("counting", records, ["1", "2"] * 3 + ["5"] * 6))["By true number"]
    assert (errors["1"].low, errors["1"].high) == (pytest.approx(0.062, abs=1e-3), pytest.approx(0.938, abs=1e-3))
    assert errors["4 to 7"] == (6, 0.0, 0.0, 0.0)
    boxes = [{"label": "cat", "bbox": [0, 0, 0.5, 0.5]}, {"label": "dog", "bbox": [0.5, 0.5, 1, 1]}]
    records = [{"id": i, "object": boxes[: 1 if i < 6 else 2]} for i in range(12)]
    right, more = "cat [0, 0, 0.5, 0.5]", "cat [0, 0, 0.5, 0.5]; dog [0.5, 0.5, 1, 1]"
    found = breakdown_of(scored("detection", records, [right] * 5 + [more] * 7))["By number of true boxes"]
    assert found["1"].low < found["1"].value < found["1"].high == 1


def test_boxes_are_told_by_size_class_and_number():
    large, small = {"label": "potted plant", "bbox": [0, 0, 0.8, 0.8]}, {"label": "cat", "bbox": [0.9, 0.9, 0.95, 0.95]}
    records = [{"id": i, "object": [large, small] if i else [large]} for i in range(3)]
    report = scored(
        "detection", records, ["potted plant [0, 0, 0.8, 0.8]", "cat [0, 0, 0.1, 0.1]", "cat [0.9, 0.9, 0.95, 0.95]"]
    )
    groups = breakdown_of(report)
    sizes = groups["Share of true boxes found, by size"]
    assert [(name, group.n, group.value) for name, group in sizes.items()] == [
        ("below 1 % of the image", 2, 0.5),
        ("above 10 %", 3, pytest.approx(1 / 3)),
    ]
    assert {name: group.n for name, group in groups["AP of each class"].items()} == {"potted plant": 3, "cat": 2}
    assert list(groups["By number of true boxes"]) == ["1", "2 to 3"]
    assert boxes_of(report) == {"found": 2, "missed": 3, "right": 2, "wrong": 1}
    assert boxes_of(scored("counting", [{"id": 1, "num": 1}], ["1"])) is None


def test_parts_of_a_set_are_scores_of_the_headline_alone():
    def part(name, value, n):
        return Score(name, value, (value - 0.1, value + 0.1), n, 0, True, "s", {"n": float(n)})

    scores = (part("em", 0.5, 9), part("em/what", 0.25, 4), part("em/is", 0.75, 5), part("f1/what", 0.1, 4))
    groups = breakdown_of(Report("open_vqa3d", "standard", scores))["By part of the set"]
    assert groups == {"what": (4, 0.25, 0.15, 0.35), "is": (5, 0.75, 0.65, 0.85)}


def test_questions_are_told_by_how_they_begin_where_there_are_enough():
    def samples(*queries):
        return tuple(Sample(str(i), "g", "ok", float(i % 2), "x", query) for i, query in enumerate(queries))

    one = Score("accuracy", 0.5, None, 12, 0, True, "s")
    found = breakdown_of(Report("caption", "standard", (one,), samples(*["What?"] * 6, *["How?"] * 5, "Which?")))
    assert {name: group.n for name, group in found["By how the question begins"].items()} == {
        "what": 6,
        "how": 5,
        REST: 1,
    }
    assert breakdown_of(Report("caption", "standard", (one,), samples(*["What?"] * 12))) == {}


def test_models_stand_side_by_side_in_the_rows_of_a_set():
    records = [{"id": i, "label": ["cat", "dog"][i % 2], "query": "What?"} for i in range(4)]
    cats, dogs = (scored("classification", records, [f"a {name}"] * 4) for name in ("cat", "dog"))
    task = tasks_of({"a": {"Set": cats}, "b": {"Set": dogs}})["Set"]
    (group,) = task["groups"]
    assert (group["title"], group["higher"]) == ("By true class", True)
    assert {row["name"]: {model: cell[0] for model, cell in row["models"].items()} for row in group["rows"]} == {
        "cat": {"a": 1.0, "b": 0.0}, "dog": {"a": 0.0, "b": 1.0},
    }  # fmt: skip
    assert task["confusion"].keys() == {"a", "b"}
    assert task["boxes"] == {}


def test_values_that_are_no_numbers_are_left_out():
    bad = tuple(
        Sample(str(i), "g", "ok", value, "x", truth="cat") for i, value in enumerate([math.nan, math.inf, None])
    )
    one = Score("accuracy", 0.5, None, 3, 0, True, "s")
    assert breakdown_of(Report("classification", "standard", (one,), bad)) == {}


def test_each_answered_box_has_its_largest_overlap():
    flat = [
        Mark("box", (0, 0, 1, 1), "a", True),
        Mark("box", (0.5, 0, 1.5, 1), "b", False),
        Mark("box", (1, 1, 0, 0), "c", False),
        Mark("point", (0, 0), "d", False),
    ]
    solid = [
        Mark("box3d", (0, 0, 0, 2, 2, 2), "", True),
        Mark("box3d", (0, 0, 0, 2, 2, 1, math.pi / 2, 0, 0), "", False),
    ]
    elsewhere = [Mark("box", (0, 0, 1, 1), "a", False)]
    assert best_overlaps([flat, solid, elsewhere]) == [[None, 0.333, 1.0, None], [None, 0.5], [0.0]]
    assert best_overlaps([]) == []

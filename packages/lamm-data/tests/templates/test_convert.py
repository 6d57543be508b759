import json
import re
from collections import Counter

import pytest
from click.testing import CliRunner

from lamm_data.cli import data
from lamm_data.errors import UsageError
from lamm_data.records.annotations import (
    Annotated,
    Box,
    Box3D,
    ClassLabel,
    Count,
    Description,
    Keypoints,
    Question,
    Relation,
)
from lamm_data.records.instruction import read_records
from lamm_data.records.tasks import CONVERSION_TASKS
from lamm_data.sources.registry import get_source
from lamm_data.templates.convert import Conversion, convert
from lamm_data.templates.pools import pools
from lamm_data.templates.run import ConvertSettings, convert_source
from lamm_data.writing.draws import fill


def test_unknown_pool_style_and_task_are_refused():
    with pytest.raises(UsageError):
        pools.load_pool("nothing")
    with pytest.raises(UsageError):
        Conversion("nothing", "x")
    with pytest.raises(UsageError):
        Conversion("vqa", "x", style="verbose")
    with pytest.raises(UsageError):
        pools.parse_pool("mine", "questions = [")


@pytest.mark.parametrize("style", pools.STYLES)
def test_sample_world_converts_to_valid_records_of_every_task(world, tmp_path, style):
    path = tmp_path / "out.jsonl"
    counts = convert_source("sample", world, path, ConvertSettings(style=style))
    records = read_records(path)  # raises on any fault
    by_task = Counter(record.meta["task"] for record in records)
    elsewhere = {"scene_graph", "scene_graph3d", "presence", "presence3d"}
    assert set(by_task) == set(get_source("sample").readers) == set(CONVERSION_TASKS) - elsewhere
    assert all(by_task[task] == counts[f"{task}: records written"] for task in by_task)
    assert len({record.id for record in records}) == len(records)
    assert all((world / path).is_file() for record in records for path in record.media)
    assert all(record.meta["synthetic"] for record in records)


@pytest.mark.parametrize(
    "options",
    [
        {"style": "full", "negatives": 0.5, "merge": 12},
        {"style": "short", "numbers": "qwen", "rounds": 12},
        {"style": "plain", "numbers": "kosmos", "negatives": 0.3},
    ],
)
def test_every_produced_record_passes_the_check(world, tmp_path, options):
    counts = convert_source("sample", world, tmp_path / "i.jsonl", ConvertSettings(**options))
    result = CliRunner().invoke(data, ["check", str(tmp_path / "i.jsonl"), "--json"])
    report = json.loads(result.stdout)
    assert report["kept"] == report["records"] > 100
    assert options.get("merge", 0) == 0 or report["records"] == counts["merged: records written"]


def test_conversion_is_deterministic_and_needs_no_order(world, tmp_path):
    for name in ("a", "b"):
        convert_source("sample", world, tmp_path / name, ConvertSettings(seed=1))
    convert_source("sample", world, tmp_path / "c", ConvertSettings(seed=2))
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b != c
    items = [Annotated(str(k), f"{k}.png", captions=("one", "two", "three")) for k in range(9)]
    forward = list(convert(items, Conversion("caption", "x", per_item=1)))
    assert list(convert(items[::-1], Conversion("caption", "x", per_item=1)))[::-1] == forward


def one(task, item, **settings):
    conversion = Conversion(task, "Test", **settings)
    return [turn.text for record in convert([item], conversion) for turn in record.conversations], conversion.counts


def test_short_answers_are_the_entity_alone():
    image = {"id": "1", "media": "1.png", "width": 100, "height": 200}
    box, cat = Box("dog", (10, 20, 60, 200)), Box("cat", (0, 0, 10, 20))
    question = Question("What colour?", ("red",), ("blue", "red"), 1)
    cases = {
        "classification": (Annotated(**image, classes=(ClassLabel("dog"),)), "dog"),
        "detection": (Annotated(**image, boxes=(box, cat)), "dog [0.1, 0.1, 0.6, 1.0]; cat [0.0, 0.0, 0.1, 0.1]"),
        "counting": (Annotated(**image, counts=(Count("dog", 3),)), "3"),
        "vqa": (Annotated(**image, questions=(question,)), "(B) red"),
        "ocr": (Annotated(**image, words=("STOP", "GO")), "STOP GO"),
        "keypoint_detection": (Annotated(**image, keypoints=(Keypoints(("neck",), ((50, 50, 2),)),)), "[0.5, 0.25]"),
    }
    for task, (item, answer) in cases.items():
        assert one(task, item, style="short")[0][1] == answer
    assert one("vqa", cases["vqa"][0], style="plain")[0][1] == "red"
    scene = Annotated("s", "s.npy", "pcl", boxes3d=(Box3D("chair", (1, 2, 0.5), (1, 1, 1), id="4"),),
                      descriptions=(Description("the chair", "4"), Description("a ghost", "5")))  # fmt: skip
    texts, counts = one("visual_grounding3d", scene, style="short")
    assert texts[1] == "[1.000, 2.000, 0.500, 1.000, 1.000, 1.000]"
    assert len(texts) == 2
    assert counts["left out: description of an object without box"] == 1


def test_what_is_left_out_is_counted():
    boxes = (
        Box("a", (0, 0, 10, 10), crowd=True),
        Box("b", (0, 0, 10, 10), difficult=True),
        Box("c", (50, 50, 50, 60)),
        Box("d", (200, 0, 300, 10)),
        Box("e", (-5, -5, 50, 50), "7"),
        Box("e", (-5, -5, 50, 50), "7"),
        Box("f", (10, 10, 10.2, 60)),
        Box("g", (float("nan"), 0, 10, 10)),
    )
    texts, counts = one("detection", Annotated("1", "1.png", width=100, height=100, boxes=boxes), style="short")
    assert texts[1] == "e [0.0, 0.0, 0.5, 0.5]"
    assert counts["left out: crowd region"] == 1
    assert counts["left out: difficult object"] == 1
    assert counts["left out: box without area"] == 2
    assert counts["left out: box outside the image"] == 1
    assert counts["left out: duplicate annotation"] == 1
    assert counts["left out: box empty after rounding"] == 1
    assert counts["noted: box cut at the edge of the image"] == 1
    _, counts = one("detection", Annotated("1", "1.png", boxes=boxes[4:5]))
    assert counts["left out: image size unknown"] == 1
    assert counts["items without this task"] == 1
    unlabelled = Keypoints(("neck", "nose"), ((0, 0, 0), (5, 5, 1)))
    texts, _ = one("keypoint_detection", Annotated("1", "1.png", width=10, height=10, keypoints=(unlabelled,)))
    assert len(texts) == 2
    assert "nose" in texts[0]
    _, counts = one("keypoint_detection", Annotated("1", "1.png", keypoints=(unlabelled,)))
    assert counts["left out: image size unknown"] == 1
    flat = (
        Box3D("chair", (0, 0, 0), (1, 1, 0)),
        Box3D("chair", (0, 0, float("inf")), (1, 1, 1)),
        Box3D("chair", (0, 0, 0), (1, 1, 1e-4)),
    )
    _, counts = one("detection3d", Annotated("s", "s.npy", "pcl", boxes3d=flat))
    assert counts["left out: box without volume"] == 1
    assert counts["left out: box that is not finite"] == 1
    assert counts["left out: box empty after rounding"] == 1


def test_boxes_of_metres_have_as_many_decimals_as_asked_and_the_largest_may_be_first():
    boxes = (Box3D("cup", (-0.04, 2, 0.55), (0.1, 0.1, 0.1), id="1"), Box3D("bed", (1, 2, 0.5), (2, 1, 0.86), id="2"))
    scene = Annotated("s", "s.npy", "pcl", boxes3d=boxes, descriptions=(Description("the bed", "2"),))
    texts, _ = one("detection3d", scene, style="short", metre_decimals=1, largest_first=True)
    assert texts[1] == "bed [1.0, 2.0, 0.5, 2.0, 1.0, 0.9]; cup [0.0, 2.0, 0.6, 0.1, 0.1, 0.1]"
    texts, _ = one("visual_grounding3d", scene, style="short", metre_decimals=2)
    assert texts[1] == "[1.00, 2.00, 0.50, 2.00, 1.00, 0.86]"
    _, counts = one("detection3d", scene, metre_decimals=0)
    assert counts["left out: box empty after rounding"] == 1
    boxes = (Box("cat", (0, 0, 10, 20)), Box("dog", (10, 20, 60, 200)))
    image = Annotated("1", "1.png", width=100, height=200, boxes=boxes)
    assert one("detection", image, style="short", largest_first=True)[0][1].startswith("dog [0.1")
    with pytest.raises(UsageError, match="decimals of metres"):
        Conversion("detection3d", "set", metre_decimals=-1)


def test_rounds_merge_pairs_of_one_item_into_one_dialogue():
    item = Annotated("1", "1.png", captions=("one", "two", "three"))
    records = list(convert([item], Conversion("caption", "x", style="short", rounds=2)))
    assert [len(record.conversations) for record in records] == [4, 2]


def test_open_questions_become_multiple_choice_with_options_of_their_kind():
    colours, numbers = ("red", "blue", "green", "pink", "gray"), ("1", "2", "3", "4", "5")
    items = []
    for k in range(400):
        asked = Question("What colour is it?", (colours[k % 5],)), Question("How many are there?", (numbers[k % 5],))
        items.append(Annotated(str(k), f"{k}.npy", "pcl", questions=asked))
    places = Counter()
    for record in convert(items, Conversion("vqa3d", "x", style="short", make_options=True)):
        question, answer = (turn.text for turn in record.conversations)
        options = re.findall(r"\(([A-D])\) (\w+)", question)
        pool = colours if "colour" in question else numbers
        assert len(options) == 4 == len({o[1] for o in options})
        assert all(o[1] in pool for o in options)
        assert answer in [f"({letter}) {text}" for letter, text in options]
        places[answer[1]] += 1
    assert all(abs(places[letter] - 200) < 50 for letter in "ABCD"), places


def test_relations_are_asked_only_where_names_single_them_out():
    boxes = tuple(
        Box(name, (0, 0, 1, 1), key) for name, key in (("man", "1"), ("hat", "2"), ("dog", "3"), ("dog", "4"))
    )
    relations = (Relation("man", "wears", "hat", "1", "2"), Relation("dog", "near", "man", "3", "1"))
    texts, counts = one("scene_graph", Annotated("1", "1.png", boxes=boxes, relations=relations), style="short")
    assert texts[1:] == ["wears"]
    assert "man" in texts[0]
    assert counts["left out: relation that its names do not single out"] == 1


def test_unanswered_questions_are_counted():
    _, counts = one("vqa", Annotated("1", "1.png", questions=(Question("Why?"),)))
    assert counts["left out: question without answer"] == 1


def test_braces_in_values_are_left_alone():
    assert fill("{question} {options}", {"question": "what is {x}?", "options": "{y}"}) == "what is {x}? {y}"

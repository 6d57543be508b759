"""Charts of a file's statistics: what is counted, and that both writers draw it."""

import json
import re
from collections import Counter
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from lamm_data.benchmark.run import build_benchmark
from lamm_data.cli import data
from lamm_data.errors import UsageError
from lamm_data.records.annotations import Annotated, Box, Box3D, ClassLabel, Count, Keypoints
from lamm_data.records.tasks import CONVERSION_TASKS
from lamm_data.sources.registry import get_source
from lamm_data.stats.charts import (
    DARK,
    PAPER,
    Bars,
    Curves,
    Heatmap,
    Histogram,
    Rectangle,
    Text,
    lay_out,
    round_ticks,
    save_page,
    to_svg,
)
from lamm_data.stats.charts import GRID as GRID_LINES
from lamm_data.stats.counting import count_records
from lamm_data.stats.geometry import GRID
from lamm_data.stats.labels import named_classes
from lamm_data.templates.convert import Conversion, convert
from lamm_data.templates.pools.pools import STYLES
from lamm_data.templates.run import convert_source

SIZE = {"width": 100, "height": 200}


def statistics_of(task, item, **settings):
    return count_records(convert([item], Conversion(task, "x", **settings)))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("seed", range(5))
def test_classes_are_read_back_through_the_templates(style, seed):
    names = ["dog", "potted plant", "apple", "scissors", "T-shirt"]
    boxes = tuple(Box(name, (10, 20, 60, 200), str(k)) for k, name in enumerate(names))
    boxes3d = tuple(Box3D(name, (1, 2, 0.5), (1, 1, 1), id=str(k)) for k, name in enumerate(names))
    wanted = Counter(name[:1].lower() + name[1:] for name in names)
    flat, scene = Annotated("1", "1.png", **SIZE, boxes=boxes), Annotated("s", "s.npy", "pcl", boxes3d=boxes3d)
    assert statistics_of("detection", flat, style=style, seed=seed).counts["label"] == wanted
    assert statistics_of("detection3d", scene, style=style, seed=seed).counts["label"] == wanted
    for task in ("classification", "fine_grained_classification", "classification3d"):
        item = Annotated("1", "1.png", classes=(ClassLabel("apple", task),))
        assert statistics_of(task, item, style=style, seed=seed).counts["label"] == {"apple": 1}
    counted = statistics_of("counting", Annotated("1", "1.png", counts=(Count("apples", 1),)), style=style, seed=seed)
    assert set(counted.counts["label"]) <= {"apple", "apples"}
    assert sum(counted.counts["label"].values()) == 1
    joint = Annotated("1", "1.png", **SIZE, keypoints=(Keypoints(("neck",), ((50, 50, 2),)),))
    assert statistics_of("keypoint_detection", joint, style=style, seed=seed).counts["label"] == {"neck": 1}


@pytest.mark.parametrize("style", STYLES)
def test_every_class_of_the_sample_world_is_found(world, style):
    sample = get_source("sample")
    for task in (task.key for task in CONVERSION_TASKS.values() if task.naming):
        conversion = Conversion(task, "x", style=style)
        for record in convert(sample.open(world, "train", task), conversion):
            names = list(named_classes(record))
            assert names, (task, record.conversations)
            assert not any(re.search(r"\b(is|are|an?|hair|has)\b", name) for name in names), names


def test_positions_are_counted_on_a_grid_from_the_top_left():
    boxes = (Box("dog", (0, 0, 10, 20)), Box("cat", (90, 180, 100, 200)))
    geometry = statistics_of("detection", Annotated("1", "1.png", **SIZE, boxes=boxes)).geometry
    assert geometry.boxes == 2
    assert geometry.centres[1][1] == geometry.centres[GRID - 1][GRID - 1] == 1
    assert geometry.areas[0] == 2
    scene = Annotated("s", "s.npy", "pcl", boxes3d=(Box3D("chair", (-7.9, 7.9, 0.5), (1, 1, 1)),))
    geometry = statistics_of("detection3d", scene).geometry
    assert geometry.boxes3d == geometry.centres3d[0][0] == 1  # far left, and far up as y grows
    assert geometry.boxes == 0


def test_benchmark_files_are_counted_from_their_truth(world, tmp_path):
    build_benchmark("sample", world, tmp_path)
    truth = json.loads((tmp_path / "Detection_SampleScenes.json").read_text())
    objects = [item for record in truth for item in record["object"]]
    result = CliRunner().invoke(data, ["stats", str(tmp_path / "Detection_SampleScenes.json"), "--json"])
    summary = json.loads(result.stdout)
    assert summary["records"] == len(truth)
    assert summary["faults"] == 0
    assert summary["geometry"]["boxes"] == len(objects)
    assert summary["counts"]["label"] == Counter(item["label"] for item in objects)
    summary = json.loads(CliRunner().invoke(data, ["stats", str(tmp_path / "VQA_SampleScenes.json"), "--json"]).stdout)
    assert set(summary["counts"]["right option"]) <= set("ABCD")


@pytest.fixture(scope="module")
def converted(world, tmp_path_factory):
    path = tmp_path_factory.mktemp("plots") / "i.jsonl"
    convert_source("sample", world, path)
    return path


def test_command_draws_both_kinds(converted, tmp_path):
    for name in ("page.svg", "page.png"):
        result = CliRunner().invoke(data, ["stats", str(converted), "--plot", str(tmp_path / name)])
        assert result.exit_code == 0, result.output
        assert f"Written: {tmp_path / name}" in result.output
    svg = ET.fromstring((tmp_path / "page.svg").read_text())
    words = [element.text for element in svg.iter("{http://www.w3.org/2000/svg}text")]
    for title in (
        "Records by task",
        "Classes named in answers",
        "Length of answers",
        "Centres of 2D boxes, and points",
    ):
        assert title in words
    with Image.open(tmp_path / "page.png") as image:
        assert image.size == (int(svg.attrib["width"]) * 2, int(svg.attrib["height"]) * 2)
        pixels = np.asarray(image)
    assert (pixels == 255).all(-1).mean() > 0.3  # paper
    assert (pixels == (0x3B, 0x6E, 0xA8)).all(-1).mean() > 0.01  # bars
    result = CliRunner().invoke(data, ["stats", str(converted), "--plot", str(tmp_path / "page.gif")])
    assert isinstance(result.exception, UsageError)


def test_bars_are_as_long_as_their_numbers_and_texts_are_escaped():
    page = lay_out("<title> & more", [Bars("a", [("x<y", 10), ("z", 5)])])
    bars = [shape for shape in page.shapes if isinstance(shape, Rectangle)]
    assert bars[0].width == pytest.approx(2 * bars[1].width)
    root = ET.fromstring(to_svg(page))
    assert "x<y" in [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]


def test_every_shape_lies_on_the_page(tmp_path):
    panels = [
        Bars("a" * 30, [(f"name {k} " * 8, k) for k in range(11)]),
        Histogram("b", [0, 5, 3], 0, 30, "words"),
        Heatmap("c", [[0, 1], [2, 3]], "axes"),
        Histogram("empty", [0], 0, 1),
    ]
    page = lay_out("all", panels)
    for shape in page.shapes:
        assert 0 <= shape.x <= page.width
        assert 0 <= shape.y <= page.height
        if not isinstance(shape, Text):
            assert shape.x + shape.width <= page.width
            assert shape.y + shape.height <= page.height
    save_page(page, tmp_path / "p.png")
    assert (tmp_path / "p.png").stat().st_size > 1000


def test_curves_enclose_their_points_and_are_named(tmp_path):
    lines = {"loss": [(step, 3.5 / step) for step in range(1, 60)], "eval loss": [(1, 2.0)]}
    page = lay_out("run", [Curves("loss", lines, "step"), Curves("one point", {"loss": [(3, 2.0)]})], columns=1)
    root = ET.fromstring(to_svg(page))
    space = "{http://www.w3.org/2000/svg}"
    texts = [element.text for element in root.iter(f"{space}text")]
    assert {"loss", "eval loss", "step", "0", "4", "20", "40"} <= set(texts)
    drawn = [element.attrib["points"].split() for element in root.iter(f"{space}polyline")]
    assert [len(points) for points in drawn] == [59, 1, 1]
    places = [tuple(map(float, point.split(","))) for points in drawn for point in points]
    assert all(0 < x < page.width and 0 < y < page.height for x, y in places)
    assert places[0][1] < places[58][1]  # the loss falls
    assert to_svg(lay_out("run", [Curves("rate", {"rate": [(1, 1e-30), (2, 1e-30)]}, "step")]))
    save_page(page, tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as image:
        assert image.size == (page.width * 2, page.height * 2)
        assert (np.asarray(image) == (0x1F, 0x6F, 0x8B)).all(-1).sum() > 100


def test_ticks_are_round_and_enclose_what_is_drawn():
    assert round_ticks(0.0, 9.4e-4) == [0.0, 2e-4, 4e-4, 6e-4, 8e-4, 1e-3]
    assert round_ticks(-2.0, 3.0) == [-2.0, -1.0, 0.0, 1.0, 2.0, 3.0]
    assert round_ticks(5.0, 5.0)[0] == 5.0


SVG = "{http://www.w3.org/2000/svg}"


def words_of(page):
    return [element.text for element in ET.fromstring(to_svg(page)).iter(f"{SVG}text")]


def test_histograms_have_round_numbers_on_both_axes():
    lengths = words_of(lay_out("", [Histogram("lengths", [10, 155, 80], 2, 32, "words")]))
    assert lengths == ["lengths", "0", "50", "100", "150", "200", "10", "20", "30", "words"]
    # A bar of one whole number has its number below it.
    assert words_of(lay_out("", [Histogram("rounds", [745, 240], 1, 3)]))[-3:] == ["1", "2", None]
    assert "0.5" not in words_of(lay_out("", [Histogram("few", [1, 0], 1, 3)]))  # half a record is none
    assert words_of(lay_out("", [Curves("rate", {"rate": [(0, 0.0), (1, 2e-5)]})]))[1:6] == [
        "0",
        "5e-6",
        "1e-5",
        "1.5e-5",
        "2e-5",
    ]


def test_an_axis_that_begins_a_little_above_0_begins_at_0():
    assert {"0", "100", "200", "300"} <= set(words_of(lay_out("", [Curves("loss", {"loss": [(5, 1.5), (300, 1.2)]})])))
    assert "0" not in words_of(lay_out("", [Curves("loss", {"loss": [(900, 1.5), (1000, 1.2)]})]))[5:]


def test_no_sheet_is_half_empty():
    few, many = Bars("few", [("a", 1)]), Bars("many", [(f"{k}", k) for k in range(10)])
    alone = lay_out("", [few])
    assert (alone.width, alone.height) < (600, 120)
    page = lay_out("all", [few, many, few, few, many, few, Histogram("h", [1, 2], 0, 2)])
    ends = [max(shape.y for shape in page.shapes if (shape.x < page.width / 2) == left) for left in (True, False)]
    assert abs(ends[0] - ends[1]) < 300
    assert page.height - max(ends) < 60


def test_svg_follows_the_scheme_and_text_stands_out():
    svg = to_svg(lay_out("t", [Bars("a", [("x", 1)]), Heatmap("c", [[0, 1], [2, 3]], "axes")]))
    assert "prefers-color-scheme: dark" in svg
    assert svg.count('class="shade"') == 3  # the cells that are not empty
    for light, dark in DARK.items():
        if light not in (PAPER, GRID_LINES):
            assert contrast(light, PAPER) >= 4.5, light
            assert contrast(dark, DARK[PAPER]) >= 4.5, dark


def contrast(one, other):
    def brightness(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((brightness(one), brightness(other)))
    return (high + 0.05) / (low + 0.05)

"""What one package writes the other reads: annotations to dialogue to extracted boxes, benchmarks to perfect scores."""

import json
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from shuffling import shuffled

from lamm_cli.main import lamm
from lamm_data import (
    LSP_JOINTS,
    STYLES,
    Annotated,
    Box,
    Box3D,
    Build,
    CheckSettings,
    Conversion,
    ConvertSettings,
    Description,
    build_benchmark,
    build_records,
    check_file,
    convert,
    convert_source,
    get_source,
    read_records,
    task_of_file_name,
    write_benchmark,
)
from lamm_metrics import Status, chance_predictions, corners, extract_boxes_2d, extract_boxes_3d, rotations, score

LABELS = ("dog", "potted plant", "apple", "traffic light", "person", "dining table", "scissors", "umbrella")
SIDES = st.integers(16, 4000)
slow_machine = settings(deadline=None, max_examples=120)


def label_and_corners(row):
    """What is equal of a box that is listed twice, which is written once."""
    return row[4], *sorted(row[:4:2]), *sorted(row[1:4:2])


@st.composite
def images(draw):
    """An image with labelled boxes of whole and broken pixels, some beyond the edge, some nearly empty."""
    width, height = draw(SIDES), draw(SIDES)
    xs = st.floats(-5, width + 5, allow_nan=False) | st.integers(0, width).map(float)
    ys = st.floats(-5, height + 5, allow_nan=False) | st.integers(0, height).map(float)
    rows = st.tuples(xs, ys, xs, ys, st.sampled_from(LABELS))
    corners = draw(st.lists(rows, min_size=1, max_size=8, unique_by=label_and_corners))
    boxes = tuple(
        Box(label, (min(a, c), min(b, d), max(a, c), max(b, d)), str(k))
        for k, (a, b, c, d, label) in enumerate(corners)
    )
    return Annotated("i", "i.png", width=width, height=height, boxes=boxes)


def rounded_fractions(item):
    """The boxes that the dialogue must hold, worked out here from the pixels: clipped, rounded, not empty."""
    for box in item.boxes:
        x1, y1, x2, y2 = box.xyxy
        scaled = (x1 / item.width, y1 / item.height, x2 / item.width, y2 / item.height)
        values = tuple(round(min(max(value, 0.0), 1.0), 2) for value in scaled)
        if values[0] < values[2] and values[1] < values[3]:
            yield box.label, values


def answers(task, item, **options):
    records = list(convert([item], Conversion(task, "Test", **options)))
    return [turn.text for record in records for turn in record.conversations if turn.role == "gpt"]


@slow_machine
@given(images(), st.sampled_from(STYLES), st.integers(0, 1000))
def test_2d_boxes_come_back_equal_after_rounding(item, style, seed):
    wanted = list(rounded_fractions(item))
    texts = answers("detection", item, style=style, seed=seed)
    assert len(texts) == bool(wanted)
    for text in texts:
        found = extract_boxes_2d(text, labels=LABELS)
        assert found.status is Status.OK, text
        assert [(box.label, box.box) for box in found.value] == wanted, text


metres = st.floats(-30, 30, allow_nan=False)
extent = st.floats(0.001, 12, allow_nan=False)


@st.composite
def scenes(draw):
    row = st.tuples(*(metres,) * 3, *(extent,) * 3, st.sampled_from(LABELS))
    rows = draw(st.lists(row, min_size=1, max_size=8, unique=True))  # what is listed twice is written once
    boxes = tuple(Box3D(row[6], row[:3], row[3:6], id=str(k)) for k, row in enumerate(rows))
    texts = tuple(Description(f"the {box.label} nearest to the door", box.id, box.id) for box in boxes)
    return Annotated("s", "s.npy", "pcl", boxes3d=boxes, descriptions=texts)


@slow_machine
@given(scenes(), st.sampled_from(STYLES), st.integers(0, 1000))
def test_3d_boxes_come_back_equal_after_rounding(item, style, seed):
    wanted = [(box.label, tuple(round(value, 3) for value in box.values)) for box in item.boxes3d]
    (text,) = answers("detection3d", item, style=style, seed=seed)
    found = extract_boxes_3d(text, labels=LABELS)
    assert found.status is Status.OK, text
    assert [(box.label, box.box) for box in found.value] == wanted, text
    grounded = [extract_boxes_3d(text) for text in answers("visual_grounding3d", item, style=style, seed=seed)]
    assert [box.box for found in grounded for box in found.value] == [values for _, values in wanted]


angles = st.floats(-3.1, 3.1, allow_nan=False)


@slow_machine
@given(st.tuples(angles, st.floats(-1.57, 1.57), angles), st.booleans())
def test_oriented_boxes_are_turned_as_the_metrics_turn_them(turn, mirrored):
    axes = rotations([turn])[0].T  # rows are the box's own axes
    rows = [tuple(map(float, axis)) for axis in axes * ([[1], [1], [-1]] if mirrored else 1)]
    box = Box3D("chair", (1, 2, 3), (4, 5, 6), axes=tuple(rows))
    values = box.oriented_values
    assert values[:6] == [1, 2, 3, 4, 5, 6]
    turned = rotations([values[6:]])[0].T
    assert np.allclose(turned, axes, atol=1e-6)
    points = corners([values])[0]
    low, high = points.min(0), points.max(0)
    assert box.values == pytest.approx([*((low + high) / 2), *(high - low)], abs=1e-5)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    from lamm_data import write_world

    root = tmp_path_factory.mktemp("world") / "sample"
    write_world(root, images=350, rooms=60, seed=5, benchmark_fraction=0.5)
    return root


@pytest.mark.parametrize("style", STYLES)
def test_every_produced_record_passes_the_check(world, tmp_path, style):
    path = tmp_path / "i.jsonl"
    convert_source("sample", world, path, ConvertSettings(style=style))
    report = check_file(path, CheckSettings())
    assert report.records > 500
    assert report.kept == report.records, report.findings[:5]
    done = CliRunner().invoke(lamm, ["data", "check", str(path), "--json"])
    assert json.loads(done.stdout)["kept"] == len(read_records(path)) == report.records


@pytest.fixture(scope="module")
def bench(world, tmp_path_factory):
    """Every benchmark file of the sample world, and locating variants of the three kinds the paper has."""
    folder = tmp_path_factory.mktemp("bench")
    build_benchmark("sample", world, folder)
    sample = get_source("sample")
    for task in ("detection", "keypoint_detection", "counting"):
        build = Build("locating", f"Sample{task}", meta={"synthetic": True})
        write_benchmark(
            folder / f"Locating_Sample{task}.json", build_records(sample.open(world, "benchmark", task), build)
        )
    return folder


def task_of(path: Path) -> str:
    first = json.loads(path.read_text())[0]
    return task_of_file_name(path.name, "image" if "image" in first else "pcl").key


def spoken_choice(record):
    return f"The answer is ({'ABCDEF'[record['gt_choice']]}) {record['gt_choices'][record['gt_choice']]}."


def spoken_objects(record):
    return " ".join(f"There is a {item['label']} at {item['bbox']}." for item in record["object"])


def spoken_place(record):
    """One point an object: its middle."""
    width, height = record["image_size"]
    if "gt_joints" in record:
        xs, ys = zip(*((x, y) for x, y, visible in record["gt_joints"] if visible), strict=True)
        return f"[{(min(xs) + max(xs)) / 2 / width:.4f}, {(min(ys) + max(ys)) / 2 / height:.4f}]"
    if "points" in record:
        return " ".join(f"[{x / width:.4f}, {y / height:.4f}]" for x, y in record["points"])
    centres = [((b[0] + b[2]) / 2, (b[1] + b[3]) / 2) for b in (item["bbox"] for item in record["object"])]
    return " ".join(f"{record['label']} at [{x:.4f}, {y:.4f}]" for x, y in centres)


def spoken_joints(record):
    width, height = record["image_size"]
    names = record.get("joints") or LSP_JOINTS
    points = zip(names, record["gt_joints"], strict=True)
    return {name: f"[{x / width:.4f}, {y / height:.4f}]" for name, (x, y, _) in points}


SPOKEN = {
    "classification": lambda record: f"It is a {record['label']}.",
    "fine_grained_classification": lambda record: f"It is a {record['label']}.",
    "facial_classification": lambda record: {"1": "Yes, smiling.", "-1": "No."}.get(
        record["attr"], f"The hair is {record['attr']}."
    ),
    "vqa": spoken_choice,
    "vqa3d": spoken_choice,
    "caption": lambda record: record["sentences"][0],
    "counting": lambda record: f"I count {record['num']}.",
    "ocr": lambda record: "The words are " + ", ".join(f'"{word}"' for word in record["word_list"]) + ".",
    "visual_grounding3d": lambda record: f"It is at {record['gt_bbox']}.",
    "detection": spoken_objects,
    "detection3d": spoken_objects,
    "keypoint_detection": spoken_joints,
    "locating": spoken_place,
}
"""The true answer in words, as a person would write it: every one has to go through extraction."""


def result(task, path, texts):
    records = json.loads(path.read_text())
    predictions = [{"id": record["id"], "text": text} for record, text in zip(records, texts, strict=True)]
    return score(task, path, predictions, draws=200, samples=False)


def test_there_is_a_file_of_every_task(bench):
    assert (
        {task_of(path) for path in bench.glob("*.json")}
        == set(SPOKEN)
        == {*get_source("sample").benchmarks, "locating"}
    )


PERFECT = {"counting": 0.0}
"""Perfect scores that are not 1: an error of nothing."""


def test_references_as_predictions_are_perfect_on_every_task(bench):
    for path in sorted(bench.glob("*.json")):
        task = task_of(path)
        records = json.loads(path.read_text())
        headline = result(task, path, [SPOKEN[task](record) for record in records]).headline
        assert headline.value == pytest.approx(PERFECT.get(task, 1.0), abs=1e-9), (path.name, headline)


def mixed_texts(task, records, seed):
    """The true answers of other images or rooms; of several true captions any one."""
    rng, answer = random.Random(seed), SPOKEN[task]
    if task == "caption":
        answer = lambda record: rng.choice(record["sentences"])  # noqa: E731
    return [answer(records[place]) for place in shuffled(records, seed)]


def test_shuffled_predictions_are_at_chance_on_every_task(bench):
    """Three shuffles on average score what `chance_predictions` does, within the interval of the latter."""
    for path in sorted(bench.glob("*.json")):
        task = task_of(path)
        records = json.loads(path.read_text())
        if path.name == "Locating_Samplekeypoint_detection.json":
            continue  # every figure stands in the middle: pointing there is right without looking
        values = [result(task, path, mixed_texts(task, records, seed)).headline.value for seed in range(3)]
        chance = score(task, path, chance_predictions(task, path, seed=1), draws=200, samples=False).headline
        low, high = chance.interval
        assert sum(values) / 3 == pytest.approx(chance.value, abs=high - low + 0.02), (path.name, values, chance)
        if task == "counting":
            assert min(values) > 1.5
        elif task != "keypoint_detection" and path.name != "Locating_Samplecounting.json":  # one disc covers several
            assert max(values) < 0.75, (path.name, values)


def test_shuffled_choices_hit_as_often_as_there_are_options(bench):
    for name in ("VQA_SampleScenes.json", "VQA_SampleRooms.json"):
        records = json.loads((bench / name).read_text())
        letters = [f"The answer is ({'ABCDEF'[record['gt_choice']]})." for record in records]
        hits = [
            result(task_of(bench / name), bench / name, [letters[k] for k in shuffled(records, seed)]).headline.value
            for seed in range(3)
        ]
        expected = sum(1 / len(record["gt_choices"]) for record in records) / len(records)
        assert sum(hits) / 3 == pytest.approx(expected, abs=0.08), (name, hits)
        places = Counter(record["gt_choice"] for record in records)
        assert max(places.values()) < 2 * min(places.values()), places

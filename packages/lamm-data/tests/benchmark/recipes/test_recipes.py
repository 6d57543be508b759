"""Recipes change what they say and nothing else, the same way each time."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from lamm_data.benchmark.recipes.alignment import read_alignment
from lamm_data.benchmark.recipes.apply import KINDS, apply_recipe
from lamm_data.benchmark.recipes.command import recipe as command
from lamm_data.benchmark.recipes.in_context import ByText
from lamm_data.benchmark.recipes.recipe import packaged_recipes, read_recipe
from lamm_data.errors import RecordError, UsageError
from lamm_data.records.benchmark import BenchmarkRecord, read_benchmark, write_benchmark
from lamm_data.writing.options import lettered

COLOURS = {"red": (220, 30, 30), "blue": (30, 30, 220), "green": (30, 180, 30), "white": (240, 240, 240)}
CHOICES = list(COLOURS)


def question(number, split="test", folder="test"):
    colour = CHOICES[number % 4]
    return BenchmarkRecord(
        id=f"{split}{number}",
        query=f"What colour does the {['chair', 'table', 'lamp'][number % 3]} have? Options: {lettered(CHOICES)}",
        image=f"{folder}/{number}.png",
        gt_choice=CHOICES.index(colour),
        gt_choices=CHOICES,
        task="vqa",
        dataset="Colours",
        system="Choose. Answer with the letter and the text of the option.",
        meta={"split": split},
    )


@pytest.fixture
def world(tmp_path):
    for folder in ("test", "train"):
        (tmp_path / folder).mkdir()
        for number in range(8):
            pixels = np.full((16, 24, 3), COLOURS[CHOICES[number % 4]], np.uint8)
            Image.fromarray(pixels).save(tmp_path / folder / f"{number}.png")
    write_benchmark(tmp_path / "VQA_Colours.json", [question(number) for number in range(8)])
    (tmp_path / "pool").mkdir()
    pool = [question(number, "train", "train") for number in range(8)]
    write_benchmark(tmp_path / "pool" / "VQA_Colours_train.json", pool)
    return tmp_path


def applied(world, text, name="own", file="VQA_Colours.json", examples=None):
    path = world / f"{name}.toml"
    path.write_text(text)
    return apply_recipe(read_recipe(str(path), KINDS), [world / file], world, world / "out", examples)


def recipe_text(kind, variant, tasks='["vqa"]'):
    return f'kind = "{kind}"\ntasks = {tasks}\n[[variants]]\nname = "v"\n{variant}\n'


def test_every_packaged_recipe_reads():
    found = [read_recipe(name, KINDS) for name in packaged_recipes()]
    assert {recipe.kind for recipe in found} == KINDS.keys()
    listed = json.loads(CliRunner().invoke(command, ["--json"]).stdout)
    assert [entry["name"] for entry in listed] == [recipe.name for recipe in found]


def test_faults_of_a_recipe_come_at_once(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text('kind = "magic"\ntasks = ["dance"]\nextra = 1\n[[variants]]\nname = "a/b"\n')
    with pytest.raises(UsageError, match=r"unknown key 'extra'.*kind 'magic'.*dance.*a/b"):
        read_recipe(str(path), KINDS)
    with pytest.raises(UsageError, match="remapping"):
        read_recipe("remaping", KINDS)


def test_remapping_changes_labels_only(world):
    (file,) = applied(world, recipe_text("remap", 'labels = ["1", "2", "3", "4"]'))
    changed = read_benchmark(file.path)
    before = read_benchmark(world / "VQA_Colours.json")
    for old, new in zip(before, changed, strict=True):
        assert new.query == old.query.replace(lettered(CHOICES), "(1) red (2) blue (3) green (4) white")
        assert (new.id, new.gt_choice, new.gt_choices, new.image) == (old.id, old.gt_choice, old.gt_choices, old.image)
        assert new.extra["option_labels"] == ["1", "2", "3", "4"]
        assert "letter" not in new.system
    (shifted,) = applied(world, recipe_text("remap", "shift = 1"), "shifted")
    assert "(B) red (C) blue (D) green (A) white" in read_benchmark(shifted.path)[0].query
    with pytest.raises(UsageError, match="at least 4 different labels"):
        applied(world, recipe_text("remap", 'labels = ["1", "2", "2", "3"]'), "few")


@pytest.mark.parametrize("way", ["noise", "blur", "jpeg", "contrast", "brightness", "pixels"])
def test_pictures_are_corrupted_more_with_severity_and_alike_each_time(world, way):
    rng = np.random.default_rng(0)
    original = rng.integers(0, 255, (32, 48, 3), dtype=np.uint8)
    original[:16] = (90, 140, 60)
    Image.fromarray(original).save(world / "test" / "0.png")
    distances = []
    for severity in (1, 5):
        text = recipe_text("image_corruption", f'way = "{way}"\nseverity = {severity}')
        (file,) = applied(world, text, f"s{severity}")
        record = read_benchmark(file.path)[0]
        with Image.open(f"{file.media_root}/{record.image}") as image:
            pixels = np.asarray(image, np.float64)
        assert pixels.shape == original.shape
        distances.append(np.abs(pixels - original).mean())
        again = applied(world, text, f"s{severity}")[0]
        with Image.open(f"{again.media_root}/{record.image}") as image:
            assert np.array_equal(np.asarray(image, np.float64), pixels)
    assert 0 < distances[0] < distances[1]


def test_texts_change_but_options_and_placeholders_stay(world):
    for way in ("typos", "case", "order"):
        (file,) = applied(world, recipe_text("text_corruption", f'way = "{way}"\nrate = 0.9'), way)
        queries = [record.query for record in read_benchmark(file.path)]
        assert all(query.endswith(lettered(CHOICES)) for query in queries)
        assert all(query != question(number).query for number, query in enumerate(queries))
    joints = BenchmarkRecord(
        id="p", query="Where is the {} of the person?", image="test/0.png", gt_joints=[[1, 2, 1]] * 14,
        task="keypoint_detection", image_size=[24, 16],
    )  # fmt: skip
    write_benchmark(world / "Keypoints_Detection_P.json", [joints])
    text = recipe_text("text_corruption", 'way = "typos"\nrate = 1.0', '["keypoint_detection"]')
    (file,) = applied(world, text, "joints", "Keypoints_Detection_P.json")
    changed = read_benchmark(file.path)[0].query
    assert changed != joints.query
    assert changed.count("{}") == 1


def test_clouds_lose_points_and_rooms_turn_with_their_boxes(world):
    rng = np.random.default_rng(0)
    box = [1.0, 2.0, 0.5, 0.4, 0.8, 1.0]
    inside = np.array(box[:3]) + (rng.random((200, 3)) - 0.5) * box[3:]
    np.save(world / "room.npy", inside.astype(np.float32))
    record = BenchmarkRecord(
        id="r", query="?", pcl="room.npy", object=[{"label": "chair", "bbox": box}], task="detection3d"
    )
    write_benchmark(world / "Detection_Rooms.json", [record])
    for way, amount in (("turn", 1), ("turn", 2), ("dropout", 0.75), ("noise", 0.01)):
        text = recipe_text("cloud_corruption", f'way = "{way}"\namount = {amount}', '["detection3d"]')
        (file,) = applied(world, text, "cloud", "Detection_Rooms.json")
        changed = read_benchmark(file.path)[0]
        cloud = np.load(f"{file.media_root}/{changed.pcl}")
        x, y, z, *size = changed.object[0]["bbox"]
        slack = 0.06 if way == "noise" else 1e-5
        assert (np.abs(cloud - [x, y, z]) <= np.array(size) / 2 + slack).all()
        assert len(cloud) == (50 if way == "dropout" else 200)
        assert (changed.object[0]["bbox"] == box) == (way != "turn")


def test_examples_come_from_the_training_split_and_never_show_an_evaluated_image(world):
    pool = read_benchmark(world / "pool" / "VQA_Colours_train.json")
    pool[0].image = "test/3.png"
    write_benchmark(world / "pool" / "VQA_Colours_train.json", pool)
    text = recipe_text("in_context", 'retriever = "random"\ncount = 7')
    (file,) = applied(world, text, examples=world / "pool")
    assert file.left_out == {"example about an evaluated image or scene": 1}
    for record in read_benchmark(file.path):
        assert record.query.count("Answer: The answer is (") == 7
        assert record.query.endswith(f"Question: {question(int(record.id[4:])).query}")
    write_benchmark(world / "pool" / "VQA_Colours_train.json", [question(number) for number in range(8)])
    with pytest.raises(UsageError, match="give answers away"):
        applied(world, text, examples=world / "pool")
    with pytest.raises(UsageError, match="found 0"):
        applied(world, text)


def test_similar_examples_are_similar(world):
    text = recipe_text("in_context", 'retriever = "picture"\ncount = 1')
    (file,) = applied(world, text, examples=world / "pool")
    for record in read_benchmark(file.path):
        colour = CHOICES[int(record.id[4:]) % 4]
        assert f"Answer: The answer is ({'ABCD'[CHOICES.index(colour)]}) {colour}." in record.query
    pool = read_benchmark(world / "pool" / "VQA_Colours_train.json")
    nearest = ByText(pool, 2)(question(4))
    assert all("table" in example.query for example in nearest)
    (fixed,) = applied(world, recipe_text("in_context", 'retriever = "fixed"\ncount = 2'), examples=world / "pool")
    assert len({record.query.split("Now answer")[0] for record in read_benchmark(fixed.path)}) == 1


def test_presence_asks_as_often_for_what_is_not_there(world):
    scenes = [
        BenchmarkRecord(
            id=str(number), query="?", image="test/0.png", task="detection", dataset="Scenes",
            object=[{"label": label, "bbox": [0, 0, 1, 1]} for label in labels],
        )
        for number, labels in enumerate([("fork", "knife"), ("fork", "knife"), ("fork", "cat"), ("dog",), ("knife",)])
    ]  # fmt: skip
    write_benchmark(world / "Detection_Scenes.json", scenes)
    with pytest.raises(UsageError, match="closed list"):
        applied(world, recipe_text("presence", "", '["detection"]'), file="Detection_Scenes.json")
    classes = 'classes = ["cat", "dog", "fork", "knife", "zebra"]\nquestions = 1\n'
    asked = {}
    for sampling in ("random", "popular", "adversarial"):
        text = recipe_text("presence", f'{classes}sampling = "{sampling}"', '["detection"]')
        (file,) = applied(world, text, sampling, "Detection_Scenes.json")
        assert file.path.endswith("POPE_Scenes+v.json")
        assert not file.paired
        asked[sampling] = json.loads(Path(file.path).read_text())
        assert Counter(record["label"] for record in asked[sampling]) == {"yes": 5, "no": 5}
        for record in asked[sampling]:
            there = {item["label"] for item in scenes[int(record["group"])].object}
            assert (record["object"] in there) == (record["label"] == "yes")
    absent = {name: [record["object"] for record in found if record["label"] == "no"] for name, found in asked.items()}
    assert absent["popular"][3:] == ["fork", "fork"]  # the most frequent class that a dog's and a knife's image lack
    assert absent["adversarial"][4] == "fork"  # stands beside knives


def test_files_of_other_tasks_are_passed_over(world):
    asked = {"id": "1", "query": "Is there a cat?", "image": "test/0.png", "label": "yes", "task": "yes_no"}
    (world / "POPE_Own.json").write_text(json.dumps([asked]))
    recipe = read_recipe("remapping", KINDS)
    files = [world / "POPE_Own.json", world / "VQA_Colours.json"]
    written = apply_recipe(recipe, files, world, world / "out")
    assert {file.base for file in written} == {"VQA_Colours.json"}
    assert len(written) == 6


def test_sets_of_helpful_honest_and_harmless_answers_read(world):
    items = [
        {"id": 1, "image": ["test/0.png"], "query": "May I?", "options": ["Yes.", "No.", "Maybe."], "source": "x"},
        {"id": 2, "image": ["test/1.png"], "query": "What?", "options": ["A dog.", "I don't know.", "A cat."]},
    ]
    path = world / "Harmless.json"
    path.write_text(json.dumps({"items": items}))
    first, second = read_alignment(path)
    assert first.gt_choices[first.gt_choice] == "Yes."
    assert first.extra["gt_accepted"] == [first.gt_choice]
    assert {second.gt_choices[number] for number in second.extra["gt_accepted"]} == {"A dog.", "I don't know."}
    assert lettered(first.gt_choices) in first.query
    path.write_text(
        json.dumps({"items": [{**items[0], "options": ["a"]}, {"query": "?"}, {**items[1], "image": None}]})
    )
    with pytest.raises(RecordError) as caught:
        read_alignment(path)
    assert len(caught.value.faults) == 3


@pytest.mark.parametrize(
    ("kind", "variant", "words"),
    [
        ("image_corruption", 'way = "nois"', "did you mean noise"),
        ("image_corruption", "severity = 6", "expected one of 1, 2, 3, 4, 5, found 6"),
        ("cloud_corruption", 'way = "dropout"\namount = 1', "below 1"),
        ("in_context", "cuont = 1", "unknown key v.cuont; did you mean count"),
        ("presence", "questions = 0", "at least 1"),
        ("remap", "shift = true", "expected int, found True"),
        ("likelihood", "way = 1", "unknown key v.way"),
    ],
)
def test_settings_of_a_variant_are_checked_before_anything_is_done(tmp_path, kind, variant, words):
    path = tmp_path / "own.toml"
    path.write_text(recipe_text(kind, variant))
    with pytest.raises(UsageError, match=words):
        read_recipe(str(path), KINDS)

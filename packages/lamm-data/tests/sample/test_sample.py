import hashlib
import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from lamm_data.errors import SourceError, UsageError
from lamm_data.sample.draw import unit_polygon
from lamm_data.sample.plan import batches
from lamm_data.sample.scenes import write_scenes
from lamm_data.sample.solids import ROOM, Solid, sample_room, sample_surface
from lamm_data.sample.vocabulary import SHAPES, SOLIDS
from lamm_data.sample.world import write_world
from lamm_data.sources.readers.ai2d import read_ai2d
from lamm_data.sources.readers.sample_world import check_root
from lamm_data.sources.registry import get_source

TASKS = tuple(get_source("sample").readers)
IMAGE_TASKS = [task for task in TASKS if not task.endswith("3d")]


def digests(root):
    return {
        str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in root.rglob("*") if p.is_file()
    }


def read(world, task, split):
    return list(get_source("sample").open(world, split, task))


def test_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_world(tmp_path / name, images=27, rooms=6, seed=seed)
    a, b, c = (digests(tmp_path / name) for name in "abc")
    assert a == b
    same = [name for name in a if c.get(name) == a[name] and name.endswith((".png", "vert.npy"))]
    assert same == []


def test_no_picture_or_room_occurs_twice(world):
    media = [digest for name, digest in digests(world).items() if name.endswith((".png", "vert.npy"))]
    assert len(media) == 166
    assert len(set(media)) == 166


@pytest.mark.parametrize("task", TASKS)
def test_splits_share_neither_ids_nor_files(world, task):
    train, held_out = read(world, task, "train"), read(world, task, "benchmark")
    assert train
    assert held_out
    assert not {i.media for i in train} & {i.media for i in held_out}
    assert not {i.group or i.id for i in train} & {i.group or i.id for i in held_out}
    assert all((world / item.media).is_file() for item in train + held_out)


@pytest.mark.parametrize("task", IMAGE_TASKS)
def test_images_have_the_stated_size(world, task):
    item = read(world, task, "train")[0]
    with Image.open(world / item.media) as image:
        assert (image.size, image.mode) == ((item.width, item.height), "RGB")
        assert image.size == (224, 224)


@pytest.mark.parametrize("task", ["classification", "fine_grained_classification", "facial_classification"])
def test_classes_are_balanced(world, task):
    counts = Counter((label.attribute, label.name) for item in read(world, task, "train") for label in item.classes)
    for attribute in {key[0] for key in counts}:
        numbers = [number for key, number in counts.items() if key[0] == attribute]
        assert max(numbers) - min(numbers) <= 1, counts


def test_counts_are_balanced_and_equal_their_points(world):
    items = read(world, "counting", "train")
    assert all(count.number == len(count.points) for item in items for count in item.counts)
    numbers = Counter(item.counts[0].number for item in items)
    assert set(numbers) == set(range(1, 10))
    assert max(numbers.values()) - min(numbers.values()) <= 1


def test_right_option_letters_are_balanced_for_every_kind_of_question(world):
    places = Counter()
    for item in read(world, "vqa", "train"):
        for question in item.questions:
            assert len(set(question.choices)) == 4
            places[question.text.split()[0] + question.text.split()[1], question.answer] += 1
    for kind in {key[0] for key in places}:
        numbers = [places[kind, place] for place in range(4)]
        assert max(numbers) - min(numbers) <= 1, places


def test_a_blind_reader_of_the_questions_is_at_chance(tmp_path, monkeypatch):
    """The best constant answer per question text, learnt on one half, stays near chance on the other."""
    monkeypatch.setattr("lamm_data.sample.scenes.save", lambda image, path: None)
    monkeypatch.setattr("lamm_data.sample.scenes.background", lambda rng: Image.new("RGB", (448, 448)))
    seen, hits, total = {}, 0, 0
    for batch in batches(tmp_path, "scenes", 800, 5, 0.3):
        list(write_scenes(batch))
    for split in ("train", "test"):
        for item in read_ai2d(tmp_path, split):
            for question in item.questions:
                votes = seen.setdefault(question.text, Counter())
                if split == "train":
                    votes[question.choices[question.answer]] += 1
                else:
                    total += 1
                    hits += max(question.choices, key=lambda choice: votes[choice]) == question.choices[question.answer]
    assert total == 960
    assert hits / total < 0.25 + 3.5 * (0.25 * 0.75 / total) ** 0.5


def test_detection_boxes_hold_exactly_the_drawn_shape(world):
    item = next(i for i in read(world, "detection", "train") if len(i.boxes) == 1)
    pixels = np.asarray(Image.open(world / item.media).convert("RGB")).astype(int)
    x1, y1, x2, y2 = item.boxes[0].xyxy
    painted = (pixels.max(2) - pixels.min(2)) > 60  # shapes are saturated, backgrounds are pale
    ys, xs = np.nonzero(painted)
    assert abs(xs.min() - x1) < 2
    assert abs(xs.max() + 1 - x2) < 2
    assert abs(ys.min() - y1) < 2
    assert abs(ys.max() + 1 - y2) < 2


def test_objects_of_a_scene_differ_in_shape_and_colour(world):
    for boxes, captions in zip(read(world, "detection", "train"), read(world, "caption", "train"), strict=True):
        labels = [box.label for box in boxes.boxes]
        assert 1 <= len(labels) <= 4
        assert len(set(labels)) == len(labels)
        assert len(captions.captions) == 5
        assert all(label in captions.captions[0] for label in labels)


def test_joints_lie_inside_the_image_on_drawn_pixels(world):
    for item in read(world, "keypoint_detection", "train")[:5]:
        pixels = np.asarray(Image.open(world / item.media).convert("L")).astype(int)
        for x, y in item.keypoints[0].labelled().values():
            assert 0 <= x < 224
            assert 0 <= y < 224
            assert pixels[max(int(y) - 2, 0) : int(y) + 3, max(int(x) - 2, 0) : int(x) + 3].min() < 180


def test_rooms_are_clouds_whose_boxes_hold_the_points(world):
    for item in read(world, "detection3d", "train")[:8]:
        cloud = np.load(world / item.media, allow_pickle=False)
        assert cloud.shape == (4096, 6)
        assert cloud.dtype == np.float32
        assert np.isfinite(cloud).all()
        assert cloud[:, 3:].min() >= 0
        assert cloud[:, 3:].max() <= 255
        above = cloud[cloud[:, 2] > 0.05, :3]
        inside = np.zeros(len(above), bool)
        for box in item.boxes3d:
            near = np.abs(above - box.centre) <= np.array(box.size) / 2 + 0.03
            inside |= near.all(1)
            points = above[near.all(1)]
            assert np.allclose(points[:, :2].max(0) - points[:, :2].min(0), box.size[:2], atol=0.15)
            assert abs(points[:, 2].max() - box.size[2]) < 0.25
        assert inside.all()


@pytest.mark.parametrize("kind", SOLIDS)
def test_solids_fill_their_cube(kind):
    points = sample_surface(kind, 4000, np.random.default_rng(0))
    assert np.abs(points).max() <= 0.5 + 1e-9
    assert (points.max(0) - points.min(0) > 0.93).all()
    assert len(np.unique(points.round(6), axis=0)) > 3900


def test_room_with_five_solids_has_exactly_the_stated_number_of_points():
    solids = [Solid("box", "red", (k - 2.0, 0.0), (0.5, 0.5, 0.5), k) for k in range(5)]
    cloud = sample_room(solids, np.random.default_rng(0))
    assert cloud.shape == (4096, 6)
    assert np.abs(cloud[:, :2]).max() < ROOM / 2 + 0.3


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_fit_the_unit_circle(shape):
    outline = np.array(unit_polygon(shape))
    assert np.hypot(*outline.T).max() < 1.25
    assert (outline.max(0) - outline.min(0) > 1.1).all()


def test_metadata_says_synthetic(world):
    manifest = json.loads((world / "sample.json").read_text())
    assert manifest["synthetic"] is True
    assert "Synthetic" in manifest["note"]
    coco = json.loads((world / "scenes/annotations/instances_train.json").read_text())
    assert "Synthetic" in coco["info"]["description"]


def test_progress_counts_every_image_and_room(tmp_path):
    steps = []
    write_world(tmp_path / "w", images=18, rooms=4, seed=0, progress=steps.append)
    assert sum(steps) == 22


def test_same_arguments_again_do_nothing_and_other_arguments_are_refused(tmp_path):
    write_world(tmp_path / "w", images=9, rooms=2, seed=0)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "w").rglob("*")}
    write_world(tmp_path / "w", images=9, rooms=2, seed=0)
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "w").rglob("*")} == before
    with pytest.raises(UsageError, match="other files"):
        write_world(tmp_path / "w", images=9, rooms=2, seed=1)
    with pytest.raises(UsageError):
        write_world(tmp_path / "x", images=-1)


def test_interrupted_drawing_leaves_nothing_behind(tmp_path):
    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_world(tmp_path / "w", images=9, rooms=2, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_sample_world_is_named(tmp_path):
    with pytest.raises(SourceError, match="lamm data sample"):
        check_root(tmp_path)


def test_worlds_without_images_or_rooms_are_possible(tmp_path):
    assert write_world(tmp_path / "w", images=0, rooms=0)["sets"]["rooms"] == 0


def test_annotated_items_are_plain_values(world):
    item = read(world, "detection", "train")[0]
    assert replace(item) == item


def test_a_world_of_another_version_is_refused(tmp_path):
    (tmp_path / "sample.json").write_text(json.dumps({"synthetic": True, "version": 99}))
    with pytest.raises(SourceError, match="version 1, got 99"):
        check_root(tmp_path)
    (tmp_path / "sample.json").write_text('{"synthetic": true')
    with pytest.raises(SourceError, match="byte 18"):
        check_root(tmp_path)

"""Boxes and descriptions of scenes are read, turned with their clouds, and learnt."""

import json
import math

import numpy as np
import pytest
import torch
from transformers import AutoModel

from lamm_data import Box3D
from lamm_model.errors import LammModelError
from lamm_model.training.tower_pretraining.objects import (
    Scene,
    SceneObject,
    as_truth,
    axis_aligned,
    read_scene_objects,
    telling_words,
    turned,
)
from lamm_model.training.tower_pretraining.pretraining import TowerSettings, pretrain_tower

RED, BLUE = (220, 40, 40), (50, 60, 220)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Rooms with one red or blue block or plate each, in ScanNet's exported layout."""
    root = tmp_path_factory.mktemp("rooms")
    (root / "scannet_data").mkdir()
    (root / "classes.tsv").write_text("1\tblock\n2\tplate\n")
    rng, names, texts = np.random.default_rng(0), [], []
    for number in range(32):
        flat, blue = number % 2, number // 2 % 2
        size, centre = np.array([0.8, 0.8, 0.2 if flat else 0.9]), np.array([*rng.uniform(-0.8, 0.8, 2), 0.5])
        points = np.concatenate(
            [rng.uniform(-0.5, 0.5, (400, 3)) * size + centre, rng.uniform(-1.5, 1.5, (200, 3)) * (1, 1, 0)]
        )
        colours = np.concatenate([np.tile(BLUE if blue else RED, (400, 1)), np.full((200, 3), 180)])
        name = f"scene{number:04d}_00"
        np.save(root / "scannet_data" / f"{name}_aligned_vert.npy", np.hstack([points, colours]).astype(np.float32))
        np.save(root / "scannet_data" / f"{name}_aligned_bbox.npy", np.array([[*centre, *size, 1 + flat, 7.0]]))
        names.append(name)
        text = f"this is a {'blue' if blue else 'red'} thing"
        texts.append({"scene_id": name, "object_id": "7", "object_name": "x", "ann_id": "0", "description": text})
    (root / "scannetv2_train.txt").write_text("\n".join(names))
    (root / "ScanRefer_filtered_train.json").write_text(json.dumps(texts))
    return root


@pytest.fixture(scope="module")
def scenes(root):
    return read_scene_objects(root)


def test_scenes_have_boxes_names_and_the_words_that_tell_them_apart(scenes):
    assert len(scenes) == 32
    assert [one.label for scene in scenes[:2] for one in scene.objects] == ["block", "plate"]
    assert telling_words(scenes) == ["blue", "red"]
    truth = as_truth(scenes, ["block", "plate"], ["blue", "red"])
    assert truth.labels[:2].tolist() == [[0], [1]]
    assert truth.words[:3, 0].tolist() == [[0, 1], [0, 1], [1, 0]]
    assert truth.boxes[1, 0, 3:].tolist() == pytest.approx([0.8, 0.8, 0.2])


def test_a_turned_box_is_taken_along_the_axes():
    box = Box3D("x", (1.0, 2.0, 3.0), (2.0, 1.0, 4.0), yaw=math.pi / 2)
    assert axis_aligned(box) == pytest.approx((1.0, 2.0, 3.0, 1.0, 2.0, 4.0))


def test_clouds_boxes_and_normals_turn_together():
    generator = torch.Generator().manual_seed(0)
    cloud = torch.rand(64, 50, 9) - 0.5
    low, high = cloud[..., :3].amin(dim=1), cloud[..., :3].amax(dim=1)
    boxes = torch.cat([(low + high) / 2, high - low], dim=-1)[:, None]
    new, moved = turned(cloud, boxes, generator, normals=6)
    low, high = new[..., :3].amin(dim=1), new[..., :3].amax(dim=1)
    torch.testing.assert_close(moved[:, 0], torch.cat([(low + high) / 2, high - low], dim=-1))
    along = (cloud[..., :3] * cloud[..., 6:]).sum(dim=-1)
    torch.testing.assert_close((new[..., :3] * new[..., 6:]).sum(dim=-1), along)
    torch.testing.assert_close(new[..., 3:6], cloud[..., 3:6])
    assert len({tuple(row) for row in (new[:, 0, :2] / cloud[:, 0, :2]).sign().tolist()}) == 4


def test_a_tower_learns_to_tell_objects(scenes, tmp_path):
    settings = TowerSettings("tiny", epochs=12, batch=8, learning_rate=4e-3, objects=2)
    numbers = pretrain_tower(scenes, tmp_path / "tower", settings)
    assert (numbers["scenes"], numbers["objects"], numbers["steps"]) == (32, 32, 48)
    assert numbers["accuracy"] > 0.9
    tower = AutoModel.from_pretrained(tmp_path / "tower").eval()
    assert (tower.config.labels, tower.config.words) == (["block", "plate"], ["blue", "red"])


def test_scenes_without_boxes_are_refused(tmp_path):
    (tmp_path / "scannet_data").mkdir()
    (tmp_path / "classes.tsv").write_text("1\tblock\n")
    (tmp_path / "scannetv2_train.txt").write_text("scene0000_00\n")
    np.save(tmp_path / "scannet_data" / "scene0000_00_aligned_bbox.npy", np.zeros((0, 8)))
    with pytest.raises(LammModelError, match="clouds with boxes"):
        read_scene_objects(tmp_path)


def test_words_that_most_descriptions_say_tell_nothing():
    one = [SceneObject("box", (0.0,) * 6, frozenset({"the", "box", word})) for word in ("red", "blue", "red", "green")]
    assert telling_words([Scene("a", tuple(one))]) == ["blue", "green", "red"]

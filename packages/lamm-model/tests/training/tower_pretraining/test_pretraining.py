"""A tower learns to see from closed questions, is written whole, and joins a model."""

import json

import numpy as np
import pytest
import torch
from transformers import AutoModel

from lamm_model import build_pair
from lamm_model.errors import LammModelError
from lamm_model.towers.configuration_point_cloud import LammPointCloudConfig
from lamm_model.towers.point_cloud import LammPointCloudModel
from lamm_model.training.tower_pretraining.pretraining import TowerSettings, pretrain_tower
from lamm_model.training.tower_pretraining.questions import SceneQuestion, read_scene_questions

COLOURS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (50, 60, 220)}


@pytest.fixture(scope="module")
def questions(tmp_path_factory):
    root = tmp_path_factory.mktemp("clouds")
    rng = np.random.default_rng(0)
    made = []
    for number in range(24):
        colour = list(COLOURS)[number % 3]
        flat = number % 2
        points = rng.uniform(-1, 1, (300, 3)) * (1, 1, 0.1 if flat else 1)
        cloud = np.concatenate([points, np.tile(COLOURS[colour], (300, 1))], axis=1)
        np.save(root / f"{number}.npy", cloud.astype(np.float32))
        path = str(root / f"{number}.npy")
        made.append(SceneQuestion(path, "What colour?", colour))
        made.append(SceneQuestion(path, "Which form?", "plate" if flat else "block"))
    return made


@pytest.mark.parametrize("preset", ["tiny", "tiny-ptv3"])
def test_it_learns_and_is_used(questions, parts, tmp_path, preset):
    steps = []
    settings = TowerSettings(preset, epochs=15, batch=8, learning_rate=3e-3)
    numbers = pretrain_tower(
        questions, tmp_path / "tower", settings, lambda step, total, log: steps.append((step, total))
    )
    assert numbers["scenes"] == 24
    assert numbers["accuracy"] > 0.9
    assert steps[-1] == (45, 45)
    assert not list(tmp_path.glob(".*"))
    tower = AutoModel.from_pretrained(tmp_path / "tower")
    model, _ = build_pair(parts.language, parts.lite, str(tmp_path / "tower"), freeze_point_cloud_tower=False)
    for name, value in model.model.point_cloud_tower.state_dict().items():
        assert torch.equal(value, tower.state_dict()[name]), name


def test_same_seed_same_tower(questions, tmp_path):
    for name in ("a", "b"):
        pretrain_tower(questions[:8], tmp_path / name, TowerSettings(epochs=1, batch=4))
    first, second = (LammPointCloudModel.from_pretrained(tmp_path / name).state_dict() for name in ("a", "b"))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_open_questions_are_refused(tmp_path):
    (tmp_path / "scannet_data").mkdir()
    (tmp_path / "classes.tsv").write_text("1\tbox\n")
    (tmp_path / "scannetv2_train.txt").write_text("room0000_00\n")
    entry = {"question_id": "0", "scene_id": "room0000_00", "question": "What is it?", "answers": ["a box"]}
    (tmp_path / "ScanQA_v1.0_train.json").write_text(json.dumps([entry]))
    np.save(tmp_path / "scannet_data" / "room0000_00_aligned_bbox.npy", np.array([[0, 0, 0, 1, 1, 1, 1, 0.0]]))
    np.save(tmp_path / "scannet_data" / "room0000_00_aligned_vert.npy", np.zeros((10, 6), np.float32))
    with pytest.raises(LammModelError, match="closed set of answers"):
        read_scene_questions(tmp_path)


def test_tokens_carry_statistics_and_the_whole():
    torch.manual_seed(0)
    plain = {"num_points": 64, "hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2,
             "stages": [{"centres": 4, "radius": 1.0, "neighbours": 8, "mlp": [16]}]}  # fmt: skip
    config = LammPointCloudConfig(**plain, token_statistics=True, global_token=True)
    assert (config.num_tokens, config.feature_size) == (5, 16 + 15)
    tower = LammPointCloudModel(config).eval()
    cloud = torch.rand(2, 64, 6)
    cloud[0, :, 3:] = 0.25
    tokens = tower(cloud).last_hidden_state
    assert tokens.shape == (2, 5, 31)
    torch.testing.assert_close(tokens[:, 0], tokens[:, 1:].amax(dim=1))
    torch.testing.assert_close(tokens[0, 1:, 16 + 9 : 16 + 12], torch.full((4, 3), 0.5))
    torch.testing.assert_close(tokens[0, 1:, 16 + 12 :], torch.zeros(4, 3))

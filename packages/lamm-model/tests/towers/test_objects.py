"""Objects are found by votes, named by the points in their boxes, and told in words and digits that text has too."""

import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from lamm_model import build_pair
from lamm_model.errors import UsageError
from lamm_model.towers.configuration_objects import ObjectTowerConfig
from lamm_model.towers.configuration_point_cloud import cloud_preset
from lamm_model.towers.objects import Objects, ObjectTower, Truth, Votes, overlap


def text_of(tokens, config):
    words = config.channel_words
    return "".join(words[int(row.argmax())] for row in tokens if row.any())


def config_of(tower, **changes):
    return ObjectTowerConfig(**{"tower": tower, "labels": ["box", "cone"], "words": ["red"], "objects": 2, **changes})


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "1 red cone [-0.6, 0.4, 0.7, 1.2, 1.2, 1.0];"),
        ({"decimals": 2}, "1 red cone [-0.63, 0.40, 0.72, 1.20, 1.20, 1.00];"),
        ({"decimals": 0}, "1 red cone [-1, 0, 1, 1, 1, 1];"),
        ({"whole_digits": 2}, "1 red cone [-0.6, 0.4, 0.7, 1.2, 1.2, 1.0];"),
    ],
)
def test_an_object_is_told_as_text_writes_it(cloud_config, changes, text):
    config = config_of(cloud_config, **changes)
    boxes = torch.tensor([[[-0.631, 0.4, 0.719, 1.2, 1.2, 0.999], [1.0] * 6]])
    names = torch.tensor([[[-9.0, 9.0, 9.0], [9.0, -9.0, -9.0]]])
    tokens = ObjectTower(config).tell(Objects(boxes, torch.tensor([[True, False]])), names)
    assert tokens.shape == (1, 2 * config.fields, config.feature_size)
    assert text_of(tokens[0], config) == text
    assert not tokens[0, config.fields :].any()


def test_long_lengths_and_signs_are_told(cloud_config):
    config = config_of(cloud_config, whole_digits=2)
    boxes = torch.tensor([[[12.34, -123.0, -0.04, 0.0, 5.0, 10.0]]])
    told = ObjectTower(config).tell(Objects(boxes, torch.ones(1, 1, dtype=torch.bool)), torch.zeros(1, 1, 3))
    assert text_of(told[0], config).endswith("[12.3, -99.9, 0.0, 0.0, 5.0, 10.0];")


def test_votes_for_one_box_are_averaged_and_the_largest_is_first(cloud_config):
    small, large = [0.0, 0.0, 0.5, 1.0, 1.0, 1.0], [3.0, 0.0, 1.0, 2.0, 2.0, 2.0]
    moved = [0.1, 0.0, 0.5, 1.0, 1.0, 1.0]
    votes = Votes(torch.tensor([[2.0, 2.0, 1.0, -2.0]]), torch.tensor([[small, moved, large, [9.0] * 6]]))
    found = ObjectTower(config_of(cloud_config, objects=3)).gather_votes(votes)
    assert found.present.tolist() == [[True, True, False]]
    torch.testing.assert_close(found.boxes[0, :2], torch.tensor([large, [0.05, 0.0, 0.5, 1.0, 1.0, 1.0]]))


def test_only_the_points_in_a_box_name_it(cloud_config):
    torch.manual_seed(0)
    tower = ObjectTower(config_of(cloud_config, look_points=16)).eval()
    cloud, box = torch.rand(1, 64, 6), torch.tensor([[[0.25, 0.25, 0.25, 0.5, 0.5, 0.5]]])
    inside = ((cloud[..., :3] - 0.25).abs() <= 0.275).all(dim=-1)
    other = torch.where(inside[..., None], cloud, cloud + 5)
    torch.testing.assert_close(tower.names(cloud, box), tower.names(other, box))
    other = torch.where(inside[..., None], cloud * 0.9, cloud)
    assert not torch.allclose(tower.names(cloud, box), tower.names(other, box))


def test_a_position_belongs_to_the_box_that_it_is_deepest_in():
    boxes = torch.tensor([[[0.0, 0.0, 0.0, 4.0, 4.0, 4.0], [1.0, 0.0, 0.0, 1.0, 1.0, 1.0], [0.0] * 6]])
    truth = Truth(boxes, torch.tensor([[0, 1, -1]]), torch.zeros(1, 3, 1), torch.zeros(1, 3, dtype=torch.bool))
    positions = torch.tensor([[[1.0, 0.1, 0.0], [-1.0, 0.0, 0.0], [5.0, 0.0, 0.0]]])
    assert truth.owners(positions).tolist() == [[1, 0, -1]]


def test_overlap_is_that_of_boxes_along_the_axes():
    a, b = torch.tensor([0.0, 0.0, 0.0, 2.0, 2.0, 2.0]), torch.tensor([1.0, 0.0, 0.0, 2.0, 2.0, 2.0])
    assert overlap(a, b).item() == pytest.approx(4 / 12)


@pytest.mark.parametrize("preset", ["tiny", "tiny-ptv3"])
@pytest.mark.parametrize("scene_tokens", [False, True])
def test_it_wraps_any_tower_is_saved_and_starts_in_the_language_models_words(parts, tmp_path, preset, scene_tokens):
    torch.manual_seed(0)
    tower = ObjectTower(config_of(cloud_preset(preset), scene_tokens=scene_tokens)).eval()
    cloud = torch.rand(2, 300, tower.config.in_channels)
    tokens = tower(cloud)
    assert tokens.last_hidden_state.shape == (2, tower.config.num_tokens, tower.config.feature_size)
    assert tokens.positions.shape == (2, tower.config.num_tokens, 3)
    tower.save_pretrained(tmp_path / "tower")
    loaded = AutoModel.from_pretrained(tmp_path / "tower").eval()
    torch.testing.assert_close(loaded(cloud).last_hidden_state, tokens.last_hidden_state, rtol=0, atol=0)
    model, processor = build_pair(parts.language, None, str(tmp_path / "tower"))
    assert processor.point_cloud_tokens == tower.config.num_tokens
    embed = model.get_input_embeddings()
    words = tower.config.channel_words
    ids = AutoTokenizer.from_pretrained(parts.language)(" red", add_special_tokens=False).input_ids
    column = model.model.point_cloud_projector.linear.weight[:, words.index(" red") - len(words)]
    torch.testing.assert_close(column, embed(torch.tensor(ids)).mean(dim=0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tower": {"model_type": "point_bert"}}, "centre and scale centroid and unit_sphere"),
        ({"objects": 0}, "objects"),
    ],
)
def test_what_cannot_be_told_is_refused(cloud_config, changes, message):
    with pytest.raises(UsageError, match=message):
        config_of(**{"tower": cloud_config, **changes})

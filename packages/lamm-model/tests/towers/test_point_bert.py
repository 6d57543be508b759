"""Point-BERT against the published implementation's values, and as any tower of transformers."""

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModel

from lamm_model import PointBertConfig, PointBertModel, build_pair
from lamm_model.errors import LammModelError, UsageError

TINY = {
    "num_points": 200, "groups": 16, "group_size": 8, "group_width": 32, "hidden_size": 24, "num_hidden_layers": 2,
    "num_attention_heads": 3,
}  # fmt: skip


def test_it_equals_the_published_values(golden):
    values, weights = golden("point_bert")
    for max_pool, wanted in ((False, "out"), (True, "out_maxpool")):
        tower = PointBertModel(PointBertConfig(**TINY, max_pool=max_pool)).eval()
        tower.load_state_dict({key.replace("blocks.blocks.", "blocks."): value for key, value in weights.items()})
        with torch.inference_mode():
            found = tower(values["points"], start=values["fps_start"])
        torch.testing.assert_close(found.last_hidden_state, values[wanted], rtol=2e-5, atol=2e-5)
        if not max_pool:
            assert torch.equal(found.positions[:, 1:], values["center"])


def test_it_is_a_tower_of_transformers(tmp_path):
    torch.manual_seed(0)
    tower = PointBertModel(PointBertConfig(**TINY)).eval()
    clouds = torch.rand(2, 50, 6)
    tower.save_pretrained(tmp_path)
    assert isinstance(AutoConfig.from_pretrained(tmp_path), PointBertConfig)
    again = AutoModel.from_pretrained(tmp_path).eval()
    with torch.inference_mode():
        assert torch.equal(again(clouds).last_hidden_state, tower(clouds).last_hidden_state)
    assert tower(clouds).last_hidden_state.shape == (2, tower.config.num_tokens, tower.config.feature_size)
    with pytest.raises(LammModelError, match="6 columns, got 3"):
        tower(clouds[..., :3])
    with pytest.raises(UsageError, match="multiple of num_attention_heads"):
        PointBertConfig(hidden_size=25)


def test_recomputing_gives_the_same_gradients():
    torch.manual_seed(0)
    tower = PointBertModel(PointBertConfig(**TINY)).train()
    clouds, gradients = torch.rand(2, 50, 6), []
    for recompute in (False, True):
        if recompute:
            tower.gradient_checkpointing_enable()
        tower.zero_grad()
        torch.autograd.backward(tower(clouds).last_hidden_state.square().sum())
        gradients.append(tower.blocks[0].attn.qkv.weight.grad.clone())
    assert torch.equal(*gradients)


def test_a_preset_has_the_published_size():
    from lamm_model.towers.configuration_point_cloud import cloud_preset

    for name, millions in (("point-bert", 21.86), ("point-bert-base", 192.5)):
        with torch.device("meta"):
            tower = AutoModel.from_config(cloud_preset(name))
        assert sum(p.numel() for p in tower.parameters()) / 1e6 == pytest.approx(millions, rel=2e-3)
        assert tower.config.num_tokens == 513


def test_a_model_with_it_prepares_clouds_as_published(parts, media, tmp_path):
    model, processor = build_pair(parts.language, None, {"model_type": "point_bert", **TINY})
    assert processor.point_cloud_tokens == model.config.point_cloud_tokens == 17
    cloud = processor.feature_extractor(media / "0.npy")["point_clouds"][0]
    assert cloud.shape == (200, 6)
    assert float(cloud[:, :3].norm(dim=1).max()) == pytest.approx(1.0)
    assert 0.0 <= float(cloud[:, 3:].min()) < float(cloud[:, 3:].max()) <= 1.0
    table = np.random.default_rng(0).uniform(0, 1, (300, 6)).astype(np.float32)  # as PointLLM's files have colours
    np.save(tmp_path / "object_8192.npy", table)
    found = processor.feature_extractor(tmp_path / "object_8192.npy")["point_clouds"][0].numpy()
    assert {tuple(row) for row in found[:, 3:].round(4)} <= {tuple(row) for row in table[:, 3:].round(4)}
    assert model.encode_point_clouds(cloud[None]).shape == (1, 17, 24)
    model.save_pretrained(tmp_path)
    from lamm_model import LammForConditionalGeneration

    again = LammForConditionalGeneration.from_pretrained(tmp_path).eval()
    assert torch.equal(again.encode_point_clouds(cloud[None]), model.encode_point_clouds(cloud[None]))

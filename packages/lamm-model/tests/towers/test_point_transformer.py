"""Point Transformer V3 against the published implementations' values, and as any tower of transformers."""

import json

import pytest
import torch
from transformers import AutoConfig, AutoModel

from lamm_model import PointTransformerV3Config, PointTransformerV3Model
from lamm_model.errors import LammModelError, UsageError
from lamm_model.towers.configuration_point_cloud import cloud_preset
from lamm_model.towers.point_transformer_blocks import PointBlock, RelativePositions
from lamm_model.towers.voxel_level import Level

CLOSE = {"rtol": 2e-5, "atol": 2e-5}


def published(values, **changes):
    """The configuration of a case, from the published arguments."""
    given = json.loads(values["config"])
    fields = {
        key: given[key] for key in given.keys() & {"order", "stride", "enc_depths", "enc_channels", "enc_num_head"}
    }
    fields |= {key: given[key] for key in given.keys() & {"dec_depths", "dec_channels", "dec_num_head", "rope_base"}}
    return PointTransformerV3Config(**fields, patch_size=given["enc_patch_size"][0], **changes)


def inputs(values):
    return values["grid_coord"], torch.bincount(values["batch"]), values["coord"], values["feat"]


def filled(config, weights):
    tower = PointTransformerV3Model(config).eval()
    aside = [key for key in weights if key.endswith("rope.inv_freq") or key == "embedding.mask_token"]
    tower.load_state_dict({key: value for key, value in weights.items() if key not in aside})
    return tower


@pytest.mark.parametrize("name", ["sonata", "utonia"])
def test_a_block_equals_the_published_values(golden, name):
    values, weights = golden(f"block_{name}")
    grid, lengths, coordinates, features = inputs(values)
    config = PointTransformerV3Config(
        patch_size=16, rope_base=10.0 if name == "utonia" else 0.0, enc_num_head=[2] * 5, enc_channels=[36] * 5
    )
    block = PointBlock(features.shape[1], 2, int(values["order_index"]), 0.0, config).eval()
    weights.pop("attn.rope.inv_freq", None)
    block.load_state_dict(weights)
    level = Level(grid, lengths, coordinates, config.order)
    assert torch.equal(level.order, values["order"])
    with torch.inference_mode():
        torch.testing.assert_close(block.conditional_positions(features, level), values["cpe_out"], **CLOSE)
        torch.testing.assert_close(block(features, level), values["out"], **CLOSE)


def test_relative_positions_equal_the_published_values(golden):
    values, _ = golden("rpe")
    biases = RelativePositions(16, 2)
    assert biases.bound == int(values["pos_bnd"])
    biases.rpe_table.data = values["table"]
    torch.testing.assert_close(biases(values["grid"]), values["bias"], **CLOSE)
    assert [RelativePositions(size, 1).bound for size in (1024, 128, 48)] == [31, 15, 11]


@pytest.mark.parametrize("name", ["sonata", "utonia"])
def test_an_encoder_equals_the_published_values(golden, name):
    values, weights = golden(f"encoder_{name}")
    tower = filled(published(values), weights)
    with torch.inference_mode():
        rows, level = tower.rows(*inputs(values))
        torch.testing.assert_close(rows, values["out"], **CLOSE)
        assert torch.equal(level.grid, values["out_grid"])
        assert torch.equal(level.lengths, torch.bincount(values["out_batch"]))
        torch.testing.assert_close(level.positions, values["out_coord"], **CLOSE)
        tower.config.upcast_levels = 2
        torch.testing.assert_close(tower.rows(*inputs(values))[0], values["upcast"], **CLOSE)


@pytest.mark.parametrize("form", ["m1", "m2"])
def test_a_network_with_a_decoder_equals_the_published_values(golden, form):
    values, weights = golden(f"unet_ptv3{form}")
    extra = {"form": form, "skip_convolution": form == "m1", "use_coordinates": form == "m2"}
    with torch.inference_mode():
        rows, level = filled(published(values, **extra), weights).rows(*inputs(values))
    torch.testing.assert_close(rows, values["out"], **CLOSE)
    assert torch.equal(level.grid, values["out_grid"])


def clouds_of(*sizes, seed=0, columns=9):
    """Clouds of so many points as one tensor, filled up with NaN."""
    generator = torch.Generator().manual_seed(seed)
    made = torch.full((len(sizes), max(sizes), columns), torch.nan)
    for number, size in enumerate(sizes):
        made[number, :size] = torch.rand(size, columns, generator=generator)
    return made


TINY = {
    "stride": [2, 2], "enc_depths": [1, 1, 1], "enc_channels": [12, 24, 36], "enc_num_head": [1, 2, 2],
    "patch_size": 16, "grid_size": 0.1, "num_tokens": 6,
}  # fmt: skip


@pytest.mark.parametrize("budget", ["sample", "pool", "resampler"])
def test_it_is_a_tower_of_transformers(tmp_path, budget):
    torch.manual_seed(0)
    config = PointTransformerV3Config(**TINY, budget=budget, positions="fourier", upcast_levels=1)
    tower = PointTransformerV3Model(config).eval()
    clouds = clouds_of(90, 40)
    tower.save_pretrained(tmp_path)
    assert isinstance(AutoConfig.from_pretrained(tmp_path), PointTransformerV3Config)
    again = AutoModel.from_pretrained(tmp_path).eval()
    with torch.inference_mode():
        found = tower(clouds)
        assert torch.equal(again(clouds).last_hidden_state, found.last_hidden_state)
    assert found.last_hidden_state.shape == (2, 6, config.feature_size) == (2, 6, 24 + 36 + 63)
    assert found.positions.shape == (2, 6, 3)
    assert 0.0 < float(found.positions.min()) < float(found.positions.max()) < 1.0
    torch.testing.assert_close(found.last_hidden_state[..., 60:63], found.positions / 32.0)


@pytest.mark.parametrize("form", ["m1", "m2"])
def test_a_clouds_features_are_its_own(form):
    """Neither the clouds beside it, nor the order of its points, nor what fills the tensor change anything."""
    torch.manual_seed(0)
    decoder = {"dec_depths": [1, 1], "dec_channels": [12, 24], "dec_num_head": [1, 2]}
    tower = PointTransformerV3Model(
        PointTransformerV3Config(**TINY, form=form, **decoder if form == "m1" else {"rope_base": 10.0})
    ).eval()
    clouds = clouds_of(200, 1, 33, 16)
    clouds[2, :, :3] *= 7.0  # another depth
    with torch.inference_mode():
        together = tower(clouds).last_hidden_state
        for cloud, wanted in zip(clouds, together, strict=True):
            alone = cloud[~cloud[:, 0].isnan()][None]
            torch.testing.assert_close(tower(alone).last_hidden_state[0], wanted, **CLOSE)
        cells, first = torch.unique((clouds[0, :, :3].double() / 0.1).floor(), dim=0, return_inverse=True)
        rows = torch.stack([(first == number).nonzero()[0, 0] for number in range(len(cells))])
        mixed = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(1))]
        torch.testing.assert_close(tower(clouds[:1, mixed]).last_hidden_state[0], together[0], **CLOSE)


def test_wrong_input_and_settings_are_named():
    tower = PointTransformerV3Model(PointTransformerV3Config(**TINY)).eval()
    with pytest.raises(LammModelError, match="9 columns, got 6"):
        tower(clouds_of(5, columns=6))
    with pytest.raises(LammModelError, match="at least one point"):
        tower(clouds_of(5, 5) * torch.tensor([1.0, torch.nan])[:, None, None])
    for changes, words in (
        ({"form": "m4"}, "m1, m2"),
        ({"stride": [2]}, "stride: 1"),
        ({"rope_base": 10.0, "enc_num_head": [1, 2, 4]}, "multiple of 6"),
        ({"upcast_levels": 3}, "0 to 2"),
    ):
        with pytest.raises(UsageError, match=words):
            PointTransformerV3Config(**{**TINY, **changes})


@pytest.mark.parametrize("budget", ["sample", "resampler"])
def test_every_weight_learns_and_recomputing_changes_nothing(budget):
    torch.manual_seed(0)
    config = PointTransformerV3Config(**TINY, budget=budget, relative_positions=True, drop_path=0.0)
    tower, clouds, gradients = PointTransformerV3Model(config).train(), clouds_of(90, 40), []
    for recompute in (False, True):
        if recompute:
            tower.gradient_checkpointing_enable()
        tower.zero_grad()
        torch.autograd.backward(tower(clouds).last_hidden_state.square().sum())
        gradients.append({name: weight.grad for name, weight in tower.named_parameters()})
    assert all(gradient is not None for gradient in gradients[0].values())
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, **CLOSE)


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("sonata", 108.46), ("concerto-tiny", 4.86), ("concerto-large", 207.67), ("sonata-small", 38.65),
        ("utonia", 137.25), ("utonia-tiny", 9.33), ("utonia-small", 37.25), ("ptv3", 46.17),
    ],
)  # fmt: skip
def test_presets_have_the_published_sizes(name, millions):
    with torch.device("meta"):
        tower = AutoModel.from_config(cloud_preset(name))
    assert sum(p.numel() for p in tower.parameters()) / 1e6 == pytest.approx(millions, abs=6e-3)


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, [2.07593, 1.61796, 2.19165, 1.60097]),
        ({"rope_base": 10.0}, [2.07588, 1.61819, 2.19174, 1.6012]),
        (
            {"form": "m1", "dec_depths": [1, 1], "dec_channels": [12, 24], "dec_num_head": [1, 2]},
            [0.20092, -0.76501, 0.23005, -0.76722],
        ),
    ],
)
def test_features_are_what_they_were(changes, wanted):
    tower = PointTransformerV3Model(PointTransformerV3Config(**TINY, **changes)).eval()
    with torch.inference_mode():
        for number, weight in enumerate(tower.parameters()):
            weight.copy_(torch.sin(torch.arange(weight.numel()) + number).view_as(weight) * 0.3)
        steps = torch.arange(60 * 9).view(1, 60, 9)
        found = tower((steps * 0.37).sin().abs()).last_hidden_state[0, :2, :2].flatten()
    torch.testing.assert_close(found, torch.tensor(wanted), **CLOSE)


@pytest.mark.parametrize(
    "changes",
    [
        {"budget": "resampler", "relative_positions": True},
        {"rope_base": 10.0, "budget": "pool", "upcast_levels": 1, "positions": "metres"},
        {"form": "m1", "dec_depths": [1, 1], "dec_channels": [12, 24], "dec_num_head": [1, 2]},
    ],
)
def test_sixteen_bits_are_near(changes):
    torch.manual_seed(0)
    tower, clouds = PointTransformerV3Model(PointTransformerV3Config(**TINY, **changes)).eval(), clouds_of(90, 40)
    wanted = tower(clouds).last_hidden_state
    with torch.autocast("cpu", torch.bfloat16):
        found = tower(clouds).last_hidden_state
    torch.autograd.backward(found.float().square().sum())
    assert all(bool(weight.grad.isfinite().all()) for weight in tower.parameters())
    for half in (found, tower.bfloat16()(clouds).last_hidden_state):
        assert float((half.float() - wanted).abs().max().detach()) < 0.03 * float(wanted.abs().max().detach())

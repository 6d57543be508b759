"""The model's point tower on the kernels: the same tokens whichever implementation is forced, fused or grouped."""

import copy

import pytest
import torch

from lamm_model import LammPointCloudConfig, LammPointCloudModel, kernels
from lamm_model.kernels import api, layers
from lamm_model.towers.point_cloud import SetAbstraction

SMALL = {
    "num_points": 90,
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


def _tower(preset="epcl", **changes):
    """A tower in eval mode whose batch norms, if any, have statistics of their own."""
    torch.manual_seed(0)
    tower = LammPointCloudModel(LammPointCloudConfig.preset(preset, **changes)).eval()
    for module in tower.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
            torch.nn.init.normal_(module.weight, 1.0, 0.3)
            torch.nn.init.normal_(module.bias)
    return tower


def _clouds(columns=3, size=90):
    """A cloud of random floats, one on a grid with ties and duplicates, and one of equal points."""
    generator = torch.Generator().manual_seed(1)
    clouds = torch.randn(3, size, columns, generator=generator)
    clouds[1] = clouds[1].round()
    clouds[2] = clouds[2, :1]
    return clouds


@pytest.mark.parametrize("preset", ["epcl", "tiny"])
def test_tokens_are_the_same_whichever_implementation_is_forced(preset, triton_device):
    changes = SMALL if preset == "epcl" else {}
    tower, clouds = _tower(preset, **changes), _clouds(3 if preset == "epcl" else 6)
    tokens = {}
    with torch.no_grad():
        for name in ("reference", "numba", "triton", None):
            device = triton_device if name == "triton" else torch.device("cpu")
            with kernels.use_implementation(name):
                tokens[name] = tower.to(device)(clouds.to(device)).last_hidden_state.cpu()
            tower.to("cpu")
    for name, found in tokens.items():
        torch.testing.assert_close(found, tokens["reference"], atol=2e-5, rtol=1e-4, msg=str(name))


@pytest.mark.parametrize("absolute_centre", [False, True])
@pytest.mark.parametrize("normalise_radius", [False, True])
def test_fused_stages_equal_grouped_ones(monkeypatch, absolute_centre, normalise_radius):
    """Values, gradients in the weights and in the cloud, and in bf16 no farther from float32 than grouping is."""
    tower = _tower(**SMALL, absolute_centre=absolute_centre, normalise_radius=normalise_radius)
    clouds = _clouds()[:2].requires_grad_()
    results = {}
    for fused in (True, False):
        monkeypatch.setattr(SetAbstraction, "can_fuse", lambda _, fused=fused: fused)
        tower.zero_grad()
        clouds.grad = None
        tokens = tower(clouds).last_hidden_state
        tokens.square().sum().backward()
        gradients = [p.grad.clone() for p in tower.stages.parameters()]
        half = copy.deepcopy(tower).to(torch.bfloat16)(clouds.detach()).last_hidden_state.detach().float()
        results[fused] = tokens.detach(), gradients, half
    torch.testing.assert_close(results[True][0], results[False][0], atol=2e-5, rtol=1e-4)
    for mine, other in zip(results[True][1], results[False][1], strict=True):
        torch.testing.assert_close(mine, other, atol=1e-3, rtol=1e-3)
    error = {fused: float((half - tokens).norm() / tokens.norm()) for fused, (tokens, _, half) in results.items()}
    assert error[True] < 0.02
    assert error[True] < 1.5 * error[False]


def test_a_stage_is_fused_only_where_its_normalisations_are_fixed():
    stages = [*_tower(**SMALL).stages, *_tower("tiny").stages]
    assert [stage.can_fuse() for stage in stages] == [True, True, False]
    assert not any(stage.train().can_fuse() for stage in stages)
    deeper = {**SMALL, "stages": [{**SMALL["stages"][1], "mlp": [8, 16, 32]}]}
    assert not _tower(**deeper).stages[0].can_fuse()


@pytest.mark.parametrize("train", [False, True])
def test_the_second_stage_samples_nothing(monkeypatch, train):
    """Its centres are the first ones of the first stage: what sampling them would return."""
    tower, clouds = _tower(**SMALL), _clouds()
    tower.train(train)
    calls = []
    sample = api.farthest_point_sample
    first = kernels.gather(clouds, sample(clouds, 20))
    again = kernels.gather(first, sample(first, 5))
    monkeypatch.setattr(
        "lamm_model.towers.point_cloud.farthest_point_sample", lambda *args: calls.append(args[1]) or sample(*args)
    )
    seen = []
    for stage in tower.stages:
        stage.register_forward_hook(lambda _, __, groups: seen.append(groups.centres))
    with torch.no_grad():
        tower(clouds)
    assert calls == [20]
    assert torch.equal(seen[0], first)
    assert torch.equal(seen[1], again)


def test_token_statistics_look_for_the_neighbours_once(monkeypatch):
    tower, clouds = _tower("tiny"), _clouds(6, 200)
    queries = []
    query = api.ball_query
    monkeypatch.setattr(
        "lamm_model.towers.point_cloud.ball_query",
        lambda *args, **rest: queries.append(args[0]) or query(*args, **rest),
    )
    with torch.no_grad():
        tokens = tower(clouds).last_hidden_state
    assert queries == [0.5]
    centres = kernels.gather(clouds[..., :3].contiguous(), api.farthest_point_sample(clouds[..., :3], 48))
    assert torch.equal(tokens[:, 1:, -15:], tower.token_statistics(clouds, centres))
    assert len(queries) == 2


def test_the_grouped_tensor_is_never_made(monkeypatch):
    """In eval mode nothing groups: the operators that would are not called."""

    def forbidden(*args, **rest):
        raise AssertionError("the fused stage grouped its rows")

    monkeypatch.setattr("lamm_model.towers.point_cloud.group", forbidden)
    calls = []
    pool = layers.pool_groups
    monkeypatch.setattr(layers, "pool_groups", lambda *args: calls.append(args[0].shape) or pool(*args))
    with torch.no_grad():
        _tower(**SMALL)(_clouds())
    assert calls == [(3, 90, 8), (3, 20, 16)]

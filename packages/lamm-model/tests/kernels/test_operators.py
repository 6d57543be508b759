"""The operators as torch sees them: schema, fake tensors, autograd registration, compilation without a graph break."""

import pytest
import torch

from lamm_model import kernels
from lamm_model.kernels import ops, voxel_ops


def _arguments(device):
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(2, 20, 3, generator=generator)
    lengths = torch.tensor([20, 13])
    index = torch.randint(0, 13, (2, 4, 3), generator=generator)
    weights = torch.rand(2, 4, 3, generator=generator, requires_grad=True)
    features = torch.rand(2, 20, 5, generator=generator, requires_grad=True)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, requires_grad=True)

    pooled = (draw(2, 20, 6), draw(2, 4, 6), index, torch.full((2, 4), 3), draw(7, 6), draw(7))
    cells = torch.cartesian_prod(*[torch.arange(3)] * 3)[:22]
    rows, table = torch.tensor([20, 2]), kernels.submanifold_kernel_map(cells, [20, 2])
    conv = (draw(22, 5), draw(6, 27, 5), draw(6), table)
    segment = torch.randint(0, 9, (22,), generator=generator)
    arguments = {
        voxel_ops.unique_voxels: (cells // 2, rows, "auto", True),
        voxel_ops.serialize_points: (cells, [0, 3], torch.tensor([2, 3]), rows, "auto", True),
        voxel_ops.submanifold_kernel_map: (cells, rows, 3, "auto", True),
        voxel_ops.submanifold_conv3d: (*conv, "auto", True),
        voxel_ops.submanifold_weight_gradient: (torch.rand(22, 6), conv[0].detach(), table, "auto"),
        voxel_ops.segment_pool: (conv[0], segment, 9, "max", "auto", True),
        voxel_ops.segment_unpool: (draw(9, 5), segment, True),
        ops.farthest_point_sample: (points, 5, torch.tensor([0, 2]), lengths, False, "auto", True),
        ops.ball_query: (0.4, 3, points, points[:, :4].contiguous(), lengths, False, "auto", True),
        ops.nearest: (points, points[:, :4].contiguous(), 3, lengths, "auto", True),
        ops.group: (features, index, "auto", True),
        ops.three_interpolate: (features, index, weights, "auto", True),
        ops.sum_rows: (features.detach(), torch.randint(0, 9, (2, 20), generator=generator), 9),
        ops.pool_groups: (*pooled, "auto", True),
        ops.pool_groups_backward: (
            torch.rand(2, 4, 7, generator=generator),
            *(pooled[i].detach() for i in (0, 1, 2, 4, 5)),
        ),
    }
    return {operator: tuple(_move(value, device) for value in values) for operator, values in arguments.items()}


def _move(value, device):
    if not isinstance(value, torch.Tensor):
        return value
    return value.detach().to(device).requires_grad_(value.requires_grad)


DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("operator", _arguments("cpu"), ids=lambda operator: operator._name)
def test_opcheck(operator, device):
    results = torch.library.opcheck(operator, _arguments(device)[operator])
    assert set(results.values()) == {"SUCCESS"}


def _encode(points, weight1, weight2):
    """A little point tower: two levels, the second's sampling a slice of the first's."""
    first = kernels.farthest_point_sample(points, 12)
    centres = kernels.gather(points, first)
    index, counts = kernels.ball_query(0.5, 6, points, centres, return_counts=True)
    encoded = kernels.set_abstraction(points, centres, index, (weight1, None), (weight2, None), None, 0.5, counts)
    distances, nearest = kernels.three_nn(centres[:, :6], points)
    weights = kernels.inverse_distance_weights(distances)
    return kernels.three_interpolate(encoded[:, :6].contiguous(), nearest, weights) + kernels.group(
        encoded, nearest
    ).amax(2)


@pytest.mark.parametrize("device", DEVICES)
def test_compiles_without_a_graph_break_and_with_the_same_gradients(device):
    generator = torch.Generator().manual_seed(1)
    points = torch.rand(2, 40, 3, generator=generator).to(device)
    weights = [torch.randn(*shape, generator=generator).to(device).requires_grad_() for shape in ((8, 3), (5, 8))]
    compiled = torch.compile(_encode, fullgraph=True, backend="aot_eager", dynamic=False)
    want, got = _encode(points, *weights), compiled(points, *weights)
    torch.testing.assert_close(got, want)
    for a, b in zip(
        torch.autograd.grad(got.square().sum(), weights), torch.autograd.grad(want.square().sum(), weights), strict=True
    ):
        # On a GPU a gradient's summands are added in the order they arrive.
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5 * float(b.abs().max()))


def test_the_tower_is_the_same_whichever_implementation_is_forced(triton_device):
    generator = torch.Generator().manual_seed(2)
    points = torch.rand(1, 30, 3, generator=generator)
    weights = [torch.randn(*shape, generator=generator) for shape in ((8, 3), (5, 8))]
    results = {}
    for name in ("reference", "numba", "triton", None):
        device = triton_device if name == "triton" else torch.device("cpu")
        with kernels.use_implementation(name):
            results[name] = _encode(points.to(device), *(weight.to(device) for weight in weights)).cpu()
    for name, result in results.items():
        torch.testing.assert_close(result, results["reference"], atol=1e-5, rtol=1e-5, msg=str(name))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="graphs are captured on a CUDA device only")
def test_a_graph_of_the_tower_is_captured_and_replayed():
    """Nothing waits for the device once values are not validated, the sampling's own launch included."""
    generator = torch.Generator().manual_seed(3)
    points = torch.rand(2, 3000, 3, generator=generator).cuda()
    layers = [(torch.randn(*shape, generator=generator).cuda(), None) for shape in ((8, 3), (5, 8))]

    def encode():
        sampled = kernels.farthest_point_sample(points, 64, validate=False)
        centres = kernels.gather(points, sampled, validate=False)
        index, counts = kernels.ball_query(0.2, 16, points, centres, validate=False, return_counts=True)
        return kernels.set_abstraction(points, centres, index, *layers, None, 0.2, counts, validate=False)

    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        encode()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = encode()
    points.copy_(torch.rand(2, 3000, 3, generator=generator))
    graph.replay()
    assert torch.equal(captured, encode())

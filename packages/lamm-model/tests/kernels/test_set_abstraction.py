"""Set abstraction: the algebra is exact, the fused implementations agree, gradients flow, batch norms fold."""

import pytest
import torch

from lamm_model import kernels
from lamm_model.errors import LammModelError


def _integers(*shape, seed=0, low=-3, high=4):
    return torch.randint(low, high, shape, generator=torch.Generator().manual_seed(seed)).float()


def _case(k=6, hidden=7, outputs=9, channels=4):
    """Integer points, features and weights: every sum below 2^24, so float32 is exact in any order."""
    points = _integers(2, 30, 3, seed=1)
    features = _integers(2, 30, channels, seed=2) if channels else None
    centres = kernels.gather(points, kernels.farthest_point_sample(points, 5))
    index, counts = kernels.ball_query(3.0, k, points, centres, return_counts=True)
    first = (_integers(hidden, 3 + channels, seed=3), _integers(hidden, seed=4))
    second = (_integers(outputs, hidden, seed=5), _integers(outputs, seed=6))
    return points, centres, index, first, second, features, counts


def _definition(points, centres, index, first, second, features, radius=1.0):
    """Group, subtract the centre, divide, concatenate, two layers, maximum: each tensor written out."""
    grouped = (kernels.group(points, index) - centres[:, :, None]) / radius
    if features is not None:
        grouped = torch.cat([grouped, kernels.group(features, index)], -1)
    hidden = torch.nn.functional.linear(grouped, *first).relu()
    return torch.nn.functional.linear(hidden, *second).relu().amax(2)


@pytest.mark.parametrize("channels", [0, 4])
@pytest.mark.parametrize("k", [1, 6, 20])
def test_first_layer_before_grouping_is_exact(implementation, device, k, channels):
    """W [x_j - c_i, f_j] + b = (W [x_j, f_j] + b) - W_x c_i: equal bit for bit where arithmetic is exact."""
    points, centres, index, first, second, features, counts = _case(k, channels=channels)
    want = _definition(points, centres, index, first, second, features)
    on = [tensor.to(device) for tensor in (points, centres, index)]
    layers = [tuple(tensor.to(device) for tensor in layer) for layer in (first, second)]
    moved = None if features is None else features.to(device)
    name = "triton" if implementation == "cuda" else implementation
    for padding in (counts.to(device), None):
        got = kernels.set_abstraction(*on, *layers, moved, counts=padding, implementation=name)
        assert torch.equal(got.cpu(), want)


def test_the_absolute_centre_is_one_more_term_of_the_centre():
    points, centres, index, first, second, features, counts = _case()
    absolute = _integers(7, 3, seed=10)
    grouped = kernels.group(points, index) - centres[:, :, None]
    wide = torch.cat([grouped, kernels.group(features, index), centres[:, :, None].expand_as(grouped)], -1)
    hidden = torch.nn.functional.linear(wide, torch.cat([first[0], absolute], 1), first[1]).relu()
    want = torch.nn.functional.linear(hidden, *second).relu().amax(2)
    got = kernels.set_abstraction(points, centres, index, first, second, features, counts=counts, absolute=absolute)
    assert torch.equal(got, want)


def test_skipping_the_padding_is_exact(implementation, device):
    """Slots from the count on are never read: filling them with anything changes nothing."""
    points, centres, index, first, second, features, counts = _case(20)
    assert (counts < 20).any()
    want = kernels.set_abstraction(points, centres, index, first, second, features, implementation="reference")
    spoiled = torch.where(torch.arange(20) < counts[..., None], index, 29)
    layers = [tuple(tensor.to(device) for tensor in layer) for layer in (first, second)]
    name = "triton" if implementation == "cuda" else implementation
    got = kernels.set_abstraction(
        points.to(device),
        centres.to(device),
        spoiled.to(device),
        *layers,
        features.to(device),
        counts=counts.to(device),
        implementation=name,
    )
    assert torch.equal(got.cpu(), want)


def test_random_floats_agree_to_rounding():
    generator = torch.Generator().manual_seed(7)
    points = torch.rand(2, 500, 3, generator=generator) * 6
    features = torch.randn(2, 500, 16, generator=generator)
    centres = points[:, :64]
    index, counts = kernels.ball_query(0.8, 32, points, centres, return_counts=True)
    first = (torch.randn(24, 19, generator=generator) / 4, torch.randn(24, generator=generator))
    second = (torch.randn(40, 24, generator=generator) / 5, None)
    want = _definition(points, centres, index, first, second, features, 0.8)
    for name in ("numba", "reference"):
        got = kernels.set_abstraction(
            points, centres, index, first, second, features, 0.8, counts=counts, implementation=name
        )
        torch.testing.assert_close(got, want, atol=2e-5, rtol=1e-5)
        half = (second[0].bfloat16(), None)
        got = kernels.set_abstraction(
            points, centres, index, first, half, features, 0.8, counts=counts, implementation=name
        )
        assert got.dtype == torch.bfloat16
        torch.testing.assert_close(got.float(), want, atol=0.08, rtol=0.03)


@pytest.mark.parametrize("name", ["numba", "reference"])
def test_gradients(name):
    generator = torch.Generator().manual_seed(8)
    index = kernels.ball_query(1.5, 4, torch.rand(1, 9, 3, generator=generator), torch.rand(1, 3, 3))

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()

    inputs = (draw(1, 9, 3), draw(1, 3, 3), draw(1, 9, 2), draw(6, 5), draw(6), draw(4, 6), draw(4))

    def run(points, centres, features, weight1, bias1, weight2, bias2):
        layers = (weight1, bias1), (weight2, bias2)
        return kernels.set_abstraction(points, centres, index, *layers, features, implementation=name)

    assert torch.autograd.gradcheck(run, inputs)


def test_gradient_of_a_maximum_goes_to_the_first_slot():
    """Two equal members and padding: the gradient reaches one of them once, not each of them."""
    points = torch.ones(1, 3, 3, requires_grad=True)
    index = torch.tensor([[[1, 2, 1, 1]]])
    layers = (torch.eye(3), None), (torch.ones(1, 3), None)
    for name in ("numba", "reference"):
        points.grad = None
        kernels.set_abstraction(points, torch.zeros(1, 1, 3), index, *layers, implementation=name).sum().backward()
        assert points.grad[0].tolist() == [[0, 0, 0], [1, 1, 1], [0, 0, 0]]


@pytest.mark.parametrize("name", ["numba", "triton", "reference"])
def test_not_a_number_is_not_lost(name, triton_device):
    points, centres, index, first, second, features, counts = _case()
    features[0, index[0, 0, 0]] = torch.nan
    device = triton_device if name == "triton" else torch.device("cpu")
    on = [tensor.to(device) for tensor in (points, centres, index)]
    layers = [tuple(tensor.to(device) for tensor in layer) for layer in (first, second)]
    moved = features.to(device)
    got = kernels.set_abstraction(*on, *layers, moved, counts=counts.to(device), implementation=name)
    assert got[0, 0].isnan().all()
    assert not got[1].isnan().any()


@pytest.mark.parametrize("kernel", ["keep_weights", "keep_rows", "keep_nothing"])
def test_each_of_the_three_kernels_is_exact(monkeypatch, triton_device, kernel):
    """Sizes that fill no tile: 20 slots in tiles of 16, 40 channels, 35 outputs; a group of one member, and NaN."""
    from lamm_model.kernels.triton_ops import pooling

    depth = 64 if kernel != "keep_nothing" else 16
    monkeypatch.setattr(pooling, "plan", lambda *_: pooling.Launch(kernel, 16, depth, 16, 4, 1))
    points, centres, index, first, second, features, counts = _case(20, hidden=40, outputs=35)
    counts[0, 0] = 1
    index[0, 0] = index[0, 0, 0]
    spoiled = torch.where(torch.arange(20) < counts[..., None], index, 29)
    for broken in (False, True):
        if broken:
            features[0, index[0, 1, -1]] = torch.nan
        want = kernels.set_abstraction(
            points, centres, index, first, second, features, counts=counts, implementation="reference"
        )
        on = [tensor.to(triton_device) for tensor in (points, centres, spoiled)]
        layers = [tuple(tensor.to(triton_device) for tensor in layer) for layer in (first, second)]
        got = kernels.set_abstraction(
            *on, *layers, features.to(triton_device), counts=counts.to(triton_device), implementation="triton"
        )
        assert torch.equal(got.cpu().nan_to_num(nan=-1), want.nan_to_num(nan=-1))
        assert want.isnan().any() == broken


def test_the_kernel_is_chosen_by_what_fits():
    from lamm_model.kernels.triton_ops.pooling import Launch, plan

    assert plan(64, 256, 64, 2, 232_448).kernel == "keep_weights"
    assert plan(512, 1024, 512, 2, 232_448).kernel == "keep_rows"
    assert plan(512, 1024, 512, 2, 232_448).stages == 2
    assert plan(512, 1024, 512, 2, 166_912).stages == 1
    assert plan(512, 1024, 512, 2, 101_376).kernel == "keep_nothing"
    assert plan(256, 1024, 512, 2, 101_376).kernel == "keep_rows"
    assert plan(512, 1024, 512, 4, 232_448).kernel == "keep_nothing"
    assert plan(64, 256, 64, 4, 101_376) == Launch("keep_weights", 32, 64, 128, 4, 1)


def test_fold_norm_equals_the_normalisation():
    generator = torch.Generator().manual_seed(9)
    norm = torch.nn.BatchNorm1d(6)
    norm(torch.randn(50, 6, generator=generator) * 3 + 1)
    torch.nn.init.normal_(norm.weight, generator=generator)
    torch.nn.init.normal_(norm.bias, generator=generator)
    norm.eval()
    weight, bias = torch.randn(6, 4, generator=generator), torch.randn(6, generator=generator)
    inputs = torch.randn(20, 4, generator=generator)
    for layer in ((weight, bias), (weight, None)):
        folded = kernels.fold_norm(layer, norm)
        want = norm(torch.nn.functional.linear(inputs, *layer))
        torch.testing.assert_close(torch.nn.functional.linear(inputs, *folded), want)
    with pytest.raises(LammModelError, match="eval mode"):
        kernels.fold_norm((weight, bias), norm.train())


def test_bad_layers_and_groups():
    points, centres, index, first, second, features, _ = _case()
    with pytest.raises(kernels.KernelInputError, match="layers that fit 3 \\+ C = 3"):
        kernels.set_abstraction(points, centres, index, first, second)
    with pytest.raises(kernels.KernelInputError, match="at least one member"):
        kernels.set_abstraction(points, centres, index[..., :0], first, second, features)
    with pytest.raises(kernels.KernelInputError, match="got 30"):
        kernels.set_abstraction(points, centres, index + 30 - index, first, second, features)
    for wrong in (-1.0, 0.0, float("nan"), float("inf")):
        with pytest.raises(kernels.KernelInputError, match="radius above 0"):
            kernels.set_abstraction(points, centres, index, first, second, features, wrong)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"points": torch.zeros(2, 30, 4)}, r"points of shape \[2, 30, 3\]"),
        ({"centres": torch.zeros(2, 4, 3)}, r"centres of shape \[2, 5, 3\], got \[2, 4, 3\]"),
        ({"features": torch.zeros(2, 29, 4)}, r"features of shape \[2, 30, -1\]"),
        ({"counts": torch.ones(2, 4, dtype=torch.int64)}, r"counts of shape \[2, 5\]"),
        ({"counts": torch.ones(2, 5)}, "counts of integers"),
        ({"centres": torch.zeros(2, 5, 3, dtype=torch.int64)}, "centres of a floating dtype"),
        ({"centres": torch.zeros(2, 5, 3, device="meta")}, "Move both to one device"),
        ({"first": (torch.zeros(7, 7, device="meta"), None)}, "on meta where"),
        ({"second": (torch.zeros(9, 6), None)}, r"got \[9, 6\]"),
        ({"second": (torch.zeros(9, 7), torch.zeros(8))}, r"got \[8\]"),
        ({"absolute": torch.zeros(7, 4)}, r"got \[7, 4\]"),
    ],
)
def test_inputs_that_do_not_fit_together(changes, words):
    names = ("points", "centres", "index", "first", "second", "features", "counts")
    arguments = {**dict(zip(names, _case(), strict=True)), **changes}
    with pytest.raises(kernels.KernelInputError, match=words):
        kernels.set_abstraction(**arguments)


def test_the_first_layer_stays_in_float32_under_autocast():
    points, centres, index, first, second, features, counts = _case()
    want = kernels.set_abstraction(points + 0.001, centres, index, first, second, features, counts=counts)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = kernels.set_abstraction(points + 0.001, centres, index, first, second, features, counts=counts)
    assert torch.equal(got, want)


def test_fold_norm_of_half_precision_does_not_round_twice():
    norm = torch.nn.BatchNorm1d(6).eval()
    norm.running_var.uniform_(0.5, 2.0)
    weight = torch.randn(6, 4, generator=torch.Generator().manual_seed(11)).bfloat16()
    folded, shift = kernels.fold_norm((weight, None), norm)
    assert folded.dtype == shift.dtype == torch.float32
    assert torch.equal(folded, kernels.fold_norm((weight.float(), None), norm)[0])

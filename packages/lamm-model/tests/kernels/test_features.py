"""Grouping, gathering and interpolation: values, gradients, and gradients in a fixed order."""

import functools

import pytest
import torch

from lamm_model import kernels


@pytest.fixture
def rows(device):
    """Features `[2, 11, 5]`, an index `[2, 4, 3]` with repeats, and weights."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 11, 5, generator=generator)
    index = torch.randint(0, 11, (2, 4, 3), generator=generator)
    index[0, 0] = 7
    weights = torch.rand(2, 4, 3, generator=generator)
    return features.to(device), index.to(device), weights.to(device)


@pytest.fixture
def other(implementation):
    """The implementation under test where it exists for these operations, else the reference."""
    return implementation if implementation == "triton" else "reference"


def test_group_and_gather_follow_the_definition(rows, other):
    features, index, _ = rows
    for dtype in (torch.float32, torch.bfloat16, torch.float64):
        got = kernels.group(features.to(dtype), index, other)
        assert got.dtype == dtype
        for b in range(2):
            for m in range(4):
                for s in range(3):
                    assert torch.equal(got[b, m, s], features.to(dtype)[b, index[b, m, s]])
        assert torch.equal(kernels.gather(features.to(dtype), index[..., 1].int(), other), got[:, :, 1])


def test_group_of_nothing(other, device):
    features = torch.zeros(2, 3, 4, device=device)
    empty = torch.zeros(2, 0, 5, dtype=torch.int64, device=device)
    assert kernels.group(features, empty, other).shape == (2, 0, 5, 4)
    assert kernels.three_interpolate(features, empty, torch.zeros(2, 0, 5, device=device), other).shape == (2, 0, 4)


def test_interpolation_equals_the_reference(rows, other):
    features, index, weights = rows
    want = kernels.three_interpolate(features, index, weights, "reference")
    assert torch.equal(kernels.three_interpolate(features, index, weights, other), want)
    by_hand = sum(weights[:, :, s, None] * kernels.gather(features, index[..., s]) for s in range(3))
    torch.testing.assert_close(want, by_hand)
    half = kernels.three_interpolate(features.bfloat16(), index, weights.bfloat16(), other)
    torch.testing.assert_close(half.float(), want, atol=0.05, rtol=0.02)


@pytest.mark.parametrize("deterministic", [False, True])
def test_gradients(rows, other, deterministic):
    features, index, weights = (rows[0].double().requires_grad_(), rows[1], rows[2].double().requires_grad_())
    torch.use_deterministic_algorithms(deterministic)
    try:
        check = functools.partial(torch.autograd.gradcheck, fast_mode=True)
        assert check(lambda f: kernels.group(f, index, other), (features,))
        assert check(lambda f: kernels.gather(f, index[..., 0], other), (features,))
        assert check(lambda f, w: kernels.three_interpolate(f, index, w, other), (features, weights))
    finally:
        torch.use_deterministic_algorithms(False)


def test_the_deterministic_gradient_is_a_sum_in_the_order_of_the_rows(device):
    """Float addition is not associative: these summands give another result in any other order."""
    summands = torch.tensor([1e8, 1.0, -1e8, 1.0, 3e-8, 1.0], device=device)
    features = torch.zeros(1, 2, 1, device=device, requires_grad=True)
    index = torch.tensor([[[0, 0, 1], [0, 0, 1]]], device=device)
    torch.use_deterministic_algorithms(True)
    try:
        kernels.group(features, index).backward(summands.view(1, 2, 3, 1))
    finally:
        torch.use_deterministic_algorithms(False)
    in_order = torch.zeros((), device=device)
    for value in summands[[0, 1, 3, 4]]:
        in_order = in_order + value
    assert features.grad[0, 0, 0] == in_order
    assert features.grad[0, 1, 0] == summands[2] + summands[5]

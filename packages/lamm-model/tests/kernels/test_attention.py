"""Serialised patch attention: the patches, the definition, no dependence on the batch; and groups of nearest points."""

import pytest
import torch

from lamm_model import kernels


@pytest.mark.parametrize(
    ("count", "rows"),
    [
        (0, []),
        (1, [[0]]),
        (4, [[0, 1, 2, 3]]),
        (5, [[0, 1, 2, 3], [4, 1, 2, 3]]),
        (7, [[0, 1, 2, 3], [4, 5, 6, 3]]),
        (8, [[0, 1, 2, 3], [4, 5, 6, 7]]),
        (10, [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 6, 7]]),
    ],
)
def test_patches_of_a_sample(count, rows):
    patches = kernels.attention_patches([count], 4)
    assert [group.tolist() for group in patches.groups] == ([rows] if rows else [])
    flat = [row for patch in rows for row in patch]
    assert [flat[slot] for slot in patches.slots] == list(range(count))


def _by_hand(query, key, value, order, lengths, size, bias=None):
    """Row by row in float64, from the rule for one sample."""
    out, begin = torch.empty_like(value), 0
    for count in lengths:
        rows = order[begin : begin + count]
        begin += count
        step = min(count, size)
        for first in range(0, count, max(step, 1)):
            own = rows[first : first + step]
            seen = torch.cat([own, rows[first - step + len(own) : first]]) if len(own) < step else own
            scores = torch.einsum("ihd,jhd->hij", query[own], key[seen]) / query.shape[2] ** 0.5
            if bias is not None:
                scores = scores + bias(own, seen)
            out[own] = torch.einsum("hij,jhe->ihe", scores.softmax(-1), value[seen])
    return out


LENGTHS = [11, 3, 0, 4, 8, 3]


def _inputs(dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    tensors = [torch.randn(sum(LENGTHS), 2, 6, generator=generator, dtype=torch.float64) for _ in range(3)]
    order, begin = [], 0
    for count in LENGTHS:
        order.append(torch.randperm(count, generator=generator) + begin)
        begin += count
    return [tensor.to(dtype) for tensor in tensors], torch.cat(order)


def test_attention_follows_the_definition():
    tensors, order = _inputs()
    position = torch.randn(len(order), generator=torch.Generator().manual_seed(1)).double()
    patches = kernels.attention_patches(LENGTHS, 4)
    got = kernels.serialized_attention(*tensors, order, patches)
    torch.testing.assert_close(got, _by_hand(*tensors, order, LENGTHS, 4))
    got = kernels.serialized_attention(
        *tensors, order, patches, lambda rows: (position[rows][:, :, None] - position[rows][:, None]).abs()[:, None]
    )
    by_hand = _by_hand(
        *tensors, order, LENGTHS, 4, lambda own, seen: (position[own][:, None] - position[seen][None]).abs()
    )
    torch.testing.assert_close(got, by_hand)
    half = kernels.serialized_attention(*_inputs(torch.bfloat16)[0], order, patches)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.double(), _by_hand(*tensors, order, LENGTHS, 4), atol=0.05, rtol=0.05)


def test_a_sample_alone_attends_as_in_a_batch():
    tensors, order = _inputs(torch.float32)
    together = kernels.serialized_attention(*tensors, order, kernels.attention_patches(LENGTHS, 4))
    begin = 0
    for count in LENGTHS:
        cut = slice(begin, begin + count)
        alone = kernels.serialized_attention(
            *(tensor[cut] for tensor in tensors), order[cut] - begin, kernels.attention_patches([count], 4)
        )
        torch.testing.assert_close(alone, together[cut], rtol=1e-6, atol=1e-6)
        begin += count


def test_gradients_of_attention():
    tensors, order = _inputs()
    patches = kernels.attention_patches(torch.tensor(LENGTHS), 4)
    leaves = [tensor.requires_grad_() for tensor in tensors]
    assert torch.autograd.gradcheck(
        lambda *qkv: kernels.serialized_attention(*qkv, order, patches), leaves, fast_mode=True
    )


def test_attention_that_does_not_fit():
    (query, key, value), order = _inputs()
    patches = kernels.attention_patches(LENGTHS, 4)
    for bad in ((query, key[:3], value), (query, key.float(), value), (query[:, 0], key, value)):
        with pytest.raises(kernels.KernelInputError, match="Split heads first"):
            kernels.serialized_attention(*bad, order, patches)
    with pytest.raises(kernels.KernelInputError, match="cut the same samples"):
        kernels.serialized_attention(query, key, value, order, kernels.attention_patches([4], 4))
    with pytest.raises(kernels.KernelInputError, match="patch_size to be at least 1"):
        kernels.attention_patches([4], 0)


def test_groups_of_the_nearest_points():
    generator = torch.Generator().manual_seed(0)
    points = torch.randint(-2, 3, (2, 30, 3), generator=generator).double().requires_grad_()
    colours = torch.rand(2, 30, 3, generator=generator, dtype=torch.float64).requires_grad_()
    centres = points[:, :4].detach().clone().requires_grad_()
    offsets, members, index = kernels.knn_group(5, points, centres, colours, [30, 6])
    assert torch.equal(index, kernels.knn(5, points, centres, [30, 6])[1])
    assert torch.equal(offsets + centres[:, :, None], kernels.group(points, index))
    assert torch.equal(members, kernels.group(colours, index))
    assert kernels.knn_group(2, points, centres)[1] is None
    leaves = [torch.randn_like(tensor).requires_grad_() for tensor in (points, centres, colours)]  # no ties
    assert torch.autograd.gradcheck(lambda *tensors: kernels.knn_group(5, *tensors)[:2], leaves, fast_mode=True)
    with pytest.raises(kernels.KernelInputError, match="at least k = 7 points, got one of 6"):
        kernels.knn_group(7, points, centres, lengths=[30, 6])

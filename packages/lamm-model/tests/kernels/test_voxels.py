"""Operations on voxels: published values, the definition, every implementation like the reference."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lamm_model import kernels
from lamm_model.kernels.selection import OPERATIONS

GOLDEN = Path(__file__).parents[1] / "golden" / "towers"


def _golden(name):
    with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as arrays:
        return {key: torch.from_numpy(array) for key, array in arrays.items() if array.dtype.kind in "iuf"}


def _name(operation, implementation):
    """The implementation under test where it exists for an operation, else the reference."""
    return implementation if implementation in OPERATIONS[operation] else "reference"


def _cells(count=60, extent=6, seed=0):
    """Distinct cells of three samples, the second with a single one; shuffled within each."""
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for rows in (count, 1, count // 2):
        flat = torch.randperm(extent**3, generator=generator)[:rows]
        parts.append(torch.stack([flat // extent**2, flat // extent % extent, flat % extent], 1))
    return torch.cat(parts), [len(part) for part in parts]


def test_codes_and_orders_are_the_published_ones(implementation, device):
    golden = _golden("serialization")
    lengths, depth = golden["batch"].bincount(), int(golden["depth"])
    name, grid = _name("serialize_points", implementation), golden["grid_coord"].to(device)
    at_depth = kernels.serialize_points(grid, lengths, depth=depth, implementation=name)
    at_16 = kernels.serialize_points(grid, lengths, depth=16, implementation=name)
    for row, curve in enumerate(kernels.CURVES):
        joined = golden["batch"].long() << 3 * depth | at_depth.code[row].cpu()
        assert torch.equal(joined, golden[f"code_{curve}"])
        assert torch.equal(at_depth.order[row].cpu(), golden[f"order_{curve}"])
        assert torch.equal(at_16.code[row].cpu(), golden[f"code16_{curve}"])


def test_cells_of_a_grid_sampling_are_the_published_ones(implementation, device):
    golden = _golden("grid_sample")
    name = _name("unique_voxels", implementation)
    voxels = kernels.voxel_grid_sample(golden["centered"].to(device), 0.1, implementation=name)
    assert torch.equal(voxels.grid[voxels.inverse].cpu(), golden["all_grid"])
    assert len(voxels.grid) == len(golden["voxel_grid"])
    assert int(voxels.counts.sum()) == 500


@pytest.mark.parametrize("size", [3, 5])
def test_convolutions_are_the_published_ones(implementation, device, size):
    golden = {key: value.to(device) for key, value in _golden("subm_conv").items()}
    name = _name("submanifold_kernel_map", implementation)
    lengths = golden["batch"].bincount()
    table = kernels.submanifold_kernel_map(golden["grid_coord"], lengths, size, name)
    assert torch.equal(table.T.long(), golden[f"nbr{size}"].long())
    bias = golden["bias3"] if size == 3 else None
    name = _name("submanifold_conv3d", implementation)
    out = kernels.submanifold_conv3d(golden["feat"], golden[f"weight{size}"], bias, table, name)
    torch.testing.assert_close(out, golden[f"out{size}"], rtol=2e-5, atol=2e-6)


def test_voxels_follow_the_definition(implementation, device):
    name = _name("unique_voxels", implementation)
    grid = torch.randint(-3, 4, (80, 3), generator=torch.Generator().manual_seed(0))
    lengths = [50, 0, 30]
    voxels = kernels.unique_voxels(grid.to(device), lengths, name)
    sample = [0] * 50 + [2] * 30
    rows = [(s, *row) for s, row in zip(sample, grid.tolist(), strict=True)]
    want = sorted(set(rows))
    assert voxels.grid.tolist() == [list(row[1:]) for row in want]
    assert voxels.first.tolist() == [rows.index(row) for row in want]
    assert voxels.inverse.tolist() == [want.index(row) for row in rows]
    assert voxels.counts.tolist() == [rows.count(row) for row in want]
    assert voxels.lengths.tolist() == [sum(row[0] == s for row in want) for s in range(3)]


@pytest.mark.parametrize("points", [torch.zeros(0, 3), torch.zeros(1, 3), torch.full((9, 3), 2.5)])
def test_small_clouds(implementation, device, points):
    """None, one point, and all in one voxel."""
    voxels = kernels.voxel_grid_sample(points.to(device), 0.02, implementation=_name("unique_voxels", implementation))
    count = min(len(points), 1)
    assert voxels.grid.tolist() == [[0, 0, 0]] * count
    assert voxels.lengths.tolist() == [count]
    assert voxels.counts.tolist() == [len(points)] * count
    curves = kernels.serialize_points(
        voxels.grid, voxels.lengths, implementation=_name("serialize_points", implementation)
    )
    assert curves.order.shape == (4, count)
    name = _name("submanifold_kernel_map", implementation)
    table = kernels.submanifold_kernel_map(voxels.grid, voxels.lengths, 3, name)
    assert (table >= 0).sum() == count
    features, weight = torch.ones(count, 2, device=device), torch.ones(4, 3, 3, 3, 2, device=device)
    bias = torch.arange(4.0, device=device)
    out = kernels.submanifold_conv3d(features, weight, bias, table, _name("submanifold_conv3d", implementation))
    assert out.tolist() == [[2.0, 3.0, 4.0, 5.0]] * count
    pooled = kernels.segment_pool(
        torch.ones(len(points), 2, device=device), voxels.inverse, count, "sum", _name("segment_pool", implementation)
    )
    assert pooled.tolist() == [[float(len(points))] * 2] * count


def test_serialisation_equals_the_reference_and_no_sample_sees_another(implementation, device):
    grid, lengths = _cells(extent=9)
    grid = torch.cat([grid, grid[-30:]])  # the last sample has every cell twice
    lengths[-1] += 30
    name = _name("serialize_points", implementation)
    got = kernels.serialize_points(grid.to(device), lengths, implementation=name)
    want = kernels.serialize_points(grid, lengths, implementation="reference")
    for mine, other in zip(got, want, strict=True):
        assert torch.equal(mine.cpu(), other)
    begin = 0
    for sample, count in enumerate(lengths):
        alone = kernels.serialize_points(grid[begin : begin + count], implementation="reference")
        assert int(alone.depth) == int(got.depth[sample])
        assert torch.equal(alone.code, got.code[:, begin : begin + count].cpu())
        assert torch.equal(alone.order + begin, got.order[:, begin : begin + count].cpu())
        begin += count


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 20), st.data())
def test_curves_visit_every_cell_once_and_hilbert_steps_to_a_neighbour(depth, data):
    corner = torch.tensor(data.draw(st.tuples(*[st.integers(0, max(0, 2**depth - 8))] * 3)))
    cube = torch.cartesian_prod(*[torch.arange(min(8, 2**depth))] * 3) + corner // 8 * 8
    for name in ("reference", _name("serialize_points", "numba")):
        curves = kernels.serialize_points(cube, depth=depth, implementation=name)
        assert all(len(row.unique()) == len(cube) for row in curves.code)
        for row, curve in enumerate(kernels.CURVES):
            if curve.startswith("hilbert"):
                steps = cube[curves.order[row]].diff(dim=0).abs().sum(1)
                assert bool((steps == 1).all())


@pytest.mark.parametrize(("largest", "bits"), [(0, 1), (1, 2), (254, 8), (255, 9), (256, 9)])
def test_depth_is_the_bits_of_the_largest_coordinate_plus_one(largest, bits):
    assert kernels.serialize_points(torch.tensor([[0, largest, 0]])).depth.tolist() == [bits]


@pytest.mark.parametrize("size", [1, 3, 5])
def test_kernel_map_follows_the_definition(implementation, device, size):
    grid, lengths = _cells()
    grid = grid - 3  # of any sign
    name = _name("submanifold_kernel_map", implementation)
    table = kernels.submanifold_kernel_map(grid.to(device), lengths, size, name).cpu()
    sample = [s for s, count in enumerate(lengths) for _ in range(count)]
    where = {(s, *row): i for i, (s, row) in enumerate(zip(sample, grid.tolist(), strict=True))}
    reach = range(-(size // 2), size // 2 + 1)
    for offset, move in enumerate((x, y, z) for x in reach for y in reach for z in reach):
        for i, (s, row) in enumerate(zip(sample, grid.tolist(), strict=True)):
            cell = (s, *(a + b for a, b in zip(row, move, strict=True)))
            assert table[offset, i] == where.get(cell, -1)
    assert table.dtype == torch.int32


def _dense(grid, features, weight, bias):
    """The convolution of one sample's dense grid by torch, at the voxels."""
    size = int(grid.max()) + 1
    volume = features.new_zeros(1, features.shape[1], size, size, size)
    volume[0, :, grid[:, 0], grid[:, 1], grid[:, 2]] = features.T
    out = torch.nn.functional.conv3d(volume, weight.permute(0, 4, 1, 2, 3), bias, padding=weight.shape[1] // 2)
    return out[0, :, grid[:, 0], grid[:, 1], grid[:, 2]].T


@pytest.mark.parametrize("size", [3, 5])
def test_integers_are_convolved_bit_for_bit_as_on_the_dense_grid(implementation, device, size):
    grid, lengths = _cells()
    generator = torch.Generator().manual_seed(1)
    features = torch.randint(-8, 9, (len(grid), 5), generator=generator).float()
    weight = torch.randint(-8, 9, (7, size, size, size, 5), generator=generator).float()
    bias = torch.randint(-8, 9, (7,), generator=generator).float()
    want, begin = [], 0
    for count in lengths:
        want.append(_dense(grid[begin : begin + count], features[begin : begin + count], weight, bias))
        begin += count
    table = kernels.submanifold_kernel_map(grid, lengths, size)
    name = _name("submanifold_conv3d", implementation)
    for dtype in (torch.float32, torch.float64, torch.bfloat16, torch.float16):
        tensors = (tensor.to(device, dtype) for tensor in (features, weight, bias))
        out = kernels.submanifold_conv3d(*tensors, table.to(device), name)
        assert torch.equal(out.cpu(), torch.cat(want).to(dtype))


def test_integer_gradients_are_those_of_the_reference_bit_for_bit(implementation, device, monkeypatch):
    if implementation == "triton":
        monkeypatch.setattr("lamm_model.kernels.triton_ops.convolution._PART", 32)  # several parts to add
    grid, lengths = _cells()
    generator = torch.Generator().manual_seed(1)
    features = torch.randint(-8, 9, (len(grid), 5), generator=generator).float()
    weight = torch.randint(-8, 9, (7, 3, 3, 3, 5), generator=generator).float()
    outer = torch.randint(-8, 9, (len(grid), 7), generator=generator).float()
    table = kernels.submanifold_kernel_map(grid, lengths)
    found = []
    for where, name in ((device, _name("submanifold_conv3d", implementation)), ("cpu", "reference")):
        leaves = [tensor.to(where, copy=True).requires_grad_() for tensor in (features, weight)]
        out = kernels.submanifold_conv3d(*leaves, None, table.to(where), name)
        found.append([gradient.cpu() for gradient in torch.autograd.grad(out, leaves, outer.to(where))])
    for mine, other in zip(*found, strict=True):
        assert torch.equal(mine, other)


@pytest.mark.parametrize("channels", [(48, 48), (3, 64)])
def test_many_blocks_of_wide_rows_are_convolved_as_on_the_dense_grid(monkeypatch, channels):
    """Enough products for every way to multiply, with blocks that end within a sample."""
    monkeypatch.setattr("lamm_model.kernels.cpu.convolution._BYTES", 1 << 17)
    grid = _cells(count=900, extent=10)[0][:900]
    generator = torch.Generator().manual_seed(1)
    features = torch.randint(-8, 9, (900, channels[0]), generator=generator).float()
    weight = torch.randint(-8, 9, (channels[1], 3, 3, 3, channels[0]), generator=generator).float()
    table = kernels.submanifold_kernel_map(grid)
    leaves = features.clone().requires_grad_(), weight.clone().requires_grad_()
    out = kernels.submanifold_conv3d(*leaves, None, table)
    assert torch.equal(out, _dense(grid, features, weight, None))
    want = leaves[0].detach().clone().requires_grad_(), leaves[1].detach().clone().requires_grad_()
    outer = torch.randint(-2, 3, out.shape, generator=generator).float()
    gradients = torch.autograd.grad(out, leaves, outer)
    for mine, other in zip(gradients, torch.autograd.grad(_dense(grid, *want, None), want, outer), strict=True):
        assert torch.equal(mine, other)


def test_the_order_of_the_rows_changes_nothing(implementation, device):
    """A shuffled sample has the same voxels, and its convolution the same rows."""
    grid, _ = _cells(extent=5)
    grid = grid[:60]
    generator = torch.Generator().manual_seed(3)
    shuffle = torch.randperm(60, generator=generator)
    features = torch.randn(60, 4, generator=generator)
    weight = torch.randn(4, 3, 3, 3, 4, generator=generator)

    def convolve(rows):
        table = kernels.submanifold_kernel_map(
            grid[rows].to(device), None, 3, _name("submanifold_kernel_map", implementation)
        )
        name = _name("submanifold_conv3d", implementation)
        return kernels.submanifold_conv3d(features[rows].to(device), weight.to(device), None, table, name).cpu()

    torch.testing.assert_close(convolve(shuffle), convolve(torch.arange(60))[shuffle], rtol=2e-6, atol=2e-6)
    a, b = (kernels.serialize_points(grid[rows]) for rows in (torch.arange(60), shuffle))
    for row in range(4):
        assert torch.equal(grid[a.order[row]], grid[shuffle][b.order[row]])


@pytest.mark.parametrize("reduce", ["max", "mean", "sum"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_pooling_follows_the_definition(implementation, device, reduce, dtype):
    generator = torch.Generator().manual_seed(0)
    features = torch.randint(-4, 5, (40, 3), generator=generator).to(dtype)  # ties everywhere
    inverse = torch.randint(0, 9, (40,), generator=generator)
    inverse[inverse == 4] = 5  # a segment without rows
    name = _name("segment_pool", implementation)
    leaf = features.to(device).requires_grad_()
    out = kernels.segment_pool(leaf, inverse.to(device), 10, reduce, name)
    assert out.dtype == dtype
    weights = torch.randint(1, 9, (10, 3), generator=generator).to(dtype)
    (gradient,) = torch.autograd.grad(out, leaf, weights.to(device))
    want = torch.zeros(10, 3, dtype=dtype)
    for m in range(10):
        rows = (inverse == m).nonzero().flatten().tolist()
        for c in range(3):
            column = [features[i, c].float() for i in rows]
            if not rows:
                continue
            value = max(column) if reduce == "max" else sum(column) / (len(rows) if reduce == "mean" else 1)
            want[m, c] = value
            for position, i in enumerate(rows):
                share = weights[m, c] / (len(rows) if reduce == "mean" else 1)
                if reduce == "max":
                    share = weights[m, c] if position == column.index(value) else 0
                assert gradient[i, c].item() == pytest.approx(float(share), rel=0.01)
    torch.testing.assert_close(out.detach().cpu(), want, rtol=1e-6 if dtype != torch.bfloat16 else 0.01, atol=0)


def test_a_maximum_keeps_what_is_no_number(implementation, device):
    features = torch.tensor([[1.0], [torch.nan], [5.0], [-torch.inf]], device=device)
    inverse = torch.tensor([0, 0, 0, 1], device=device)
    out = kernels.segment_pool(features, inverse, 2, "max", _name("segment_pool", implementation))
    assert out[0].isnan()
    assert out[1] == -torch.inf


def test_gradients(implementation, device):
    grid, lengths = _cells(count=20, extent=4)
    generator = torch.Generator().manual_seed(0)
    table = kernels.submanifold_kernel_map(grid, lengths, 3).to(device)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(device).requires_grad_()

    features, weight, bias = draw(len(grid), 3), draw(2, 3, 3, 3, 3), draw(2)
    check = torch.autograd.gradcheck
    name = _name("submanifold_conv3d", implementation)
    assert check(
        lambda *leaves: kernels.submanifold_conv3d(*leaves, table, name), (features, weight, bias), fast_mode=True
    )
    inverse = torch.randint(0, 7, (len(grid),), generator=generator).to(device)
    name = _name("segment_pool", implementation)
    for reduce in ("max", "mean", "sum"):
        assert check(
            lambda f, reduce=reduce: kernels.segment_pool(f, inverse, 8, reduce, name), (features,), fast_mode=True
        )
    assert check(lambda f: kernels.segment_unpool(f, inverse), (draw(7, 3),), fast_mode=True)


def test_gradients_are_the_same_bits_every_time(implementation, device):
    grid, lengths = _cells()
    generator = torch.Generator().manual_seed(0)
    table = kernels.submanifold_kernel_map(grid, lengths, 3).to(device)
    features, weight = torch.randn(len(grid), 6, generator=generator), torch.randn(5, 3, 3, 3, 6, generator=generator)
    inverse = torch.randint(0, 9, (len(grid),), generator=generator).to(device)
    found = []
    for _ in range(2):
        leaves = [tensor.clone().to(device).requires_grad_() for tensor in (features, weight)]
        with kernels.use_implementation(implementation if implementation != "cuda" else None):
            out = kernels.submanifold_conv3d(*leaves, None, table)
            pooled = kernels.segment_unpool(kernels.segment_pool(out, inverse, 9, "mean"), inverse)
        found.append(torch.autograd.grad((out * pooled).sum(), leaves))
    for mine, other in zip(*found, strict=True):
        assert torch.equal(mine, other)


def test_half_precision_is_summed_in_float32(implementation, device):
    grid, lengths = _cells()
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(len(grid), 32, generator=generator).bfloat16()
    weight = torch.randn(8, 3, 3, 3, 32, generator=generator).bfloat16()
    table = kernels.submanifold_kernel_map(grid, lengths, 3)
    want = kernels.submanifold_conv3d(features.double(), weight.double(), None, table, "reference").bfloat16()
    name = _name("submanifold_conv3d", implementation)
    leaf = weight.to(device).requires_grad_()
    got = kernels.submanifold_conv3d(features.to(device), leaf, None, table.to(device), name)
    assert (got.cpu() != want).float().mean() < 0.01  # a sum near the middle between two bfloat16 may round away
    with torch.autocast(device.type, torch.bfloat16):
        cast = kernels.submanifold_conv3d(features.to(device).float(), leaf.float(), None, table.to(device), name)
    assert torch.equal(cast, got)


def test_two_rows_in_one_cell_are_refused(implementation, device):
    grid = torch.tensor([[0, 0, 0], [0, 0, 1], [0, 0, 0]], device=device)
    name = _name("submanifold_kernel_map", implementation)
    with pytest.raises(kernels.KernelInputError, match=r"cell \[0, 0, 0\] in rows 0 and 2"):
        kernels.submanifold_kernel_map(grid, None, 3, name)
    assert kernels.submanifold_kernel_map(grid, [2, 1], 3, name)[13].tolist() == [0, 1, 2]

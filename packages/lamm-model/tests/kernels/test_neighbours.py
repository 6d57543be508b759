"""Ball query and nearest neighbours: the contract, the same on every implementation."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lamm_model import kernels
from lamm_model.kernels.reference import squared_distances


def _centres(points, count=5):
    """Some points, and one position away from all of them."""
    chosen = points[:, torch.arange(count, device=points.device) % points.shape[1]]
    return torch.cat([chosen, chosen[:, :1] + 100.0], 1)


@pytest.mark.parametrize("radius", [0.0, 1.0, 3.0, 50.0])
def test_ball_query_equals_the_reference(cloud, implementation, radius):
    points, lengths = cloud
    arguments = (radius, 4, points, _centres(points), lengths)
    got = kernels.ball_query(*arguments, implementation=implementation, return_counts=True)
    want = kernels.ball_query(*arguments, implementation="reference", return_counts=True)
    assert torch.equal(got[0], want[0])
    assert torch.equal(got[1], want[1])
    assert got[0].dtype == got[1].dtype == torch.int64


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(*[st.integers(-3, 3)] * 3), min_size=1, max_size=20),
    st.lists(st.tuples(*[st.integers(-4, 4)] * 3), min_size=1, max_size=4),
    st.integers(0, 6),
    st.integers(1, 25),
)
def test_ball_query_follows_the_definition(rows, centres, radius, k):
    points, middle = torch.tensor([rows]).float(), torch.tensor([centres]).float()
    for name in ("reference", "numba"):
        index, counts = kernels.ball_query(radius, k, points, middle, implementation=name, return_counts=True)
        for m, centre in enumerate(centres):
            hits = [
                i
                for i, row in enumerate(rows)
                if sum((a - b) ** 2 for a, b in zip(row, centre, strict=True)) < radius**2
            ][:k]
            assert counts[0, m] == len(hits)
            assert index[0, m].tolist() == hits + [hits[0] if hits else 0] * (k - len(hits))


def test_the_radius_itself_is_outside(implementation, device):
    points = torch.tensor([[[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.5, 0.0]]]).to(device)
    index, counts = kernels.ball_query(1.0, 3, points, points[:, :1], implementation=implementation, return_counts=True)
    assert index.tolist() == [[[0, 2, 0]]]
    assert counts.tolist() == [[2]]


@pytest.mark.parametrize(("radius", "k"), [(0.05, 8), (0.3, 16), (0.3, 700), (5.0, 20)])
def test_ball_query_on_a_large_cloud(radius, k):
    """Sparse and crowded balls, with cells and in index order, and an outlier that stretches the grid."""
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(2, 3000, 3, generator=generator)
    points[1, 7] = 1e6
    centres = torch.cat([points[:, :60], torch.rand(2, 20, 3, generator=generator) * 3 - 1], 1)
    for compat in (None, "pointnet2"):
        got = kernels.ball_query(radius, k, points, centres, compat=compat, implementation="numba")
        assert torch.equal(
            got, kernels.ball_query(radius, k, points, centres, compat=compat, implementation="reference")
        )


def test_compat_distances_are_fused():
    """Two points and a radius between them in float32: which one lies inside depends on the rounding of each step."""
    points = torch.tensor([[[2.9, 0.9, 1.4], [1.4, 2.9, 0.9]]])
    unfused = squared_distances(points, torch.zeros(3))
    fused = squared_distances(points, torch.zeros(3), fused=True)
    assert unfused[0, 0] > unfused[0, 1]
    assert fused[0, 0] < fused[0, 1]
    for compat, squared in ((None, unfused), ("pointnet2", fused)):
        radius = next(r for r in _radii_near(squared.max()) if torch.tensor(r).square() == squared.max())
        counts = [
            kernels.ball_query(radius, 2, points, torch.zeros(1, 1, 3), None, compat, name, return_counts=True)[
                1
            ].item()
            for name in ("numba", "reference")
        ]
        assert counts == [1, 1]


def _radii_near(squared):
    """Float32 numbers around the square root."""
    middle = squared.sqrt()
    for step in range(-8, 9):
        yield float(middle + step * torch.finfo(torch.float32).eps * middle)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_nearest_equals_the_reference(cloud, implementation, k):
    points, lengths = cloud
    queries = _centres(points, 9)
    got = kernels.knn(k, points, queries, lengths, implementation)
    want = kernels.knn(k, points, queries, lengths, "reference")
    assert torch.equal(got[0], want[0])
    assert torch.equal(got[1], want[1])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(*[st.integers(-3, 3)] * 3), min_size=1, max_size=20),
    st.tuples(*[st.integers(-4, 4)] * 3),
    st.integers(1, 24),
)
def test_nearest_follows_the_definition(rows, query, k):
    points, asked = torch.tensor([rows]).float(), torch.tensor([[query]]).float()
    squared = [sum((a - b) ** 2 for a, b in zip(row, query, strict=True)) for row in rows]
    order = sorted(range(len(rows)), key=lambda i: (squared[i], i))[:k]
    missing = k - len(order)
    for name in ("reference", "numba"):
        distances, index = kernels.knn(k, points, asked, implementation=name)
        assert index[0, 0].tolist() == order + [0] * missing
        want = torch.tensor([float(squared[i]) for i in order] + [torch.inf] * missing).sqrt()
        assert torch.equal(distances[0, 0], want)


def test_nearest_on_a_large_cloud():
    generator = torch.Generator().manual_seed(1)
    points = torch.rand(2, 2500, 3, generator=generator)
    queries = torch.rand(2, 400, 3, generator=generator) * 1.4 - 0.2
    for k in (3, 40):
        got = kernels.knn(k, points, queries, [2500, 1999])
        want = kernels.knn(k, points, queries, [2500, 1999], "reference")
        assert torch.equal(got[0], want[0])
        assert torch.equal(got[1], want[1])


@pytest.mark.parametrize("kind", ["spread", "crowded", "flat", "far away"])
def test_nearest_in_cells_and_in_buckets(kind):
    """Cells that hold few points, a crowd that one outlier squeezes into a cell, a plane, and coordinates like 1e6."""
    from lamm_model.kernels.cpu.ball import build_grid
    from lamm_model.kernels.cpu.nearest import _cell_size, _crowding

    generator = torch.Generator().manual_seed(2)
    points = torch.rand(1, 900, 3, generator=generator)
    queries = torch.rand(1, 150, 3, generator=generator) * 5 - 2
    queries[0, 0] = 1e30
    if kind == "crowded":
        points[0, 0] = 1e4
    if kind == "flat":
        points[..., 1] = 0.25
        points[0, :300] = points[0, 300:600]  # duplicates
    if kind == "far away":
        points, queries = points + 1e6, queries + 1e6
    cloud = points[0].numpy()
    crowding = _crowding(build_grid(cloud, _cell_size(cloud))[3])
    assert (crowding > 24) == (kind == "crowded")
    for k in (1, 3, 20):
        got, want = kernels.knn(k, points, queries), kernels.knn(k, points, queries, None, "reference")
        assert torch.equal(got[0], want[0])
        assert torch.equal(got[1], want[1])


def test_three_nn_with_two_points_gives_the_third_no_weight(implementation, device):
    points = torch.tensor([[[0.0, 0.0, 0.0], [4.0, 0.0, 0.0]]]).to(device)
    distances, index = kernels.three_nn(points, torch.tensor([[[1.0, 0.0, 0.0]]]).to(device), None, implementation)
    assert distances.tolist() == [[[1.0, 3.0, torch.inf]]]
    assert index.tolist() == [[[0, 1, 0]]]
    torch.testing.assert_close(kernels.inverse_distance_weights(distances).cpu(), torch.tensor([[[0.75, 0.25, 0.0]]]))

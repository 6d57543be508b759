"""Farthest point sampling: the contract on every implementation, against the reference and against oracles."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lamm_model import kernels
from lamm_model.kernels.reference import tie_rank


@pytest.mark.parametrize("compat", [None, "pointnet2"])
@pytest.mark.parametrize("n", [1, 7])
def test_equals_the_reference_bit_for_bit(cloud, implementation, n, compat):
    points, lengths = cloud
    got = kernels.farthest_point_sample(points, n, 0, lengths, compat, implementation)
    want = kernels.farthest_point_sample(points, n, 0, lengths, compat, "reference")
    assert got.dtype == torch.int64
    assert torch.equal(got, want)


@pytest.mark.parametrize("n", [0, 16])
def test_no_samples_and_more_samples_than_points(implementation, device, n):
    points = torch.tensor([[[0.0, 1.0, 2.0], [5.0, 0.0, 0.0], [0.0, 1.0, 2.0], [9.0, 9.0, 9.0]]]).to(device)
    for compat in (None, "pointnet2"):
        got = kernels.farthest_point_sample(points, n, 0, None, compat, implementation)
        assert got.tolist() == [([0, 3, 1] + [0] * 13)[:n]]


def test_start_for_each_cloud(implementation, device):
    points = torch.rand(3, 30, 3, generator=torch.Generator().manual_seed(3)).to(device)
    start = torch.tensor([4, 0, 29], device=device)
    got = kernels.farthest_point_sample(points, 12, start, implementation=implementation)
    assert torch.equal(got[:, 0], start)
    assert torch.equal(got, kernels.farthest_point_sample(points, 12, start, implementation="reference"))


def test_random_floats_equal_the_reference(implementation, device):
    points = torch.randn(2, 130, 3, generator=torch.Generator().manual_seed(4)).to(device)
    got = kernels.farthest_point_sample(points, 20, implementation=implementation)
    assert torch.equal(got, kernels.farthest_point_sample(points, 20, implementation="reference"))


def _by_definition(points, n):
    """The definition, in integers and plain Python."""
    rows = [[int(value) for value in point] for point in points]
    chosen = [0]
    while len(chosen) < n:
        nearest = [min(sum((a - b) ** 2 for a, b in zip(row, rows[c], strict=True)) for c in chosen) for row in rows]
        chosen.append(nearest.index(max(nearest)))
    return chosen


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(*[st.integers(-3, 3)] * 3), min_size=1, max_size=24), st.integers(1, 30))
def test_reference_and_cpu_follow_the_definition(rows, n):
    points = torch.tensor([rows], dtype=torch.float32)
    want = _by_definition(rows, n)
    for name in ("reference", "numba"):
        assert kernels.farthest_point_sample(points, n, implementation=name)[0].tolist() == want


def _published_block(points, n):
    """The published kernel, thread by thread: strided scan, strict comparisons, tree reduction from 256 down."""
    size = len(points)
    threads = min(512, 1 << (size.bit_length() - 1))
    stored = [1e10] * size
    chosen = [0]
    for _ in range(1, n):
        best = [(-1.0, 0)] * threads
        for thread in range(threads):
            for k in range(thread, size, threads):
                if sum(value * value for value in points[k]) <= 1e-3:
                    continue
                last = points[chosen[-1]]
                stored[k] = min(stored[k], sum((a - b) ** 2 for a, b in zip(points[k], last, strict=True)))
                if stored[k] > best[thread][0]:
                    best[thread] = (stored[k], k)
        half = threads // 2
        while half:
            for thread in range(half):
                if best[thread + half][0] > best[thread][0]:
                    best[thread] = best[thread + half]
            half //= 2
        chosen.append(best[0][1])
    return chosen


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(*[st.integers(-2, 2)] * 3), min_size=1, max_size=70), st.integers(1, 12))
def test_compat_is_the_published_block_reduction(rows, n):
    points = torch.tensor([rows], dtype=torch.float32)
    want = _published_block(rows, n)
    for name in ("reference", "numba"):
        assert kernels.farthest_point_sample(points, n, compat="pointnet2", implementation=name)[0].tolist() == want


def test_compat_with_a_full_block_of_512_threads():
    rows = torch.randint(-2, 3, (1100, 3), generator=torch.Generator().manual_seed(5))
    got = kernels.farthest_point_sample(rows[None].float(), 12, compat="pointnet2")
    assert got[0].tolist() == _published_block(rows.tolist(), 12)
    assert got[0].tolist() != kernels.farthest_point_sample(rows[None].float(), 12)[0].tolist()


def test_compat_distances_are_fused():
    """Rounded at every step the first point is farther from the origin; with fused steps the second one is."""
    points = torch.tensor([[[0.0, 0.0, 0.0], [2.9, 0.9, 1.4], [1.4, 2.9, 0.9]]])
    for name in ("numba", "reference"):
        assert kernels.farthest_point_sample(points, 2, implementation=name).tolist() == [[0, 1]]
        assert kernels.farthest_point_sample(points, 2, compat="pointnet2", implementation=name).tolist() == [[0, 2]]


def test_compat_skips_what_lies_near_the_origin(implementation, device):
    near = torch.tensor([[0.0, 0.0, 0.0], [0.03, 0.0, 0.0], [0.0, 0.02, 0.02]])
    far = torch.tensor([[0.04, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    points = torch.cat([near, far])[None].to(device)
    got = kernels.farthest_point_sample(points, 6, compat="pointnet2", implementation=implementation)
    assert got[0, :4].tolist() == [0, 5, 4, 3]
    assert set(got[0, 4:].tolist()) <= {3, 4, 5}
    assert set(kernels.farthest_point_sample(points, 6, implementation=implementation)[0].tolist()) == set(range(6))


def test_tie_rank_is_a_permutation():
    for count in (1, 2, 5, 512, 513, 1300):
        ranks = tie_rank(count, count, torch.device("cpu"))
        assert ranks.unique().numel() == count
    assert tie_rank(8, 8, torch.device("cpu")).argsort().tolist() == [0, 4, 2, 6, 1, 5, 3, 7]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60), st.integers(1, 4))
def test_a_prefix_of_a_sampling_is_the_sampling_of_the_samples(seed, size, span):
    """The second level of a hierarchy needs no sampling of its own: it is a slice of the first."""
    points = torch.randint(-span, span + 1, (1, size, 3), generator=torch.Generator().manual_seed(seed)).float()
    first = kernels.farthest_point_sample(points, 24)
    assert torch.equal(kernels.farthest_point_sample(points, 9), first[:, :9])
    sampled = kernels.gather(points, first)
    again = kernels.gather(sampled, kernels.farthest_point_sample(sampled, 9))
    assert torch.equal(again, sampled[:, :9])
    distinct = len({tuple(point) for point in points[0].tolist()})
    if distinct >= 9:
        assert kernels.farthest_point_sample(sampled, 9)[0].tolist() == list(range(9))


def test_dtypes_and_strides_do_not_matter(implementation, device):
    points = torch.randint(-4, 5, (3, 40, 2), generator=torch.Generator().manual_seed(6)).float().to(device)
    strided = points.transpose(0, 2)  # [2, 40, 3], not contiguous
    want = kernels.farthest_point_sample(strided.contiguous(), 8, implementation="reference")
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        assert torch.equal(kernels.farthest_point_sample(strided.to(dtype), 8, implementation=implementation), want)


def test_what_follows_a_length_is_never_read_as_data(implementation, device):
    points = torch.randint(-4, 5, (1, 30, 3), generator=torch.Generator().manual_seed(7)).float()
    want = kernels.farthest_point_sample(points[:, :20].to(device), 8, implementation="reference")
    points[:, 20:] = torch.nan
    for name in (implementation, "reference"):
        got = kernels.farthest_point_sample(points.to(device), 8, lengths=[20], implementation=name)
        assert torch.equal(got, want)


def test_many_clouds_in_threads_equal_one_at_a_time():
    points = torch.rand(7, 300, 3, generator=torch.Generator().manual_seed(8))
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        together = kernels.farthest_point_sample(points, 40)
    finally:
        torch.set_num_threads(before)
    apart = torch.cat([kernels.farthest_point_sample(cloud[None], 40) for cloud in points])
    assert torch.equal(together, apart)


@pytest.mark.parametrize("scale", [1e25, 1e18, 1e-20, 1e-25])
def test_distances_that_overflow_or_vanish(scale):
    """Squares beyond float32 are infinite or zero; the order of the ties that follow is still the contract's."""
    points = torch.randn(1, 200, 3, generator=torch.Generator().manual_seed(10)) * scale
    for compat in (None, "pointnet2"):
        got = kernels.farthest_point_sample(points, 20, compat=compat, implementation="numba")
        assert torch.equal(got, kernels.farthest_point_sample(points, 20, compat=compat, implementation="reference"))
    ball = (scale, 5, points, points[:, :10])
    assert torch.equal(kernels.ball_query(*ball), kernels.ball_query(*ball, implementation="reference"))
    near, want = kernels.knn(4, points, points[:, :10]), kernels.knn(4, points, points[:, :10], None, "reference")
    assert torch.equal(near[0], want[0])
    assert torch.equal(near[1], want[1])


def test_large_cloud_equals_the_reference():
    """Enough points for hundreds of buckets, an outlier that spoils their cells, and a plane of duplicates."""
    points = torch.rand(1, 6000, 3, generator=torch.Generator().manual_seed(9))
    points[0, :2000, 2] = 0.0
    points[0, 100] = torch.tensor([1e4, -1e4, 1e4])
    points[0, 3000:3500] = points[0, 2500:3000]
    got = kernels.farthest_point_sample(points, 300, implementation="numba")
    assert torch.equal(got, kernels.farthest_point_sample(points, 300, implementation="reference"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="the published design runs on a CUDA device only")
def test_compat_equals_a_kernel_of_the_published_design():
    """A block of 512 threads with nvcc's own contraction of plain C: on random floats, and on a grid full of ties."""
    from lamm_model.kernels.cuda import compiler, driver

    text = Path(__file__).with_name("published_sampling.cu").read_text(encoding="utf-8")
    major, minor = torch.cuda.get_device_capability()
    torch.zeros(1, device="cuda")
    function = driver.load_code(compiler.compile_cubin(f"sm_{major}{minor}", {}, text=text), "published")
    generator = torch.Generator().manual_seed(12)
    clouds = torch.randn(3, 20_000, 3, generator=generator)
    clouds[1] = torch.randint(-6, 7, (20_000, 3), generator=generator).float()
    points = clouds.cuda()
    want = torch.zeros(3, 512, dtype=torch.int64, device="cuda")
    nearest = torch.full((3, 20_000), 1e10, device="cuda")
    driver.launch(function, 3, 512, 0, [points, nearest, want], 20_000, 512)
    for name in ("cuda", "triton"):
        assert torch.equal(kernels.farthest_point_sample(points, 512, compat="pointnet2", implementation=name), want)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="clusters of blocks need a CUDA device")
@pytest.mark.parametrize(
    ("size", "clouds"),
    [
        (5_120, 2),
        (12_000, 2),
        (20_000, 2),
        (40_000, 16),
        (40_000, 20),
        (40_000, 33),
        (60_000, 2),
        (80_000, 2),
        (90_113, 2),
    ],
)
def test_every_shape_equals_the_cpu(size, clouds):
    """On a device: one block, clusters of 4, 8 and 6, more clouds than run at once, and a cloud left to Triton."""
    points = torch.randn(clouds, size, 3, generator=torch.Generator().manual_seed(size))
    points[1] = (points[1] * 3).round()
    lengths = [size - 77 * (cloud % 2) for cloud in range(clouds)]
    for compat in (None, "pointnet2"):
        got = kernels.farthest_point_sample(points.cuda(), 100, lengths=lengths, compat=compat)
        want = kernels.farthest_point_sample(points, 100, lengths=lengths, compat=compat)
        assert torch.equal(got.cpu(), want)

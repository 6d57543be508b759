"""Bad and unusual input: the same clear error, or the documented result, from every implementation."""

import pytest
import torch

from lamm_model import kernels
from lamm_model.errors import UsageError


@pytest.fixture(params=["sample", "ball", "nearest"])
def call(request, implementation):
    """A point operation of `points` and keyword arguments."""
    name = "triton" if implementation == "cuda" and request.param != "sample" else implementation

    def run(points, lengths=None, other=None, **rest):
        if request.param == "sample":
            return kernels.farthest_point_sample(points, 3, 0, lengths, implementation=name, **rest)
        other = points[:, :1] if other is None else other
        if request.param == "ball":
            return kernels.ball_query(1.0, 3, points, other, lengths, implementation=name, **rest)
        return kernels.knn(3, points, other, lengths, name, **rest)

    return run


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_values_that_are_not_finite(call, device, value):
    points = torch.zeros(2, 5, 3, device=device)
    points[1, 3, 2] = value
    with pytest.raises(kernels.KernelInputError, match="at point 3 of cloud 1"):
        call(points)


def test_validation_can_be_left_out_only_where_it_would_wait_for_a_device(call, device):
    points = torch.rand(1, 8, 3, device=device)
    points[0, 5] = torch.nan
    if device.type == "cpu":
        with pytest.raises(kernels.KernelInputError, match="at point 5"):
            call(points, validate=False)
        return
    result = call(points, validate=False)
    index = result[-1] if isinstance(result, tuple) else result
    assert ((index >= 0) & (index < 8)).all()


@pytest.mark.parametrize("shape", [(5, 3), (1, 5, 4), (5,), (1, 1, 5, 3)])
def test_wrong_rank(call, device, shape):
    with pytest.raises(kernels.KernelInputError, match=r"shape \[batch, points, 3\]"):
        call(torch.zeros(shape, device=device), other=torch.zeros(1, 1, 3, device=device))


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8, torch.bool])
def test_integer_points(call, device, dtype):
    with pytest.raises(kernels.KernelInputError, match=r"Convert with \.float\(\)"):
        call(torch.zeros(1, 5, 3, dtype=dtype, device=device))


def test_empty_clouds(call, device):
    with pytest.raises(kernels.KernelInputError, match="empty clouds"):
        call(torch.zeros(2, 0, 3, device=device), other=torch.zeros(2, 1, 3, device=device))
    with pytest.raises(kernels.KernelInputError, match="got 0 for cloud 1"):
        call(torch.zeros(2, 4, 3, device=device), [4, 0])
    with pytest.raises(kernels.KernelInputError, match="got 5 for cloud 0"):
        call(torch.zeros(2, 4, 3, device=device), [5, 1])


def test_an_empty_batch_has_an_empty_result(call, device):
    result = call(torch.zeros(0, 7, 3, device=device))
    index = result[-1] if isinstance(result, tuple) else result
    assert index.shape[0] == 0
    assert index.dtype == torch.int64


@pytest.mark.parametrize("lengths", [[1, 2, 3], torch.tensor([[4, 4]]), torch.tensor([4.0, 4.0])])
def test_lengths_of_the_wrong_kind(call, device, lengths):
    with pytest.raises(kernels.KernelInputError, match="one integer for each of the 2 clouds"):
        call(torch.zeros(2, 4, 3, device=device), lengths)


def test_mixed_devices():
    """The meta device stands in for a second device: the check looks at devices, not at data."""
    points, elsewhere = torch.zeros(1, 4, 3), torch.zeros(1, 2, 3, device="meta")
    for run in (
        lambda: kernels.ball_query(1.0, 2, points, elsewhere),
        lambda: kernels.knn(2, points, elsewhere),
        lambda: kernels.group(points, torch.zeros(1, 2, 2, dtype=torch.int64, device="meta")),
    ):
        with pytest.raises(kernels.KernelInputError, match="Move both to one device"):
            run()


def test_batch_sizes_that_differ():
    with pytest.raises(kernels.KernelInputError, match="batch size 2"):
        kernels.ball_query(1.0, 2, torch.zeros(2, 4, 3), torch.zeros(1, 4, 3))


@pytest.mark.parametrize("start", [-1, 4, [0, 4], [0]])
def test_start_outside_its_cloud(start):
    points = torch.zeros(2, 5, 3)
    with pytest.raises(kernels.KernelInputError, match="start"):
        kernels.farthest_point_sample(points, 2, torch.tensor(start) if isinstance(start, list) else start, [4, 4])


def test_numbers_out_of_range():
    points = torch.zeros(1, 5, 3)
    with pytest.raises(kernels.KernelInputError, match="n to be at least 0, got -1"):
        kernels.farthest_point_sample(points, -1)
    with pytest.raises(kernels.KernelInputError, match="k to be at least 1"):
        kernels.ball_query(1.0, 0, points, points)
    with pytest.raises(kernels.KernelInputError, match="k to be at least 1"):
        kernels.knn(0, points, points)
    for radius in (-1.0, float("nan"), float("inf")):
        with pytest.raises(kernels.KernelInputError, match="radius"):
            kernels.ball_query(radius, 1, points, points)
    with pytest.raises(UsageError, match="compat"):
        kernels.farthest_point_sample(points, 1, compat="pointnet")


@pytest.mark.parametrize("bad", [-1, 5])
def test_index_out_of_range(bad, triton_device):
    for name, device in (("triton", triton_device), ("reference", "cpu")):
        features, index = torch.zeros(1, 5, 2, device=device), torch.tensor([[[0, bad]]], device=device)
        with pytest.raises(kernels.KernelInputError, match=f"got {bad}"):
            kernels.group(features, index, name)
        with pytest.raises(kernels.KernelInputError, match=f"got {bad}"):
            kernels.three_interpolate(features, index, torch.ones(1, 1, 2, device=device), name)


def test_features_and_weights_of_the_wrong_kind():
    index = torch.zeros(1, 2, 2, dtype=torch.int64)
    with pytest.raises(kernels.KernelInputError, match=r"\[batch, points, channels\]"):
        kernels.group(torch.zeros(5, 2), index)
    with pytest.raises(kernels.KernelInputError, match="floating"):
        kernels.group(torch.zeros(1, 5, 2, dtype=torch.int64), index)
    with pytest.raises(kernels.KernelInputError, match="rank 3"):
        kernels.group(torch.zeros(1, 5, 2), index[0])
    with pytest.raises(kernels.KernelInputError, match="int32 or int64"):
        kernels.group(torch.zeros(1, 5, 2), index.float())
    with pytest.raises(kernels.KernelInputError, match="one weight for each index"):
        kernels.three_interpolate(torch.zeros(1, 5, 2), index, torch.ones(1, 2, 3))
    with pytest.raises(kernels.KernelInputError, match="one weight for each index"):
        kernels.three_interpolate(torch.zeros(1, 5, 2), index, torch.ones(1, 2, 2).double())


def test_grids_of_the_wrong_kind():
    grid, error = torch.zeros(3, 3, dtype=torch.int64), kernels.KernelInputError
    with pytest.raises(error, match=r"shape \[voxels, 3\]"):
        kernels.unique_voxels(torch.zeros(1, 3, 3, dtype=torch.int64))
    with pytest.raises(error, match=r"Convert with \.long\(\)"):
        kernels.unique_voxels(torch.zeros(3, 3))
    for lengths in ([2], [4, -1], torch.ones(2, 2).long(), torch.ones(3)):
        with pytest.raises(error, match="lengths"):
            kernels.unique_voxels(grid, lengths)
    with pytest.raises(error, match="2\\^63"):
        kernels.unique_voxels(torch.tensor([[0, 0, 0], [2**30, 2**30, 2**30]]))
    with pytest.raises(error, match="voxel size above 0"):
        kernels.voxel_grid_sample(torch.zeros(1, 3), 0.0)
    with pytest.raises(error, match="finite points"):
        kernels.voxel_grid_sample(torch.tensor([[0.0, torch.nan, 0.0]]), 1.0)
    with pytest.raises(error, match="extent of 1e"):
        kernels.voxel_grid_sample(torch.tensor([[0.0, 0, 0], [1e30, 0, 0]]), 1.0)
    with pytest.raises(error, match="at least 0, got -1"):
        kernels.serialize_points(grid - 1)
    with pytest.raises(error, match="below 2\\^depth"):
        kernels.serialize_points(grid + 4, depth=2)
    with pytest.raises(error, match="depth of at most 20"):
        kernels.serialize_points(grid, depth=21)
    with pytest.raises(error, match="one depth for each of the 1 samples"):
        kernels.serialize_points(grid, depth=[3, 3])
    with pytest.raises(UsageError, match="hilbert-trans, got 'peano'"):
        kernels.serialize_points(grid, orders=["peano"])
    with pytest.raises(error, match="odd kernel size"):
        kernels.submanifold_kernel_map(grid, kernel_size=2)


def test_convolutions_and_pools_that_do_not_fit():
    features, weight, error = torch.zeros(3, 2), torch.zeros(4, 3, 3, 3, 2), kernels.KernelInputError
    table = torch.zeros(27, 3, dtype=torch.int32)
    for bad in (torch.zeros(4, 27, 2), torch.zeros(4, 3, 3, 2, 2), torch.zeros(4, 3, 3, 3, 5)):
        with pytest.raises(error, match="Expected a weight"):
            kernels.submanifold_conv3d(features, bad, None, table)
    with pytest.raises(error, match="bias"):
        kernels.submanifold_conv3d(features, weight, torch.zeros(3), table)
    with pytest.raises(error, match="int32 kernel map"):
        kernels.submanifold_conv3d(features, weight, None, table.long())
    with pytest.raises(error, match="Convert features, weight and bias alike"):
        kernels.submanifold_conv3d(features, weight.double(), None, table)
    for value in (-2, 3):
        with pytest.raises(error, match="the kernel map"):
            kernels.submanifold_conv3d(features, weight, None, table + value)
    with pytest.raises(error, match="segment"):
        kernels.segment_pool(features, torch.tensor([0, 1, 2]), 2)
    with pytest.raises(error, match="one segment for each"):
        kernels.segment_pool(features, torch.tensor([0, 1]), 2)
    with pytest.raises(error, match="segment"):
        kernels.segment_unpool(features, torch.tensor([0, 3]))
    with pytest.raises(UsageError, match="max, mean, sum"):
        kernels.segment_pool(features, torch.tensor([0, 1, 1]), 2, "median")

"""3D boxes: known overlaps, agreement with shapely and scipy, and degenerate boxes."""

import numpy as np
import pytest

from lamm_metrics.errors import LammMetricsError
from lamm_metrics.geometry.boxes import BoxFault
from lamm_metrics.geometry.boxes3d import (
    CORNER_SIGNS,
    corners,
    find_fault,
    paired_iou_axis_aligned,
    paired_iou_yaw,
    rotations,
    to_nine,
)
from lamm_metrics.geometry.rotated import paired_iou_rotated

ALL = (paired_iou_axis_aligned, paired_iou_yaw, paired_iou_rotated)
UNIT = np.array([[0.0, 0, 0, 1, 1, 1, 0, 0, 0]])


def random_boxes(seed, n, numbers):
    generator = np.random.default_rng(seed)
    parts = [generator.uniform(-0.7, 0.7, (n, 3)), generator.uniform(0.3, 2, (n, 3)), generator.uniform(-4, 4, (n, 3))]
    return np.concatenate(parts, axis=1)[:, :numbers]


def turned(yaw=0.0, pitch=0.0, roll=0.0):
    return np.array([[0, 0, 0, 1, 1, 1, yaw, pitch, roll]])


@pytest.mark.parametrize("angles", [{"yaw": np.pi / 4}, {"pitch": np.pi / 4}, {"roll": np.pi / 4}])
def test_unit_cube_turned_by_45_degrees(angles):
    assert paired_iou_rotated(UNIT, turned(**angles))[0] == pytest.approx(0.7071067811865476, abs=1e-15)
    if "yaw" in angles:
        assert paired_iou_yaw(UNIT, turned(**angles))[0] == pytest.approx(0.7071067811865476, abs=1e-15)


def footprint(shapely, box):
    return shapely.Polygon(corners(box[None])[0, :4, :2])


def test_upright_boxes_agree_with_shapely():
    shapely = pytest.importorskip("shapely")
    first, second = random_boxes(2, 1000, 7), random_boxes(3, 1000, 7)
    for a, b, got in zip(first, second, paired_iou_yaw(first, second), strict=True):
        height = max(0.0, min(a[2] + a[5] / 2, b[2] + b[5] / 2) - max(a[2] - a[5] / 2, b[2] - b[5] / 2))
        shared = footprint(shapely, a).intersection(footprint(shapely, b)).area * height
        assert got == pytest.approx(shared / (a[3:6].prod() + b[3:6].prod() - shared), abs=1e-12)


def half_spaces(box):
    """Rows (normal, offset) with normal . x + offset <= 0 within the box."""
    axes = rotations(box[None, 6:9])[0]
    normals = np.concatenate([axes.T, -axes.T])
    return np.column_stack([normals, -normals @ box[:3] - np.tile(box[3:6] / 2, 2)])


def convex_overlap(first, second):
    from scipy.optimize import linprog
    from scipy.spatial import ConvexHull, HalfspaceIntersection

    planes = np.concatenate([half_spaces(first), half_spaces(second)])
    inner = linprog(
        [0, 0, 0, -1], A_ub=np.c_[planes[:, :3], np.ones(12)], b_ub=-planes[:, 3], bounds=[(None, None)] * 4
    )
    if inner.status != 0 or inner.x[3] < 1e-9:
        return 0.0
    shared = ConvexHull(HalfspaceIntersection(planes, inner.x[:3]).intersections, qhull_options="QJ").volume
    return shared / (first[3:6].prod() + second[3:6].prod() - shared)


def test_rotated_boxes_agree_with_scipy():
    pytest.importorskip("scipy")
    first, second = random_boxes(4, 1000, 9), random_boxes(5, 1000, 9)
    got = paired_iou_rotated(first, second)
    assert (got > 0).mean() > 0.5
    for a, b, value in zip(first, second, got, strict=True):
        assert value == pytest.approx(convex_overlap(a, b), abs=1e-8)


def test_the_three_agree_where_they_must():
    first, second = random_boxes(6, 1000, 7), random_boxes(7, 1000, 7)
    assert np.allclose(paired_iou_yaw(first, second), paired_iou_rotated(first, second), atol=1e-13)
    first[:, 6] = second[:, 6] = 0
    assert np.allclose(paired_iou_axis_aligned(first, second), paired_iou_rotated(first, second), atol=1e-13)


@pytest.mark.parametrize("overlap", ALL)
def test_a_box_overlaps_itself_wholly(overlap):
    boxes = random_boxes(8, 2000, 9)
    assert np.allclose(overlap(boxes, boxes), 1, atol=1e-12)


@pytest.mark.parametrize("overlap", ALL)
def test_overlap_is_symmetric_and_bounded(overlap):
    first, second = random_boxes(9, 2000, 9), random_boxes(10, 2000, 9)
    got = overlap(first, second)
    assert np.allclose(got, overlap(second, first), atol=1e-12)
    assert got.min() >= 0
    assert got.max() <= 1 + 1e-12


@pytest.mark.parametrize("overlap", ALL)
@pytest.mark.parametrize(
    "change", [(3, 0.0), (4, -1.0), (0, np.nan), (1, np.inf), (5, np.inf), (3, 1e308), (6, np.nan)]
)
def test_degenerate_boxes_overlap_nothing(overlap, change):
    position, value = change
    bad = UNIT.copy()
    # The axis-aligned overlap does not look at angles.
    bad[0, 0 if position == 6 and overlap is paired_iou_axis_aligned else position] = value
    with np.errstate(all="raise", under="ignore"):
        assert overlap(bad, UNIT)[0] == pytest.approx(0, abs=1e-300)
        assert overlap(UNIT, bad)[0] == pytest.approx(0, abs=1e-300)
        assert overlap(bad, bad)[0] in (0, 1)


def test_boxes_that_touch_share_nothing():
    for overlap in ALL:
        assert overlap(UNIT, UNIT + np.eye(1, 9))[0] == pytest.approx(0, abs=1e-15)


def test_thin_and_tiny_boxes():
    sheet = np.array([[0, 0, 0, 1, 1, 1e-9, 0.3, 0.2, 0.1]])
    assert paired_iou_rotated(sheet, sheet)[0] == pytest.approx(1, abs=1e-6)
    tiny = random_boxes(11, 500, 9) * np.array([[1e-6] * 6 + [1] * 3])
    assert np.allclose(paired_iou_rotated(tiny, tiny), 1, atol=1e-9)


def test_overlap_does_not_depend_on_the_place_of_the_scene():
    first, second = random_boxes(12, 500, 9), random_boxes(13, 500, 9)
    away = np.array([[1000.0, -2000, 500, 0, 0, 0, 0, 0, 0]])
    assert np.allclose(paired_iou_rotated(first, second), paired_iou_rotated(first + away, second + away), atol=1e-9)


def test_corners_lie_around_the_centre_at_the_ends_of_the_sides():
    boxes = random_boxes(14, 200, 9)
    points = corners(boxes)
    assert np.allclose(points.mean(axis=1), boxes[:, :3], atol=1e-9)
    sides = np.stack([np.linalg.norm(points[:, to] - points[:, 0], axis=1) for to in (1, 3, 4)], axis=1)
    assert np.allclose(sides, boxes[:, 3:6], atol=1e-9)


def test_seven_numbers_are_nine_with_zeros():
    seven = random_boxes(15, 5, 7)
    assert to_nine(seven)[:, 7:].tolist() == [[0, 0]] * 5
    assert CORNER_SIGNS.shape == (8, 3)
    with pytest.raises(LammMetricsError, match="6, 7 or 9"):
        to_nine(np.zeros((2, 8)))


@pytest.mark.parametrize(
    ("box", "fault"),
    [
        ([0, 0, 0, 1, 1, 1], None),
        ([0, 0, 0, 1, 1], BoxFault.WRONG_LENGTH),
        ([0, 0, np.nan, 1, 1, 1], BoxFault.NOT_FINITE),
        ([0, 0, 0, 1, -1, 1, 0.5], BoxFault.NEGATIVE_SIZE),
        ([0, 0, 0, 1, 0, 1], BoxFault.EMPTY),
    ],
)
def test_faults(box, fault):
    assert find_fault(box) == fault

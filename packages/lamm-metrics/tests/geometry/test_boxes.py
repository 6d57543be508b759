"""2D boxes: known overlaps, agreement with shapely, and what happens to faulty boxes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamm_metrics.errors import UsageError
from lamm_metrics.geometry.boxes import BoxFault, box_area, find_fault, ordered_corners, paired_iou
from lamm_metrics.geometry.conventions import BoxConvention, Layout, corners_of


def random_boxes(generator, n):
    corner = generator.uniform(-1, 1, (n, 2))
    return np.concatenate([corner, corner + generator.uniform(0.05, 1.5, (n, 2))], axis=1)


def test_overlap_agrees_with_shapely():
    shapely = pytest.importorskip("shapely")
    generator = np.random.default_rng(1)
    first, second = random_boxes(generator, 1000), random_boxes(generator, 1000)
    for a, b, got in zip(first, second, paired_iou(first, second), strict=True):
        one, other = shapely.box(*a), shapely.box(*b)
        assert got == pytest.approx(one.intersection(other).area / one.union(other).area, abs=1e-12)


@pytest.mark.parametrize(
    ("first", "second", "plus", "expected"),
    [
        ([0, 0, 2, 2], [1, 0, 3, 2], 0, 1 / 3),
        ([0, 0, 1, 1], [1, 0, 2, 1], 0, 0.0),  # they touch
        ([0, 0, 1, 1], [1, 0, 2, 1], 1, 2 / 6),  # inclusive pixels 0..1 and 1..2 share a column
        ([0, 0, 0, 0], [0, 0, 0, 0], 0, 0.0),  # no area: 0, not NaN
        ([0, 0, 0, 0], [0, 0, 0, 0], 1, 1.0),  # one pixel
        ([np.nan, 0, 1, 1], [0, 0, 1, 1], 0, 0.0),
        ([-np.inf, -np.inf, np.inf, np.inf], [0, 0, 1, 1], 0, 0.0),
        ([1, 1, 0, 0], [0, 0, 1, 1], 0, 0.0),  # reversed and not mended: empty
    ],
)
def test_known_overlaps(first, second, plus, expected):
    got = paired_iou(np.array([first], float), np.array([second], float), plus=plus)
    assert got[0] == pytest.approx(expected, abs=1e-15)


@given(st.sampled_from(["xyxy", "xywh", "cxcywh", "yxyx"]), st.lists(st.floats(-100, 100), min_size=4, max_size=4))
def test_layouts_are_inverse(layout, numbers):
    x1, y1, x2, y2 = numbers
    written = {
        "xyxy": numbers,
        "xywh": [x1, y1, x2 - x1, y2 - y1],
        "cxcywh": [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1],
        "yxyx": [y1, x1, y2, x2],
    }
    assert np.allclose(corners_of(written[layout], Layout(layout)), numbers, atol=1e-9)


def test_layouts_by_hand():
    box = (10, 20, 40, 60)
    assert corners_of((10, 20, 30, 40), Layout.XYWH) == box
    assert corners_of((20, 10, 60, 40), Layout.YXYX) == box
    assert corners_of((25, 40, 30, 40), Layout.CXCYWH) == box
    with pytest.raises(UsageError, match="xyxy"):
        BoxConvention.parse("polar")


def test_area():
    assert box_area([[0, 0, 2, 3], [2, 3, 0, 0]]).tolist() == [6, 0]


def test_nothing_overlaps_nothing():
    assert paired_iou(np.empty((0, 4)), np.empty((0, 4))).shape == (0,)


@pytest.mark.parametrize(
    ("box", "fault", "mended"),
    [
        ([0, 0, 1, 1], None, [0, 0, 1, 1]),
        ([0, 0, 1], BoxFault.WRONG_LENGTH, None),
        ([0, 0, 1, np.inf], BoxFault.NOT_FINITE, None),
        ([1, 0, 0, 1], BoxFault.REVERSED, [0, 0, 1, 1]),
        ([0, 0, 0, 1], BoxFault.EMPTY, [0, 0, 0, 1]),
    ],
)
def test_faults(box, fault, mended):
    assert find_fault(box) == fault
    if mended is not None:
        assert ordered_corners([box]).tolist() == [mended]

"""Overlaps by published rule, against values of the projects' own code."""

import json
from pathlib import Path

import numpy as np
import pytest

from lamm_metrics.geometry.boxes3d import paired_iou_axis_aligned
from lamm_metrics.geometry.overlap_rules import extents, iou_of_extents, iou_under, scan2cap_giou

GOLDEN = Path(__file__).parents[1] / "golden" / "vision3d"
PAIRS = json.loads((GOLDEN / "boxes_multi3drefer.json").read_text())["iou"]["items"]
GIOU = json.loads((GOLDEN / "scan2cap.json").read_text())["giou"]["items"]


def centred(box):
    low, high = np.array(box, float)
    return np.array([[*(low + high) / 2, *(high - low)]])


@pytest.mark.parametrize(("rule", "column"), [("scanrefer", 2), ("m3dref", 3)])
def test_every_pair_is_the_projects_number_to_the_bit(rule, column):
    assert len(PAIRS) == 17
    for pair in PAIRS:
        first, second = (np.array(box, float).reshape(1, 6) for box in pair[:2])
        assert iou_of_extents(first, second, rule)[0] == pair[column], pair


def test_exactly_half_fails_by_one_rule_and_passes_by_the_others():
    cube, pillar = np.array([[0.5, 0.5, 0.5, 1, 1, 1]]), np.array([[0.5, 0.5, 1, 1, 1, 2]])
    found = {rule: iou_under(rule)(cube, pillar)[0] for rule in ("scanrefer", "scanrefer-float32", "m3dref")}
    assert found["scanrefer"] < 0.5
    assert (found["scanrefer-float32"], found["m3dref"]) == (0.5, 0.5)
    assert paired_iou_axis_aligned(cube, pillar)[0] == 0.5


def test_boxes_that_are_not_finite_overlap_nothing():
    lost = np.full((1, 6), np.nan)
    assert iou_under("m3dref")(lost, np.ones((1, 6)))[0] == 0
    assert extents(lost).shape == (1, 6)


def test_the_benchmarks_giou_is_the_projects_number():
    assert len(GIOU) == 10
    for first, second, published, true in GIOU:
        found = scan2cap_giou(centred(first), centred(second))[0, 0]
        assert found == pytest.approx(published, abs=1e-12)
        if published != pytest.approx(true):
            assert found != pytest.approx(true, abs=1e-3)

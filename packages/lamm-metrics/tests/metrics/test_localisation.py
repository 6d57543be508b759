"""Localisation as SQA3D scores it."""

import json
from pathlib import Path

import pytest

from lamm_metrics.errors import LammMetricsError
from lamm_metrics.metrics.localisation import Localisation, yaw_of
from lamm_metrics.records.predictions import Prediction

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "vision3d" / "splits_and_llm_match.json").read_text())
ITEMS = GOLDEN["sqa3d_localization"]["items"]
NAMES = {"0.5m": "acc@0.5m", "1m": "acc@1.0m", "15deg": "acc@15°", "30deg": "acc@30°"}


def located(items):
    metric = Localisation()
    for i, (position, rotation, positions, rotations, _) in enumerate(items):
        record = {"id": i, "position": position, "rotation": rotation}
        metric.update(record, Prediction(str(i), json.dumps({"position": positions, "rotation": rotations})))
    return {score.name.partition("@")[2]: score.value for score in metric.compute(draws=2)}


def test_every_situation_is_the_projects_number():
    for item in ITEMS:
        assert located([item]) == {name: item[4][theirs] for name, theirs in NAMES.items()}, item


def test_all_situations_are_the_projects_numbers():
    published = GOLDEN["sqa3d_localization"]["all"]
    assert located(ITEMS) == pytest.approx({name: published[theirs] for name, theirs in NAMES.items()}, abs=1e-12)


def test_axes_are_read_by_name():
    rotation = {"_w": 0.99500416, "_x": 0, "_y": 0, "_z": 0.09983342}
    metric = Localisation()
    record = {"id": 1, "position": {"x": 1, "y": 2, "z": 0}, "rotation": rotation}
    metric.update(record, Prediction("1", "[1, 2, 0] [0, 0, 0.09983342, 0.99500416]"))
    assert metric.entries["1"].state[:2] == pytest.approx((0, 0), abs=1e-9)
    assert yaw_of([0, 0, 0.09983342, 0.99500416]) == pytest.approx(0.2, abs=1e-6)


def test_what_places_nothing_has_failed():
    metric = Localisation()
    metric.update({"id": 1, "position": [0, 0, 0], "rotation": [0, 0, 0, 1]}, Prediction("1", "near [0, 0, 0]"))
    assert (metric.n_failed, next(metric.per_sample()).detail) == (1, "it names no rotation")
    with pytest.raises(LammMetricsError, match="`rotation` x, y, z, w in record '2'"):
        metric.update({"id": "2", "position": [0, 0, 0]}, Prediction("2", ""))

"""Parts of benchmarks as the projects publish them."""

import json
from pathlib import Path

import pytest

from lamm_metrics.errors import LammMetricsError
from lamm_metrics.records.parts import nr3d_easy, nr3d_view_dependent, parts_of, scanrefer_multiple

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "vision3d" / "splits_and_llm_match.json").read_text())


@pytest.mark.parametrize(("classes", "column"), [("scanrefer", 4), ("m3dref", 5)])
def test_unique_and_multiple(classes, column):
    golden = GOLDEN["unique_multiple"]
    table = {raw: name for raw, (_, name) in golden["label_table_raw_to_nyu40"].items()}
    rows = [
        dict(zip(("scene_id", "object_id", "object_name", "ann_id"), item, strict=False)) for item in golden["items"]
    ]
    assert len(rows) == 30
    assert scanrefer_multiple(rows, table, classes) == [bool(item[column]) for item in golden["items"]]


def test_easy_and_view_dependent():
    for stimulus, tokens, easy, dependent in GOLDEN["nr3d"]["items"]:
        assert (nr3d_easy(stimulus), nr3d_view_dependent(tokens)) == (easy, dependent)


def test_a_row_without_its_scene_is_named():
    rows = [{"scene_id": "s", "object_id": "1", "object_name": "chair"}, {"object_id": "2", "object_name": "bed"}]
    with pytest.raises(LammMetricsError, match=r"`scene_id` in row 1"):
        scanrefer_multiple(rows, {})
    with pytest.raises(LammMetricsError, match="scene-class-number-target"):
        nr3d_easy("scene0025_00")


def test_a_record_states_its_parts():
    record = {"unique": True, "easy": False, "view_dependent": True, "setting": "Popular"}
    assert parts_of(record) == ("unique", "hard", "view_dependent", "popular")
    assert parts_of({"split": "multiple", "unique": True}) == ("multiple",)
    assert parts_of({"split": "val", "eval_type": "mt"}) == ("mt",)

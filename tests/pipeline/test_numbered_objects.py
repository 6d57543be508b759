"""Records that number a scene's objects and answers that name them: built by one package, scored by the other."""

import json

import numpy as np
import pytest

from lamm_data import build_benchmark
from lamm_metrics import score


@pytest.fixture
def numbered(tmp_path):
    """ScanRefer's benchmark file of one scene with three chairs, each described once."""
    scene, folder = "scene0011_00", tmp_path / "scannet_data"
    folder.mkdir()
    boxes = [[3 * key, 0, 0.5, 1, 1, 1, 1, key] for key in (4, 5, 12)]
    np.save(folder / f"{scene}_aligned_bbox.npy", np.array(boxes, dtype=float))
    (tmp_path / "classes.tsv").write_text("1\tchair\n")
    (tmp_path / "scannetv2_val.txt").write_text(f"{scene}\n")
    entry = {"scene_id": scene, "object_name": "chair", "ann_id": "0", "description": "this chair."}
    rows = [entry | {"object_id": key} for key in ("5", "12", "4")]
    (tmp_path / "ScanRefer_filtered_val.json").write_text(json.dumps(rows))
    (file,) = build_benchmark("scanrefer", tmp_path, tmp_path / "out", media="ignore", proposals="annotation")
    return tmp_path / "out" / file.name


def result(path, key):
    records = json.loads(path.read_text())
    named = [next(one["id"] for one in record["proposals"] if one["bbox"] == record["gt_bbox"]) for record in records]
    answers = [
        {"id": record["id"], "text": f"It is <OBJ{int(key(k)):03d}>."} for record, k in zip(records, named, strict=True)
    ]
    return score(None, path, answers, draws=100, samples=False).headline


def test_the_right_number_is_the_right_box(numbered):
    headline = result(numbered, lambda key: key)
    assert headline.value == 1
    assert "|proposals:annotation|" in headline.signature


def test_another_number_is_another_box(numbered):
    assert result(numbered, lambda key: 999).value == 0

"""The parts of ScanRefer and Nr3D that records state are those that lamm-metrics' published rules tell."""

import csv
import json

import numpy as np
import pytest

from lamm_data import build_benchmark
from lamm_metrics import nr3d_easy, nr3d_view_dependent, scanrefer_multiple

CLASSES = ("chair", "table", "lamp", "wall", "trash can", "shower curtain")
NAMES = ("chair", "chair", "table", "lamp", "trash_can", "wall", "shower_curtain", "table")


@pytest.fixture
def root(tmp_path):
    """Eight objects in each of three scenes, two of which scan one room."""
    (tmp_path / "scannet_data").mkdir()
    (tmp_path / "classes.tsv").write_text("".join(f"{k}\t{name}\n" for k, name in enumerate(CLASSES)))
    scenes = ("a_00", "a_01", "b_00")
    for scene in scenes:
        rows = [[3 * k, 0, 1, 1, 1, 1, CLASSES.index(name.replace("_", " ")), k] for k, name in enumerate(NAMES)]
        np.save(tmp_path / "scannet_data" / f"{scene}_aligned_bbox.npy", np.array(rows, dtype=float))
    (tmp_path / "scannetv2_val.txt").write_text("\n".join(scenes))
    return tmp_path


def records(source, root):
    (file,) = build_benchmark(source, root, root / "out", media="ignore")
    return json.loads((root / "out" / file.name).read_text())


def test_scanrefer_unique_and_multiple(root):
    described = {"a_00": (0, 2, 3), "a_01": (0, 1, 3, 4), "b_00": (2, 7, 5, 6)}
    rows = [
        {"scene_id": scene, "object_id": str(k), "object_name": NAMES[k], "ann_id": "0", "description": "it."}
        for scene, objects in described.items()
        for k in objects
    ]
    (root / "ScanRefer_filtered_val.json").write_text(json.dumps(rows))
    nyu40 = {name: name for name in CLASSES}
    stated = [not record["unique"] for record in records("scanrefer", root)]
    assert stated == scanrefer_multiple(rows, nyu40)
    assert {True, False} == set(stated)


def test_nr3d_easy_and_view_dependent(root):
    tokens = (["the", "left"], ["Left"], ["left-most"], ["it's", "back"], [], ["across"], ["backs"])
    stimuli = [f"a_00-office_chair-{count}-0-1-2" for count in (1, 2, 3, 4, 2, 6, 3)]
    rows = [
        {"stimulus_id": stimulus, "tokens": str(words), "scan_id": "a_00", "target_id": "0", "utterance": "it"}
        for stimulus, words in zip(stimuli, tokens, strict=True)
    ]
    with (root / "nr3d.csv").open("w", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    stated = [(record["easy"], record["view_dependent"]) for record in records("nr3d", root)]
    assert stated == [(nr3d_easy(a), nr3d_view_dependent(b)) for a, b in zip(stimuli, tokens, strict=True)]

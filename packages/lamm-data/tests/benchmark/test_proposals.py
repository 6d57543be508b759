"""Numbered objects: of the annotation, of Mask3D's export, of Chat-Scene's attributes."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from lamm_data.benchmark.recipes.cloud_corruption import CloudCorruption, corrupt_clouds
from lamm_data.benchmark.recipes.recipe import Job
from lamm_data.benchmark.run import build_benchmark
from lamm_data.cli import data
from lamm_data.errors import SourceError, UsageError
from lamm_data.records.benchmark import read_benchmark
from lamm_data.records.instruction import read_records

SCENE = "scene0011_00"


@pytest.fixture
def root(tmp_path):
    """A scene of a chair (object 4) and a table (object 12), with a description of each and of a ghost."""
    folder = tmp_path / "root" / "scannet_data"
    folder.mkdir(parents=True)
    boxes = [[0.5, 0.5, 0.5, 1, 1, 1, 1, 4], [5, 5, 0.5, 2, 2, 1, 2, 12]]
    np.save(folder / f"{SCENE}_aligned_bbox.npy", np.array(boxes, dtype=float))
    points = np.array([[0, 0, 0], [1, 1, 1], [4, 4, 0], [6, 6, 1], [9, 9, 9]], np.float32)
    np.save(folder / f"{SCENE}_aligned_vert.npy", np.hstack([points, np.zeros_like(points)]))
    (folder.parent / "classes.tsv").write_text("1\tchair\n2\ttable\n")
    for split in ("train", "val"):
        (folder.parent / f"scannetv2_{split}.txt").write_text(f"{SCENE}\n")
        rows = [
            {"scene_id": SCENE, "object_id": key, "object_name": "x", "ann_id": "0", "description": f"object {key}."}
            for key in ("4", "12", "77")
        ]
        (folder.parent / f"ScanRefer_filtered_{split}.json").write_text(json.dumps(rows))
    return folder.parent


@pytest.fixture
def mask3d(root):
    """What Mask3D exports: the table first, then the chair with a point too many."""
    folder = root.parent / "decoder_-1"
    (folder / "pred_mask").mkdir(parents=True)
    for name, marks in (("0", "00110"), ("1", "11000")):
        (folder / "pred_mask" / f"{SCENE}_{name}.txt").write_text("\n".join(marks) + "\n")
    (folder / f"{SCENE}.txt").write_text("".join(f"pred_mask/{SCENE}_{k}.txt {c} 0.9\n" for k, c in ((0, 7), (1, 5))))
    return folder


def records(root, source="scanrefer", task="visual_grounding3d", **options):
    (file,) = build_benchmark(source, root, root.parent / "out", tasks=(task,), **options)
    return read_benchmark(root.parent / "out" / file.name)


def test_annotated_instances_have_their_own_numbers(root):
    chair, table = records(root, proposals="annotation")
    assert [one["id"] for one in chair.extra["proposals"]] == ["4", "12"]
    assert chair.extra["proposal_source"] == "annotation"
    assert "<OBJ004> [0.500, 0.500, 0.500, 1.000, 1.000, 1.000]; <OBJ012>" in chair.query
    assert "<OBJ012>" in table.system


def test_masks_of_mask3d_become_boxes_with_scores(root, mask3d):
    (chair, _) = records(root, proposals=str(mask3d))
    assert chair.extra["proposals"] == [
        {"id": "0", "bbox": [5, 5, 0.5, 2, 2, 1], "label": "7", "score": 0.9},
        {"id": "1", "bbox": [0.5, 0.5, 0.5, 1, 1, 1], "label": "5", "score": 0.9},
    ]
    assert chair.extra["proposal_source"] == "decoder_-1"
    build_benchmark("scanrefer", root, root.parent / "out", proposals=str(mask3d), fine_tune=True)
    taught = read_records(root.parent / "out" / "VG_ScanRefer_finetune.json")
    assert [record.conversations[-1].text for record in taught] == ["<OBJ001>", "<OBJ000>"]


def test_a_list_and_the_attributes_of_chat_scene_are_read(root):
    path = root.parent / "attributes.json"
    locs = [[0.5, 0.5, 0.5, 1, 1, 1], [9, 9, 9, 1, 1, 1]]
    path.write_text(json.dumps({SCENE: {"locs": locs, "objects": ["chair", "lamp"]}}))
    first = records(root, proposals=str(path))[0].extra["proposals"]
    assert first[1] == {"id": "1", "bbox": [9, 9, 9, 1, 1, 1], "label": "lamp"}
    path.write_text(json.dumps({SCENE: [{"id": 9, "bbox": locs[0]}]}))
    assert records(root, proposals=str(path))[0].extra["proposals"] == [{"id": "9", "bbox": locs[0]}]


def test_dense_captions_are_asked_about_the_proposal_that_overlaps_most(root, mask3d):
    chair, table = records(root, "scan2cap", "dense_caption3d", proposals=str(mask3d))
    assert (chair.id, chair.extra["proposal_id"], table.extra["proposal_id"]) == (f"{SCENE}-4", "1", "0")
    assert chair.gt_bbox == chair.extra["proposal_bbox"] == [0.5, 0.5, 0.5, 1, 1, 1]
    assert "[0.500, 0.500, 0.500, 1.000, 1.000, 1.000]" in chair.query
    assert "proposals" not in chair.extra
    out = root.parent / "out"
    build_benchmark("scan2cap", root, out, tasks=("dense_caption3d",), proposals="annotation", fine_tune=True)
    taught = read_records(out / "DenseCaption_Scan2Cap_finetune.json")
    assert [record.conversations[-1].text for record in taught] == ["object 4.", "object 12."]


def test_a_room_whose_places_are_told_is_not_turned(root):
    job = Job(0, "turned", root, root)
    assert corrupt_clouds(records(root, proposals="annotation"), CloudCorruption("turn", 1), job) == []
    assert job.left_out == {"record that tells places of the room": 2}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        (f"{SCENE}.txt", "pred_mask/a.txt 5\n", "Expected a mask, a class and a score"),
        (f"{SCENE}.txt", "../../secret.txt 5 0.1\n", "secret.txt"),
        (f"pred_mask/{SCENE}_0.txt", "1\n0\n", "each of 5 points of the cloud, got 2"),
    ],
)
def test_broken_exports_are_named(root, mask3d, name, text, words):
    (mask3d / name).write_text(text)
    (root.parent.parent / "secret.txt").write_text("1\n1\n1\n1\n1\n")
    with pytest.raises(SourceError, match=words):
        records(root, proposals=str(mask3d))


def test_a_scene_without_proposals_and_a_task_without_use_for_them_are_refused(root):
    path = root.parent / "other.json"
    path.write_text(json.dumps({"scene0000_00": []}))
    with pytest.raises(SourceError, match=f"the objects of scene {SCENE}"):
        records(root, proposals=str(path))
    with pytest.raises(UsageError, match="Expected proposals for a task out of visual_grounding3d"):
        records(root, "scan2cap", "object_caption3d", proposals="annotation")


def test_the_command_lists_objects_that_are_not_in_their_scene(root):
    argv = ["benchmark", "--source", "scanrefer", "--root", str(root), "--output", str(root / "out")]
    result = CliRunner().invoke(data, [*argv, "--proposals", "annotation"])
    assert result.exit_code == 0, result.output
    assert f"1    objects that are not in their scene: {SCENE}: 77" in result.stdout

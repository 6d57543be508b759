"""3D readers on real annotation files where there are any, else on scenes laid out as the sources document them."""

import json
from collections import Counter

import numpy as np
import pytest
from click.testing import CliRunner

from lamm_data.benchmark.run import build_benchmark
from lamm_data.cli import data
from lamm_data.clouds.reading import load_cloud, resample, sample_mesh
from lamm_data.errors import SourceError
from lamm_data.records.benchmark import read_benchmark
from lamm_data.sources import prepare
from lamm_data.sources.readers import scannet, scannet_export, shapenet, three_rscan
from lamm_data.sources.registry import get_source


def test_scanrefer_names_lose_their_underscores_and_ids_stay_scannets(real_data):
    path = real_data / "scanrefer" / "ScanRefer_filtered_sampled50.json"
    raw = json.loads(path.read_text())
    entries = list(scannet_export.read_descriptions(path))
    assert len(entries) == len(raw) == 50
    assert any("_" in entry["object_name"] for entry in raw)
    for (scene, name, description), entry in zip(entries, raw, strict=True):
        assert scene == entry["scene_id"]
        assert name == entry["object_name"].replace("_", " ")
        assert description.object_id == entry["object_id"]
        assert description.id == f"{scene}-{entry['object_id']}-{entry['ann_id']}"


def test_scanqa_complete_validation_set(real_data):
    grouped = scannet_export.by_scene(scannet_export.read_questions(real_data / "scanqa" / "ScanQA_v1.0_val.json"))
    assert len(grouped) == 71
    assert sum(map(len, grouped.values())) == 4675
    first = grouped["scene0011_00"][0]
    assert first.answers == ("dark brown", "brown")
    assert all(len(set(q.answers)) == len(q.answers) >= 1 for questions in grouped.values() for q in questions)


def test_scanqa_multiple_choice_has_all_questions_and_balanced_places(real_data, tmp_path):
    (file,) = build_benchmark("scanqa", real_data / "scanqa", tmp_path, media="ignore", seed=4, tasks=("vqa3d",))
    records = read_benchmark(tmp_path / file.name)
    assert file.name == "VQA_ScanQA_multiplechoice.json"
    assert len(records) == 4675
    assert Counter(len(set(r.gt_choices)) for r in records) == {6: 4672, 2: 3}  # three are answered by yes or no
    assert all(len(set(r.gt_choices)) == len(r.gt_choices) for r in records)
    assert {r.meta["options_seed"] for r in records} == {4}
    assert all(r.group == r.pcl.split("/")[1][:9] for r in records)
    places = np.bincount([r.gt_choice for r in records], minlength=6) / len(records)
    assert np.abs(places - 1 / 6).max() < 0.02


MESH = """ply
format ascii 1.0
element vertex 6
property float x
property float y
property float z
property uchar red
property uchar green
property uchar blue
element face 2
property list uchar int vertex_indices
end_header
0 0 0 255 0 0
1 0 0 255 0 0
1 2 0 255 0 0
0 2 1 255 0 0
5 5 0 0 0 255
5 6 2 0 0 255
3 0 1 2
3 3 4 5
"""


def scannet_root(tmp_path, alignment="axisAlignment = 0 -1 0 0 1 0 0 0 0 0 1 0.5 0 0 0 1\n"):
    """Two scenes; the first is turned by a quarter and lifted by half a metre."""
    for scene in ("scene0000_00", "scene0000_01"):
        folder = tmp_path / "scans" / scene
        folder.mkdir(parents=True)
        (folder / f"{scene}_vh_clean_2.ply").write_text(MESH)
        segments = {"segIndices": [7, 7, 7, 7, 9, 9]}
        (folder / f"{scene}_vh_clean_2.0.010000.segs.json").write_text(json.dumps(segments))
        groups = [{"id": 0, "objectId": 0, "segments": [7], "label": "office chair"},
                  {"id": 1, "objectId": 1, "segments": [9], "label": "rare thing"}]  # fmt: skip
        (folder / f"{scene}.aggregation.json").write_text(json.dumps({"sceneId": scene, "segGroups": groups}))
        first = scene.endswith("_00")
        (folder / f"{scene}.txt").write_text((alignment if first else "") + "sceneType = Office\n")
    (tmp_path / "scannetv2-labels.combined.tsv").write_text(
        "id\traw_category\tnyu40class\n1\toffice chair\tchair\n2\trare thing\totherprop\n"
    )
    (tmp_path / "scannetv2_val.txt").write_text("scene0000_00\nscene0000_01\n")
    return tmp_path


def test_scannet_boxes_are_axis_aligned_metres(tmp_path):
    pytest.importorskip("open3d", reason="open3d reads the meshes: pip install 'lamm-data[3d]'")
    root = scannet_root(tmp_path)
    assert len(list(prepare.prepare_scannet(root, "val"))) == 2
    turned, plain = get_source("scannet").open(root, "val", "detection3d")
    chair, thing = turned.boxes3d
    assert (chair.label, chair.id, thing.label) == ("chair", "0", "otherprop")
    # Vertices span x 0..1, y 0..2, z 0..1; the matrix maps (x, y, z) to (-y, x, z + 0.5).
    assert chair.centre == pytest.approx((-1, 0.5, 1))
    assert chair.size == pytest.approx((2, 1, 1))
    assert plain.boxes3d[0].centre == pytest.approx((0.5, 1, 0.5))  # no axisAlignment line: identity
    assert turned.group == plain.group == "scene0000"  # two scans of one room
    cloud = np.load(root / turned.media, allow_pickle=False)
    assert cloud.shape == (6, 6)
    assert cloud[0].tolist() == pytest.approx([0, 0, 0.5, 255, 0, 0])
    (file,) = build_benchmark("scannet", root, tmp_path / "out")
    assert (file.name, file.records, file.published) == ("Detection_ScanNet.json", 2, 312)
    assert file.left_out == {"object of a class outside the benchmark": 2}


def test_an_object_that_the_aggregation_lists_twice_is_one_object(tmp_path):
    root = scannet_root(tmp_path)
    path = root / "scans" / "scene0000_00" / "scene0000_00.aggregation.json"
    value = json.loads(path.read_text())
    chair = value["segGroups"][0]
    # Once more with the same id, whose last entry counts as in VoteNet's export, and once more with another id.
    value["segGroups"] += [
        chair | {"segments": [7, 9]},
        chair | {"objectId": 5, "segments": [7, 9], "label": "office chair "},
    ]
    path.write_text(json.dumps(value))
    assert len(list(prepare.prepare_scannet(root, "val"))) == 2
    (file,) = build_benchmark("scannet", root, tmp_path / "out", media="ignore")
    assert file.left_out["duplicate annotation"] == 1
    first = json.loads((tmp_path / "out" / file.name).read_text())[0]
    assert [entry["label"] for entry in first["object"]] == ["chair"]


def test_a_raw_label_that_the_table_lacks_costs_its_object_only(tmp_path):
    root = scannet_root(tmp_path)
    (root / "scannetv2-labels.combined.tsv").write_text("id\traw_category\tnyu40class\n1\toffice chair\tchair\n")
    result = CliRunner().invoke(data, ["prepare", "scannet", "--root", str(root), "--split", "val"])
    assert result.exit_code == 0, result.output
    assert "left out: object of the raw category 'rare thing', which the label table lacks: 2" in result.output
    assert [[box.label for box in item.boxes3d] for item in get_source("scannet").open(root, "val", "detection3d")] == [
        ["chair"],
        ["chair"],
    ]


def test_scanrefer_joins_the_prepared_boxes(tmp_path):
    root = scannet_root(tmp_path)
    np_rows = np.array([[1, 2, 3, 1, 1, 1, 1, 0]], dtype=float)
    folder = root / scannet_export.FOLDER
    folder.mkdir()
    (root / "classes.tsv").write_text("1\tchair\n")
    for scene in ("scene0000_00", "scene0000_01"):
        np.save(folder / f"{scene}_aligned_bbox.npy", np_rows)
        np.save(folder / f"{scene}_aligned_vert.npy", np.zeros((5, 6), np.float32))
    entry = {"scene_id": "scene0000_00", "object_id": "0", "object_name": "office_chair", "ann_id": "0", "token": []}
    rows = [entry | {"description": "the chair."}, entry | {"description": "a ghost.", "object_id": "33"}]
    (root / "ScanRefer_filtered_val.json").write_text(json.dumps(rows))
    (file,) = build_benchmark("scanrefer", root, tmp_path / "out")
    assert (file.name, file.records) == ("VG_ScanRefer.json", 1)
    assert file.left_out == {"description of an object without box": 1}
    (record,) = read_benchmark(tmp_path / "out" / file.name)
    assert record.gt_bbox == [1, 2, 3, 1, 1, 1]


def test_scannet_segments_must_fit_the_mesh(tmp_path):
    root = scannet_root(tmp_path)
    with pytest.raises(SourceError, match="one segment for each of 5"):
        scannet.read_instances(root / "scans" / "scene0000_00", np.zeros((5, 3)))
    (tmp_path / "bad.txt").write_text("axisAlignment = 1 2 3\n")
    with pytest.raises(SourceError, match="16 numbers"):
        scannet.read_alignment(tmp_path / "bad.txt")


def three_rscan_root(tmp_path):
    turn = np.sqrt(0.5)
    axes = [turn, turn, 0, -turn, turn, 0, 0, 0, 1]
    group = {
        "id": 3, "objectId": 3, "label": "chair", "segments": [1],
        "obb": {"centroid": [1, 2, 0.5], "axesLengths": [2, 1, 1], "normalizedAxes": axes},
    }  # fmt: skip
    (tmp_path / "ref1").mkdir()
    (tmp_path / "ref1" / "semseg.v2.json").write_text(
        json.dumps({"scan_id": "ref1", "segGroups": [group, group | {"objectId": 4, "label": "table"}]})
    )
    scenes = [
        {"reference": "ref1", "type": "train", "scans": [{"reference": "scan2"}]},
        {"reference": "v", "type": "validation"},
    ]
    (tmp_path / "3RScan.json").write_text(json.dumps(scenes))
    (tmp_path / "objects.json").write_text(
        json.dumps(
            {"scans": [{"scan": "ref1", "objects": [{"id": "3", "attributes": {"color": ["red"], "state": []}}]}]}
        )
    )
    triples = [[3, 4, 2, "left"], [3, 4, 0, "none"], [3, 99, 1, "supported by"]]
    (tmp_path / "relationships.json").write_text(json.dumps({"scans": [{"scan": "ref1", "relationships": triples}]}))
    asked = {"scan": "ref1", "question": "How many chairs?", "answer": 1, "image_index": 0}
    (tmp_path / "CLEVR3D-REAL.json").write_text(json.dumps({"questions": [asked]}))
    return tmp_path


def test_3rscan_oriented_boxes_attributes_relations_and_questions(tmp_path):
    first, rescan = three_rscan.open_3rscan(three_rscan_root(tmp_path), "train")
    chair, table = first.boxes3d
    assert chair.centre == (1, 2, 0.5)
    # A 2 x 1 box turned by 45 degrees spans (2 + 1) / sqrt(2) both ways.
    assert chair.values[3:] == pytest.approx((3 / np.sqrt(2), 3 / np.sqrt(2), 1))
    assert chair.attributes == ("red",)
    assert table.attributes == ()
    assert [(r.subject, r.predicate, r.object) for r in first.relations] == [("chair", "left", "table")]
    assert [(q.text, q.answers) for q in first.questions] == [("How many chairs?", ("1",))]
    assert rescan.group == first.group == "ref1"
    assert rescan.boxes3d == ()
    oriented = three_rscan.read_scan(tmp_path / "ref1" / "semseg.v2.json")[0]
    assert oriented.size == (2, 1, 1)
    assert len(oriented.axes) == 3
    (validation,) = three_rscan.open_3rscan(tmp_path, "val")
    assert validation.id == "v"


def test_shapenet_takes_the_first_of_comma_names(tmp_path):
    taxonomy = [{"synsetId": "04256520", "name": "sofa,couch,lounge", "children": [], "numInstances": 1}]
    (tmp_path / "taxonomy.json").write_text(json.dumps(taxonomy))
    models = tmp_path / "04256520" / "abc" / "models"
    models.mkdir(parents=True)
    (models / "model_normalized.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    (item,) = shapenet.open_shapenet(tmp_path, "all")
    assert item.classes[0].name == "sofa"
    assert item.media == "shapenet_pcls/04256520_abc_4096.npy"
    pytest.importorskip("open3d", reason="open3d reads the meshes: pip install 'lamm-data[3d]'")
    ((path, fault, _),) = prepare.prepare_shapenet(tmp_path, "all")
    assert fault == ""
    cloud = load_cloud(tmp_path / path)
    assert cloud.shape == (4096, 3)
    assert np.allclose(cloud[:, 1], 0)  # the triangle's z, which was 0, became -y
    assert (cloud[:, 0] + cloud[:, 2]).max() <= 1 + 1e-6
    (tmp_path / "99").mkdir()
    (tmp_path / "99" / "m").mkdir()
    with pytest.raises(SourceError, match="99"):
        list(shapenet.open_shapenet(tmp_path, "all"))


@pytest.mark.parametrize(
    ("name", "points"), [("fuze_ascii.ply", None), ("fuze.ply", None), ("bunny.pcd", 397), ("test_pcd.pcd", None)]
)
def test_real_cloud_files_are_read(real_data, name, points):
    pytest.importorskip("open3d", reason="open3d reads cloud files: pip install 'lamm-data[3d]'")
    cloud = load_cloud(real_data / "pointcloud" / name)
    assert cloud.dtype == np.float32
    assert cloud.shape[1] in (3, 6)
    assert points is None or len(cloud) == points


def test_ascii_and_binary_ply_of_one_mesh_agree(real_data):
    pytest.importorskip("open3d", reason="open3d reads cloud files: pip install 'lamm-data[3d]'")
    ascii_, binary = (load_cloud(real_data / "pointcloud" / name) for name in ("fuze_ascii.ply", "fuze.ply"))
    assert ascii_.shape[0] == binary.shape[0]
    assert np.allclose(ascii_[:, :3], binary[:, :3], atol=1e-4)


def test_empty_pickled_and_infinite_clouds_are_refused(real_data, tmp_path):
    np.save(tmp_path / "pickled.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "nan.npy", np.array([[0, np.nan, 0]]))
    np.save(tmp_path / "flat.npy", np.zeros(3))
    for name in ("pickled", "nan", "flat", "none"):
        with pytest.raises(SourceError, match=name):
            load_cloud(tmp_path / f"{name}.npy")
    pytest.importorskip("open3d", reason="open3d reads cloud files: pip install 'lamm-data[3d]'")
    with pytest.raises(SourceError, match="ply_empty"):
        load_cloud(real_data / "pointcloud" / "ply_empty_header.ply")
    with pytest.raises(SourceError, match="triangles"):
        sample_mesh(real_data / "pointcloud" / "ply_empty_header.ply", 10, 0)


def test_resampling_is_seeded_and_repeats_only_what_is_missing():
    cloud = np.arange(30, dtype=np.float32).reshape(10, 3)
    assert (resample(cloud, 6, 1) == resample(cloud, 6, 1)).all()
    assert len(np.unique(resample(cloud, 6, 1), axis=0)) == 6
    assert len(np.unique(resample(cloud, 25, 1), axis=0)) == 10

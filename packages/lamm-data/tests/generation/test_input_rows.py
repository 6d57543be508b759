"""Rows from the download folders of sources, joined as LAMM's prompts need them."""

import json
import os
import zipfile
from pathlib import Path

import pytest

from lamm_data.errors import UsageError
from lamm_data.generation.input_rows import read_rows
from lamm_data.generation.rows import Row
from lamm_data.sample.world import write_world
from lamm_data.sources.registry import get_source

REAL = Path(os.environ.get("LAMM_TEST_DATA", Path(__file__).parents[5] / "shared" / "data"))


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def coco(root):
    images = [{"id": n, "file_name": f"{n:012d}.jpg", "width": 200, "height": 100} for n in (7, 8, 9)]
    told = [{"id": n, "image_id": n, "caption": f" Picture {n}. \n"} for n in (7, 8, 9)]
    boxes = [
        {"id": 1, "image_id": 8, "category_id": 3, "bbox": [20, 10, 40, 50], "iscrowd": 0},
        {"id": 2, "image_id": 8, "category_id": 3, "bbox": [0, 0, 200, 100], "iscrowd": 1},
    ]
    categories = [{"id": 3, "name": "car"}]
    write(root / "annotations" / "captions_train2017.json", {"images": images, "annotations": told})
    instances = {"images": images, "annotations": boxes, "categories": categories}
    write(root / "annotations" / "instances_train2017.json", instances)


def test_coco_captions_are_joined_with_boxes(tmp_path):
    coco(tmp_path)
    rows = {row.id: row for row in read_rows(tmp_path)}
    assert sorted(rows) == ["000000000007", "000000000008", "000000000009"]
    row = rows["000000000008"]
    assert (row.media, row.captions, row.source) == ("000000000008.jpg", ("Picture 8.",), {"src_image": "coco2017"})
    assert [(item.label, item.box) for item in row.objects] == [("car", (0.1, 0.1, 0.3, 0.6))]
    assert row.licence.startswith("CC-BY-4.0")
    assert rows["000000000007"].objects == ()


def test_visual_genome_beside_coco_gives_attributes_and_relations(tmp_path):
    coco(tmp_path)
    graph = tmp_path / "visual_genome"
    car = {"object_id": 1, "x": 10, "y": 20, "w": 30, "h": 40, "names": ["car"]}
    man = {"object_id": 2, "x": 0, "y": 0, "w": 10, "h": 10, "names": ["man"]}
    url = "https://x/VG_100K/5.jpg"
    write(graph / "image_data.json", [{"image_id": 5, "width": 100, "height": 100, "url": url, "coco_id": 7}])
    write(graph / "objects.json", [{"image_id": 5, "objects": [car, man]}])
    write(graph / "attributes.json", [{"image_id": 5, "attributes": [{**car, "attributes": ["Red", "old"]}]}])
    relation = {"relationship_id": 1, "predicate": "ON", "subject": man, "object": car}
    write(graph / "relationships.json", [{"image_id": 5, "relationships": [relation]}])
    rows = {row.id: row for row in read_rows(tmp_path)}
    assert len(rows) == 3
    row = rows["000000000007"]
    assert (row.media, row.captions) == ("000000000007.jpg", ("Picture 7.",))
    assert [(item.label, item.attributes) for item in row.objects] == [("car", ("red", "old")), ("man", ())]
    assert row.objects[0].box == (0.1, 0.2, 0.4, 0.6)
    assert row.relations == (("man", "on", "car"),)
    assert row.origin["objects"] == "objects.json"
    assert rows["000000000008"].objects[0].label == "car"


def test_rooms_come_with_attributes_relations_and_questions(tmp_path):
    obb = {"centroid": [1, 2, 3], "axesLengths": [2, 1, 1], "normalizedAxes": [1, 0, 0, 0, 1, 0, 0, 0, 1]}
    groups = [{"objectId": 1, "label": "chair", "obb": obb}, {"objectId": 2, "label": "table", "obb": obb}]
    write(tmp_path / "3RScan.json", [{"reference": "s1", "type": "train", "scans": []}])
    write(tmp_path / "s1" / "semseg.v2.json", {"scan_id": "s1", "segGroups": groups})
    attributes = {"color": ["brown"]}
    write(tmp_path / "objects.json", {"scans": [{"scan": "s1", "objects": [{"id": "1", "attributes": attributes}]}]})
    write(tmp_path / "relationships.json", {"scans": [{"scan": "s1", "relationships": [[1, 2, 5, "close by"]]}]})
    asked = [{"scan": "s1", "question": "Are there chairs?", "answer": "yes"}]
    write(tmp_path / "CLEVR3D-REAL.json", {"questions": asked})
    (row,) = read_rows(tmp_path)
    assert (row.id, row.modality, row.media) == ("s1", "pcl", "3rscan_pcls/s1.npy")
    assert row.objects[0].box == (1, 2, 3, 2, 1, 1)
    assert row.objects[0].attributes == ("brown",)
    assert row.relations == (("chair", "close by", "table"),)
    assert [(question.text, question.answers) for question in row.questions] == [("Are there chairs?", ("yes",))]
    assert row.source == {"src_dataset": "3RScan", "src_id": "s1"}


def test_relations_need_no_boxes(tmp_path):
    write(tmp_path / "3RScan.json", [{"reference": "s1", "type": "train", "scans": []}])
    objects = [{"id": "1", "label": "chair"}, {"id": "2", "label": "table"}, {"id": "3", "label": " "}]
    write(tmp_path / "objects.json", {"scans": [{"scan": "s1", "objects": objects}]})
    triples = [[1, 2, 5, "close by"], [1, 3, 5, "close by"]]
    write(tmp_path / "relationships.json", {"scans": [{"scan": "s1", "relationships": triples}]})
    (item,) = get_source("3dssg").open(tmp_path, "train", "scene_graph3d")
    assert [(found.subject, found.predicate, found.object) for found in item.relations] == [
        ("chair", "close by", "table")
    ]


def test_the_sample_worlds_rooms_bring_boxes_and_questions(tmp_path):
    write_world(tmp_path, images=12, rooms=4)
    rows = list(read_rows(tmp_path / "rooms"))
    assert rows
    for row in rows:
        assert row.objects
        assert all(len(item.box) in (6, 7) for item in row.objects)
        assert all(question.answers for question in row.questions)
        assert (row.source["src_dataset"], row.group) == ("SampleRooms", row.id.rpartition("_")[0])
    for row in [*rows, *read_rows(tmp_path / "scenes")]:
        assert row.licence.startswith("CC0-1.0")
        assert {row.source.get("src_image"), row.source.get("src_dataset")} & {"SampleScenes", "SampleRooms"}


def test_classes_with_descriptions_become_labels(tmp_path):
    pillow = pytest.importorskip("PIL.Image")
    system = {"id2name": {"n1": ["barn owl"]}, "child2father": {}, "id2desc": {"n1": ["A pale owl."]}}
    write(tmp_path / "sensexo_visual_add_academic_add_state_V4.visual.json", system)
    (tmp_path / "bamboo_images").mkdir()
    pillow.new("RGB", (4, 4)).save(tmp_path / "bamboo_images" / "abc.n1.jpeg")
    (row,) = read_rows(tmp_path)
    assert (row.label, row.description, row.captions) == ("barn owl", "A pale owl.", ())


def test_a_split_can_be_chosen_and_a_missing_one_is_named(tmp_path):
    coco(tmp_path)
    assert len(list(read_rows(tmp_path, "train"))) == 3
    with pytest.raises(UsageError, match="captions_val"):
        list(read_rows(tmp_path, "val"))


def test_an_unknown_folder_is_told_what_is_known(tmp_path):
    with pytest.raises(UsageError, match=r"3RScan\.json"):
        list(read_rows(tmp_path))


@pytest.mark.skipif(not (REAL / "scanqa").is_dir(), reason="needs the real files of LAMM_TEST_DATA")
def test_real_scanqa_questions_become_rows():
    rows = list(read_rows(REAL / "scanqa", "val"))
    assert len(rows) == 71
    assert sum(len(row.questions) for row in rows) == 4675
    assert all(isinstance(row, Row) and row.media.endswith(".npy") for row in rows)


@pytest.mark.skipif(not (REAL / "visual_genome").is_dir(), reason="needs the real files of LAMM_TEST_DATA")
def test_real_visual_genome_rows_hold_attributes_and_relations(tmp_path):
    for path in (REAL / "visual_genome").glob("*v1.2.0.zip"):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith(".json"):
                    (tmp_path / Path(name).name).write_bytes(archive.read(name))
    rows = list(read_rows(tmp_path))
    assert rows
    assert any(item.attributes for row in rows for item in row.objects)
    assert any(row.relations for row in rows)
    assert all(0 <= value <= 1 for row in rows for item in row.objects for value in item.box)


def test_a_byte_order_mark_costs_no_row(tmp_path):
    (tmp_path / "rows.jsonl").write_bytes(b'\xef\xbb\xbf{"image": "a.jpg"}\r\n{"image": "b.jpg"}\r\n')
    assert [row.id for row in read_rows(tmp_path / "rows.jsonl")] == ["a", "b"]

"""Traps of the source formats that are not in the tests of a reader of their own, and damaged downloads."""

import json
import re

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from lamm_data.benchmark.run import build_benchmark
from lamm_data.cli import data
from lamm_data.errors import SourceError
from lamm_data.records.benchmark import read_benchmark
from lamm_data.records.instruction import read_records
from lamm_data.sources import prepare
from lamm_data.sources.check import check_download
from lamm_data.sources.readers import bamboo, coco, flickr30k, scannet_export, textvqa, three_rscan, visual_genome
from lamm_data.sources.registry import get_source
from lamm_data.templates.run import ConvertSettings, convert_source


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def picture(path, size=(100, 50)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size).save(path)


def genome_root(tmp_path, objects, attributes=(), relationships=()):
    image = {
        "image_id": 1,
        "width": 100,
        "height": 50,
        "url": "https://x/VG_100K/1.jpg",
        "coco_id": 7,
        "flickr_id": None,
    }
    write(tmp_path / "image_data.json", [image])
    write(tmp_path / "objects.json", [{"image_id": 1, "objects": objects}])
    write(tmp_path / "attributes.json", [{"image_id": 1, "attributes": attributes}])
    write(tmp_path / "relationships.json", [{"image_id": 1, "relationships": relationships}])
    return tmp_path


BOX = {"x": 1, "y": 2, "w": 30, "h": 40}


def test_visual_genome_14_joins_attributes_and_relations_of_merged_objects(tmp_path):
    objects = [
        {"object_id": 10, "names": ["Man", "guy"], "synsets": ["man.n.01"], "merged_object_ids": [11, 12], **BOX},
        {"object_id": 20, "names": ["hat"], "synsets": [], "merged_object_ids": [], **BOX},
    ]
    attributes = [{"object_id": 10, "attributes": ["tall"]}, {"object_id": 11, "attributes": ["Tall ", "old"]}]
    relation = {"relationship_id": 1, "predicate": "WEARING a", "synsets": [],
                "subject": {"object_id": 12, "name": "man"}, "object": {"object_id": 20, "names": ["hat"]}}  # fmt: skip
    (item,) = visual_genome.read_visual_genome(genome_root(tmp_path, objects, attributes, [relation]))
    man, hat = item.boxes
    assert (man.label, man.attributes, hat.attributes) == ("man", ("tall", "old"), ())
    (triple,) = item.relations
    assert (triple.subject_id, triple.predicate, triple.object) == ("10", "wearing a", "hat")
    assert item.link == {"coco": "7"}  # flickr_id is null


def test_visual_genome_files_of_two_versions_are_refused(tmp_path):
    objects = [{"id": 5, "name": "man", **BOX}]
    attributes = [{"object_id": 1_058_498, "attributes": ["tall"], "names": ["man"], **BOX}]
    with pytest.raises(SourceError, match="one version of Visual Genome"):
        list(visual_genome.read_visual_genome(genome_root(tmp_path, objects, attributes)))


def question(**values):
    base = {"question_id": 1, "question": "what brand?", "image_id": "a", "image_width": 9, "image_height": 8}
    return base | {"answers": ["nokia"] * 10, "set_name": "train"} | values


def test_textvqa_05_is_read_and_unknown_versions_are_refused(tmp_path):
    write(tmp_path / "TextVQA_0.5_train.json", {"dataset_version": "0.5", "data": [question()]})
    (item,) = textvqa.open_textvqa(tmp_path, "train")
    assert item.questions[0].answers == ("nokia",)
    write(tmp_path / "TextVQA_0.5.1_train.json", {"dataset_version": "2.0", "data": [question()]})
    with pytest.raises(SourceError, match=r"got dataset_version '2\.0'"):
        list(textvqa.open_textvqa(tmp_path, "train"))  # the newer file goes first


def test_bamboo_detection_names_classes_by_the_label_system(tmp_path):
    entry = {"id": 1, "image_id": 1, "category_id": 3, "bbox": [0, 0, 5, 5], "iscrowd": 0}
    image = {"id": 1, "file_name": "a.jpeg", "width": 10, "height": 10}
    names = [{"id": 3, "name": "n02084071"}]
    write(
        tmp_path / "annotations" / "instances_train.json",
        {"images": [image], "annotations": [entry], "categories": names},
    )
    (item,) = bamboo.open_bamboo_detection(tmp_path, "train")
    assert item.boxes[0].label == "n02084071"
    write(tmp_path / bamboo.LABEL_SYSTEM, {"id2name": {"n02084071": ["dog", "domestic dog"]}, "child2father": {}})
    (item,) = bamboo.open_bamboo_detection(tmp_path, "train")
    assert (item.boxes[0].label, item.media) == ("dog", "bamboo_images/a.jpeg")


def coco_value():
    return {
        "info": {}, "licenses": [{"id": 1, "name": "Attribution-NonCommercial License", "url": ""}],
        "images": [{"id": "a1", "file_name": "a.jpg", "width": 100, "height": 50, "license": 1},
                   {"id": 2, "file_name": "b.jpg", "width": 100, "height": 50}],
        "annotations": [{"id": "x", "image_id": "a1", "category_id": 90, "bbox": [10, 5, 20, 20], "iscrowd": 0},
                        {"id": 1, "image_id": 2, "category_id": 1, "bbox": [0, 0, 50, 25], "iscrowd": 0}],
        "categories": [{"id": 1, "name": "person"}, {"id": 90, "name": "toothbrush"}],
    }  # fmt: skip


def test_coco_ids_may_be_text_or_numbers_and_category_ids_have_gaps(tmp_path):
    first, second = coco.read_instances(write(tmp_path / "c.json", coco_value()))
    assert (first.id, second.id) == ("a1", "2")
    assert (first.boxes[0].label, first.boxes[0].id) == ("toothbrush", "x")
    assert (first.licence, second.licence) == ("Attribution-NonCommercial License", "")


@pytest.mark.parametrize("section", ["images", "annotations", "categories"])
def test_a_coco_file_without_one_of_its_sections_is_refused(tmp_path, section):
    value = coco_value()
    del value[section]
    with pytest.raises(SourceError, match=f"COCO file with .*{section}"):
        list(coco.read_instances(write(tmp_path / "c.json", value)))
    with pytest.raises(SourceError, match=r"one JSON object, got '\['"):
        list(coco.read_instances(write(tmp_path / "c.json", [value])))


def test_images_without_any_annotation_are_images(tmp_path):
    first, second = coco.read_instances(write(tmp_path / "c.json", coco_value() | {"annotations": []}))
    assert first.boxes == second.boxes == ()


def test_an_image_listed_twice_is_refused(tmp_path):
    value = coco_value()
    value["images"].append(value["images"][0])
    with pytest.raises(SourceError, match="image id 'a1' more than once"):
        list(coco.read_instances(write(tmp_path / "c.json", value)))


@pytest.fixture
def coco_2014(tmp_path):
    write(tmp_path / "annotations" / "instances_train2014.json", coco_value())
    for name in "ab":
        picture(tmp_path / "train2014" / f"{name}.jpg")
    return tmp_path


def test_a_download_of_either_year_is_complete(coco_2014):
    finding = check_download(get_source("coco_detection"), coco_2014, decode=True)
    assert finding.faults == []
    assert (finding.items, finding.media) == (2, 2)


def test_truncated_annotations_name_line_and_byte_whoever_reads_them(coco_2014, tmp_path):
    path = coco_2014 / "annotations" / "instances_train2014.json"
    whole = path.read_bytes()
    path.write_bytes(whole[:200])
    (fault,) = check_download(get_source("coco_detection"), coco_2014).faults
    assert int(re.search(r"byte (\d+)", fault)[1]) <= 200
    # Files that are read whole say it as well; the mark and the two-byte letters count as bytes.
    (tmp_path / "objects.json").write_bytes('\ufeff[\n{"é": '.encode())
    from lamm_data.files.json_lines import load_json

    with pytest.raises(SourceError, match=r"objects\.json, line 2, byte 12"):
        load_json(tmp_path / "objects.json")


def test_damaged_photographs_are_counted_and_the_rest_goes_on(tmp_path):
    for name in ("good", "bad"):
        picture(tmp_path / "Images" / "beach" / f"{name}.tif")
    (tmp_path / "Images" / "beach" / "bad.tif").write_bytes(b"II*\0 no picture")
    out = tmp_path / "i.jsonl"
    with pytest.raises(SourceError, match=r"bad\.tif \(media damaged\)"):
        convert_source("ucmerced", tmp_path, out)
    assert not out.exists()
    counts = convert_source("ucmerced", tmp_path, out, ConvertSettings(media="skip-missing"))
    assert counts["fine_grained_classification: left out: media damaged"] == 1
    assert [record.image for record in read_records(out)] == ["Images/beach/good.tif"]
    (file,) = build_benchmark("ucmerced", tmp_path, tmp_path / "bench", media="skip-missing")
    assert (file.records, file.left_out) == (1, {"left out: media damaged": 1})


def test_media_behind_links_out_of_the_root_are_refused(coco_2014, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    picture(elsewhere / "secret.jpg")
    (coco_2014 / "train2014" / "a.jpg").unlink()
    (coco_2014 / "train2014" / "a.jpg").symlink_to(elsewhere / "secret.jpg")
    with pytest.raises(SourceError, match=r"a\.jpg \(media outside the root\)"):
        convert_source("coco_detection", coco_2014, coco_2014 / "i.jsonl")
    counts = convert_source("coco_detection", coco_2014, coco_2014 / "i.jsonl", ConvertSettings(media="skip-missing"))
    assert counts["detection: left out: media outside the root"] == 1


def test_names_that_climb_out_of_the_root_are_refused(coco_2014):
    path = coco_2014 / "annotations" / "instances_train2014.json"
    value = coco_value()
    value["images"][0]["file_name"] = "../../../../etc/hostname"
    write(path, value)
    with pytest.raises(SourceError, match="media outside the root"):
        convert_source("coco_detection", coco_2014, coco_2014 / "i.jsonl")
    assert any("outside the root" in fault for fault in check_download(get_source("coco_detection"), coco_2014).faults)


def rescan_root(tmp_path):
    write(tmp_path / "3RScan.json", [{"reference": "r1", "type": "train", "scans": [{"reference": "r2"}]}])
    turn = float(np.sqrt(0.5))
    obb = {"centroid": [0, 0, 0], "axesLengths": [2, 1, 1], "normalizedAxes": [turn, turn, 0, -turn, turn, 0, 0, 0, 1]}
    groups = [{"objectId": 1, "label": "chair", "obb": obb}]
    write(tmp_path / "r1" / "semseg.v2.json", {"scan_id": "r1", "segGroups": groups})
    head = "ply\nformat ascii 1.0\nelement vertex 3\n" + "".join(f"property float {n}\n" for n in "xyz")
    head += "".join(f"property uchar {n}\n" for n in ("red", "green", "blue"))
    head += "property ushort objectId\nproperty ushort globalId\nproperty uchar NYU40\nproperty uchar Eigen13\n"
    head += "property uchar RIO27\nelement face 1\nproperty list uchar int vertex_indices\nend_header\n"
    rows = "0 0 0 255 0 0 1 1 5 5 5\n1 0 0 0 255 0 1 1 5 5 5\n0 1 2.5 0 0 255 1 1 5 5 5\n3 0 1 2\n"
    (tmp_path / "r1" / "labels.instances.annotated.v2.ply").write_text(head + rows)
    return tmp_path


def test_3rscan_boxes_keep_their_orientation_and_are_written_axis_aligned(tmp_path):
    (first, _) = three_rscan.open_3rscan(rescan_root(tmp_path), "train")
    (chair,) = first.boxes3d
    assert chair.size == (2, 1, 1)
    assert len(chair.axes) == 3
    assert chair.values == pytest.approx([0, 0, 0, 3 / np.sqrt(2), 3 / np.sqrt(2), 1])


def test_3rscan_detection_is_written_aligned_or_oriented(tmp_path):
    root = rescan_root(tmp_path)
    for shape, wanted in (("aligned", 6), ("oriented", 9)):
        argv = ["benchmark", "--source", "3rscan", "--split", "train", "--root", str(root), "--media", "ignore"]
        result = CliRunner().invoke(data, [*argv, "--output", str(tmp_path / shape), "--boxes", shape])
        assert result.exit_code == 0, result.output
        (record,) = read_benchmark(tmp_path / shape / "Detection_3RScan_train.json")
        assert len(record.object[0]["bbox"]) == wanted
    assert record.object[0]["bbox"] == [0, 0, 0, 2, 1, 1, round(np.pi / 4, 4), 0, 0]


def test_3rscan_clouds_drop_the_colours_that_give_the_answers_away(tmp_path):
    pytest.importorskip("open3d", reason="open3d reads the meshes: pip install 'lamm-data[3d]'")
    root = rescan_root(tmp_path)
    made = {name: fault for name, fault, _ in prepare.prepare_3rscan(root, "train")}
    assert made["3rscan_pcls/r1.npy"] == ""
    assert "got nothing" in made["3rscan_pcls/r2.npy"]  # a rescan without a labelled mesh
    cloud = np.load(root / "3rscan_pcls" / "r1.npy", allow_pickle=False)
    assert cloud.tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 2.5]]
    assert json.loads((root / "3rscan_pcls" / "clouds.json").read_text())["units"] == "metres"
    result = CliRunner().invoke(data, ["prepare", "3rscan", "--root", str(root), "--workers", "1"])
    assert "1 files of 3rscan are ready" in result.output
    assert isinstance(result.exception, SourceError)


def test_duplicate_ids_of_a_source_are_reported_and_a_benchmark_refuses_them(tmp_path):
    picture(tmp_path / "img" / "a.jpg")
    one = (
        '<image><imageName>img/a.jpg</imageName><Resolution x="100" y="50"/><taggedRectangles>'
        '<taggedRectangle height="9" width="9" x="0" y="0"><tag>GO</tag></taggedRectangle></taggedRectangles></image>'
    )
    (tmp_path / "test.xml").write_text(f"<tagset>{one}{one}</tagset>")
    assert "duplicate id: a (test.xml)" in check_download(get_source("svt"), tmp_path, "test").faults
    with pytest.raises(SourceError, match="'a' first"):
        build_benchmark("svt", tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_flickr30k_captions_of_other_images_are_left_out(tmp_path):
    write_lines(tmp_path / flickr30k.TOKEN_FILE, [f"10.jpg#{k}\tCaption {k} ." for k in range(3)])
    write_lines(tmp_path / "Sentences" / "10.txt", ["[/EN#1/people A man] ."] * 2)
    write_lines(tmp_path / "Annotations" / "10.xml", ["<annotation/>"])
    write_lines(tmp_path / flickr30k.UNRELATED_FILE, ["img_id caption", "10.jpg#1", "99 0"])
    (item,) = flickr30k.open_flickr30k(tmp_path, "all")
    assert item.captions == ("Caption 0.", "Caption 2.")
    write_lines(tmp_path / "train.txt", ["10"])
    (item,) = flickr30k.open_entities(tmp_path, "train")
    assert item.captions == ("A man.",)
    write_lines(tmp_path / flickr30k.UNRELATED_FILE, ["10 1", "nonsense"])
    with pytest.raises(SourceError, match="line 2"):
        list(flickr30k.open_flickr30k(tmp_path, "all"))


def write_lines(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("key", ["question", "questions"])
def test_clevr3d_lists_its_questions_under_either_key(tmp_path, key):
    asked = {"scan": "r1", "question": "What is it?", "answer": "chair", "image_index": 0, "question_type": "query"}
    grouped = three_rscan.read_clevr3d(write(tmp_path / "c.json", {key: [asked]}))
    assert [(q.text, q.answers) for q in grouped["r1"]] == [("What is it?", ("chair",))]


def test_scanqa_test_questions_have_no_answers(tmp_path):
    entry = {"question_id": "test-1", "scene_id": "scene0707_00", "question": "What is it?"}
    ((scene, asked),) = scannet_export.read_questions(write(tmp_path / "q.json", [entry]))
    assert (scene, asked.answers, asked.id) == ("scene0707_00", (), "test-1")


def test_relations_that_depend_on_where_one_stands_are_not_asked(tmp_path):
    root = rescan_root(tmp_path)
    value = json.loads((root / "r1" / "semseg.v2.json").read_text())
    value["segGroups"].append(value["segGroups"][0] | {"objectId": 2, "label": "table"})
    write(root / "r1" / "semseg.v2.json", value)
    write(root / "objects.json", {"scans": []})
    triples = [[1, 2, 2, "left"], [2, 1, 15, "bigger than"]]
    write(root / "relationships.json", {"scans": [{"scan": "r1", "relationships": triples}]})
    counts = convert_source("3dssg", root, tmp_path / "i.jsonl", ConvertSettings(media="ignore", style="short"))
    assert counts["scene_graph3d: left out: relation that depends on the viewpoint"] == 1
    (record,) = read_records(tmp_path / "i.jsonl")
    assert record.conversations[1].text == "bigger than"


def test_a_check_finds_truncated_and_damaged_photographs_by_itself(coco_2014):
    source = get_source("coco_detection")
    path = coco_2014 / "train2014" / "a.jpg"
    Image.effect_noise((100, 50), 80).convert("RGB").save(path)
    path.write_bytes(path.read_bytes()[:-400])  # header and most of the picture are there
    picture(coco_2014 / "train2014" / "b.jpg", (10, 10))
    one, two = (check_download(source, coco_2014, decode=True, workers=number) for number in (1, 2))
    assert one.kinds == two.kinds == {"media damaged": 1, "media of another size": 1}
    assert any("a.jpg" in fault and "truncated" in fault for fault in one.faults)
    assert check_download(source, coco_2014).faults == []
    result = CliRunner().invoke(data, ["sources", "coco_detection", "--root", str(coco_2014), "--workers", "1"])
    assert isinstance(result.exception, SourceError)
    assert "1  media damaged" in result.output


def test_many_faults_of_a_kind_are_counted_and_hide_no_others(coco_2014):
    value = coco_value()
    value["images"] += [{"id": k, "file_name": f"{k}.jpg", "width": 9, "height": 9} for k in range(10, 60)]
    write(coco_2014 / "annotations" / "instances_train2014.json", value)
    (coco_2014 / "train2014" / "b.jpg").write_bytes(b"nothing")
    finding = check_download(get_source("coco_detection"), coco_2014, decode=True)
    assert finding.kinds == {"media missing": 50, "media damaged": 1}
    assert len(finding.faults) == 11

"""Readers on records that other people made (LAMM_TEST_DATA)."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from lamm_data.records.instruction import read_records
from lamm_data.sources.readers import cifar10, coco, fsc147, scienceqa, svt, textvqa, visual_genome, voc
from lamm_data.templates.convert import Conversion, convert
from lamm_data.templates.run import ConvertSettings, convert_source
from lamm_data.writing.english import plural, singular


def test_coco_instances(real_data):
    path = real_data / "coco100" / "instances_val2014_100.json"
    items = list(coco.read_instances(path, "val2014"))
    assert len(items) == 100
    assert sum(len(item.boxes) for item in items) == 839
    assert sum(box.crowd for item in items for box in item.boxes) == 9
    tie = items[0].boxes[0]
    raw = next(a for a in json.loads(path.read_text())["annotations"] if a["id"] == int(tie.id))
    x, y, width, height = raw["bbox"]
    assert tie.label == "tie"
    assert tie.xyxy == pytest.approx((x, y, x + width, y + height))
    assert items[0].media == "val2014/COCO_val2014_000000001146.jpg"


def test_coco_crowd_regions_are_kept_out_of_dialogue_and_counted(real_data):
    items = coco.read_instances(real_data / "coco100" / "instances_val2014_100.json")
    conversion = Conversion("detection", "coco2014")
    records = list(convert(items, conversion))
    assert conversion.counts["left out: crowd region"] == 9
    assert conversion.counts["records written"] == len(records) > 90


def test_coco_keypoints_leave_unlabelled_joints_out(real_data):
    path = real_data / "coco" / "person_keypoints_4img.json"
    items = list(coco.read_keypoints(path, "images"))
    raw = [a for a in json.loads(path.read_text())["annotations"] if a["num_keypoints"]]
    people = [person for item in items for person in item.keypoints]
    assert sorted(len(p.labelled()) for p in people) == sorted(a["num_keypoints"] for a in raw)
    assert all(point != (0, 0) for p in people for point in p.labelled().values())
    assert all((real_data / "coco" / item.media).is_file() for item in items)


@pytest.fixture(params=["1.0.0", "1.2.0"])
def genome(request, real_data, tmp_path):
    for name in ("objects", *visual_genome.OPTIONAL):
        with zipfile.ZipFile(real_data / "visual_genome" / f"{name}_v{request.param}.zip") as archive:
            for member in archive.namelist():
                if member.endswith(".json"):
                    (tmp_path / Path(member).name).write_bytes(archive.read(member))
    return request.param, tmp_path


def test_visual_genome_joins_its_five_files(genome):
    version, root = genome
    items = list(visual_genome.read_visual_genome(root))
    assert [item.id for item in items] == ["1", "2", "3", "4", "5"]
    first = items[0]
    assert first.media == "VG_100K_2/1.jpg"
    assert (first.width, first.height) == (800, 600)
    assert first.boxes[0].xyxy == (421, 91, 500, 430)  # x, y, w, h of the clock
    assert first.boxes[0].attributes == (("green",) if version == "1.0.0" else ("green", "tall"))
    relation = first.relations[0]
    assert (relation.subject, relation.predicate, relation.object) == ("shade", "on", "street")
    assert {relation.subject_id, relation.object_id} <= {box.id for box in first.boxes}
    assert first.questions[0].text == "What color is the clock?"
    assert first.questions[0].answers == ("Green",)
    assert "the clock is green in colour" in first.captions
    assert first.link == {}


def test_visual_genome_objects_without_attributes_have_none(genome):
    version, root = genome
    boxes = [box for item in visual_genome.read_visual_genome(root) for box in item.boxes]
    expected = {"1.0.0": (224, 117), "1.2.0": (177, 110)}[version]
    assert (len(boxes), sum(bool(box.attributes) for box in boxes)) == expected


def test_visual_genome_converts_to_every_task_it_has(genome, tmp_path):
    _, root = genome
    out = tmp_path / "i.jsonl"
    counts = convert_source("visual_genome", root, out, ConvertSettings(media="ignore", style="short"))
    records = read_records(out)
    assert {record.meta["task"] for record in records} == {"detection", "vqa", "caption", "scene_graph"}
    assert counts["scene_graph: records written"] > 0


def test_visual_genome_files_may_be_in_another_order(genome):
    _, root = genome
    before = list(visual_genome.read_visual_genome(root))
    path = root / "attributes.json"
    path.write_text(json.dumps(json.loads(path.read_text())[::-1]))
    assert list(visual_genome.read_visual_genome(root)) == before


def test_voc_boxes_are_one_based_and_inclusive(real_data):
    item = voc.read_voc_file(real_data / "voc2012" / "Annotations" / "2007_000027.xml")
    # <xmin>174</xmin> <ymin>101</ymin> <xmax>349</xmax> <ymax>351</ymax>
    assert item.boxes[0].xyxy == (173, 100, 349, 351)
    assert (item.media, item.width, item.height) == ("JPEGImages/2007_000027.jpg", 486, 500)


def test_voc_all_files_are_read_and_difficult_objects_marked(real_data, tmp_path):
    folder = real_data / "voc2012" / "Annotations"
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    names = sorted(path.stem for path in folder.glob("*.xml"))
    (tmp_path / "ImageSets" / "Main" / "val.txt").write_text("\n".join(names))
    shutil.copytree(folder, tmp_path / "Annotations")
    items = list(voc.open_voc(tmp_path, "val"))
    assert [item.id for item in items] == names
    for item in items:
        assert all(0 <= b.xyxy[0] < b.xyxy[2] <= item.width and b.xyxy[3] <= item.height for b in item.boxes)
    marked = {item.id: sum(box.difficult for box in item.boxes) for item in items}
    assert marked["2007_000129"] == 3
    assert marked["2007_000027"] == 0


@pytest.fixture
def cifar(real_data, tmp_path):
    with zipfile.ZipFile(real_data / "cifar10" / "cifar10_dummy.zip") as archive:
        archive.extractall(tmp_path)
    root = next(tmp_path.rglob("cifar-10-batches-py"))
    shutil.copy(real_data / "cifar10" / "batches.meta", root)
    return root


def test_cifar10_labels_and_pictures(cifar):
    items = list(cifar10.open_cifar10(cifar, "train")) + list(cifar10.open_cifar10(cifar, "test"))
    assert len(items) == 12
    assert cifar10.label_names(cifar)[3] == "cat"
    assert len(items[0].classes[0].labels) == 10
    written = list(cifar10.extract_images(cifar, "test"))
    assert [cifar / item.media for item in items[-2:]] == written
    assert all(path.is_file() for path in written)


def test_textvqa_questions_share_their_image(real_data, tmp_path):
    with zipfile.ZipFile(real_data / "textvqa" / "textvqa_0.5.1_dummy.zip") as archive:
        archive.extractall(tmp_path)
    root = tmp_path / "dummy_data"
    train = list(textvqa.open_textvqa(root, "train"))
    assert sum(len(item.questions) for item in train) == 5
    assert train[0].questions[0].answers == ("nokia", "toshiba")
    assert train[0].media == "train_images/0054c91397f2fe05.jpg"
    test = list(textvqa.open_textvqa(root, "test"))
    assert all(question.answers == () for item in test for question in item.questions)
    assert test[0].media.startswith("test_images/")


def test_fsc147_classes_cover_the_splits(real_data):
    names = fsc147.read_class_names(real_data / "fsc147" / "ImageClasses_FSC147.txt")
    splits = json.loads((real_data / "fsc147" / "Train_Test_Val_FSC_147.json").read_text())
    assert len(names) == 6146
    assert len(splits["test"]) == 1190
    assert all(image in names for split in splits.values() for image in split)
    assert names["2.jpg"] == "sea shells"
    odd = {name for name in names.values() if plural(singular(name)) not in (name, plural(name))}
    assert odd <= {"deers", "fishes"}


def test_svt_element(real_data, tmp_path):
    text = (real_data / "svt" / "sample_anno.md").read_text()
    element = text[text.index("<image>") : text.index("</image>") + len("</image>")]
    (tmp_path / "train.xml").write_text(f'<?xml version="1.0"?><tagset>{element}</tagset>')
    (item,) = svt.read_svt(tmp_path, "train")
    assert item.words == ("LIVING", "ROOM", "THEATERS")
    assert item.boxes[0].xyxy == (375, 253, 611, 328)  # x, y, width 236, height 75
    assert (item.media, item.width, item.height) == ("img/14_03.jpg", 1280, 880)


def test_scienceqa_keeps_the_problems_with_an_image(real_data):
    path = real_data / "scienceqa" / "problems_120.json"
    raw = json.loads(path.read_text())
    for split, expected in (("train", 29), ("val", 14), ("test", 14)):
        items = list(scienceqa.read_problems(path, real_data, split))
        assert len(items) == expected
        for item in items:
            question = item.questions[0]
            assert question.choices[question.answer] == raw[item.id]["choices"][raw[item.id]["answer"]]
            assert item.media == f"images/{split}/{item.id}/image.png"

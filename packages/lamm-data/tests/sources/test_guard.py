"""What people type by mistake: stray white space, blank names and answers, the same entry twice, left-out fields."""

import json
from collections import Counter

import pytest
from PIL import Image

from lamm_data.benchmark.build import build_records
from lamm_data.benchmark.entry import Build
from lamm_data.errors import SourceError
from lamm_data.records.annotations import (
    Annotated,
    Box,
    Box3D,
    ClassLabel,
    Count,
    Description,
    Keypoints,
    Question,
    Relation,
)
from lamm_data.sources.guard import tidied
from lamm_data.sources.readers import coco, scannet_export
from lamm_data.sources.readers.fields import parse_xml
from lamm_data.sources.readers.voc import read_voc_file
from lamm_data.templates.convert import Conversion, convert

SIZE = {"width": 100, "height": 80}


def test_names_and_texts_lose_stray_white_space_in_every_field():
    item = tidied(
        Annotated(
            "1",
            "1.png",
            **SIZE,
            classes=(ClassLabel(" cat\n", labels=("cat ", "dog")),),
            boxes=(Box("traffic  light\n", (0, 0, 9, 9)),),
            boxes3d=(Box3D("\ufeffchair ", (0, 0, 0), (1, 1, 1)),),
            keypoints=(Keypoints(("nose ",), ((1, 1, 2),)),),
            captions=(" a cat ",),
            counts=(Count("\u00a0shells", 2),),
            words=(" STOP",),
            questions=(Question(" What? ", (" red ", "."), context=" Look. "),),
            descriptions=(Description(" the chair ", "1"),),
            relations=(Relation("man ", " on", "chair\t"),),
        )
    )
    assert item.classes == (ClassLabel("cat", labels=("cat", "dog")),)
    assert (item.boxes[0].label, item.boxes3d[0].label, item.counts[0].label) == ("traffic light", "chair", "shells")
    assert (item.keypoints[0].names, item.captions, item.words) == (("nose",), ("a cat",), ("STOP",))
    assert item.questions == (Question("What?", ("red",), context="Look."),)
    assert item.descriptions[0].text == "the chair"
    assert item.relations == (Relation("man", "on", "chair"),)


def test_a_tidy_item_is_passed_on_as_it_is():
    item = Annotated("1", "1.png", boxes=(Box("cat", (0, 0, 9, 9)),), questions=(Question("What?", ("red",)),))
    assert tidied(item) is item


@pytest.mark.parametrize(
    ("question", "left"),
    [
        (Question("Which?", ("b",), ("a", " . ", "b"), 2), (("b",), ("a", "b"), 1)),
        (Question("Which?", (".",), ("a", "."), 1), ((), (), None)),
        (Question("Which?", ("a",), ("a", " "), 0), ((), (), None)),
        (Question("Is it < or >?", ("<",), ("<", ">"), 0), (("<",), ("<", ">"), 0)),
    ],
)
def test_no_option_is_blank(question, left):
    (tidy,) = tidied(Annotated("1", "1.png", questions=(question,))).questions
    assert (tidy.answers, tidy.choices, tidy.answer) == left


BLANKS = {
    "detection": ({"boxes": (Box("", (0, 0, 9, 9)), Box("cat", (0, 0, 9, 9)))}, "object without a name"),
    "classification": ({"classes": (ClassLabel(""),)}, "class without a name"),
    "caption": ({"captions": ("", "a cat")}, "caption without a text"),
    "counting": ({"counts": (Count("", 3),)}, "count without a name"),
    "ocr": ({"words": ("", "STOP")}, "word without a text"),
    "vqa": ({"questions": (Question("", ("red",)),)}, "question without a text"),
}


@pytest.mark.parametrize("task", BLANKS)
def test_blank_annotations_are_left_out_and_counted(task):
    values, reason = BLANKS[task]
    item = Annotated("1", "1.png", **SIZE, **values)
    conversion, build = Conversion(task, "Mine"), Build(task, "Mine")
    texts = [turn.text for record in convert([item], conversion) for turn in record.conversations]
    records = list(build_records([item], build))
    assert conversion.counts[f"left out: {reason}"] == build.left_out[reason] == 1
    assert not any('""' in text or "  " in text for text in texts)
    assert all(record.label != "" and "" not in (record.word_list or record.sentences or ["x"]) for record in records)


def test_the_same_object_is_listed_once_whatever_its_ids():
    flat = Annotated("1", "1.png", **SIZE, boxes=tuple(Box("cat", (0, 0, 9, 9), key) for key in ("", "", "4", "5")))
    build = Build("detection", "Mine")
    (record,) = build_records([flat], build)
    assert (len(record.object), build.left_out) == (1, Counter({"duplicate annotation": 3}))
    solids = [Box3D(name, (0, 0, 0), (1, 1, 1), id=key) for name, key in (("chair", "1"), ("chair", "2"), ("", "3"))]
    build = Build("detection3d", "Mine")
    (record,) = build_records([Annotated("r", "r.npy", "pcl", boxes3d=tuple(solids))], build)
    assert len(record.object) == 1
    assert build.left_out == Counter({"duplicate annotation": 1, "object without a name": 1})


def write_coco(root, categories=None, info=None, image=None, **annotation):
    Image.new("RGB", (100, 80)).save(root / "a.png")
    entry = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 8, 30, 40]} | annotation
    value = {
        "info": info or {},
        "images": [image or {"id": 1, "file_name": "a.png", "width": 100, "height": 80}],
        "categories": categories or [{"id": 1, "name": " cat\n"}],
        "annotations": [entry],
    }
    (root / "annotations").mkdir(exist_ok=True)
    path = root / "annotations" / "instances_train.json"
    path.write_text(json.dumps(value))
    return path


def test_what_coco_exports_leave_out_is_completed_and_counted(tmp_path):
    path = write_coco(tmp_path, image={"id": 1, "file_name": "a.png"})
    (item,) = coco.read_instances(path, "", tmp_path)
    assert (item.width, item.height, item.boxes) == (100, 80, (Box("cat", (10, 8, 40, 48), "1"),))
    conversion = Conversion("detection", "Mine")
    list(convert([item], conversion))
    assert conversion.counts["noted: annotation without iscrowd"] == 1
    assert conversion.counts["noted: image size read from the picture"] == 1


def test_joints_are_counted_where_the_file_does_not_say_how_many_there_are(tmp_path):
    joints = {"categories": [{"id": 1, "name": "person", "keypoints": ["nose", "neck"]}]}
    labelled = write_coco(tmp_path, **joints, keypoints=[1, 2, 2, 0, 0, 0])
    assert len(list(coco.read_keypoints(labelled))) == 1
    assert not list(coco.read_keypoints(write_coco(tmp_path, **joints, keypoints=[0, 0, 0, 0, 0, 0])))


def test_two_categories_with_one_id_are_refused(tmp_path):
    path = write_coco(tmp_path, [{"id": 1, "name": "cat"}, {"id": 1, "name": "dog"}])
    with pytest.raises(SourceError, match=r"'cat' and 'dog' with the id 1 .*instances_train\.json"):
        list(coco.read_instances(path))
    same = write_coco(tmp_path, [{"id": 1, "name": "cat"}, {"id": 1, "name": "cat "}])
    assert next(coco.read_instances(same)).boxes[0].label == "cat"
    (tmp_path / "classes.tsv").write_text("1\tchair\n1\ttable\n")
    with pytest.raises(SourceError, match=r"'chair' and 'table' with the id 1"):
        scannet_export.read_classes(tmp_path / "classes.tsv")


@pytest.mark.parametrize(
    ("info", "refused"),
    [
        ({}, False),
        ({"description": "", "url": "", "year": ""}, False),
        ({"description": "synthetic"}, False),
        (
            {"description": "COCO 2017 Dataset", "url": "http://cocodataset.org", "contributor": "COCO Consortium"},
            False,
        ),
        ({"description": "This is stable 1.0 version of the 2014 MS COCO dataset.", "url": "http://mscoco.org"}, False),
        ({"description": "Exported from roboflow.com", "url": "https://public.roboflow.com/x"}, True),
        ({"description": "Our yard, in COCO format"}, True),
    ],
)
def test_a_file_that_names_another_owner_is_not_read_as_coco(tmp_path, info, refused):
    write_coco(tmp_path, info=info)
    if refused:
        with pytest.raises(SourceError, match="--source images"):
            list(coco.open_instances(tmp_path, "train"))
    else:
        assert len(list(coco.open_instances(tmp_path, "train"))) == 1


VOC = (
    "<annotation><filename>é.jpg</filename><size><width>9</width><height>8</height></size><object><name>{}</name>"
    "<difficult>True</difficult><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox></object>"
    "</annotation>"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1", "cp1252", "gb18030"])
def test_voc_files_of_any_declared_encoding_are_read(tmp_path, encoding):
    declared = encoding.removesuffix("-sig")
    name = "" if encoding.startswith("utf") else f'<?xml version="1.0" encoding="{declared}"?>\n'
    path = tmp_path / "a.xml"
    path.write_bytes((name + VOC.format("vélo ")).encode(encoding))
    item = tidied(read_voc_file(path))
    assert item.media == "JPEGImages/é.jpg"
    assert (item.boxes[0].label, item.boxes[0].difficult) == ("vélo", True)


def test_an_undeclared_encoding_is_named_by_its_byte_and_entities_hide_in_none(tmp_path):
    path = tmp_path / "a.xml"
    path.write_bytes(VOC.format("vélo").encode("latin-1"))
    with pytest.raises(SourceError, match="XML in utf-8, got byte 22"):
        read_voc_file(path)
    path.write_bytes('<!DOCTYPE a [<!ENTITY b "c">]><annotation/>'.encode("utf-16"))
    with pytest.raises(SourceError, match="entity"):
        parse_xml(path)
    path.write_text(VOC.format(" "))
    assert read_voc_file(path).boxes[0].label == ""


def test_blank_phrases_and_captions_of_every_reader_are_counted_not_dropped(tmp_path):
    from lamm_data.sources.readers import flickr30k, visual_genome

    box = {"object_id": 1, "names": [" "], "x": 1, "y": 2, "w": 3, "h": 4}
    files = {
        "image_data": [{"image_id": 1, "width": 9, "height": 8, "url": "x/VG_100K/1.jpg"}],
        "objects": [{"image_id": 1, "objects": [box]}],
        "relationships": [{"image_id": 1, "relationships": [{"predicate": " ", "subject": box, "object": box}]}],
        "region_descriptions": [{"id": 1, "regions": [{"phrase": text} for text in ("a man", " ", "", "a  man")]}],
    }
    for name, value in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(value))
    (item,) = visual_genome.read_visual_genome(tmp_path)
    reasons = {"detection": "object without a name", "caption": "caption without a text",
               "scene_graph": "relation without a name"}  # fmt: skip
    for task, number in (("detection", 1), ("caption", 2), ("scene_graph", 1)):
        conversion = Conversion(task, "Mine")
        list(convert([item], conversion))
        assert conversion.counts[f"left out: {reasons[task]}"] == number
    (tmp_path / "t.token").write_text("1.jpg#0\tA man .\n1.jpg#1\t \n")
    (item,) = flickr30k.read_token_file(tmp_path / "t.token")
    assert item.captions == ("A man.", "")

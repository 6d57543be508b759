"""Readers on small files laid out exactly as the sources document them, and on damaged ones."""

import io
import json
import os
import pickle
import resource
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from lamm_data.errors import SourceError
from lamm_data.sources.guard import guarded
from lamm_data.sources.readers import (
    ai2d,
    bamboo,
    celeba,
    cifar10,
    coco,
    flickr30k,
    fsc147,
    locount,
    lsp,
    svt,
    textvqa,
    voc,
)
from lamm_data.sources.readers import class_folders as folders
from lamm_data.sources.readers import visual_genome as vg
from lamm_data.sources.readers.fields import parse_xml
from lamm_data.sources.readers.lsp import load_matrix


def picture(path, size=(8, 6)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size).save(path)


def test_celeba_header_that_lies_about_its_count(tmp_path):
    names = "5_o_Clock_Shadow Bald Black_Hair Blond_Hair Brown_Hair Gray_Hair Smiling"
    rows = ["000001.jpg -1 -1  1 -1 -1 -1  1", "000002.jpg  1 -1 -1 -1  1  1 -1", "000003.jpg -1 -1 -1  1 -1 -1 -1"]
    (tmp_path / "list_attr_celeba.txt").write_text("202599\n" + names + "\n" + "\n".join(rows) + "\n")
    (tmp_path / "list_eval_partition.txt").write_text("000001.jpg 0\n000002.jpg 2\n000003.jpg 2\n")
    (train,) = celeba.read_celeba(tmp_path, "train")
    assert {(label.attribute, label.name) for label in train.classes} == {("smile", "yes"), ("hair", "black")}
    two, three = celeba.read_celeba(tmp_path, "test")
    assert [(label.attribute, label.name) for label in two.classes] == [("smile", "no")]  # two colours: no answer
    assert three.classes[1].labels == ("black", "blond", "brown", "gray", "bald")
    (tmp_path / "list_attr_celeba.txt").write_text("1\n" + names + "\n000001.jpg 1 1\n")
    with pytest.raises(SourceError, match="line 3"):
        list(celeba.read_celeba(tmp_path, "train"))


def test_fsc147_sizes_are_those_of_the_resized_image(tmp_path):
    picture(tmp_path / fsc147.FOLDER / "7.jpg", (512, 384))
    annotation = {"H": 1200, "W": 1600, "points": [[256, 192], [0.5, 383]], "box_examples_coordinates": []}
    (tmp_path / "annotation_FSC147_384.json").write_text(json.dumps({"7.jpg": annotation}))
    (tmp_path / "Train_Test_Val_FSC_147.json").write_text(json.dumps({"test": ["7.jpg"], "val": ["8.jpg"]}))
    (tmp_path / "ImageClasses_FSC147.txt").write_text("7.jpg\tsea shells\n")
    (item,) = fsc147.read_fsc147(tmp_path, "test")
    assert (item.width, item.height) == (512, 384)
    assert item.counts[0].number == 2
    with pytest.raises(SourceError, match=r"8\.jpg"):
        list(fsc147.read_fsc147(tmp_path, "val"))
    with pytest.raises(SourceError, match="train"):
        list(fsc147.read_fsc147(tmp_path, "train"))


def test_flickr30k_token_file(tmp_path):
    lines = [f"1000.jpg#{k}\tA girl 's dog , number {k} , runs ." for k in range(5)]
    (tmp_path / flickr30k.TOKEN_FILE).write_text("\n".join([*lines, "1001.jpg#0\tTwo men ."]))
    (tmp_path / "test.txt").write_text("1001\n")
    first, second = flickr30k.open_flickr30k(tmp_path, "all")
    assert len(first.captions) == 5
    assert first.captions[0] == "A girl's dog, number 0, runs."
    assert [item.id for item in flickr30k.open_flickr30k(tmp_path, "test")] == ["1001"] == [second.id]
    (tmp_path / flickr30k.TOKEN_FILE).write_text("1000.jpg no tab")
    with pytest.raises(SourceError, match="line 1"):
        list(flickr30k.open_flickr30k(tmp_path, "all"))


def test_flickr30k_entities(tmp_path):
    (tmp_path / "Sentences").mkdir()
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "Sentences" / "1.txt").write_text(
        "[/EN#10/people Two men] with [/EN#11/clothing/other a hat] in [/EN#0/notvisual it] .\n"
    )
    (tmp_path / "Annotations" / "1.xml").write_text(
        "<annotation><size><width>100</width><height>50</height></size>"
        "<object><name>10</name><name>11</name><bndbox><ymin>1</ymin><xmin>2</xmin><xmax>9</xmax><ymax>8</ymax></bndbox></object>"
        "<object><name>12</name><scene>1</scene><nobndbox>1</nobndbox></object></annotation>"
    )
    item = flickr30k.read_entities(tmp_path, "1")
    assert item.captions == ("Two men with a hat in it.",)
    assert [(box.label, box.xyxy) for box in item.boxes] == [("Two men", (2, 1, 10, 9)), ("a hat", (2, 1, 10, 9))]


def test_locount_classes_with_spaces_and_commas(tmp_path):
    folder = tmp_path / "Locount_GtTxtsTrain"
    folder.mkdir()
    (folder / "a.txt").write_text(
        "0,10,20,30,Baby handkerchiefs ,3\n0,0,5,5,Cups, mugs,2\n1,1,9,9,Baby handkerchiefs ,4\n"
    )
    (item,) = locount.open_locount(tmp_path, "train")
    assert {count.label: count.number for count in item.counts} == {"Baby handkerchiefs": 7, "Cups, mugs": 2}
    assert (item.width, item.height) == (1920, 1080)
    (folder / "a.txt").write_text("1,2,3\n")
    with pytest.raises(SourceError, match="line 1"):
        list(locount.open_locount(tmp_path, "train"))


def test_ai2d_splits(tmp_path):
    for name in ("0", "1"):
        entry = {"abcLabel": False, "answerTexts": ["a", "b"], "correctAnswer": 1, "questionId": f"{name}.png-0"}
        path = tmp_path / "questions" / f"{name}.png.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"imageName": f"{name}.png", "questions": {"Which?": entry}}))
    (tmp_path / "ai2d_test_ids.csv").write_text("1\n")
    assert [item.id for item in ai2d.read_ai2d(tmp_path, "test")] == ["1"]
    assert [item.id for item in ai2d.read_ai2d(tmp_path, "train")] == ["0"]
    assert len(list(ai2d.read_ai2d(tmp_path))) == 2


def test_ucmerced_folders(tmp_path):
    picture(tmp_path / "Images" / "beach" / "beach00.tif", (256, 256))
    picture(tmp_path / "Images" / "forest" / "forest00.tif", (256, 256))
    items = list(folders.open_ucmerced(tmp_path, "all"))
    assert [item.classes[0].name for item in items] == ["beach", "forest"]
    assert items[0].classes[0].labels == ("beach", "forest")
    with pytest.raises(SourceError):
        list(folders.open_ucmerced(tmp_path / "none", "all"))


def mat_file(joints, compressed):
    """A MATLAB 5 file with one double array, written from the format's description."""
    data = joints.astype("<f8").tobytes(order="F")
    name = b"joints"
    body = struct.pack("<IIII", 6, 8, 6, 0)
    body += struct.pack("<II3i4x", 5, 12, *joints.shape)
    body += struct.pack("<II", 1, len(name)) + name + b"\0" * (-len(name) % 8)
    body += struct.pack("<II", 9, len(data)) + data
    element = struct.pack("<II", 14, len(body)) + body
    if compressed:
        packed = zlib.compress(element)
        element = struct.pack("<II", 15, len(packed)) + packed
    return b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM" + element


@pytest.mark.parametrize("compressed", [False, True])
def test_lsp_joints(tmp_path, compressed):
    joints = np.arange(3 * 14 * 4, dtype=float).reshape(3, 14, 4) + 1
    joints[2] = [1, 0, 1, 0]
    (tmp_path / "joints.mat").write_bytes(mat_file(joints, compressed))
    picture(tmp_path / "images" / "im0003.jpg", (120, 90))
    train, test = list(lsp.open_lsp(tmp_path, "train")), list(lsp.open_lsp(tmp_path, "test"))
    assert [item.id for item in train] == ["im0001", "im0002"]
    assert [item.id for item in test] == ["im0003", "im0004"]
    assert (test[0].width, test[0].height) == (120, 90)
    x, y, v = test[0].keypoints[0].points[13]  # head top; positions are counted from 1
    assert (x, y, v) == (joints[0, 13, 2] - 1, joints[1, 13, 2] - 1, 2)
    assert train[1].keypoints[0].points[0][2] == 1
    assert len(train[1].keypoints[0].labelled()) == 14


@pytest.mark.parametrize(
    "damage", [lambda d: d[:150], lambda d: b"nothing", lambda d: d[:128] + struct.pack("<II", 15, 4) + b"zzzz"]
)
def test_damaged_matlab_files_are_refused(tmp_path, damage):
    path = tmp_path / "joints.mat"
    path.write_bytes(damage(mat_file(np.zeros((3, 14, 2)), False)))
    with pytest.raises(SourceError, match="joints"):
        load_matrix(path, "joints")


def test_bamboo_names_descriptions_and_cycles(tmp_path):
    system = {
        "father2child": {}, "id2name": {"n02084071": ["dog", "domestic dog"]}, "id2desc": {"n02084071": "a canine"},
        "child2father": {"n02084071": ["n1", "n2"], "n1": ["n3"], "n3": ["n02084071"]},
    }  # fmt: skip
    (tmp_path / bamboo.LABEL_SYSTEM).write_text(json.dumps(system))
    picture(tmp_path / bamboo.IMAGES / "ab12.n02084071.jpeg")
    picture(tmp_path / bamboo.IMAGES / "cd34.golden_gate.jpeg")
    dog, bridge = bamboo.open_bamboo(tmp_path, "all")
    assert (dog.classes[0].name, dog.captions) == ("dog", ("a canine",))
    assert (bridge.classes[0].name, bridge.captions) == ("golden gate", ())


def test_textvqa_votes_drop_what_is_no_answer():
    votes = ["unanswerable"] * 5 + ["Nokia ", "nokia", "answering does not require reading text in the image"]
    assert textvqa.ranked_answers(votes) == ("nokia",)


def test_voc_order_of_elements_parts_and_floats(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text(
        "<annotation><filename>a.jpg</filename><size><height>50</height><width>60</width></size>"
        "<object><part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part>"
        "<bndbox><ymax>40.5</ymax><xmin>1</xmin><xmax>60</xmax><ymin>2</ymin></bndbox><name>person</name></object></annotation>"
    )
    assert voc.read_voc_file(path).boxes[0].xyxy == (0, 1, 60, 40.5)


@pytest.mark.parametrize("text", ["<annotation>", "", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"])
def test_bad_xml_is_refused_with_its_place(tmp_path, text):
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(SourceError, match=r"a\.xml"):
        parse_xml(tmp_path / "a.xml")


def test_svt_boxes_beyond_the_image_are_kept_and_clipped_on_use(tmp_path):
    (tmp_path / "test.xml").write_text(
        '<tagset><image><imageName>img/a.jpg</imageName><Resolution x="100" y="50"/><taggedRectangles>'
        '<taggedRectangle height="30" width="80" x="60" y="40"><tag>GO</tag></taggedRectangle>'
        '<taggedRectangle height="9" width="9" x="0" y="0"><tag>GO</tag></taggedRectangle>'
        "</taggedRectangles></image></tagset>"
    )
    (item,) = svt.read_svt(tmp_path, "test")
    assert item.words == ("GO", "GO")
    assert item.boxes[0].xyxy == (60, 40, 140, 70)
    assert item.boxes[0].normalised(100, 50) == (0.6, 0.8, 1, 1)


def test_visual_genome_mixed_names_of_version_14():
    assert vg.object_name({"name": " Man "}) == "man"
    assert vg.object_name({"names": ["Tall Tree", "tree"], "name": "x"}) == "tall tree"
    assert vg.object_id({"object_id": 5, "merged_object_ids": [6]}) == "5"


def coco_file(tmp_path, **changes):
    value = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 10, "height": 10}],
        "annotations": [{"id": 5, "image_id": 1, "category_id": 7, "bbox": [1, 2, 3, 4], "iscrowd": 0,
                         "caption": " a\n b "}],
        "categories": [{"id": 7, "name": "cat"}],
    }  # fmt: skip
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(value | changes))
    return path


def test_coco_captions_lose_their_stray_white_space(tmp_path):
    (item,) = coco.read_captions(coco_file(tmp_path))
    assert item.captions == ("a b",)


def test_coco_sections_may_come_in_any_order(tmp_path):
    path = coco_file(tmp_path)
    value = json.loads(path.read_text())
    path.write_text(json.dumps(dict(reversed(value.items()))))
    (item,) = coco.read_instances(path)
    assert item.boxes[0].xyxy == (1, 2, 4, 6)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"annotations": [{"id": 1, "image_id": 9, "category_id": 7, "bbox": [0, 0, 1, 1], "iscrowd": 0}]},
            "image_id 9",
        ),
        ({"categories": []}, "category_id 7"),
        ({"annotations": [{"id": 1}]}, "image_id"),
        ({"images": [{"id": 1}]}, "file_name"),
        ({"images": [], "annotations": []}, "images"),
    ],
)
def test_coco_faults_are_named(tmp_path, changes, words):
    with pytest.raises(SourceError, match=words):
        list(coco.read_instances(coco_file(tmp_path, **changes)))


@pytest.mark.parametrize(
    "runs",
    [
        {"size": [0, 5], "counts": [3, 2]},  # pycocotools divides by the height
        {"size": [10, 10], "counts": "52o"},  # and reads on where the last number has no end
        {"size": [10, 10], "counts": [500, 4]},
        {"size": [10, 10], "counts": ""},
        {"size": [10, 10], "counts": [10**12]},
        {"size": ["a", 10], "counts": [100]},
        {"size": [10, 10]},
    ],
)
def test_coco_boxes_are_not_made_of_run_lengths_that_are_none(tmp_path, runs):
    annotation = {"id": 5, "image_id": 1, "category_id": 7, "iscrowd": 0}
    good = {"size": [10, 10], "counts": [23, 4, 73]}
    (item,) = coco.read_instances(coco_file(tmp_path, annotations=[{**annotation, "segmentation": good}]))
    assert item.boxes[0].xyxy == (2, 3, 3, 7)
    path = coco_file(tmp_path, annotations=[{**annotation, "segmentation": runs}])
    with pytest.raises(SourceError, match=r"coco\.json"):
        list(guarded(coco.read_instances(path), "here"))


def test_truncated_coco_names_its_byte(tmp_path):
    path = coco_file(tmp_path)
    path.write_bytes(path.read_bytes()[:120])
    with pytest.raises(SourceError, match=r"line 1, byte \d+"):
        list(coco.read_instances(path))


class Evil:
    def __reduce__(self):
        return os.system, ("touch pwned",)


@pytest.mark.parametrize(
    "payload",
    [
        Evil(),
        {"data": np.ndarray},
        {"data": np.array([Evil()], dtype=object)},
        ["no dictionary"],
    ],
)
def test_cifar10_runs_no_pickle(tmp_path, monkeypatch, payload):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "test_batch").write_bytes(pickle.dumps(payload, protocol=2))
    (tmp_path / "batches.meta").write_bytes(pickle.dumps({"label_names": ["a"]}))
    with pytest.raises(SourceError):
        list(cifar10.open_cifar10(tmp_path, "test"))
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("batch", [b"}r\xff\xff\xff\x7f0a", b"\x96" + b"\xff" * 7 + b"\x0f.", b"X\xff"])
def test_cifar10_makes_no_room_for_what_a_batch_only_claims(tmp_path, batch):
    (tmp_path / "batches.meta").write_bytes(b"\x80\x05" + batch)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(SourceError, match=r"batches\.meta"):
        cifar10.label_names(tmp_path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 20  # KiB


@pytest.mark.parametrize(
    "state",
    [
        (1, (1 << 40,), np.dtype(np.uint8), False, b"ab"),
        (1, (2,), None, False, b"ab"),
        (1, (2,), np.dtype(np.uint16), False, b"abcd"),
        (1, (2,), np.dtype(np.uint8), False, ["a", "b"]),
        (3, "|", None, None, None, -1, 1 << 40, 63),
    ],
)
def test_cifar10_believes_no_state_of_an_array(tmp_path, state):
    class Forged:
        def __reduce__(self):
            return (np.ndarray(0).__reduce__()[0], (np.ndarray, (0,), b"b"), state)

    (tmp_path / "batches.meta").write_bytes(pickle.dumps({"label_names": [Forged()]}, 2))
    with pytest.raises(SourceError, match=r"batches\.meta"):
        cifar10.label_names(tmp_path)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_cifar10_reads_real_arrays_of_any_protocol(tmp_path, protocol):
    pixels = np.arange(2 * 3072, dtype=np.uint8).reshape(2, 3072)
    batch = {b"data": pixels, b"labels": [1, 0], b"filenames": [b"a.png", b"b.png"]}
    (tmp_path / "test_batch").write_bytes(pickle.dumps(batch, protocol=protocol))
    (tmp_path / "batches.meta").write_bytes(pickle.dumps({"label_names": ["cat", "dog"]}))
    assert [item.classes[0].name for item in cifar10.open_cifar10(tmp_path, "test")] == ["dog", "cat"]
    first = next(iter(cifar10.extract_images(tmp_path, "test")))
    read = np.asarray(Image.open(io.BytesIO(first.read_bytes())))
    assert (read == pixels[0].reshape(3, 32, 32).transpose(1, 2, 0)).all()

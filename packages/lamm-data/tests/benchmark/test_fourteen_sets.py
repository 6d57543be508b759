"""The benchmark sets of the paper, each built from its source's own layout: names, keys, splits, groups, counts."""

import json
import pickle
import shutil
import struct
import zlib

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from lamm_data.benchmark.entry import instructions
from lamm_data.benchmark.run import build_benchmark
from lamm_data.cli import data
from lamm_data.quality.run import CheckSettings, check_file
from lamm_data.records.benchmark import LSP_JOINTS, read_benchmark
from lamm_data.records.instruction import read_records
from lamm_data.sources.registry import get_source, load_sources
from lamm_data.templates.run import ConvertSettings, convert_source

PUBLISHED = {
    # file: (source, ground-truth keys, records of the published file where it is known)
    "Classification_CIFAR10.json": ("cifar10", {"label"}, 10_000),
    "Detection_VOC2012.json": ("voc2012", {"object"}, 0),
    "VQA_SQAimage.json": ("scienceqa", {"gt_choice", "gt_choices"}, 2_017),
    "VQA_AI2D.json": ("ai2d", {"gt_choice", "gt_choices"}, 5_793),
    "Caption_flickr30k.json": ("flickr30k", {"sentences"}, 0),
    "Fine-grained_Classification_UCMerced.json": ("ucmerced", {"label"}, 2_100),
    "Counting_FSC147.json": ("fsc147", {"num"}, 1_190),
    "OCR_SVT.json": ("svt", {"word_list"}, 249),
    "Facial_Classification_CelebA(Smile).json": ("celeba", {"attr"}, 19_962),
    "Facial_Classification_CelebA(Hair).json": ("celeba", {"attr"}, 0),
    "Keypoints_Detection_LSP.json": ("lsp", {"gt_joints"}, 1_000),
    "Locating_VOC2012.json": ("voc2012", {"object"}, 0),
    "Locating_LSP.json": ("lsp", {"gt_joints"}, 0),
    "Locating_FSC147.json": ("fsc147", {"points"}, 0),
    "Detection_ScanNet.json": ("scannet", {"object"}, 312),
    "VG_ScanRefer.json": ("scanrefer", {"gt_bbox", "object"}, 9_508),
    "VQA_ScanQA_multiplechoice.json": ("scanqa", {"gt_choice", "gt_choices"}, 0),
    "OpenVQA_ScanQA.json": ("scanqa", {"answers"}, 4_675),
}
"""Eleven 2D sets (CelebA counts twice) and three 3D ones, the locating variants of three of them, ScanQA as it is."""


def picture(path, size=(100, 50)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size).save(path)


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))


def cifar10(root):
    for name in ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"):
        batch = {b"data": np.zeros((2, 3072), np.uint8), b"labels": [1, 0]}
        (root / name).write_bytes(pickle.dumps(batch, protocol=2))
    (root / "batches.meta").write_bytes(pickle.dumps({b"label_names": [b"cat", b"dog"]}, protocol=2))


def voc2012(root):
    box = "<bndbox><xmin>11</xmin><ymin>6</ymin><xmax>60</xmax><ymax>40</ymax></bndbox>"
    head = "<filename>a.jpg</filename><size><width>100</width><height>50</height></size>"
    text = f"<annotation>{head}<object><name>dog</name>{box}</object></annotation>"
    write(root / "Annotations" / "a.xml", text)
    picture(root / "JPEGImages" / "a.jpg")
    for split in ("train", "val"):
        write(root / "ImageSets" / "Main" / f"{split}.txt", "a\n")


def scienceqa(root):
    problems = {}
    for key, split in (("1", "train"), ("2", "test")):
        problems[key] = {"question": "Which?", "choices": ["x", "y"], "answer": 1, "image": "image.png",
                         "hint": "Look.", "split": split}  # fmt: skip
        picture(root / "images" / split / key / "image.png")
    write(root / "problems.json", problems)


def ai2d(root):
    entry = {"abcLabel": True, "answerTexts": ["A", "B", "C"], "correctAnswer": 2, "questionId": "0.png-0"}
    write(root / "questions" / "0.png.json", {"imageName": "0.png", "questions": {"What is shown?": entry}})
    picture(root / "images" / "0.png")


def flickr30k(root):
    write(root / "results_20130124.token", "".join(f"10.jpg#{k}\tA dog {k} .\n" for k in range(5)))
    write(root / "test.txt", "10\n")
    picture(root / "flickr30k-images" / "10.jpg")


def ucmerced(root):
    picture(root / "Images" / "beach" / "beach00.tif", (256, 256))


def fsc147(root):
    write(root / "annotation_FSC147_384.json", {"7.jpg": {"H": 900, "W": 1800, "points": [[20, 30], [60.5, 10]]}})
    write(root / "Train_Test_Val_FSC_147.json", {"train": ["7.jpg"], "test": ["7.jpg"], "val": []})
    write(root / "ImageClasses_FSC147.txt", "7.jpg\tsea shells\n")
    picture(root / "images_384_VarV2" / "7.jpg")


def svt(root):
    text = (
        '<tagset><image><imageName>img/18_01.jpg</imageName><Resolution x="100" y="50"/><taggedRectangles>'
        '<taggedRectangle height="9" width="9" x="0" y="0"><tag>HOTEL</tag></taggedRectangle></taggedRectangles>'
        "</image></tagset>"
    )
    write(root / "test.xml", text)
    picture(root / "img" / "18_01.jpg")


def celeba(root):
    write(root / "list_attr_celeba.txt", "1\nBlack_Hair Blond_Hair Bald Smiling\n000001.jpg  1 -1 -1 -1\n")
    write(root / "list_eval_partition.txt", "000001.jpg 2\n")
    picture(root / "img_align_celeba" / "000001.jpg")


def lsp(root):
    joints = np.full((3, 14, 2), 11.0)
    body = struct.pack("<IIII", 6, 8, 6, 0) + struct.pack("<II3i4x", 5, 12, *joints.shape)
    body += struct.pack("<II", 1, 6) + b"joints\0\0"
    raw = joints.astype("<f8").tobytes(order="F")
    body += struct.pack("<II", 9, len(raw)) + raw
    packed = zlib.compress(struct.pack("<II", 14, len(body)) + body)
    head = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM"
    (root / "joints.mat").write_bytes(head + struct.pack("<II", 15, len(packed)) + packed)
    for name in ("im0001", "im0002"):
        picture(root / "images" / f"{name}.jpg")


def scannet(root):
    for split, scene in (("train", "scene0001_00"), ("val", "scene0000_01")):
        write(root / f"scannetv2_{split}.txt", f"{scene}\n")
        folder = root / "scannet_data"
        folder.mkdir(exist_ok=True)
        np.save(
            folder / f"{scene}_aligned_bbox.npy", np.array([[1, 2, 3, 1, 1, 0.5, 1, 0], [0, 0, 0, 1, 0, 1, 1, 1.0]])
        )
        np.save(folder / f"{scene}_aligned_vert.npy", np.zeros((5, 6), np.float32))
    write(root / "classes.tsv", "1\tchair\n")


def scanrefer(root):
    scannet(root)
    for split, scene in (("train", "scene0001_00"), ("val", "scene0000_01")):
        entry = {"scene_id": scene, "object_id": "0", "object_name": "office_chair", "ann_id": "0", "token": []}
        write(root / f"ScanRefer_filtered_{split}.json", [entry | {"description": "the chair."}])


def scanqa(root):
    scannet(root)
    answers = ("red", "blue", "green", "black", "white", "pink", "orange")
    for split, scene in (("train", "scene0001_00"), ("val", "scene0000_01")):
        rows = [
            {"question_id": f"{split}-{k}", "scene_id": scene, "question": f"What color is the {word}?",
             "answers": [word, word], "object_ids": [1], "object_names": ["chair"]}
            for k, word in enumerate(answers)
        ]  # fmt: skip
        write(root / f"ScanQA_v1.0_{split}.json", rows)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Every set, from one small download a source."""
    base = tmp_path_factory.mktemp("downloads")
    files = {}
    for name in dict.fromkeys(source for source, _, _ in PUBLISHED.values()):
        root = base / name
        root.mkdir()
        globals()[name](root)
        if name == "cifar10":
            result = CliRunner().invoke(data, ["prepare", name, "--root", str(root), "--split", "test"])
            assert result.exit_code == 0, result.output
        for file in build_benchmark(name, root, base / "bench"):
            files[file.name] = file
    return base, files


def test_exactly_the_published_files_are_made(built):
    base, files = built
    assert set(files) == set(PUBLISHED) == {path.name for path in (base / "bench").iterdir()}
    assert {name: file.published for name, file in files.items() if file.published} == {
        name: count for name, (_, _, count) in PUBLISHED.items() if count
    }


@pytest.mark.parametrize("name", PUBLISHED)
def test_records_have_the_published_keys_an_instruction_and_a_group(built, name):
    base, _ = built
    records = read_benchmark(base / "bench" / name)  # raises on any fault
    source, keys, _ = PUBLISHED[name]
    raw = json.loads((base / "bench" / name).read_text())
    assert len(raw) == len(records) >= 1
    for value, record in zip(raw, records, strict=True):
        assert keys <= set(value)
        assert {"id", "query", "image" if record.modality == "image" else "pcl"} <= set(value)
        assert record.system.startswith("Your task is")
        assert record.group
        assert record.meta["source"] == source
        assert record.meta["split"] == get_source(source).benchmark_split
        assert record.meta["licence"]


def test_values_come_from_the_sources_own_numbers(built):
    base, files = built
    first = {name: read_benchmark(base / "bench" / name)[0] for name in PUBLISHED}
    assert first["Detection_VOC2012.json"].object == [{"label": "dog", "bbox": [0.1, 0.1, 0.6, 0.8]}]
    assert first["Counting_FSC147.json"].num == 2
    assert first["Counting_FSC147.json"].image_size == [100, 50]
    assert first["Locating_FSC147.json"].points == [[20, 30], [60.5, 10]]
    assert first["OCR_SVT.json"].word_list == ["HOTEL"]
    assert first["OCR_SVT.json"].id == "18_01"
    assert first["Facial_Classification_CelebA(Smile).json"].attr == "-1"
    assert first["Facial_Classification_CelebA(Hair).json"].attr == "black"
    assert "Context: Look. Options: (A) x (B) y" in first["VQA_SQAimage.json"].query
    assert first["VG_ScanRefer.json"].gt_bbox == [1, 2, 3, 1, 1, 0.5]
    assert first["VG_ScanRefer.json"].group == "scene0000"
    # A box without volume cannot be detected: it is left out and counted.
    assert files["Detection_ScanNet.json"].left_out == {"box without volume": 1}
    assert len(first["VQA_ScanQA_multiplechoice.json"].gt_choices) == 6


def test_lsp_asks_fourteen_questions_an_image(built):
    base, _ = built
    (record,) = read_benchmark(base / "bench" / "Keypoints_Detection_LSP.json")
    queries = {record.query.replace("{}", joint) for joint in record.joints or LSP_JOINTS}
    assert len(queries) == len(record.gt_joints) == 14
    assert record.gt_joints[0] == [10, 10, 1]  # MATLAB counts from 1


def test_locating_asks_one_question_about_each_person_class_or_count(built):
    base, _ = built
    queries = {
        name: read_benchmark(base / "bench" / name)[0].query for name in PUBLISHED if name.startswith("Locating")
    }
    assert queries == {
        "Locating_VOC2012.json": "Give the position [x, y] of each dog in the image.",
        "Locating_LSP.json": "Give the position [x, y] of the person in the image.",
        "Locating_FSC147.json": "Give the position [x, y] of each sea shell in the image.",
    }


def test_instructions_do_not_repeat_the_published_mistakes():
    words = instructions()
    assert "caption" not in words["fine_grained_classification"]["definition"].lower()
    assert "recognition: read" not in words["facial_smile"]["definition"] + words["facial_hair"]["definition"]
    assert "text" not in words["caption"]["definition"].lower()
    definitions = [entry["definition"] for entry in words.values()]
    assert len(set(definitions)) == len(definitions)


def test_other_splits_have_names_of_their_own(built, tmp_path):
    base, _ = built
    (file, _) = build_benchmark("voc2012", base / "voc2012", tmp_path, split="train")
    assert (file.name, file.items, file.published) == ("Detection_VOC2012_train.json", 1, 0)


def test_the_run_ends_with_what_was_read_written_and_left_out(built, tmp_path):
    base, _ = built
    argv = ["benchmark", "--source", "scannet", "--root", str(base / "scannet"), "--output", str(tmp_path)]
    lines = CliRunner().invoke(data, argv).stdout.splitlines()
    assert lines == [
        "       1  Detection_ScanNet.json (published: 312, 311 fewer here)",
        "       1    images or clouds read",
        "       1    left out: box without volume",
    ]


def test_what_is_converted_from_any_of_these_sources_passes_the_check(built, tmp_path):
    """Template conversion of every source and fine-tune records: no finding of any kind."""
    base, _ = built
    for name in dict.fromkeys(source for source, _, _ in PUBLISHED.values()):
        source = get_source(name)
        split = source.train if name in (*FINE_TUNE, "lsp", "fsc147") else source.benchmark_split
        path = tmp_path / f"{name}.jsonl"
        convert_source(name, base / name, path, ConvertSettings(split=split, media="ignore"))
        for file in build_benchmark(name, base / name, tmp_path / name, media="ignore", split=split, fine_tune=True):
            check = check_file(tmp_path / name / file.name, CheckSettings())
            assert check.kept == check.records == file.records >= 1, (file, check.findings)
        check = check_file(path, CheckSettings())
        assert check.kept == check.records >= 1, (name, check.findings)


FINE_TUNE = {
    "cifar10": ["Classification_CIFAR10_finetune.json"],
    "voc2012": ["Detection_VOC2012_finetune.json"],
    "scienceqa": ["VQA_SQAimage_finetune.json"],
    "scannet": ["Detection_ScanNet_finetune.json"],
    "scanrefer": ["VG_ScanRefer_finetune.json"],
    "scanqa": ["VQA_ScanQA_multiplechoice_finetune.json", "OpenVQA_ScanQA_finetune.json"],
}


def test_the_six_sets_that_lamm_fine_tunes_on_are_marked():
    assert {name for name, source in load_sources().items() if source.fine_tune} == set(FINE_TUNE)


@pytest.mark.parametrize("name", FINE_TUNE)
def test_fine_tune_sets_are_instruction_records_of_the_training_split(built, tmp_path, name):
    base, _ = built
    root = tmp_path / "root"
    shutil.copytree(base / name, root)
    argv = [
        "benchmark",
        "--source",
        name,
        "--root",
        str(root),
        "--output",
        str(tmp_path / "out"),
        "--setting",
        "fine-tune",
    ]
    result = CliRunner().invoke(data, [*argv, "--media", "ignore", "--json"])
    assert result.exit_code == 0, result.output
    assert [file["name"] for file in json.loads(result.stdout)] == FINE_TUNE[name]
    file = FINE_TUNE[name][0]
    records = read_records(tmp_path / "out" / file)
    held_out = read_benchmark(base / "bench" / file.replace("_finetune", ""))
    assert {record.meta["split"] for record in records} == {"train"}
    assert records[0].meta["system"] == held_out[0].system
    assert not {record.id for record in records} & {record.id for record in held_out} or name == "voc2012"
    answers = [record.conversations[-1].text for record in records]
    wanted = {"cifar10": "dog", "voc2012": "dog [0.1, 0.1, 0.6, 0.8]", "scienceqa": "The answer is (B) y.",
              "scannet": "chair [1.000, 2.000, 3.000, 1.000, 1.000, 0.500]",
              "scanrefer": "[1.000, 2.000, 3.000, 1.000, 1.000, 0.500]"}  # fmt: skip
    assert answers[0] == wanted.get(name, answers[0])
    if name == "scanqa":
        assert all(f"({answer[15]}) {answer[18:-1]}" in record.conversations[0].text
                   for answer, record in zip(answers, records, strict=True))  # fmt: skip

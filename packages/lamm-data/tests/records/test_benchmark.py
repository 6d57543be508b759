import json

import pytest

from lamm_data.errors import RecordError, UsageError
from lamm_data.records.benchmark import LSP_JOINTS, BenchmarkRecord, benchmark_faults, read_benchmark, write_benchmark
from lamm_data.records.tasks import benchmark_file_name, task_of_file_name

BASE = {"id": "1", "image": "a.jpg", "query": "What?"}
GOOD = {
    "Classification_CIFAR10.json": {"label": "cat"},
    "Facial_Classification_CelebA(Smile).json": {"attr": "-1"},
    "Fine-grained_Classification_UCMerced.json": {"label": "beach"},
    "Detection_VOC2012.json": {"object": [{"label": "dog", "bbox": [0, 0.1, 1, 0.5]}]},
    "Keypoints_Detection_LSP.json": {"gt_joints": [[1.5, 2, 1]] * 14},
    "VQA_AI2D.json": {"gt_choice": 1, "gt_choices": ["a", "b"]},
    "Caption_flickr30k.json": {"sentences": ["a", "b"]},
    "Counting_FSC147.json": {"num": 0},
    "OCR_SVT.json": {"word_list": ["A", "A"], "src_image": "svt", "id": "18_01"},
    "Locating_FSC147.json": {"points": [[1, 2]]},
}


@pytest.mark.parametrize("name", GOOD)
def test_published_files_are_read_without_loss(tmp_path, name):
    value = BASE | GOOD[name] | {"unknown": [1]}
    (tmp_path / name).write_text(json.dumps([value]))
    (record,) = read_benchmark(tmp_path / name)
    assert record.to_dict() == value
    assert write_benchmark(tmp_path / "again.json", [record]) == 1
    assert json.loads((tmp_path / "again.json").read_text()) == [value]


@pytest.mark.parametrize("name", GOOD)
def test_missing_ground_truth_is_a_fault_told_from_the_file_name(tmp_path, name):
    (tmp_path / name).write_text(json.dumps([BASE]))
    with pytest.raises(RecordError, match="ground truth"):
        read_benchmark(tmp_path / name)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"object": [{"label": "dog", "bbox": [0, 0, 200, 100]}]}, "inside 0..1"),
        ({"object": [{"label": "dog", "bbox": [0.5, 0, 0.1, 1]}]}, "inside 0..1"),
        ({"object": [{"bbox": [0, 0, 1, 1]}]}, "label"),
        ({"num": -1}, "whole number"),
        ({"num": True}, "whole number"),
        ({"gt_choice": 2, "gt_choices": ["a", "b"]}, "below 2"),
        ({"label": "cat", "labels": ["dog"]}, "one of `labels`"),
        ({"gt_joints": [[1, float("nan"), 1]]}, "list of"),
        ({"image_size": [0, 5]}, "image_size"),
        ({"task": "dectection"}, "task out of"),
        ({"image": None}, "neither"),
        ({"query": None}, "query"),
    ],
)
def test_faults_say_what_was_expected(values, words):
    assert any(words in fault for fault in benchmark_faults(BASE | values))


def test_3d_boxes_take_six_seven_or_nine_numbers():
    base = {"id": "1", "pcl": "./scannet_pcls/a.npy", "query": "Where?"}
    for size in (6, 7, 9):
        assert benchmark_faults(base | {"gt_bbox": [1.0] * size}, "visual_grounding3d") == []
    assert benchmark_faults(base | {"gt_bbox": [1.0] * 8}, "visual_grounding3d")
    # ChEF's loader stores one object where the original stored `gt_bbox`.
    assert benchmark_faults(base | {"object": {"label": "chair", "bbox": [1] * 6}}, "visual_grounding3d") == []
    assert BenchmarkRecord.from_dict(base | {"gt_bbox": [1] * 6}).media == ("scannet_pcls/a.npy",)


def test_file_names_and_tasks():
    assert len(LSP_JOINTS) == 14
    assert benchmark_file_name("fine_grained_classification", "UCMerced") == "Fine-grained_Classification_UCMerced.json"
    assert task_of_file_name("Keypoints_Dectection_LSP.json", "image").key == "keypoint_detection"
    assert task_of_file_name("Detection_ScanNet.json", "pcl").key == "detection3d"
    assert task_of_file_name("Facial_Classification_CelebA(Hair).json", "image").key == "facial_classification"
    assert task_of_file_name("notes.json", "image") is None
    with pytest.raises(UsageError):
        benchmark_file_name("dectection", "x")

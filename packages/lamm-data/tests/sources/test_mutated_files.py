"""Annotation files with values nobody foresaw: a reader reads on or refuses with a reason, and never just breaks."""

import copy
import json
import random

import numpy as np
import pytest

from lamm_data.errors import LammDataError, SourceError
from lamm_data.files.json_lines import iter_values, load_json
from lamm_data.records.instruction import scan_records
from lamm_data.sources.registry import get_source
from lamm_data.templates.run import ConvertSettings, convert_source

COCO = {
    "images": [{"id": 1, "file_name": "a.jpg", "width": 9, "height": 8, "license": 1}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": 0, "caption": "a cat",
                     "keypoints": [1, 2, 2], "num_keypoints": 1}],
    "categories": [{"id": 1, "name": "person", "keypoints": ["nose"]}],
    "licenses": [{"id": 1, "name": "Attribution License"}],
}  # fmt: skip
BOX = {"object_id": 1, "names": ["man"], "x": 1, "y": 2, "w": 3, "h": 4, "merged_object_ids": [2]}
OBB = {"centroid": [0, 0, 0], "axesLengths": [1, 1, 1], "normalizedAxes": [1, 0, 0, 0, 1, 0, 0, 0, 1]}
ASKED = {"question": "Which?", "choices": ["x", "y"], "answer": 1, "image": "image.png", "split": "train", "hint": ""}
ROOM = {
    "scannet_data/s_00_aligned_bbox.npy": np.array([[1, 2, 3, 1, 1, 1, 1, 0]], float),
    "classes.tsv": "1\tchair\n",
    "scannetv2_val.txt": "s_00\n",
}
SOURCES = {
    # source: (split, task, files)
    "coco_detection": ("train", "detection", {"annotations/instances_train2017.json": COCO}),
    "coco_captions": ("train", "caption", {"annotations/captions_train2017.json": COCO}),
    "coco_keypoints": ("train", "keypoint_detection", {"annotations/person_keypoints_train2017.json": COCO}),
    "visual_genome": ("all", "detection", {
        "image_data.json": [{"image_id": 1, "width": 9, "height": 8, "url": "http://x/VG_100K/1.jpg", "coco_id": None}],
        "objects.json": [{"image_id": 1, "objects": [BOX]}],
        "attributes.json": [{"image_id": 1, "attributes": [BOX | {"attributes": ["tall"]}]}],
        "relationships.json": [{"image_id": 1, "relationships": [{"predicate": "ON", "subject": BOX, "object": BOX}]}],
        "region_descriptions.json": [{"id": 1, "regions": [{"phrase": "a man"}]}],
        "question_answers.json": [{"id": 1, "qas": [{"qa_id": 1, "question": "Who?", "answer": "A man."}]}]}),
    "textvqa": ("train", "vqa", {"TextVQA_0.5.1_train.json": {"dataset_version": "0.5.1", "data": [
        {"question_id": 1, "question": "what?", "image_id": "a", "image_width": 9, "image_height": 8,
         "answers": ["b"]}]}}),
    "scienceqa": ("train", "vqa", {"problems.json": {"1": ASKED}}),
    "ai2d": ("all", "vqa", {"questions/0.png.json": {"imageName": "0.png", "questions": {
        "What?": {"answerTexts": ["a", "b"], "correctAnswer": 1, "questionId": "0-1"}}}}),
    "fsc147": ("train", "counting", {
        "annotation_FSC147_384.json": {"7.jpg": {"H": 9, "W": 8, "points": [[1, 2], [3.5, 4]]}},
        "Train_Test_Val_FSC_147.json": {"train": ["7.jpg"], "test": [], "val": []},
        "ImageClasses_FSC147.txt": "7.jpg\tsea shells\n"}),
    "scanqa": ("val", "vqa3d", {"ScanQA_v1.0_val.json": [{"question_id": "v-1", "scene_id": "scene0000_00",
        "question": "What?", "answers": ["red"], "object_ids": [1], "object_names": ["chair"]}]}),
    "3rscan": ("train", "detection3d", {
        "3RScan.json": [{"reference": "r1", "type": "train", "scans": [{"reference": "r2"}]}],
        "r1/semseg.v2.json": {"scan_id": "r1", "segGroups": [{"objectId": 1, "label": "chair", "obb": OBB}]},
        "objects.json": {"scans": [{"scan": "r1", "objects": [{"id": "1", "attributes": {"color": ["red"]}}]}]},
        "relationships.json": {"scans": [{"scan": "r1", "relationships": [[1, 1, 2, "left"]]}]},
        "CLEVR3D-REAL.json": {"questions": [{"scan": "r1", "question": "What?", "answer": "chair"}]}}),
    "sqa3d": ("test", "vqa3d", {
        "v1_balanced_questions_test_scannetv2.json": {"questions": [
            {"question_id": 7, "question": "What?", "scene_id": "s_00", "situation": "I sit."}]},
        "v1_balanced_sqa_annotations_test_scannetv2.json": {"annotations": [
            {"question_id": 7, "scene_id": "s_00", "answers": [{"answer": "a"}], "position": {"x": 1, "y": 0, "z": 0},
             "rotation": {"_x": 0, "_y": 0, "_z": 0, "_w": 1}}]}}),
    "msqa": ("test", "vqa3d", {"msqa_scannet_test.json": [{"index": 1, "scan_id": "s_00", "question": "What?",
        "answers": ["a"], "situation": "I sit.", "type": "counting", "location": [0, 1, 2]}]}),
    "beacon3d": ("scannet", "vqa3d", {"data/scannet/scannet_qa.json": [{"question_id": "s_00_1_0_class_0",
        "scene_id": "s_00", "question": "What?", "answers": ["a"], "object_ids": [1]}]}),
    "scanrefer": ("val", "visual_grounding3d", {**ROOM, "ScanRefer_filtered_val.json": [{"scene_id": "s_00",
        "object_id": "0", "object_name": "chair", "ann_id": "1", "description": "a chair."}]}),
    "multi3drefer": ("val", "visual_grounding3d", {**ROOM, "multi3drefer_val.json": [{"scene_id": "s_00",
        "object_ids": [0], "ann_id": 1, "eval_type": "mt", "description": "a chair."}]}),
    "vqav2": ("val", "vqa", {
        "v2_OpenEnded_mscoco_val2014_questions.json": {"questions": [
            {"question_id": 1, "image_id": 4, "question": "What?"}]},
        "v2_mscoco_val2014_annotations.json": {"annotations": [
            {"question_id": 1, "answers": [{"answer": "a"}], "answer_type": "other"}]}}),
    "gqa": ("val", "vqa", {"val_balanced_questions.json": {"1": {"imageId": "n1", "question": "What?", "answer": "a",
        "types": {"structural": "query"}}}}),
    "docvqa": ("val", "vqa", {"val_v1.0.json": {"dataset_version": "1.0", "data": [{"questionId": 1,
        "question": "What?", "image": "documents/a.png", "answers": ["a"], "question_types": ["form"]}]}}),
    "shapenet": ("all", "classification3d", {"taxonomy.json": [{"synsetId": "04256520", "name": "sofa,couch"}],
        "04256520/m/models/model_normalized.obj": ""}),
    "bamboo": ("all", "classification", {"sensexo_visual_add_academic_add_state_V4.visual.json": {
        "id2name": {"n1": ["dog"]}, "id2desc": {"n1": "a canine"}, "child2father": {"n1": ["n2"]}},
        "bamboo_images/ab.n1.jpeg": ""}),
}  # fmt: skip
ODD = (None, True, -1, 10**30, 1e308, float("nan"), float("inf"), "", "x", [], {}, [None], {"x": 1}, [[1]], "\ud800")


def write(root, files):
    for name, value in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(value, np.ndarray):
            np.save(path, value)
        else:
            path.write_text(value if isinstance(value, str) else json.dumps(value))


def places(value, at=()):
    """Name every value inside a JSON value by its keys."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inside:
        yield (*at, key)
        yield from places(part, (*at, key))


def mutated(value, rng):
    """Replace, take away or repeat one value somewhere inside."""
    value = copy.deepcopy(value)
    *way, last = rng.choice(list(places(value)))
    holder = value
    for key in way:
        holder = holder[key]
    kind = rng.randrange(4)
    if kind == 0 and isinstance(holder, dict):
        del holder[last]
    elif kind == 1 and isinstance(holder, list):
        holder.append(copy.deepcopy(holder[last]))
    else:
        holder[last] = rng.choice(ODD)
    return value


def read(name, root):
    split, task, _ = SOURCES[name]
    return list(get_source(name).open(root, split, task))


def fault_of(name, root):
    """Convert every task of a source; return the message it is refused with, or an empty one."""
    try:
        convert_source(name, root, root / "i.jsonl", ConvertSettings(split=SOURCES[name][0], media="ignore"))
    except LammDataError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", SOURCES)
def test_the_files_are_whole_to_begin_with(tmp_path, name):
    write(tmp_path, SOURCES[name][2])
    assert read(name, tmp_path)


@pytest.mark.parametrize("name", SOURCES)
def test_odd_values_are_read_or_refused_by_name(tmp_path, name):
    rng, refused = random.Random(name), 0
    files = SOURCES[name][2]
    wholes = [file for file, value in files.items() if isinstance(value, list | dict)]
    write(tmp_path, files)
    for _ in range(150):
        file = rng.choice(wholes)
        write(tmp_path, {file: mutated(files[file], rng)})
        fault = fault_of(name, tmp_path)
        assert fault == "" or (fault.startswith("Expected") and str(tmp_path) in fault), fault
        refused += bool(fault)
        write(tmp_path, {file: files[file]})
    assert refused > 5


@pytest.mark.parametrize("text", ["[" * 100_000, "[" + "1" * 5000 + "]", '{"a": ' * 50_000])
def test_json_beyond_all_measure_is_refused(tmp_path, text):
    for name in ("a.json", "a.jsonl"):
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(SourceError, match=str(path)):
            list(iter_values(path))
        with pytest.raises(SourceError, match=str(path)):
            load_json(path)
        with pytest.raises(SourceError, match=str(path)):
            list(scan_records(path))

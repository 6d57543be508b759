"""Annotations of 2D question and expression sets, laid out as they are published, become benchmark files."""

import json
import pickle

import pytest
from PIL import Image

from lamm_data.benchmark.run import build_benchmark
from lamm_data.errors import SourceError
from lamm_data.records.benchmark import read_benchmark


def write(root, name, value):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def picture(root, name, size=(100, 50)):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size).save(path)


def built(source, root, **options):
    (file,) = build_benchmark(source, root, root / "out", **options)
    return read_benchmark(root / "out" / file.name)


def vqav2(root, version="2.0", answered=1):
    picture(root, "val2014/COCO_val2014_000000000042.jpg")
    people = [
        {"answer": word, "answer_confidence": "yes", "answer_id": k} for k, word in enumerate(["2"] * 7 + ["two"] * 3)
    ]
    annotation = {
        "question_id": answered,
        "image_id": 42,
        "answers": people,
        "answer_type": "number",
        "question_type": "how many",
    }
    asked = {"question_id": 1, "image_id": 42, "question": "How many?"}
    write(root, "v2_OpenEnded_mscoco_val2014_questions.json", {"info": {"version": version}, "questions": [asked]})
    write(root, "v2_mscoco_val2014_annotations.json", {"info": {"version": version}, "annotations": [annotation]})


def test_vqav2_keeps_the_answers_of_all_ten_people(tmp_path):
    vqav2(tmp_path)
    (record,) = built("vqav2", tmp_path)
    assert (record.id, record.answers) == ("1", ["2"] * 7 + ["two"] * 3)
    assert (record.extra["question_type"], record.image_size, record.group) == ("number", [100, 50], "42")


def test_vqav2_of_another_version_or_of_two_splits_is_refused(tmp_path):
    vqav2(tmp_path, version="1.9")
    with pytest.raises(SourceError, match=r"Expected version 2.0, got '1.9'"):
        built("vqav2", tmp_path)
    vqav2(tmp_path, answered=2)
    with pytest.raises(SourceError, match="answers to question 1"):
        built("vqav2", tmp_path)


def test_gqa_has_one_answer_and_the_structure_of_the_question(tmp_path):
    picture(tmp_path, "images/n1.jpg")
    entry = {"imageId": "n1", "question": "Is it red?", "answer": "no", "types": {"structural": "verify"}}
    write(tmp_path, "questions1.2/testdev_balanced_questions.json", {"201": entry})
    (record,) = built("gqa", tmp_path)
    assert (record.id, record.answers, record.extra["question_type"]) == ("201", ["no"], "verify")


def test_docvqa_finds_its_pages_and_refuses_another_version(tmp_path):
    picture(tmp_path, "documents/p_1.png")
    entry = {"questionId": 9, "question": "Date?", "image": "documents/p_1.png", "answers": ["1/8/93", "1/8/93"],
             "question_types": ["form"]}  # fmt: skip
    write(tmp_path, "val_v1.0_withQT.json", {"dataset_version": "1.0", "data": [entry]})
    (record,) = built("docvqa", tmp_path)
    assert (record.image, record.answers) == ("documents/p_1.png", ["1/8/93", "1/8/93"])
    assert record.extra["question_type"] == "form"
    write(tmp_path, "val_v1.0_withQT.json", {"dataset_version": "2.0", "data": [entry]})
    with pytest.raises(SourceError, match=r"Expected version 1.0, got '2.0'"):
        built("docvqa", tmp_path)


def test_chartqa_reads_both_parts(tmp_path):
    picture(tmp_path, "test/png/1.png")
    for kind in ("human", "augmented"):
        entry = {"imgname": "1.png", "query": f"{kind}?", "label": "0.57"}
        write(tmp_path, f"test/test_{kind}.json", [entry])
    records = built("chartqa", tmp_path)
    assert [(record.id, record.extra["question_type"]) for record in records] == [
        ("human-0", "human"),
        ("augmented-0", "augmented"),
    ]


def test_textvqa_keeps_what_people_typed_who_saw_no_answer(tmp_path):
    picture(tmp_path, "train_images/a.jpg")
    people = ["nokia"] * 4 + ["unanswerable"] * 6
    row = {"question_id": 1, "question": "what?", "image_id": "a", "image_width": 100, "image_height": 50}
    rows = [row | {"answers": people}, row | {"question_id": 2, "answers": ["unanswerable"] * 10}]
    write(tmp_path, "TextVQA_0.5.1_val.json", {"dataset_version": "0.5.1", "data": rows})
    assert [record.answers for record in built("textvqa", tmp_path)] == [people, ["unanswerable"] * 10]


COCO = {
    "images": [{"id": 7, "file_name": "COCO_train2014_000000000007.jpg", "width": 100, "height": 50}],
    "annotations": [
        {"id": 3, "image_id": 7, "category_id": 1, "bbox": [10, 5, 40, 20], "iscrowd": 0},
        {"id": 4, "image_id": 7, "category_id": 1, "bbox": [60, 5, 20, 20], "iscrowd": 0},
    ],
    "categories": [{"id": 1, "name": "dog"}],
}


def refs(root, value):
    picture(root, "train2014/COCO_train2014_000000000007.jpg")
    write(root, "instances.json", COCO)
    (root / "refs(unc).p").write_bytes(pickle.dumps(value, protocol=2))


def test_refcoco_joins_expressions_and_boxes(tmp_path):
    reference = {"ref_id": 1, "ann_id": 3, "image_id": 7, "category_id": 1, "split": "testA",
                 "sentences": [{"sent": "left dog", "sent_id": 11}, {"sent": "big one", "sent_id": 12}]}  # fmt: skip
    refs(tmp_path, [reference, reference | {"split": "val"}])
    first, second = built("refcoco", tmp_path, split="testA")
    assert (first.gt_bbox, first.extra["source_id"], second.extra["source_id"]) == ([0.1, 0.1, 0.5, 0.5], "11", "12")
    assert first.query.endswith("Left dog.")
    with pytest.raises(SourceError, match="Expected a split out of testA, val, got 'train'"):
        built("refcoco", tmp_path, split="train")


class Evil:
    def __reduce__(self):
        return print, ("run",)


def test_refcoco_runs_nothing_of_its_pickle(tmp_path, capsys):
    refs(tmp_path, [Evil()])
    with pytest.raises(SourceError, match=r"plain values, got a call of .*print"):
        built("refcoco", tmp_path)
    assert not capsys.readouterr().out

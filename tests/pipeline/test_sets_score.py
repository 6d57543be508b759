"""From the published layout of a set to its project's own score: references as predictions are perfect."""

import json
import pickle

import numpy as np
import pytest

from lamm_data import build_benchmark
from lamm_metrics import score

SCENE = "scene0011_00"
SITUATED = {"question_id": 1, "scene_id": SCENE, "question": "What is it?", "situation": "I sit."}
PLACE = {"position": {"x": 1, "y": 0, "z": 0}, "rotation": {"_x": 0, "_y": 0, "_z": 0, "_w": 1}}
STIMULUS = f"stimulus_id,target_id,tokens,scan_id,utterance\n{SCENE}-chair-2-0-1,0,\"['left']\",{SCENE},left chair\n"
PICTURE = {"id": 7, "file_name": "a.jpg", "width": 100, "height": 50}
BOXED = {"id": 3, "image_id": 7, "category_id": 1, "bbox": [10, 5, 40, 20], "iscrowd": 0}
REFERENCE = {"ann_id": 3, "image_id": 7, "split": "val", "sentences": [{"sent": "left dog", "sent_id": 1}]}
DESCRIBED = {"scene_id": SCENE, "object_id": "0", "object_name": "chair", "ann_id": "0", "description": "a chair."}
POPE = {
    "id": "a", "scene_id": SCENE, "question_type": "popular", "template": "template_1", "ground_truth_answer": "yes",
    "conversations": [{"value": "Are there any chairs?\n<image>"}],
}  # fmt: skip
SPATIAL = {
    "id": 1, "dataset": "scannet", "scene_name": SCENE, "question": "How far?", "ground_truth": "2.5",
    "question_type": "object_abs_distance",
}  # fmt: skip
SETS = {
    # source, task, protocol: files
    ("scanqa", "open_vqa3d", "scanqa-official"): {"ScanQA_v1.0_val.json": [
        {"scene_id": SCENE, "question_id": "v-1", "question": "What is it?", "answers": ["Brown ", "brown"]}]},
    ("sqa3d", "open_vqa3d", "chatscene-sqa3d"): {
        "v1_balanced_questions_test_scannetv2.json": {"questions": [SITUATED]},
        "v1_balanced_sqa_annotations_test_scannetv2.json": {
            "annotations": [SITUATED | PLACE | {"answers": [{"answer": "chair"}]}]}},
    ("sqa3d", "localisation3d", "sqa3d-localisation"): {
        "v1_balanced_questions_test_scannetv2.json": {"questions": [SITUATED]},
        "v1_balanced_sqa_annotations_test_scannetv2.json": {
            "annotations": [SITUATED | PLACE | {"answers": [{"answer": "chair"}]}]},
        f"scans/{SCENE}/{SCENE}.txt": "axisAlignment = 0 -1 0 5 1 0 0 6 0 0 1 7 0 0 0 1\n"},
    ("msqa", "open_vqa3d", "msqa"): {"msqa_scannet_test.json": [
        {"index": 1, "scan_id": SCENE, "question": "Is it?", "answers": ["yes"], "situation": "I sit.",
         "type": "counting"}]},
    ("beacon3d", "open_vqa3d", "beacon3d"): {"data/scannet/scannet_qa.json": [
        {"question_id": f"{SCENE}_0_0_class_0", "scene_id": SCENE, "question": "Who?", "answers": ["A"],
         "object_ids": [0]}]},
    ("beacon3d_grounding", "multi_grounding3d", "multi3drefer"): {"data/scannet/scannet_grounding.json": [
        {"item_id": "a_class", "scan_id": SCENE, "target_id": [0, 1], "utterance": "chairs"}]},
    ("3d_pope", "yes_no3d", "3d-pope"): {"scannet_scannet200/popular_template_1.json": [
        POPE, POPE | {"id": "b", "ground_truth_answer": "no"}]},
    ("vsi_bench", "spatial_questions3d", "vsi-official"): {"test.jsonl": json.dumps(SPATIAL)},
    ("scanrefer", "visual_grounding3d", "scanrefer"): {"ScanRefer_filtered_val.json": [DESCRIBED]},
    ("nr3d", "visual_grounding3d", "nr3d"): {"nr3d.csv": STIMULUS},
    ("sr3d", "visual_grounding3d", "sr3d"): {"sr3d.csv": STIMULUS},
    ("multi3drefer", "multi_grounding3d", "multi3drefer"): {"multi3drefer_val.json": [
        {"scene_id": SCENE, "object_ids": ids, "ann_id": k, "eval_type": kind, "description": "x"}
        for k, (ids, kind) in enumerate((([], "zt_wo_d"), ([0], "st_w_d"), ([0, 1], "mt")))]},
    ("vigil3d", "multi_grounding3d", "vigil3d"): {
        "vigil3d_scannet.csv": f'prompt_id,scene_id,object_id,description,is_valid\na,{SCENE},"0,1",chairs,1\n'},
    ("scan2cap", "dense_caption3d", "scan2cap-benchmark"): {"ScanRefer_filtered_val.json": [DESCRIBED]},
    ("vqav2", "open_vqa", "vqav2"): {
        "v2_OpenEnded_mscoco_val2014_questions.json": {"questions": [
            {"question_id": 1, "image_id": 4, "question": "What?"}]},
        "v2_mscoco_val2014_annotations.json": {"annotations": [
            {"question_id": 1, "answers": [{"answer": "cat"}] * 10, "answer_type": "other"}]}},
    ("textvqa", "open_vqa", "textvqa"): {"TextVQA_0.5.1_val.json": {"dataset_version": "0.5.1", "data": [
        {"question_id": 1, "question": "Who?", "image_id": "a", "image_width": 9, "image_height": 8,
         "answers": ["x"] * 10}]}},
    ("gqa", "open_vqa", "gqa"): {"testdev_balanced_questions.json": {"1": {
        "imageId": "n", "question": "Who?", "answer": "yes"}}},
    ("docvqa", "open_vqa", "docvqa"): {"val_v1.0.json": {"dataset_version": "1.0", "data": [
        {"questionId": 1, "question": "Who?", "image": "documents/a.png", "answers": ["1/8/93"]}]}},
    ("chartqa", "open_vqa", "chartqa"): {
        f"test/test_{kind}.json": [{"imgname": "1.png", "query": "Who?", "label": "0.5"}]
        for kind in ("human", "augmented")},
    ("refcoco", "referring", "refcoco"): {
        "refs(unc).p": pickle.dumps([REFERENCE], 2),
        "instances.json": {"images": [PICTURE], "annotations": [BOXED], "categories": [{"id": 1, "name": "dog"}]}},
}  # fmt: skip


def spoken(record):
    """The true answer as a model would write it."""
    if "answers" in record or "label" in record or "num" in record:
        return (record.get("answers") or [str(record.get("label", record.get("num")))])[0]
    if "position" in record:
        return f"{record['position']} {record['rotation']}"
    if "gt_bbox" in record:
        return str(record["gt_bbox"])
    named = [(item.get("sentences", [""])[0], item["bbox"]) for item in record["object"]]
    return "\n".join(f"{text} {box}".strip() for text, box in named) or "There is no such object."


@pytest.mark.parametrize(("source", "task", "protocol"), SETS)
def test_a_published_set_goes_to_its_projects_score(tmp_path, source, task, protocol):
    boxes = [[5 * key, 0, 0.5, 1, 1, 1, 1, key] for key in (0, 1)]
    files = SETS[source, task, protocol] | {"classes.tsv": "1\tchair\n", "scannetv2_val.txt": f"{SCENE}\n"}
    for name, value in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = value if isinstance(value, str | bytes) else json.dumps(value)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (tmp_path / "scannet_data").mkdir()
    np.save(tmp_path / "scannet_data" / f"{SCENE}_aligned_bbox.npy", np.array(boxes, dtype=float))
    (file,) = build_benchmark(source, tmp_path, tmp_path / "out", tasks=(task,), media="ignore")
    path = tmp_path / "out" / file.name
    answers = [{"id": record["id"], "text": spoken(record)} for record in json.loads(path.read_text())]
    report = score(None, path, answers, protocol, draws=50, samples=False)
    assert report.task == task
    # CIDEr of a single object is 0 by its formula, however good the caption.
    chosen = [one for one in report.scores if "rouge" in one.name] if task == "dense_caption3d" else report.scores
    assert chosen[0].value == pytest.approx(1, abs=1e-6), chosen[0]

"""Two packages keep a table of tasks each, since neither imports the other: the rows and what a record needs agree."""

import pytest

import lamm_data
import lamm_metrics
from lamm_data import BENCHMARK_TASKS, BenchmarkRecord, RecordError
from lamm_metrics import read_references

BOX = [1.0, 2.0, 0.5, 1.0, 1.0, 1.0]
CHAIR = {"label": "chair", "bbox": BOX}
TRUTHS = {
    "yes_no": {"label": "yes", "object": "dog"},
    "open_vqa": {"answers": ["2", "two", "2"]},
    "open_vqa3d": {"answers": ["brown"], "question": "What colour?", "situation": "I sit.", "question_type": "what"},
    "spatial_questions3d": {"num": 2.5, "question_type": "object_abs_distance"},
    "multi_grounding3d": {"object": [], "eval_type": "zt_wo_d"},
    "referring": {"gt_bbox": [0.1, 0.2, 0.3, 0.4]},
    "object_caption3d": {"sentences": ["a brown chair"], "object": [{"label": "chair"}]},
    "dense_caption3d": {"object": [CHAIR | {"sentences": ["a brown chair"]}]},
    "yes_no3d": {"label": "no", "setting": "popular"},
    "localisation3d": {"position": [0, 0, 0], "rotation": {"_w": 1, "_x": 0, "_y": 0, "_z": 0}},
    "visual_grounding3d": {"gt_bbox": BOX, "proposals": [{"id": "0", "bbox": BOX}], "unique": True},
}
"""A record's truth by task."""
WRONG = {
    "open_vqa": {"answers": []},
    "open_vqa3d": {"answers": "brown"},
    "spatial_questions3d": {"num": -1},
    "multi_grounding3d": {"object": [{"label": "chair", "bbox": [1, 2]}]},
    "referring": {"gt_bbox": [0.1, 0.2]},
    "object_caption3d": {"sentences": []},
    "dense_caption3d": {"object": [CHAIR]},
    "localisation3d": {"position": [0, 0, 0], "rotation": [0, 0, 0, 0]},
    "visual_grounding3d": {"gt_bbox": BOX, "proposals": [{"id": "0", "bbox": BOX}, {"id": "0", "bbox": BOX}]},
}


def record(task, truth):
    medium = {"pcl": "a.npy"} if BENCHMARK_TASKS[task].modality == "pcl" else {"image": "a.jpg"}
    return {"id": "1", "query": "What?", "task": task} | medium | truth


def test_both_tables_have_the_same_tasks_prefixes_and_modalities():
    def told(tasks):
        return {key: (task.prefix, task.modality) for key, task in tasks.items()}

    assert told(BENCHMARK_TASKS) == told(lamm_metrics.TASKS)


@pytest.mark.parametrize("task", TRUTHS)
def test_a_record_that_one_package_takes_the_other_takes_too(task):
    value = record(task, TRUTHS[task])
    assert BenchmarkRecord.from_dict(value).to_dict() == value
    assert read_references([value]).task == task
    assert lamm_data.benchmark_file_name(task, "Set").startswith(lamm_metrics.TASKS[task].prefix)


@pytest.mark.parametrize(("task", "truth"), [*WRONG.items(), *((task, {}) for task in TRUTHS)])
def test_a_record_that_one_package_refuses_the_other_refuses_too(task, truth):
    value = record(task, truth)
    with pytest.raises(RecordError):
        BenchmarkRecord.from_dict(value)
    with pytest.raises(lamm_metrics.LammMetricsError):
        read_references([value])

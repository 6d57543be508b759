"""Several targets, one or none: Multi3DRefer's F1, against values of three projects' code."""

import json
from pathlib import Path

import numpy as np
import pytest

from lamm_metrics import check_metric, score
from lamm_metrics.errors import LammMetricsError
from lamm_metrics.metrics.grounding_f1 import GroundingF1
from lamm_metrics.records.predictions import Prediction

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "vision3d" / "boxes_multi3drefer.json").read_text())
QUERIES = GOLDEN["multi3drefer"]
PUBLISHED = {"overlap": "m3dref", "thresholds": (0.25, 0.5)}


def centred(box):
    low, high = np.array(box, float)
    return [*((low + high) / 2).tolist(), *(high - low).tolist()]


def scored(queries, answered=None, **options):
    metric = GroundingF1(**{**PUBLISHED, **options})
    for i, (kind, truth, boxes, *_) in enumerate(queries):
        record = {"id": i, "eval_type": kind, "object": [{"label": "", "bbox": centred(box)} for box in truth]}
        answer = [{"box": centred(box)} for box in boxes]
        absent = i >= (answered or len(queries))
        metric.update(record, Prediction(str(i), boxes=None if absent else answer, absent=absent))
    return metric, {score.name: score.value for score in metric.compute(draws=2)}


@pytest.mark.parametrize(("overlap", "column"), [("m3dref", 3), ("m3dref", 5), ("exact", 4)])
def test_every_query_is_the_projects_number(overlap, column):
    assert len(QUERIES["items"]) == 26
    metric, _ = scored(QUERIES["items"], overlap=overlap)
    found = [metric.entries[str(i)].state.f1 for i in range(26)]
    for i, query in enumerate(QUERIES["items"]):
        assert found[i] == tuple(query[column]), query


def test_overall_and_every_part_is_the_projects_number():
    _, scores = scored(QUERIES["items"])
    for threshold in ("0.25", "0.5"):
        for part, published in QUERIES["M3DRef_CLIP_overall"][f"F1@{threshold}"].items():
            name = f"grounding_f1{'' if part == 'overall' else '/' + part}@{threshold}"
            # The project averages in float32.
            assert scores[name] == pytest.approx(published, abs=1e-7), name


def test_missing_answers_count_or_are_left_out():
    golden = QUERIES["last_6_predictions_missing"]
    _, wrong = scored(QUERIES["items"], 20)
    metric, skipped = scored(QUERIES["items"], 20, missing="skip")
    assert wrong["grounding_f1@0.25"] == pytest.approx(golden["M3DRef_CLIP_overall"]["F1@0.25"], abs=1e-7)
    assert wrong["grounding_f1@0.5"] == pytest.approx(golden["M3DRef_CLIP_overall"]["F1@0.5"], abs=1e-7)
    assert skipped["grounding_f1@0.25"] == pytest.approx(golden["torchmetrics_ext_all"]["all_0.25"], abs=1e-7)
    assert skipped["grounding_f1@0.5"] == pytest.approx(golden["torchmetrics_ext_all"]["all_0.5"], abs=1e-7)
    assert metric.compute(draws=2)[0].n == 20
    assert metric.remarks() == ["6 of 26 records without an answer are left out (missing=skip)"]


OBJECTS = [{"id": i, "bbox": [3 * i, 0, 0, 1, 1, 1]} for i in range(4)]


def answered(text, truth, **options):
    metric = GroundingF1(**options)
    record = {"id": "q", "object": [{"label": "", "bbox": OBJECTS[i]["bbox"]} for i in truth], "proposals": OBJECTS}
    metric.update(record, Prediction("q", text))
    return metric, metric.entries["q"].state.f1[0]


def test_answers_name_numbered_objects():
    assert answered("It is <OBJ001> and <obj_003>.", [1, 3])[1] == 1
    assert answered("<OBJ001>", [1, 3])[1] == pytest.approx(2 / 3)
    # Each repetition is one more wrong box, unless the rule says otherwise.
    assert answered("<OBJ001><OBJ001>", [1])[1] == pytest.approx(2 / 3)
    assert answered("Image 7. 1. the chairs 1, 1 and 3", [1, 3], ids="gpt4scene")[1] == 1
    assert answered("No.", [])[1] == 1


def test_ids_of_objects_that_are_not_in_the_scene_are_listed():
    metric, value = answered("<OBJ001> <OBJ099>", [1])
    assert value == pytest.approx(2 / 3)
    assert metric.remarks() == ["ids of objects that are not in the scene in the answers to 'q' (99)"]
    assert answered("<OBJ001> <OBJ099>", [1], ids="chatscene")[1] == 1
    # By the project's rule an answer without an id means nothing, which is right where nothing is meant.
    assert answered("I cannot see any.", [], ids="chatscene")[1] == 1
    assert answered("I cannot see any.", [])[1] == 0
    metric = GroundingF1()
    with pytest.raises(LammMetricsError, match="numbered objects of the scene of record 'q' under `proposals`"):
        metric.update({"id": "q", "object": []}, Prediction("q", "<OBJ001>"))


def test_what_names_no_box_has_failed_with_a_reason():
    metric, value = answered("The chair in the corner.", [])
    assert value == 0
    assert (metric.n_failed, next(metric.per_sample()).detail) == (1, "it names no box and no object")


def test_a_kind_that_contradicts_the_boxes_is_refused():
    with pytest.raises(LammMetricsError, match="`eval_type` of zt in record 'q', which has 0 true boxes, got 'mt'"):
        GroundingF1().update({"id": "q", "object": [], "eval_type": "mt"}, Prediction("q", boxes=[]))


def test_the_report_draws_all_boxes_and_which_found_each_other():
    metric, _ = scored([QUERIES["items"][6]])
    marks = next(metric.per_sample()).marks
    assert [(mark.true, mark.matched) for mark in marks] == [(True, True), (False, True), (False, False)]


def test_groups_are_those_of_the_number_of_boxes_without_a_kind():
    metric = GroundingF1()
    for i in range(3):
        metric.update(
            {"id": i, "object": [{"label": "", "bbox": [j, 0, 0, 1, 1, 1]} for j in range(i)]},
            Prediction(str(i), boxes=[]),
        )
    assert {s.name for s in metric.compute(draws=2)[2::2]} == {
        f"grounding_f1/{part}@0.5" for part in ("zt", "st", "mt")
    }


@pytest.mark.parametrize(
    ("protocol", "key"), [("multi3drefer", "M3DRef_CLIP_overall"), ("torchmetrics-ext", "torchmetrics_ext_all")]
)
def test_protocols_give_the_projects_numbers_where_answers_are_missing(protocol, key):
    records, answers = [], []
    for i, (kind, truth, boxes, *_) in enumerate(QUERIES["items"]):
        objects = [{"label": "", "bbox": centred(box)} for box in truth]
        records.append({"id": i, "eval_type": kind, "object": objects, "scene_id": f"s{i // 3}"})
        answers.append({"id": i, "boxes": [{"box": centred(box)} for box in boxes]})
    report = score("multi_grounding3d", records, answers[:20], protocol, missing="failed", draws=20)
    found = {one.name.partition("@")[2]: one.value for one in report.scores if "/" not in one.name}
    published = {name.strip("F1@al_"): value for name, value in QUERIES["last_6_predictions_missing"][key].items()}
    assert found == pytest.approx(published, abs=1e-7)
    assert report.headline.interval is not None
    assert report.headline.n == (26 if protocol == "multi3drefer" else 20)


@pytest.mark.parametrize("options", [{"missing": "skip"}, {"overlap": "scanrefer", "ids": "gpt4scene"}])
def test_shards_merge_under_any_option(options):
    records = [
        {
            "id": i,
            "scene_id": f"s{i % 3}",
            "object": [{"label": "", "bbox": OBJECTS[i % 4]["bbox"]}] * (i % 2),
            "proposals": OBJECTS,
        }
        for i in range(9)
    ]
    answers = [Prediction(str(i), "" if i == 4 else f"<OBJ00{i % 4}>", absent=i == 4) for i in range(9)]
    check_metric(lambda: GroundingF1(**options), records, answers)

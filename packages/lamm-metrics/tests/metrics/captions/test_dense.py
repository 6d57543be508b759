"""Dense captioning, against values of Scan2Cap's benchmark, of the COCO scorers, and of five projects' texts."""

import json
from pathlib import Path

import numpy as np
import pytest

from lamm_metrics.metrics.captions.dense import DenseCaptionF1, DenseCaptions
from lamm_metrics.metrics.captions.meteor_tables import has_tables
from lamm_metrics.records.predictions import Prediction

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "vision3d" / "scan2cap.json").read_text())
SETS = list(GOLDEN["predictions"])
METEOR = has_tables()
RECALL = [("cider_d", "CIDEr"), ("bleu_4", "BLEU-4"), ("rouge_l", "ROUGE_L"), *[("meteor", "METEOR")] * METEOR]
F1 = [("cider_d", "cider"), ("bleu_4", "bleu"), ("rouge_l", "rouge"), *[("meteor", "meteor")] * METEOR]
TEXTS = {
    "scan2cap": "Scan2Cap lib / LL3DA refs (tokens, 30 max, no PTB; pred as tokens)",
    "ll3da": "LL3DA (refs tokens 30 max; pred raw text, no PTB)",
    "leo": "LEO (refs tokens; pred '. '->' . ', case kept, no PTB)",
    "chatscene": "Chat-Scene / GPT4Scene (full text, PTB, punctuation dropped)",
    "video3dllm": "Video-3D-LLM (lower, '.' and ',' spaced, double blanks kept, missing = 'sos  eos')",
}


def centred(box):
    low, high = np.array(box, float)
    return [*((low + high) / 2).tolist(), *(high - low).tolist()]


def plain(caption):
    return caption.removeprefix("sos ").removesuffix(" eos")


def scored(metric, predictions):
    for scene, truth in GOLDEN["gt"].items():
        objects = [
            {"label": name, "bbox": centred(box), "sentences": [plain(text) for text in texts]}
            for name, box, texts in zip(truth["object_ids"], truth["boxes"], truth["captions"], strict=True)
        ]
        boxes = [{"label": plain(text), "box": centred(box)} for text, box in predictions[scene]]
        metric.update({"id": scene, "pcl": f"{scene}.ply", "object": objects}, Prediction(scene, boxes=boxes))
    return {score.name: score.value for score in metric.compute(draws=5)}


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize(("chosen", "bound", "key"), [
    ("oracle", "reach", "oracle_ge"), ("assigned", "exceed", "LL3DA_assign_gt_strict"),
])  # fmt: skip
def test_the_recall_form_is_that_of_the_coco_scorers(name, chosen, bound, key):
    assert len(SETS) == 6
    metric = DenseCaptions(chosen=chosen, bound=bound, text="scan2cap", meteor=METEOR)
    found = scored(metric, GOLDEN["predictions"][name])
    for threshold in ("0.25", "0.5"):
        published = GOLDEN["recall_form"][name][threshold][key]
        for ours, theirs in RECALL:
            assert found[f"dense_captions/{ours}@{threshold}"] == pytest.approx(published[theirs], abs=1e-9), ours


@pytest.mark.parametrize("name", SETS)
def test_the_f1_form_is_that_of_the_benchmark(name):
    metric = DenseCaptionF1(meteor=METEOR)
    found = scored(metric, GOLDEN["predictions"][name])
    golden = GOLDEN["benchmark_F1"][name]
    chosen = [one.iou for _, entry in metric.ordered() for one in entry.state.objects]
    assert chosen == pytest.approx([iou for _, iou in golden["assigned"].values()], abs=1e-6)
    assert sum(entry.state.answered for _, entry in metric.ordered()) == golden["num_preds"]
    for threshold in ("0.25", "0.5"):
        for part, suffix in (("f1-score", ""), ("precision", "/precision"), ("recall", "/recall")):
            for ours, theirs in F1:
                published = golden["results"][threshold][part][theirs]
                # The benchmark adds up in float32 and prints eight digits.
                value = found[f"dense_caption_f1/{ours}{suffix}@{threshold}"]
                assert value == pytest.approx(published, rel=1e-6, abs=1e-8), (ours, part)


@pytest.mark.parametrize("text", TEXTS)
def test_texts_of_five_projects(text):
    metric = DenseCaptions(text=text, meteor=METEOR)
    for key, item in GOLDEN["text_protocols"]["objects"].items():
        record = {"id": key, "gt_bbox": [0, 0, 0, 1, 1, 1], "sentences": item["refs"]}
        boxes = None if item["pred"] is None else [{"label": item["pred"], "box": [0, 0, 0, 1, 1, 1]}]
        metric.update(record, Prediction(key, boxes=boxes))
    found = {score.name: score.value for score in metric.compute(draws=2)}
    published = GOLDEN["text_protocols"]["results"][TEXTS[text]]
    for ours, theirs in RECALL:
        assert found[f"dense_captions/{ours}@0.5"] == pytest.approx(published[theirs], abs=1e-9), ours
    assert metric.n_failed == 1


CHAIR = {"label": "chair", "bbox": [0, 0, 0, 1, 1, 1], "sentences": ["A brown chair at the desk."]}
TABLE = {"label": "table", "bbox": [5, 0, 0, 1, 1, 1], "sentences": ["A round white table."]}


def answered(text, record, **options):
    metric = DenseCaptions(**options)
    metric.update({"id": "s", **record}, Prediction("s", text))
    return metric, {score.name.partition("/")[2]: score.value for score in metric.compute(draws=2)}


@pytest.mark.parametrize(
    "text",
    [
        "1. A brown chair at the desk. [0, 0, 0, 1, 1, 1]\n2. A round white table. [5, 0, 0, 1, 1, 1]",
        '[{"caption": "A brown chair at the desk.", "box": [0, 0, 0, 1, 1, 1]}, '
        '{"label": "A round white table.", "bbox": [5, 0, 0, 1, 1, 1]}]',
        "A brown chair at the desk: <box>[0, 0, 0, 1, 1, 1]</box>\nA round white table: [5, 0, 0, 1, 1, 1]",
    ],
)
def test_captions_are_read_from_text(text):
    metric, found = answered(text.replace("<box>", "").replace("</box>", ""), {"object": [CHAIR, TABLE]})
    assert found["rouge_l@0.5"] == pytest.approx(1)
    assert metric.n_failed == 0
    assert next(metric.per_sample()).extracted == "2 of 2 objects found, 2 boxes answered"
    assert [mark.matched for mark in next(metric.per_sample()).marks] == [True] * 4


def test_what_names_no_box_has_failed():
    metric, found = answered("There is a brown chair.", {"object": [CHAIR, TABLE]})
    assert (metric.n_failed, next(metric.per_sample()).detail) == (1, "it names no box")
    assert found["cider_d@0.5"] == 0
    # The caption of a missed object is not worth nothing.
    assert found["rouge_l@0.5"] > 0.3


def test_a_caption_belongs_to_the_box_that_was_asked_about():
    record = {"gt_bbox": CHAIR["bbox"], "sentences": CHAIR["sentences"]}
    text = "A brown chair at the desk."
    assert answered(text, record)[0].n_failed == 1
    assert answered(text, record, boxes="true")[1]["rouge_l@0.5"] == pytest.approx(1)
    near, far = [0.1, 0, 0, 1, 1, 1], [0.6, 0, 0, 1, 1, 1]
    assert answered(text, {**record, "proposal_bbox": near})[1]["rouge_l@0.5"] == pytest.approx(1)
    found = answered(text, {**record, "proposal_bbox": far})[1]
    assert found["rouge_l@0.5"] < 0.5


def test_a_scene_without_an_answer_is_all_missed():
    metric = DenseCaptionF1()
    metric.update({"id": 1, "object": [CHAIR]}, Prediction("1", absent=True))
    found = metric.compute(draws=2)
    assert {score.value for score in found} == {0.0}
    assert found[0].n_failed == 1


def test_the_last_box_near_an_object_may_speak_for_it():
    metric = DenseCaptions(chosen="last", text="scan2cap")
    boxes = [
        {"label": "A brown chair at the desk.", "box": [0, 0, 0, 1, 1, 1]},
        {"label": "Something else.", "box": [0.2, 0, 0, 1, 1, 1]},
        {"label": "A round white table.", "box": [5, 0, 0, 1, 1, 1]},
    ]
    metric.update({"id": 1, "object": [CHAIR, TABLE]}, Prediction("1", boxes=boxes))
    chair, table = metric.entries["1"].state.objects
    assert (round(chair.iou, 4), table.iou) == (round(0.8 / 1.2, 4), pytest.approx(1))
    assert chair.found.rouge < 0.5 < table.found.rouge

"""BLEU, ROUGE-L and CIDEr of open answers equal what each project's text handling and the COCO code give."""

import json
from pathlib import Path

import numpy as np
import pytest

from lamm_metrics import make_metric, ptb, score
from lamm_metrics.metrics.captions.bleu import bleu_of_counts
from lamm_metrics.metrics.captions.meteor_tables import has_tables
from lamm_metrics.protocols import PUBLISHED
from lamm_metrics.records.predictions import Prediction

GOLDEN = Path(__file__).parents[2] / "golden" / "vision3d" / "ngram_qa.json"
FOUND = json.loads(GOLDEN.read_text("utf-8"))
PROJECTS = {
    "ScanQA score.py / torchmetrics_ext (raw -> PTB)": "scanqa-official",
    "LEO (clean_answer, no PTB)": "leo",
    "LLaVA-3D (clean_answer -> PTB)": "llava3d",
    "Chat-Scene / GPT4Scene (pred cleaned, refs raw, PTB)": "chatscene",
    "Video-3D-LLM (no cleaning, rstrip '.', no PTB)": "video3dllm",
    "LL3DA (no cleaning, no PTB)": "ll3da",
}
REFERENCES = [{"id": f"{place:02d}", "answers": truth} for place, (_, truth) in enumerate(FOUND["qa"]["items"])]
ANSWERS = [{"id": f"{place:02d}", "text": answer} for place, (answer, _) in enumerate(FOUND["qa"]["items"])]


def test_every_project_of_the_golden_file_is_a_protocol():
    assert PROJECTS.keys() == FOUND["qa"]["results"].keys()


@pytest.mark.parametrize("project", PROJECTS)
def test_the_whole_equals_the_project(project):
    found = {one.name: one.value for one in score("open_vqa3d", REFERENCES, ANSWERS, PROJECTS[project], draws=2).scores}
    expected = FOUND["qa"]["results"][project]["corpus"]
    assert [found[f"bleu_{order}"] for order in (1, 2, 3, 4)] == pytest.approx(expected["BLEU"], rel=0, abs=1e-9)
    assert found["rouge_l"] == pytest.approx(expected["ROUGE_L"], rel=0, abs=1e-9)
    assert found["cider_d"] == pytest.approx(expected["CIDEr"], rel=0, abs=1e-9)
    if has_tables():
        assert found["meteor"] == pytest.approx(expected["METEOR"], rel=0, abs=1e-9)


@pytest.mark.parametrize("project", PROJECTS)
def test_every_item_equals_the_project(project):
    expected = FOUND["qa"]["results"][project]["items"]
    for use in PUBLISHED[PROJECTS[project]].tasks["open_vqa3d"]:
        if use.metric in ("exact_match", "meteor"):
            continue
        metric = make_metric(use.metric, "open_vqa3d", **use.options)
        for record, answer in zip(REFERENCES, ANSWERS, strict=True):
            metric.update(record, Prediction(answer["id"], answer["text"]))
        table = metric.table()
        ours = bleu_of_counts(table, "coco")[:, 0] if use.metric == "bleu" else table[:, 0]
        theirs = expected[{"bleu": "BLEU1", "rouge_l": "ROUGE_L", "cider_d": "CIDEr"}[use.metric]]
        assert ours == pytest.approx(np.array(theirs), rel=0, abs=1.1e-9)


@pytest.mark.parametrize(("text", "words"), FOUND["ptb"]["items"])
def test_words_are_those_of_the_treebank_tokeniser(text, words):
    assert " ".join(ptb(text)) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("plan b.", "plan b."),
        ("(a.) B. red", "-lrb- a. -rrb- b. red"),
        ("it's a 3 p.m. U.S thing", "it 's a 3 p.m. u.s thing"),
        ("b... two.. TV.....", "b. two tv"),
        ("Mr. No. 5, no. st. etc.", "mr. no. 5 no st. etc."),
        ("chair.The table", "chair.the table"),
        ("a.b1 a.1 1.a", "a.b1 a. 1 1 a"),
        ("approx.: 4.; t-shirt.,", "approx. 4. t-shirt."),
        ("@home #a #4", "@home #a # 4"),
        ("rock'n'roll 'n' x", "rock 'n' roll 'n' x"),
        ("AT&T at&t A&a 2&3", "at&t at & t a & a 2 & 3"),
    ],
)
def test_words_are_those_of_the_java_program(text, words):
    """What the program gives; `benchmarks/metrics/verification_harnesses.py` runs it on drawn answers."""
    assert " ".join(ptb(text)) == words

"""Exact match equals what each project's code gives, item by item."""

import json
from pathlib import Path

import pytest

from lamm_metrics import UsageError, make_metric, score
from lamm_metrics.metrics.question_types import msqa_types, scanqa_class, sqa3d_type
from lamm_metrics.metrics.texts import TEXTS, clean_answer
from lamm_metrics.records.predictions import Prediction

GOLDEN = Path(__file__).parents[1] / "golden" / "vision3d"
FOUND = json.loads((GOLDEN / "qa_em.json").read_text("utf-8"))
PROJECTS = {
    "LEO": "leo",
    "LLaVA-3D": "llava3d",
    "Chat-Scene scanqa / GPT4Scene scanqa (refs not cleaned)": "chatscene",
    "Chat-Scene sqa3d / GPT4Scene sqa3d (refs cleaned)": "chatscene-sqa3d",
    "Chat-3D-v2 scanqa": "chat3dv2",
    "Video-3D-LLM scanqa (EM only)": "video3dllm",
    "Video-3D-LLM sqa3d (EM only, first ref)": "video3dllm-sqa3d",
    "MSR3D evaluate_msqa (first ref only): em1_strict, em1": "msqa",
    "Beacon3D": "beacon3d",
    "MMScan": "mmscan",
    "ScanQA score.py Top1 (EM)": "scanqa-official",
}


def files():
    """The 71 golden items as records and answers; each of a type of MSQA, whose rule counts no others."""
    listed = list(enumerate(FOUND["items"]))
    references = [
        {"id": f"{place:02d}", "answers": truth, "question_type": "counting", "query": "What?"}
        for place, (_, truth) in listed
    ]
    return references, [{"id": f"{place:02d}", "text": answer} for place, (answer, _) in listed]


def test_every_project_of_the_golden_file_is_a_protocol():
    assert PROJECTS.keys() == FOUND["per_project"].keys() - {"Beacon3D is_binary_question"}
    assert len(FOUND["items"]) == 71


@pytest.mark.parametrize("project", PROJECTS)
def test_every_item_equals_the_project(project):
    report = score("open_vqa3d", *files(), protocol=PROJECTS[project], draws=2)
    by_name = {found.name: found for found in report.scores}
    metric = report.scores[0]
    # The headline per item; EM-R first under MSQA's rule.
    column = 1 if metric.name == "em_r" else 0
    assert [sample.value for sample in report.samples] == [pair[column] for pair in FOUND["per_project"][project]]
    exact, refined = FOUND["overall_percent"][project]
    assert 100 * by_name["em"].value == pytest.approx(exact, abs=5e-5)
    if "em_r" in by_name:
        assert 100 * by_name["em_r"].value == pytest.approx(refined, abs=5e-5)
        assert [sample for sample in report.samples if sample.status != "ok"]
    else:
        assert refined == 0
    assert f"|protocol:{PROJECTS[project]}|" in metric.signature


@pytest.mark.parametrize("project", [name for name in PROJECTS if FOUND["overall_percent"][name][1]])
def test_every_item_equals_the_project_in_the_refined_way(project):
    from lamm_metrics.metrics.exact_match import match_answer
    from lamm_metrics.protocols import PUBLISHED

    options = PUBLISHED[PROJECTS[project]].tasks["open_vqa3d"][0].options
    rule = TEXTS[options["text"]], options.get("match", "any"), options.get("empty", "wrong")
    ours = [list(map(int, match_answer(answer, truth, *rule))) for answer, truth in FOUND["items"]]
    assert ours == FOUND["per_project"][project]


@pytest.mark.parametrize(("text", "cleaned"), FOUND["clean_answer"]["pairs"])
def test_an_answer_is_cleaned_as_in_leo(text, cleaned):
    assert clean_answer(text) == cleaned


@pytest.mark.parametrize(("question", "kind"), FOUND["sqa3d_question_type"]["pairs"])
def test_types_of_sqa3d(question, kind):
    assert sqa3d_type(question) == ("what", "is", "how", "can", "which", "other")[kind]


@pytest.mark.parametrize(
    ("question", "kind"),
    json.loads((GOLDEN / "splits_and_llm_match.json").read_text("utf-8"))["scanqa_question_class"]["items"],
)
def test_classes_of_scanqa(question, kind):
    assert scanqa_class(question) == kind


def test_types_are_scored_one_by_one_and_the_whole_is_no_mean_of_them():
    questions = ["What is it?", "What color?", "What shape?", "Is it?"]
    references = [{"id": i, "query": text, "answers": ["red"]} for i, text in enumerate(questions)]
    answers = [{"id": i, "text": "red" if i < 2 else "blue"} for i in range(4)]
    found = {one.name: one for one in score("open_vqa3d", references, answers, "leo", draws=2).scores}
    assert found["em"].value == 0.5
    assert found["em/what"].value == pytest.approx(2 / 3)
    assert found["em/is"].value == 0
    assert found["em/what"].extra["n"] == 3


def test_a_question_of_msqa_counts_once_for_each_of_its_types():
    assert msqa_types("Affordance, spatial relationship") == ("others", "spatial")
    references = [
        {"id": 0, "answers": ["red"], "question_type": "attribute and counting"},
        {"id": 1, "answers": ["red"], "question_type": "navigation"},
        {"id": 2, "answers": ["red"], "question_type": "unknown"},
    ]
    answers = [{"id": 0, "text": "red"}, {"id": 1, "text": "blue"}, {"id": 2, "text": "blue"}]
    found = {one.name: one.value for one in score("open_vqa3d", references, answers, "msqa", draws=2).scores}
    assert found["em_r"] == pytest.approx(2 / 3)
    assert (found["em_r/attribute"], found["em_r/counting"], found["em_r/navigation"]) == (1, 1, 0)


def test_ranked_answers_count_at_ten():
    references = [{"id": 0, "answers": ["red"]}, {"id": 1, "answers": ["red"]}]
    answers = [{"id": 0, "ranked": ["blue", "red"]}, {"id": 1, "ranked": [*"abcdefghij", "red"]}]
    found = {one.name: one.value for one in score("open_vqa3d", references, answers, "scanqa-official").scores}
    assert (found["em"], found["em@10"]) == (0, 0.5)


def test_empty_answers_that_count_are_named():
    references = [{"id": 0, "answers": ["red"]}, {"id": 1, "answers": ["red"]}]
    answers = [{"id": 0, "text": "."}, {"id": 1, "text": "red"}]
    assert "1 empty answers count as right in EM-R" in score("open_vqa3d", references, answers, "leo").note
    assert score("open_vqa3d", references, answers).note == ""


@pytest.mark.parametrize("options", [{"text": "oxford"}, {"match": "all"}, {"top": 0}, {"types": "colour"}])
def test_unknown_choices_are_misuse(options):
    with pytest.raises(UsageError, match="Expected"):
        make_metric("exact_match", "open_vqa3d", **options)


def test_many_types_are_none():
    metric = make_metric("exact_match", "open_vqa3d")
    for place in range(100):
        record = {"id": place, "answers": ["red"], "question_type": f"type {place}"}
        metric.update(record, Prediction(str(place), "red"))
    assert [one.name for one in metric.compute(draws=2)] == ["em", "em_r"]

"""Marks of judges are read and averaged as the projects do."""

import json
from pathlib import Path

import pytest

from lamm_metrics import protocols_of, score
from lamm_metrics.metrics.judge_mark import is_binary, mark_of_reply
from lamm_metrics.metrics.texts import TEXTS

GOLDEN = Path(__file__).parents[1] / "golden" / "vision3d"
OPENEQA = json.loads((GOLDEN / "splits_and_llm_match.json").read_text("utf-8"))["openeqa"]
EM = json.loads((GOLDEN / "qa_em.json").read_text("utf-8"))


@pytest.mark.parametrize(("reply", "mark"), OPENEQA["parse_score"])
def test_replies_are_read_as_in_openeqa(reply, mark):
    assert mark_of_reply(reply, "openeqa") == (None if mark == "ValueError" else mark)


@pytest.mark.parametrize(("marks", "percent"), OPENEQA["aggregate"])
def test_marks_are_averaged_as_in_openeqa(marks, percent):
    references = [{"id": i, "answers": ["red"]} for i in range(len(marks))]
    answers = [{"id": i, "text": "red", "meta": {"mark": mark}} for i, mark in enumerate(marks)]
    assert 100 * score("open_vqa3d", references, answers, "openeqa", draws=2).headline.value == pytest.approx(percent)


def test_questions_of_yes_and_no_are_told_as_in_beacon3d():
    binary = EM["per_project"]["Beacon3D is_binary_question"]
    assert [int(is_binary(truth)) for _, truth in EM["items"]] == binary


def test_beacon3d_needs_no_mark_for_matches():
    references = [{"id": 0, "answers": ["red"]}, {"id": 1, "answers": ["no"]}, {"id": 2, "answers": ["red"]}]
    answers = [{"id": 0, "text": "Red."}, {"id": 1, "text": "no, none"}, {"id": 2, "text": "x", "meta": {"mark": "3"}}]
    report = score("open_vqa3d", references, answers, "beacon3d-judge")
    assert [sample.value for sample in report.samples] == [1, 1, 0.5]


def test_an_object_of_beacon3d_is_right_where_all_its_answers_are():
    marks = {"a": [4, 5, 4], "b": [5, 3, 5], "c": [5, 5, "no number"]}
    references, answers = [], []
    for scene in ("s0", "s1"):
        for name, given in marks.items():
            for mark in given:
                about = {"object_id": name, "scene_id": scene, "question_type": "class"}
                references.append({"id": f"{len(references):02}", "answers": ["red"], **about})
                answers.append({"id": references[-1]["id"], "text": "x", "meta": {"mark": mark}})
    report = score("open_vqa3d", references, answers, "beacon3d-judge", draws=20)
    found = {one.name: one.value for one in report.scores}
    assert found == {
        "judge_mark": pytest.approx((2.5 + 2.5 + 2) / 9),
        "judge_mark/class": found["judge_mark"],
        "objects_right": pytest.approx(1 / 3),
    }
    # Both scenes are alike, so every draw of scenes gives the same; without ids of objects there is no such score.
    assert report.scores[-1].interval == pytest.approx((1 / 3, 1 / 3))
    bare = [{key: value for key, value in one.items() if key != "object_id"} for one in references]
    names = [one.name for one in score("open_vqa3d", bare, answers, "beacon3d-judge", draws=2).scores]
    assert names == ["judge_mark", "judge_mark/class"]


@pytest.mark.parametrize(("answer", "shown"), OPENEQA["answer_truncation"])
def test_answers_are_cut_as_openeqa_cuts_them_for_its_judge(answer, shown):
    assert TEXTS["openeqa"].answer(answer) == shown


def test_msqa_takes_the_first_number_and_unread_marks_are_failed():
    references = [{"id": i, "answers": ["red"], "question_type": "counting"} for i in range(2)]
    answers = [
        {"id": 0, "text": "x", "meta": {"mark": "Score: 4 of 5"}},
        {"id": 1, "text": "x", "meta": {"mark": "good"}},
    ]
    report = score("open_vqa3d", references, answers, "msqa-judge")
    assert report.headline.value == pytest.approx(0.375)
    assert report.headline.n_failed == 1


def test_rules_that_need_a_judge_are_listed_when_asked_for():
    assert {*protocols_of("open_vqa3d", judged=True)} - {*protocols_of("open_vqa3d")} == {
        "openeqa", "msqa-judge", "beacon3d-judge"
    }  # fmt: skip

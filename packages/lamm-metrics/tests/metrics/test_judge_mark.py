"""Marks of judges are read and averaged as the projects do."""

import json
from pathlib import Path

import pytest

from lamm_metrics import protocols_of, score
from lamm_metrics.metrics.judge_mark import is_binary, mark_of_reply

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

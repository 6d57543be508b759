"""ScanQA's validation questions under every published rule: references are right, answers to others are not."""

import json
import random

import pytest

from lamm_metrics import chance_predictions, compare_rules, protocols_of, score, scoring
from lamm_metrics.metrics.captions.meteor_tables import has_tables
from lamm_metrics.metrics.texts import TEXTS

N = 4675


@pytest.fixture(scope="module")
def rows(test_data):
    path = test_data / "scanqa" / "ScanQA_v1.0_val.json"
    if not path.is_file():
        pytest.skip(f"ScanQA's validation file is not at {path}: fetch it from the ATR-DBI/ScanQA repository")
    return json.loads(path.read_text("utf-8"))


@pytest.fixture(scope="module")
def references(rows):
    # A type of MSQA for all, since its rule counts no others.
    return [
        {
            "id": row["question_id"],
            "answers": row["answers"],
            "query": row["question"],
            "group": row["scene_id"],
            "question_type": "existence",
        }
        for row in rows
    ]


def answers_of(references, texts):
    return [{"id": row["id"], "text": text} for row, text in zip(references, texts, strict=True)]


def values(references, answers, name):
    report = score("open_vqa3d", references, answers, name, draws=0, samples=False)
    return {one.name: one.value for one in report.scores if "/" not in one.name}


@pytest.mark.parametrize("name", ["standard", *protocols_of("open_vqa3d")])
def test_references_are_perfect_and_shuffled_ones_at_chance(references, name, monkeypatch):
    # METEOR is one metric with two ways of words: once is enough.
    monkeypatch.setattr(scoring, "has_tables", lambda: name == "leo" and has_tables())
    first = [row["answers"][0] for row in references]
    found = values(references, answers_of(references, first), name)
    ranges = {key: value for key, value in found.items() if key != "cider_d"}
    if name == "chatscene":
        # Its references are not cleaned: those that cleaning changes cannot be matched, not even by themselves.
        clean = TEXTS["chatscene"].answer
        able = sum(clean(text) in row["answers"] for text, row in zip(first, references, strict=True))
        assert found["em"] == pytest.approx(able / N)
        assert 0.92 < found["em"] < 0.93
    else:
        # BLEU of the COCO code adds 1e-9 to the counts of n-grams.
        assert list(ranges.values()) == pytest.approx([1.0] * len(ranges), rel=0, abs=1e-9)
        assert {ranges.get("em", 1.0), ranges.get("em_r", 1.0)} == {1.0}
    random.Random(0).shuffle(first)
    shuffled = values(references, answers_of(references, first), name)
    assert shuffled.get("em", 0) < 0.02
    assert shuffled.get("em_r", 0) < 0.06
    assert shuffled.get("cider_d", 0) < found.get("cider_d", 1) / 20


def test_chance_is_an_answer_of_another_scene_and_its_interval_is_by_scene(references):
    report = score("open_vqa3d", references, chance_predictions("open_vqa3d", references, seed=1), "leo", draws=200)
    assert report.headline.n == N
    assert report.headline.interval[0] <= report.headline.value <= report.headline.interval[1] < 0.03
    assert "ci:bootstrap95" in report.headline.signature


def test_one_file_under_every_rule(references):
    answers = answers_of(references, [row["answers"][-1].upper() for row in references])
    rules = compare_rules(references, answers, "open_vqa3d", ["scanqa-official", "leo", "llava3d"])
    found = {row.name: row.scores[0].value for row in rules.rows}
    assert found["scanqa-official"] < 0.05
    assert found["llava3d"] == 1
    assert found["leo"] < found["llava3d"]

"""One predictions file under every convention."""

import json

import pytest

from lamm_metrics.comparison.conventions import compare_conventions, conventions_table
from lamm_metrics.errors import UsageError
from lamm_metrics.paper.words import accepted_words
from lamm_metrics.scoring import score

BOX = [0.1, 0.1, 0.6, 0.6]
REFERENCES = [
    {"id": 1, "object": [{"label": "cat", "bbox": BOX}, {"label": "dog", "bbox": [0.2, 0.2, 0.7, 0.7]}]},
    {"id": 2, "object": [{"label": "cat", "bbox": BOX}]},
]


def values(predictions, references=REFERENCES, **options):
    rows = compare_conventions(references, predictions, **options)
    return {row.name: row.value for row in rows}, rows


def test_swapped_names_fool_only_the_published_formulas():
    swapped = [
        {"id": 1, "boxes": [{"label": "dog", "box": BOX}, {"label": "cat", "box": [0.2, 0.2, 0.7, 0.7]}]},
        {"id": 2, "boxes": [{"label": "dog", "box": BOX}]},
    ]
    found, _ = values(swapped)
    assert found["score-free"] == found["coco"] == found["voc12"] == 0
    assert found["paper-rule/recall@0.5"] == pytest.approx(2 / 3)
    assert found["chef/detection@0.5"] == pytest.approx(2 / 3)


def test_ties_widen_the_conventions_that_have_an_order():
    wrong = {"label": "cat", "box": [0.7, 0.7, 0.9, 0.9]}
    answers = [{"id": 1, "boxes": [wrong, {"label": "cat", "box": BOX}]}, {"id": 2, "boxes": [wrong]}]
    _, rows = values(answers)
    by_name = {row.name: row for row in rows}
    assert by_name["score-free"].value == by_name["score-free"].low < by_name["score-free"].high
    assert "order" in by_name["coco"].note
    assert by_name["coco"].low <= by_name["coco"].value <= by_name["coco"].high


def test_the_inclusive_pixel_needs_the_size():
    tiny = [{"id": 1, "object": [{"label": "cat", "bbox": [0, 0, 0.1, 0.1]}], "image_size": [20, 20]}]
    # 2 px against 1 px: a quarter without and 4 / 9 with the extra pixel, which 0.4 tells apart.
    answers = [{"id": 1, "boxes": [{"label": "cat", "box": [0, 0, 0.05, 0.05]}]}]
    found, rows = values(answers, tiny, threshold=0.4)
    assert (found["coco"], found["voc12"]) == (0, 1)
    assert "area:inclusive" in rows[3].signature
    without = [{key: value for key, value in tiny[0].items() if key != "image_size"}]
    found, rows = values(answers, without, threshold=0.4)
    assert found["voc12"] == 0
    assert "image_size" in rows[3].note


@pytest.mark.parametrize("side", [16, 500, 375])
def test_an_overlap_of_exactly_half_counts_in_the_devkit_and_not_in_py_faster_rcnn(side):
    truth = [{"id": 1, "image_size": [side, side], "object": [{"label": "cat", "bbox": [0, 0, 9 / side, 9 / side]}]}]
    # 10 by 5 of 10 by 10 inclusive pixels.
    answers = [{"id": 1, "boxes": [{"label": "cat", "box": [0, 0, 9 / side, 4 / side], "score": 0.9}]}]
    found, _ = values(answers, truth)
    assert (found["voc07"], found["voc12"]) == (1, 1)
    assert (found["py-faster-rcnn/voc07"], found["py-faster-rcnn/voc12"]) == (0, 0)


@pytest.mark.parametrize("threshold", [50, 0, -1])
def test_what_is_no_overlap_is_refused(threshold):
    with pytest.raises(UsageError, match="overlaps above 0 and up to 1"):
        values([{"id": 1, "boxes": []}, {"id": 2, "boxes": []}], threshold=threshold)


def test_space_and_text():
    truth = [{"id": "s", "object": [{"label": "shower curtain", "bbox": [0, 0, 0, 1, 1, 1]}]}]
    answers = [{"id": "s", "boxes": [{"label": "thing", "box": [0, 0, 0, 1, 1, 1]}], "text": "the shower curtain"}]
    found, _ = values(answers, truth, task="detection3d")
    assert found["score-free"] == 0
    assert found["paper-rule/recall@0.5"] == 1


@pytest.mark.parametrize("text", ["A lounge at {}", "A monitor at {}", "A man at {}", "Two cows, {}", "no dog {}"])
def test_the_papers_row_is_the_papers_number(text):
    truth = [{"id": k, "object": [{"label": label, "bbox": BOX}]} for k, label in enumerate(("sofa", "cow", "dog"))]
    answers = [{"id": record["id"], "text": text.format(BOX)} for record in truth]
    found, _ = values(answers, truth)
    assert found["paper/recall@0.5"] == score("detection", truth, answers, "paper").headline.value
    assert "paper/recall@0.4" not in values(answers, truth, threshold=0.4)[0]


def test_the_papers_row_says_which_words_it_lacks(monkeypatch):
    monkeypatch.setattr("lamm_metrics.paper.words._table", lambda name: {"labels": {}})
    monkeypatch.setattr("lamm_metrics.paper.words.installed_wordnet", lacking)
    accepted_words.cache_clear()
    row = compare_conventions(REFERENCES, [{"id": 1, "text": "a cat"}, {"id": 2, "text": "a cat"}])[-1]
    accepted_words.cache_clear()
    assert (row.value, row.note) == (None, "Expected WordNet for it, got none")


def lacking(use):
    raise UsageError("Expected WordNet for it, got none. Install it.")


def test_table_and_json():
    _, rows = values([{"id": 1, "boxes": []}, {"id": 2, "boxes": []}])
    text = conventions_table(rows)
    assert "score-free" in text
    assert "chef/detection@0.5" in text
    assert json.loads(json.dumps([row.to_json() for row in rows]))[0]["name"] == "score-free"
    with pytest.raises(UsageError, match="detection"):
        compare_conventions(REFERENCES, [], task="vqa")

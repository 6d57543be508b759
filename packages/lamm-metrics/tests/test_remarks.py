"""A score of zero because of another frame says so; `score` shows it with the option that would mend it."""

import json

import pytest

import lamm_metrics as m

BOXES = [[0.1, 0.2, 0.5, 0.6], [0.4, 0.3, 0.9, 0.8], [0.05, 0.5, 0.45, 0.95]]
RECORDS = [
    {"id": i, "image": f"{i}.jpg", "image_size": [640, 480], "object": [{"label": "cat", "bbox": box}]}
    for i, box in enumerate(BOXES)
]


def _answers(factors):
    return [
        {"id": i, "text": f"cat {[round(value * factor, 3) for value, factor in zip(box, factors, strict=True)]}"}
        for i, box in enumerate(BOXES)
    ]


@pytest.mark.parametrize(
    ("factors", "convention"),
    [((1000,) * 4, "thousand-xyxy"), ((640, 480) * 2, "pixels-xyxy"), ((100,) * 4, "percent-xyxy")],
)
def test_detection_in_another_frame_names_the_convention_and_scores_with_it(factors, convention):
    answers = _answers(factors)
    silent = m.score("detection", RECORDS, answers, draws=2)
    assert silent.headline.value == 0
    assert f"set convention={convention}" in silent.note
    assert silent.note in str(silent)
    assert silent.note in json.dumps(silent.to_json())
    mended = m.score("detection", RECORDS, answers, convention=convention, draws=2)
    assert (mended.headline.value, mended.note) == (1, "")


def test_points_in_another_frame_are_named_too():
    answers = [{"id": i, "text": "cat (300, 400)"} for i in range(len(BOXES))]
    assert "3 answered points" in m.score("locating", RECORDS, answers, draws=2).note


def test_the_published_formulas_have_no_convention_to_set():
    note = m.score("detection", RECORDS, _answers((1000,) * 4), "paper", draws=2).note
    assert "3 answered boxes" in note
    assert "set convention" not in note


def test_answers_in_the_declared_frame_are_not_remarked_upon():
    assert m.score("detection", RECORDS, _answers((1,) * 4), draws=2).note == ""


def test_centimetres_in_a_scene_of_metres_are_named():
    records = [{"id": i, "pcl": "a.npy", "object": [{"label": "bed", "bbox": [i, 1, 1, 2, 1, 1]}]} for i in range(3)]
    answers = [{"id": i, "text": f"bed [{100 * i}, 100, 100, 200, 100, 100]"} for i in range(3)]
    report = m.score("detection3d", records, answers, draws=2)
    assert report.headline.value == 0
    assert "centimetres" in report.note


def test_comparisons_and_conventions_say_so_too():
    strange, right = _answers((1000,) * 4), _answers((1,) * 4)
    found = m.compare("detection", RECORDS, right, strange, draws=100)
    assert "set convention=thousand-xyxy" in found.note
    assert found.note.startswith("second: ")
    assert found.note in str(found)
    assert m.compare("detection", RECORDS, right, right, draws=100).note == ""
    first, *others = m.compare_conventions(RECORDS, strange)
    assert "set convention=thousand-xyxy" in first.note
    assert not any("set convention" in row.note for row in others)

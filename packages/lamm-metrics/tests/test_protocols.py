"""The table of published rules: names, tasks, options, and what is refused."""

import pytest

from lamm_metrics import UsageError, all_tasks, make_metric, score
from lamm_metrics.protocols import PUBLISHED, protocols_of

REFERENCES = [{"id": i, "answers": ["red"], "group": f"scene{i // 2}"} for i in range(6)]
ANSWERS = [{"id": i, "text": "red"} for i in range(6)]


@pytest.mark.parametrize("row", PUBLISHED.values(), ids=lambda row: row.name)
def test_every_row_names_its_source_and_metrics_that_can_be_made(row):
    assert row.source
    assert row.rule
    for task, uses in row.tasks.items():
        assert task in all_tasks()
        for use in uses:
            assert make_metric(use.metric, task, **use.options).settings()


OPEN = [(task, name) for task in ("open_vqa", "open_vqa3d") for name in protocols_of(task)]


@pytest.mark.parametrize(("task", "name"), OPEN)
def test_every_score_carries_the_name(task, name):
    report = score(task, REFERENCES, ANSWERS, name, draws=5)
    assert report.protocol == name
    assert all(f"|protocol:{name}|" in one.signature for one in report.scores)


def test_an_unknown_name_tells_the_nearest():
    with pytest.raises(UsageError, match="Did you mean scanqa-official"):
        score("open_vqa3d", REFERENCES, ANSWERS, "scanqa_official")


def test_a_protocol_of_other_tasks_is_refused():
    with pytest.raises(UsageError, match=r"protocol that scores counting .*which scores open_vqa3d"):
        score("counting", [{"id": 1, "num": 1}], [{"id": 1, "number": 1}], "leo")


def test_the_numbers_of_a_protocol_are_its_own():
    with pytest.raises(UsageError, match="leo protocol without other options"):
        score("open_vqa3d", REFERENCES, ANSWERS, "leo", match="first")
    with pytest.raises(UsageError, match="leo protocol without other metrics"):
        score("open_vqa3d", REFERENCES, ANSWERS, "leo", metrics=["bleu"])


def test_the_box_protocols_are_those_of_the_golden_values():
    """The metrics' own tests hold these options against the projects' numbers; here the rows must say the same."""
    uses = {
        (name, use.metric): dict(use.options)
        for name in PUBLISHED
        for uses in PUBLISHED[name].tasks.values()
        for use in uses
    }
    assert uses["multi3drefer", "grounding_f1"] == {"thresholds": (0.25, 0.5), "overlap": "m3dref"}
    assert uses["torchmetrics-ext", "grounding_f1"] == {
        "thresholds": (0.25, 0.5),
        "overlap": "m3dref",
        "missing": "skip",
    }
    assert uses["3d-pope", "yes_no"] == {"parser": "pope3d", "missing": "skip", "pooled": "templates"}
    assert uses["scanrefer", "grounding_accuracy"]["overlap"] == "scanrefer"


def test_the_same_boxes_differ_by_protocol_where_the_overlap_is_exactly_a_half():
    records = [
        {"id": i, "gt_bbox": [0.5, 0, 0, 2, 1, 1], "unique": True, "task": "visual_grounding3d"} for i in range(3)
    ]
    answers = [{"id": i, "boxes": [{"box": [0, 0, 0, 1, 1, 1]}]} for i in range(2)]
    found = {
        name: {one.name: one.value for one in score(None, records, answers, name, missing="failed", draws=5).scores}
        for name in ("scanrefer", "multi3drefer", "torchmetrics-ext")
    }
    assert {name: scores["grounding_accuracy@0.5"] for name, scores in found.items()} == {
        "scanrefer": 0.0, "multi3drefer": pytest.approx(2 / 3), "torchmetrics-ext": 1.0,
    }  # fmt: skip
    assert found["multi3drefer"]["grounding_accuracy/unique@0.25"] == pytest.approx(2 / 3)


def test_one_set_of_captions_has_five_numbers():
    chair = {"label": "chair", "bbox": [0, 0, 0, 1, 1, 1], "sentences": ["This is a brown chair. It is at the desk."]}
    table = {"label": "table", "bbox": [5, 0, 0, 1, 1, 1], "sentences": ["A round, white table."]}
    records = [{"id": i, "object": [one], "task": "dense_caption3d"} for i, one in enumerate((chair, table))]
    boxes = [{"label": "This is a chair. It is at the desk.", "box": [0, 0, 0, 1, 1, 1]}]
    answers = [{"id": 0, "boxes": boxes}, {"id": 1, "boxes": []}]
    found = {
        name: score(None, records, answers, name, draws=2).headline.value for name in protocols_of("dense_caption3d")
    }
    assert found.keys() == {"leo", "chatscene", "video3dllm", "ll3da", "scan2cap", "scan2cap-benchmark"}
    assert len({round(found[name], 6) for name in ("leo", "chatscene", "ll3da", "scan2cap")}) == 4

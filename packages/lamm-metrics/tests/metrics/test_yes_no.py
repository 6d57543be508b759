"""Yes and no: parsers by name, settings, templates, missing answers."""

import json
from pathlib import Path

import pytest

from lamm_metrics import check_metric, score
from lamm_metrics.metrics.yes_no import YesNo
from lamm_metrics.records.predictions import Prediction

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "vision3d" / "pope3d.json").read_text())
NAMES = {"accuracy": "Accuracy", "precision": "Precision", "recall": "Recall", "f1": "F1 Score"}


@pytest.mark.parametrize(("absent", "key"), [(0, "all"), (4, "last_4_missing")])
def test_3d_pope_is_the_projects_numbers(absent, key):
    scores, found = pope(absent)
    for name, theirs in NAMES.items():
        assert found[name] == pytest.approx(GOLDEN[key][theirs], abs=1e-12), name
    assert 100 * found["yes_rate"] == GOLDEN[key]["Yes (%)"]
    assert scores[0].n == 16 - absent


@pytest.mark.parametrize(("absent", "key"), [(0, "all"), (4, "last_4_missing")])
def test_the_protocol_tells_an_empty_answer_from_none(absent, key):
    records = [{"id": i, "label": truth} for i, (truth, _) in enumerate(GOLDEN["items"])]
    answers = [{"id": i, "text": text} for i, (_, text) in enumerate(GOLDEN["items"][: 16 - absent])]
    report = score("yes_no3d", records, answers, "3d-pope", missing="failed", draws=2)
    found = {one.name: one.value for one in report.scores}
    assert {name: found[name] for name in NAMES} == pytest.approx({n: GOLDEN[key][t] for n, t in NAMES.items()})
    assert report.headline.n_failed == 0


def test_templates_merge_to_the_same_bits():
    records = [{"id": i, "label": "yes", "template": "ab"[i % 2], "scene_id": f"s{i % 3}"} for i in range(8)]
    answers = [Prediction(str(i), ["yes", "no", "?"][i % 3]) for i in range(8)]
    check_metric(lambda: YesNo(pooled="templates"), records, answers)


def pope(absent):
    metric = YesNo(parser="pope3d", missing="skip")
    for i, (truth, text) in enumerate(GOLDEN["items"]):
        gone = i >= len(GOLDEN["items"]) - absent
        metric.update({"id": i, "label": truth}, Prediction(str(i), "" if gone else text, absent=gone))
    scores = metric.compute(draws=2)
    return scores, {one.name: one.value for one in scores}


def verdicts(parser):
    texts = ["Yes, there is", "There is no chair", "maybe", "", "No", "Yes. But not here."]
    metric = YesNo(parser=parser)
    for i, text in enumerate(texts):
        metric.update({"id": i, "label": "yes"}, Prediction(str(i), text))
    return [metric.entries[str(i)].state.given for i in range(len(texts))], metric.n_failed


def test_the_parsers_differ_in_what_they_take_for_a_yes():
    assert verdicts("sense") == (["yes", "no", "", "", "no", "yes"], 2)
    assert verdicts("pope3d") == (["no", "no", "no", "no", "no", "no"], 0)
    assert verdicts("pope") == (["yes", "no", "yes", "yes", "no", "yes"], 0)


def test_each_setting_has_its_scores():
    metric = YesNo()
    for i, setting in enumerate(["random", "popular", "adversarial", "random"]):
        metric.update({"id": i, "label": "yes", "setting": setting}, Prediction(str(i), "yes" if i else "no"))
    found = {one.name: one.value for one in metric.compute(draws=2)}
    assert (found["accuracy"], found["accuracy/random"], found["accuracy/adversarial"]) == (0.75, 0.5, 1.0)
    assert [name for name in found if name.startswith("accuracy")][1:] == [
        "accuracy/random", "accuracy/popular", "accuracy/adversarial",
    ]  # fmt: skip


def test_templates_are_averaged_or_pooled():
    """A template with one right yes and one with three wrong ones: the mean of their F1 is not that of all."""
    found = {}
    for pooled in ("records", "templates"):
        metric = YesNo(pooled=pooled)
        for i in range(4):
            record = {"id": i, "label": "yes", "template": "a" if i == 0 else "b"}
            metric.update(record, Prediction(str(i), "no" if i else "yes"))
        found[pooled] = {one.name: one.value for one in metric.compute(draws=2)}
    assert found["records"]["f1"] == pytest.approx(0.4)
    assert found["templates"]["f1"] == pytest.approx(0.5)
    assert found["templates"]["accuracy"] == pytest.approx(0.5)

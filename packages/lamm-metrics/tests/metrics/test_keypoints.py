"""PCK under four norms."""

import pytest

from lamm_metrics.errors import LammMetricsError
from lamm_metrics.metrics.keypoints import KeypointPCK, Norm
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import LSP_JOINTS

SIZE = [200, 100]
# A figure 100 px high: head 20 px, left shoulder to right hip 40 px, box 100 px.
WHERE = {
    "head top": (100, 0), "neck": (100, 20), "left shoulder": (100, 20), "right hip": (100, 60),
    "right ankle": (100, 100), "left ankle": (110, 100),
}  # fmt: skip


def person(hidden=(), **more):
    joints = [[*WHERE.get(name, (100, 60)), 0 if name in hidden else 1] for name in LSP_JOINTS]
    return {"id": 1, "gt_joints": joints, "image_size": SIZE, **more}


def answer(moved=0.0, only=LSP_JOINTS):
    """All joints, moved to the right by so many pixels."""
    where = {name: WHERE.get(name, (100, 60)) for name in only}
    return [{"label": name, "point": [(x + moved) / SIZE[0], y / SIZE[1]]} for name, (x, y) in where.items()]


def scored(points, record=None, **options):
    metric = KeypointPCK(**options)
    metric.update(record or person(), Prediction("1", points=points))
    return {score.name: score.value for score in metric.compute()}, metric


@pytest.mark.parametrize(
    ("moved", "expected"),
    [
        (0, (1, 1, 1, 1)),
        (7.9, (1, 1, 1, 1)),
        (8.1, (1, 1, 0, 1)),  # 0.2 of the torso is 8 px
        (9.9, (1, 1, 0, 1)),
        (10.1, (1, 0, 0, 1)),  # half of the head is 10 px
        (19.9, (1, 0, 0, 1)),
        (20.1, (0, 0, 0, 0)),  # 0.2 of the box and 0.1 of the width are 20 px
    ],
)
def test_thresholds_of_the_norms(moved, expected):
    scores, _ = scored(answer(moved))
    assert list(scores) == ["pck@0.2", "pckh@0.5", "torso_pck@0.2", "image_pck@0.1"]
    assert tuple(scores.values()) == expected


def test_the_threshold_itself_is_too_far():
    record = {"id": 1, "gt_joints": [[0, 0], [64, 0]], "joints": ["a", "b"], "image_size": [128, 128]}
    points = [{"label": "a", "point": [0.125, 0]}, {"label": "b", "point": [0.5, 0]}]
    scores, _ = scored(points, record, thresholds=dict.fromkeys(Norm, 0.25))
    assert scores == {"pck@0.25": 0.5, "image_pck@0.25": 1.0}  # 16 px are 0.25 of the box and 0.125 of the image


def test_hidden_joints_do_not_count_and_missing_ones_are_wrong():
    record = person(hidden=("right knee", "left knee"))
    known = [name for name in LSP_JOINTS if name != "left wrist"]
    scores, metric = scored(answer(only=known), record)
    assert scores["pck@0.2"] == pytest.approx(11 / 12)
    extra = metric.compute()[0].extra
    assert {"joints": 12, "hidden_joints": 2, "unanswered_joints": 1}.items() <= extra.items()
    assert extra["pck/left wrist"] == 0
    assert "pck/left knee" not in extra


def test_boxes_given_by_the_record_are_the_norm():
    record = person(bbox=[0, 0, 10, 10], head_bbox=[0, 0, 300, 400])
    scores, _ = scored(answer(5), record)
    assert scores["pck@0.2"] == 0
    assert scores["pckh@0.5"] == 1  # 0.6 of the diagonal is 300 px


def test_more_points_for_a_joint_do_not_help():
    wrong = [{"label": name, "point": [0.9, 0.9]} for name in LSP_JOINTS]
    assert scored([*wrong, *answer()])[0]["pck@0.2"] == 0


def test_points_without_names_are_read_in_order_only_if_there_is_one_a_joint():
    bare = [{"point": item["point"]} for item in answer()]
    assert scored(bare)[0]["pck@0.2"] == 1
    assert scored(bare[:-1])[0]["pck@0.2"] == 0
    assert scored(bare * 2)[0]["pck@0.2"] == 0


def test_an_answer_a_joint_as_published():
    text = {name: f"[{x / SIZE[0]}, {y / SIZE[1]}]" for name, (x, y) in WHERE.items()}
    metric = KeypointPCK()
    metric.update(person(), Prediction("1", text=text))
    score = metric.compute()[0]
    assert score.value == pytest.approx(len(WHERE) / len(LSP_JOINTS))
    assert score.n_failed == 0
    assert "neck 0" in next(metric.per_sample()).extracted
    nothing = KeypointPCK()
    nothing.update(person(), Prediction("1", text=dict.fromkeys(LSP_JOINTS, "I cannot tell.")))
    assert nothing.compute()[0].value == 0
    assert nothing.compute()[0].n_failed == 1
    assert nothing.compute()[0].extra["failures_wrong"] == 0
    assert nothing.compute()[0].extra["failures_right"] == 1


def test_faulty_records_are_refused():
    with pytest.raises(LammMetricsError, match="got 14 and 1"):
        scored([], {"id": 1, "gt_joints": [[0, 0, 1]], "image_size": SIZE})
    with pytest.raises(LammMetricsError, match="image_size"):
        scored([], {"id": 1, "gt_joints": [[0, 0, 1]], "joints": ["neck"]})

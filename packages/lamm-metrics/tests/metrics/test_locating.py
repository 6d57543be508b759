"""Binary Locating: one point an object, and no reward for spraying."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamm_metrics.average_precision.pairs import largest_matching
from lamm_metrics.errors import LammMetricsError
from lamm_metrics.metrics.locating import BinaryLocating
from lamm_metrics.records.predictions import Prediction

CAT = {"label": "cat", "bbox": [0.1, 0.1, 0.5, 0.5]}
DOG = {"label": "dog", "bbox": [0.4, 0.4, 0.8, 0.8]}


def located(record, points, **more):
    metric = BinaryLocating()
    metric.update({"id": 1, **record}, Prediction("1", points=points, **more))
    return metric.compute()[0].value


def point(x, y, label=None):
    return {"point": [x, y]} | ({"label": label} if label else {})


@pytest.mark.parametrize(
    ("objects", "points", "expected"),
    [
        ([CAT], [point(0.1, 0.5, "cat")], 1),  # the border belongs to the box
        ([CAT], [point(0.1, 0.51, "cat")], 0),
        ([CAT], [point(0.2, 0.2, "dog")], 0),
        ([CAT], [point(0.2, 0.2)], 1),  # a single class needs no name
        ([CAT, DOG], [point(0.2, 0.2), point(0.6, 0.6)], 0),  # two classes do
        ([CAT, DOG], [point(0.45, 0.45, "cat"), point(0.45, 0.45, "dog")], 1),
        ([CAT, DOG], [point(0.45, 0.45, "cat")], 0.5),
        ([CAT, CAT], [point(0.2, 0.2, "cat")], 0.5),  # one point, one object
        ([CAT], [point(0.9, 0.9, "cat"), point(0.2, 0.2, "cat")], 0),  # the second of one object does not count
        ([CAT], [point(float("nan"), 0.2, "cat")], 0),
        ([CAT], [], 0),
    ],
)
def test_objects_with_boxes(objects, points, expected):
    assert located({"object": objects}, points) == expected


def test_a_box_answers_with_its_centre():
    metric = BinaryLocating()
    metric.update({"id": 1, "object": [CAT]}, Prediction("1", boxes=[{"label": "cat", "box": [0, 0, 1, 1]}]))
    assert metric.compute()[0].value == 1  # (0.5, 0.5) is its corner
    small = {"label": "cat", "bbox": [0.0, 0.0, 0.4, 0.4]}
    metric.update({"id": 2, "object": [small]}, Prediction("2", boxes=[{"label": "cat", "box": [0, 0, 1, 1]}]))
    assert metric.compute()[0].value == 0.5


def test_unreadable_answers_bound_the_score():
    metric = BinaryLocating()
    metric.update({"id": 1, "object": [CAT]}, Prediction("1", text="I cannot see any image."))
    metric.update({"id": 2, "object": [CAT, DOG]}, Prediction("2", points=[point(0.2, 0.2, "cat")]))
    headline = metric.compute()[0]
    assert headline.value == headline.extra["failures_wrong"] == pytest.approx(1 / 3)
    assert headline.extra["failures_right"] == pytest.approx(2 / 3)


def test_points_are_given_to_objects_as_well_as_can_be():
    left, both = [0, 0, 0.5, 1], [0, 0, 1, 1]
    objects = [{"label": "cat", "bbox": both}, {"label": "cat", "bbox": left}]
    assert located({"object": objects}, [point(0.2, 0.5, "cat"), point(0.8, 0.5, "cat")]) == 1


def test_a_person_takes_the_first_point():
    record = {"gt_joints": [[20, 10, 1], [60, 90, 1], [500, 500, 0]], "image_size": [100, 100]}
    assert located(record, [point(0.2, 0.9)]) == 1
    assert located(record, [point(0.1, 0.5), point(0.4, 0.5)]) == 0
    unseen = {"gt_joints": [[20, 10, 0]], "image_size": [100, 100]}
    assert located(unseen, [point(0.2, 0.1)]) is None


def test_marked_objects():
    record = {"points": [[10, 10], [90, 90]], "image_size": [100, 100]}
    assert located(record, [point(0.1, 0.19), point(0.5, 0.5)]) == 0.5
    assert located(record, [point(0.1, 0.1), point(0.1, 0.1)]) == 0.5
    many = {"points": [[10, 10]] * 10, "image_size": [100, 100]}
    assert located(many, [point(0.1, 0.1)] * 10) is None


def test_data_sets_are_pooled_and_parted():
    metric = BinaryLocating()
    metric.update({"id": 1, "object": [CAT, DOG], "dataset": "VOC2012"}, Prediction("1", points=[]))
    record = {"id": 2, "points": [[10, 10]], "image_size": [100, 100], "dataset": "FSC147"}
    metric.update(record, Prediction("2", points=[point(0.1, 0.1)]))
    scores = {score.name: score.value for score in metric.compute()}
    assert scores == {
        "binary_locating": pytest.approx(1 / 3),
        "binary_locating/FSC147": 1,
        "binary_locating/VOC2012": 0,
    }


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_spraying_never_helps(seed, more):
    generator = np.random.default_rng(seed)
    objects, points = [], []
    for _ in range(generator.integers(1, 6)):
        corner = generator.uniform(0, 0.6, 2)
        name = str(generator.choice(["cat", "dog"]))
        objects.append({"label": name, "bbox": [*corner, *(corner + 0.3)]})
        points.append(point(*generator.random(2), name))
    spray = [point(*generator.random(2), str(generator.choice(["cat", "dog"]))) for _ in range(more)]
    full = len(points)
    before = located({"object": objects}, points)
    assert located({"object": objects}, [*points, *spray]) == before
    # Names without a truth do not help either, and a sprayer alone gets no more than one point an object.
    assert located({"object": objects}, [*points, *(point(0.5, 0.5, "bird") for _ in range(more))]) == before
    assert len(objects) == full


def test_the_largest_pairing():
    generator = np.random.default_rng(0)
    for _ in range(300):
        possible = generator.random(generator.integers(1, 7, 2)) < 0.4
        assert len(largest_matching(possible)) == best_by_trial(possible)
    assert not largest_matching(np.zeros((0, 3), np.bool_))


def best_by_trial(possible):
    if not len(possible):
        return 0
    best = best_by_trial(possible[1:])
    for column in np.flatnonzero(possible[0]):
        rest = possible[1:].copy()
        rest[:, column] = False
        best = max(best, 1 + best_by_trial(rest))
    return best


def test_records_without_truth_are_refused():
    with pytest.raises(LammMetricsError, match="`object`, `gt_joints` or `points`"):
        located({"label": "cat"}, [])
    with pytest.raises(LammMetricsError, match="image_size"):
        located({"points": [[1, 2]]}, [])

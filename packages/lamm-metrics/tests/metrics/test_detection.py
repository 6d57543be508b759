"""Detection in images and point clouds as metrics: laws, faults, and what the scores say beside the number."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamm_metrics.errors import LammMetricsError, UsageError
from lamm_metrics.geometry.conventions import BoxConvention
from lamm_metrics.metrics.detection import DetectionAP, DetectionAP3D
from lamm_metrics.records.files import FileFaultsError
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.results.report import Report
from lamm_metrics.scoring import score as score_files

CLASSES = ("cat", "dog", "bird")
seeds = st.integers(0, 2**32 - 1)


def random_records(seed, n=6, scored=False):
    """Objects in the cells of a grid, so that no two overlap, and answers near some of them; nothing fills an image."""
    generator = np.random.default_rng(seed)
    references, answers = [], []
    for i in range(n):
        cells = generator.choice(9, generator.integers(0, 6), replace=False)
        objects, boxes = [], []
        for cell in cells:
            corner = np.array([cell % 3, cell // 3]) / 3 + generator.uniform(0.01, 0.1, 2)
            box = np.concatenate([corner, corner + generator.uniform(0.08, 0.2, 2)])
            name = str(generator.choice(CLASSES))
            objects.append({"label": name, "bbox": box.tolist()})
            for _ in range(generator.integers(0, 3)):
                near = box + generator.normal(0, 0.02, 4)
                named = name if generator.random() < 0.8 else str(generator.choice(CLASSES))
                boxes.append({"label": named, "box": near.tolist()} | ({"score": generator.random()} if scored else {}))
        references.append({"id": i, "object": objects})
        answers.append(boxes)
    return references, answers


def solid(box):
    x1, y1, x2, y2 = box
    return [(x1 + x2) / 2, (y1 + y2) / 2, 0.5, x2 - x1, y2 - y1, 1.0]


def in_space(references, answers):
    """The same records with boxes one metre high."""
    truth = [{**r, "object": [{**o, "bbox": solid(o["bbox"])} for o in r["object"]]} for r in references]
    return truth, [[{**box, "box": solid(box["box"])} for box in boxes] for boxes in answers]


def scored(references, answers, metric=None):
    """The metric that has read the records, in space where the boxes have six numbers."""
    boxes = [thing["bbox"] for reference in references for thing in reference["object"]]
    metric = metric or (DetectionAP3D() if any(len(box) == 6 for box in boxes) else DetectionAP())
    for reference, boxes in zip(references, answers, strict=True):
        metric.update(reference, Prediction(str(reference["id"]), boxes=boxes))
    return metric


def numbers(metric):
    return [np.nan if score.value is None else score.value for score in metric.compute(draws=2)]


def same(first, second):
    return np.allclose(first, second, rtol=0, atol=1e-12, equal_nan=True)


@settings(max_examples=40, deadline=None)
@given(seeds, st.booleans(), st.booleans())
def test_order_and_names_change_nothing(seed, with_scores, space):
    references, answers = random_records(seed, scored=with_scores)
    references, answers = in_space(references, answers) if space else (references, answers)
    generator = np.random.default_rng(seed)
    expected = numbers(scored(references, answers))
    files = [(references[i], answers[i]) for i in generator.permutation(len(references))]
    shuffled = [(r, [boxes[i] for i in generator.permutation(len(boxes))]) for r, boxes in files]
    assert same(numbers(scored(*zip(*shuffled, strict=True))), expected)
    ids = [f"{generator.random()}" for _ in references]
    renamed = [{**reference, "id": name} for reference, name in zip(references, ids, strict=True)]
    assert same(numbers(scored(renamed, answers)), expected)
    other = dict(zip(CLASSES, generator.permutation(["zebra", "ant", "traffic light"]), strict=True))
    truth = [{**r, "object": [{**o, "label": other[o["label"]]} for o in r["object"]]} for r in references]
    named = [[{**box, "label": other[box["label"]]} for box in boxes] for boxes in answers]
    assert same(numbers(scored(truth, named)), expected)


@settings(max_examples=30, deadline=None)
@given(seeds, st.sampled_from([0.125, 2.0, 1024.0]), st.booleans())
def test_scale_changes_nothing(seed, factor, space):
    references, answers = random_records(seed)
    references, answers = in_space(references, answers) if space else (references, answers)
    truth = [{**r, "object": [{**o, "bbox": [factor * x for x in o["bbox"]]} for o in r["object"]]} for r in references]
    found = [[{**box, "box": [factor * x for x in box["box"]]} for box in boxes] for boxes in answers]
    assert same(numbers(scored(truth, found)), numbers(scored(references, answers)))


@settings(max_examples=40, deadline=None)
@given(seeds, st.booleans(), st.booleans())
def test_saying_more_never_helps(seed, with_scores, space):
    references, answers = random_records(seed, scored=with_scores)
    if space:
        references, answers = in_space(references, answers)
    everything = [0.5, 0.5, 0.5, 1, 1, 1] if space else [0, 0, 1, 1]
    before = np.nan_to_num(numbers(scored(references, answers))[:3])
    twice = [boxes * 2 for boxes in answers]
    assert (np.nan_to_num(numbers(scored(references, twice))[:3]) <= before + 1e-12).all()
    whole = [[*boxes, *({"label": name, "box": everything} for name in CLASSES)] for boxes in answers]
    assert (np.nan_to_num(numbers(scored(references, whole))[:3]) <= before + 1e-12).all()


def test_saying_it_twice_does_not_find_the_twin():
    """Two objects one above the other: the same box said twice is one answer."""
    twins = [{"label": "cat", "bbox": [0, 0, 1, 1]}, {"label": "cat", "bbox": [0, 0, 1, 0.9]}]
    box = {"label": "cat", "box": [0, 0, 1, 0.95]}
    once, twice = (numbers(scored([{"id": 1, "object": twins}], [[box] * n]))[0] for n in (1, 2))
    assert twice < once


def test_numbers_by_hand():
    references = [
        {"id": 1, "object": [{"label": "cat", "bbox": [0, 0, 0.5, 0.5]}, {"label": "dog", "bbox": [0.5, 0.5, 1, 1]}]},
        {"id": 2, "object": [{"label": "cat", "bbox": [0, 0, 0.5, 0.5]}]},
    ]
    answers = [[{"label": "cat", "box": [0, 0, 0.5, 0.5]}, {"label": "cat", "box": [0.6, 0.6, 1, 1]}], []]
    metric = scored(references, answers)
    scores = {score.name: score.value for score in metric.compute(draws=2)}
    # cat: one operating point at precision 1/2 and recall 1/2, so 51 of 101 recalls; dog: never found.
    assert scores["detection_ap@0.5"] == pytest.approx((51 / 101 / 2 + 0) / 2)
    assert scores["detection_ap/precision@0.5"] == 1 / 2
    assert scores["detection_ap/recall@0.5"] == pytest.approx(1 / 3)
    assert scores["detection_ap/f1@0.5"] == pytest.approx(2 / 5)
    headline = metric.compute(draws=2)[0]
    assert headline.extra["pessimistic"] == headline.value
    assert headline.extra["optimistic"] == pytest.approx(51 / 101 / 2)
    assert headline.extra["objects"] == 3
    assert "ties:grouped" in headline.signature
    assert "scores:none" in headline.signature
    classes = {name: value for name, value in headline.extra.items() if name.startswith("ap/")}
    text = Report("detection", "standard", (headline,)).text(verbose=True)
    assert "\n\ndetection_ap@0.5: failures_wrong" in text
    assert "\ndetection_ap@0.5 (ap of each): cat 0.2525, dog 0.0000\n" in text
    assert classes == pytest.approx({"ap/cat": 51 / 101 / 2, "ap/dog": 0})
    assert [result.value for result in metric.per_sample()] == [0.5, 0]


def test_intervals_hold_the_value_and_depend_on_the_seed_only():
    metric = scored(*random_records(7, n=40))
    first, again, other = (metric.compute(seed=seed, draws=200) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    for score in first:
        low, high = score.interval
        assert low <= score.value <= high


def test_a_rough_curve_lies_within_its_interval():
    """Nearly all detections are wrong: resampling lifts the envelope of such a curve, the interval must not follow."""
    generator = np.random.default_rng(0)
    metric = DetectionAP()
    for i in range(200):
        objects = [{"label": "cat", "bbox": [0.1, 0.1, 0.4, 0.4]}] * int(generator.random() < 0.5)
        boxes = [{"label": "cat", "box": [0.6, 0.6, 0.9, 0.9], "score": generator.random()} for _ in range(5)]
        if objects and generator.random() < 0.1:
            boxes.append({"label": "cat", "box": [0.1, 0.1, 0.4, 0.4], "score": generator.random()})
        metric.update({"id": i, "object": objects}, Prediction(str(i), boxes=boxes))
    for score in metric.compute(draws=300):
        assert score.interval[0] <= score.value <= score.interval[1]


def test_groups_are_drawn_whole():
    references, answers = random_records(3, n=8)
    metric = scored([{**reference, "group": "one"} for reference in references], answers)
    assert metric.compute()[0].interval is None
    weights = np.full((1, 1), 5)
    assert same(metric.resampled(weights)[0], numbers(metric))


def test_faulty_boxes_are_listed_and_never_help():
    reference = {"id": "a", "object": [{"label": "cat", "bbox": [0.1, 0.1, 0.5, 0.5]}]}
    good = {"label": "cat", "box": [0.5, 0.5, 0.1, 0.1]}
    broken = [[np.nan, 0, 1, 1], [0, 0, np.inf, 1], [0.1, 0.1, 0.5], [0.1, 0.1, 0.1, 0.1], "cat", [10**400, 0, 1, 1]]
    metric = scored([reference], [[good, *({"label": "cat", "box": box} for box in broken)]])
    assert metric.faults() == {
        "a": ("reversed", "not_finite", "not_finite", "wrong_length", "empty", "wrong_length", "wrong_length"),
    }
    headline = metric.compute()[0]
    assert headline.value == pytest.approx(1 / 7)  # the reversed box is found, six false alarms
    assert headline.extra["faulty_detections"] == 7
    assert "wrong_length" in next(metric.per_sample()).extracted


def test_negative_sizes_are_told_from_reversed_corners():
    metric = DetectionAP(convention=BoxConvention.parse("thousand-xywh"))
    reference = {"id": 1, "object": [{"label": "cat", "bbox": [0.1, 0.1, 0.5, 0.5]}]}
    metric.update(reference, Prediction("1", boxes=[{"label": "cat", "box": [500, 500, -400, -400]}]))
    assert metric.faults() == {"1": ("negative_size",)}
    assert metric.compute()[0].value == 1


def test_true_boxes_must_be_usable():
    with pytest.raises(LammMetricsError, match=r"four finite numbers in record '1'"):
        DetectionAP().update({"id": 1, "object": [{"label": "cat", "bbox": [0, 0, 1]}]}, Prediction("1"))
    with pytest.raises(UsageError, match="thresholds"):
        DetectionAP(thresholds=())


def test_difficult_objects_do_not_count():
    hard = {"label": "cat", "bbox": [0.1, 0.1, 0.5, 0.5], "difficult": 1}
    easy = {"label": "cat", "bbox": [0.6, 0.6, 0.9, 0.9]}
    boxes = [{"label": "cat", "box": item["bbox"]} for item in (hard, easy)]
    metric = scored([{"id": 1, "object": [hard, easy]}], [boxes])
    assert numbers(metric)[0] == 1
    assert metric.compute()[0].extra["objects"] == 1


def test_names_are_compared_by_letters_and_known_synonyms():
    reference = {"id": 1, "object": [{"label": "diningtable", "bbox": [0, 0, 1, 1]}], "labels": ["diningtable", "sofa"]}
    for name in ("Dining table", "dining_table", "diningtable"):
        assert numbers(scored([reference], [[{"label": name, "box": [0, 0, 1, 1]}]]))[0] == 1
    sofa = {"id": 1, "object": [{"label": "sofa", "bbox": [0, 0, 1, 1]}], "labels": ["diningtable", "sofa"]}
    assert numbers(scored([sofa], [[{"label": "couch", "box": [0, 0, 1, 1]}]]))[0] == 1
    unnamed = scored([sofa], [[{"box": [0, 0, 1, 1]}]])
    assert numbers(unnamed)[0] == 0
    assert unnamed.compute()[0].extra["unnamed_detections"] == 1
    assert numbers(scored([sofa], [[{"box": [0, 0, 1, 1]}]], DetectionAP(class_agnostic=True)))[0] == 1


def test_empty_answers_score_zero_and_empty_files_nothing():
    references, answers = random_records(5)
    assert numbers(scored(references, [[] for _ in answers]))[0] == 0
    assert [score.value for score in DetectionAP().compute()] == [None] * 6
    no_text = DetectionAP()
    for reference in references:
        no_text.update(reference, Prediction(str(reference["id"]), text="I do not know."))
    headline = no_text.compute()[0]
    assert headline.n_failed == len(references)
    assert (headline.extra["failures_wrong"], headline.extra["failures_right"]) == (0, 1)


@pytest.mark.parametrize(
    ("rotation", "box", "found", "expected"),
    [
        ("none", [0, 0, 0, 1, 1, 1], [0.2, 0, 0, 1, 1, 1], [1, 1]),
        ("none", [0, 0, 0, 1, 1, 1], [0.5, 0, 0, 1, 1, 1], [0, 1]),
        ("none", [0, 0, 0, 1, 1, 1], [0.2, 0, 0, 1, 1, -1], [0, 0]),
        ("none", [0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0], [0, 0]),
        ("yaw", [0, 0, 0, 2, 1, 1, np.pi / 2], [0, 0, 0, 1, 2, 1, 0], [1, 1]),
        ("yaw", [0, 0, 0, 4, 1, 1, np.pi / 2], [0, 0, 0, 4, 1, 1, 0], [0, 0]),
        ("full", [0, 0, 0, 1, 1, 4, 0, 0, np.pi / 2], [0, 0, 0, 1, 4, 1], [1, 1]),
    ],
)
def test_boxes_in_space(rotation, box, found, expected):
    metric = DetectionAP3D(rotation=rotation)
    reference = {"id": "s", "object": [{"label": "chair", "bbox": box}]}
    metric.update(reference, Prediction("s", boxes=[{"label": "chair", "box": found}]))
    assert numbers(metric)[:2] == expected


def test_angles_are_not_dropped_in_silence():
    reference = {"id": "s", "object": [{"label": "chair", "bbox": [0, 0, 0, 1, 1, 1, 0.3]}]}
    with pytest.raises(LammMetricsError, match="rotation yaw or full"):
        DetectionAP3D().update(reference, Prediction("s"))
    with pytest.raises(UsageError, match="none, yaw, full"):
        DetectionAP3D(rotation="pitch")
    upside_down = {"id": "s", "object": [{"label": "chair", "bbox": [0, 0, 0, 1, 1, -1]}]}
    with pytest.raises(LammMetricsError, match="sides of at least 0"):
        DetectionAP3D().update(upside_down, Prediction("s"))


@pytest.mark.parametrize("mark", ["0", 0, False, None])
def test_marks_in_words_are_read_as_marks(mark):
    thing = {"label": "cat", "bbox": [0, 0, 0.5, 0.5], "difficult": mark, "iscrowd": mark}
    answers = [{"id": 1, "boxes": []}]
    counted = score_files("detection", [{"id": 1, "object": [thing]}], answers).headline
    ignored = score_files("detection", [{"id": 1, "object": [{**thing, "difficult": "1"}]}], answers).headline
    assert (counted.extra["objects"], ignored.extra["objects"]) == (1, 0)
    with pytest.raises(FileFaultsError, match="`difficult` and `iscrowd`"):
        score_files("detection", [{"id": 1, "object": [{**thing, "iscrowd": "maybe"}]}], answers)

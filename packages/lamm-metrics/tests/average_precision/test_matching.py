"""Average precision against slow implementations of each convention, and under resampling."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamm_metrics.average_precision.curves import Curve, Interpolation, optimistic
from lamm_metrics.average_precision.matching import (
    COCO,
    FASTER_RCNN07,
    FASTER_RCNN12,
    SCORE_FREE,
    VOC07,
    VOC12,
    Convention,
    Found,
    Truth,
    bounds_of,
    candidates,
    match,
)
from lamm_metrics.coco.summary import coco_summary
from lamm_metrics.geometry.boxes import paired_iou
from lamm_metrics.geometry.conventions import Layout, corners_of


def overlaps_of(box, others, plus=0.0):
    return paired_iou(np.tile(box, (len(others), 1)), others, plus=plus)


def order_bounds(found, truth, iou, threshold, convention, n_labels):
    grouped = candidates(found, truth, iou, threshold, replace(convention, grouped=True))
    return bounds_of(grouped.at(threshold), n_labels)


def random_scene(seed, images=4, labels=3, levels=4, ignored=0.1):
    """Objects and detections near them; scores take `levels` values, or are all different with 0."""
    generator = np.random.default_rng(seed)
    n = int(generator.integers(1, 14))
    corner = generator.uniform(0, 60, (n, 2))
    truth_box = np.concatenate([corner, corner + generator.uniform(10, 50, (n, 2))], axis=1)
    truth = Truth(
        generator.integers(0, images, n), generator.integers(0, labels, n), truth_box, generator.random(n) < ignored
    )
    source = generator.integers(0, n, int(generator.integers(0, 25)))
    box = truth_box[source] + generator.normal(0, 5, (len(source), 4))
    box[:, 2:] = np.maximum(box[:, 2:], box[:, :2] + 1)
    kept = generator.random(len(source)) < 0.8
    score = generator.random(len(source))
    found = Found(
        truth.image[source],
        np.where(kept, truth.label[source], generator.integers(0, labels, len(source))),
        np.floor(score * levels) if levels else score,
        box,
    )
    return found, truth


def average(found, truth, convention, threshold=0.5, labels=3, weights=None, images=4):
    matched = match(found, truth, paired_iou, threshold, convention)
    weights = np.ones((1, images), np.int64) if weights is None else weights
    return Curve(matched, labels, convention.interpolation, convention.grouped).mean(weights)


def slow_area(points, positives, interpolation):
    """Area under (hits, shown) points in order, from the definition."""
    curve = [(hits / positives, hits / shown) for hits, shown in points]
    if interpolation is Interpolation.ALL:
        levels = sorted({0.0, *(recall for recall, _ in curve)})
        best = [max((p for r, p in curve if r >= level), default=0.0) for level in levels[1:]]
        return sum(np.diff(levels) * best)
    grid = np.linspace(0, 1, 101) if interpolation is Interpolation.POINTS_101 else np.arange(0, 1.1, 0.1)
    return float(np.mean([max((p for r, p in curve if r >= level), default=0.0) for level in grid]))


def slow_score_free(found, truth, threshold, labels=3):
    areas = []
    for label in range(labels):
        positives = int(((truth.label == label) & ~truth.ignored).sum())
        hits = shown = 0
        points, taken, seen = [], set(), set()
        for score in sorted({*found.score[found.label == label]}, reverse=True):
            rows = np.flatnonzero((found.label == label) & (found.score == score))
            new, dropped = slow_group(slow_pairs(found, truth, rows, seen, threshold), taken)
            hits += new
            shown += len(rows) - dropped
            if shown:
                points.append((hits, shown))
        if positives:
            areas.append(slow_area(points, positives, Interpolation.POINTS_101))
    return np.mean(areas) if areas else np.nan


def slow_pairs(found, truth, rows, seen, threshold):
    """Candidates of one tie group, best first; a detection that was seen before has none."""
    pairs = []
    for row in rows:
        things = np.flatnonzero((truth.label == found.label[row]) & (truth.image == found.image[row]))
        identity = (found.image[row], found.label[row], found.score[row], *found.box[row])
        overlaps = overlaps_of(found.box[row], truth.box[things])
        if identity not in seen:
            pairs += [
                (truth.ignored[g], -iou, row, g) for g, iou in zip(things, overlaps, strict=True) if iou >= threshold
            ]
        seen.add(identity)
    return sorted(pairs)


def slow_group(pairs, taken):
    """Hits of a tie group, and detections that found an ignored object."""
    done, hits = set(), 0
    for ignored, _, row, thing in pairs:
        if row not in done and thing not in taken:
            done.add(row)
            if not ignored:
                taken.add(thing)
                hits += 1
    return hits, len(done) - hits


@pytest.mark.parametrize("levels", [0, 1, 3])
def test_score_free_equals_its_definition(levels):
    for seed in range(330):
        found, truth = random_scene(seed, levels=levels)
        expected = slow_score_free(found, truth, 0.4)
        assert average(found, truth, SCORE_FREE, 0.4) == pytest.approx(expected, abs=1e-12, nan_ok=True), seed


def slow_voc(found, truth, threshold, convention, labels=3):
    """The development kit's procedure: the best object of a detection is hit, or taken and a false alarm."""
    areas = []
    for label in range(labels):
        positives = int(((truth.label == label) & ~truth.ignored).sum())
        hits = shown = 0
        points, taken = [], set()
        rows = np.flatnonzero(found.label == label)
        for row in rows[np.argsort(-found.score[rows], kind="stable")]:
            things = np.flatnonzero((truth.label == label) & (truth.image == found.image[row]))
            overlaps = overlaps_of(found.box[row], truth.box[things], convention.plus)
            best = overlaps.max(initial=0)
            enough = best > threshold if convention.strict else best >= threshold
            thing = things[overlaps.argmax()] if enough else None
            if thing is not None and truth.ignored[thing]:
                continue
            shown += 1
            if thing is not None and thing not in taken:
                taken.add(thing)
                hits += 1
            points.append((hits, shown))
        if positives:
            areas.append(slow_area(points, positives, convention.interpolation))
    return np.mean(areas) if areas else np.nan


@pytest.mark.parametrize(
    "convention", [VOC07, VOC12, FASTER_RCNN07, FASTER_RCNN12], ids=lambda convention: convention.name
)
def test_voc_equals_its_definition(convention):
    def inclusive(first, second):
        return paired_iou(first, second, plus=convention.plus)

    for seed in range(500):
        found, truth = random_scene(seed, levels=seed % 3)
        matched = match(found, truth, inclusive, 0.4, convention)
        got = Curve(matched, 3, convention.interpolation, grouped=False).mean(np.ones((1, 4), np.int64))
        expected = slow_voc(found, truth, 0.4, convention)
        assert got == pytest.approx(expected, abs=1e-12, nan_ok=True), seed


def as_coco(found, truth, images=4, labels=3):
    content = {
        "images": [{"id": i} for i in range(images)],
        "categories": [{"id": k, "name": str(k)} for k in range(labels)],
        "annotations": [
            {"image_id": i, "category_id": k, "bbox": [*b[:2], *(b[2:] - b[:2])], "iscrowd": 0}
            for i, k, b in zip(truth.image, truth.label, truth.box, strict=True)
        ],
    }
    detections = [
        {"image_id": i, "category_id": k, "score": s, "bbox": [*b[:2], *(b[2:] - b[:2])]}
        for i, k, s, b in zip(found.image, found.label, found.score, found.box, strict=True)
    ]
    return coco_summary(content, detections).numbers


def test_with_distinct_scores_it_is_cocos():
    for seed in range(200):
        found, truth = random_scene(seed, levels=0, ignored=0)
        expected = as_coco(found, truth)
        for threshold, name in ((0.5, "AP50"), (0.75, "AP75")):
            for convention in (SCORE_FREE, COCO):
                assert average(found, truth, convention, threshold) == pytest.approx(expected[name], abs=1e-9)


def test_resampling_is_scoring_the_drawn_images_again():
    generator = np.random.default_rng(0)
    for seed in range(100):
        found, truth = random_scene(seed, levels=seed % 4)
        weights = generator.integers(0, 4, (3, 4))
        # Where the order of ties matters, copies of an image would not stand where the draw has them.
        for convention in (SCORE_FREE,) if seed % 4 else (SCORE_FREE, COCO, VOC07, VOC12):
            got = average(found, truth, convention, weights=weights)
            for row, value in zip(weights, got, strict=True):
                copies = [(image, copy) for image in range(4) for copy in range(row[image])]
                drawn_found = [np.flatnonzero(found.image == image) for image, _ in copies]
                drawn_truth = [np.flatnonzero(truth.image == image) for image, _ in copies]
                one = repeated(found, truth, drawn_found, drawn_truth)
                again = average(*one, convention, images=max(1, len(copies)))
                assert again == pytest.approx(value, abs=1e-12, nan_ok=True)


def repeated(found, truth, drawn_found, drawn_truth):
    place = [np.repeat(np.arange(len(drawn)), [len(rows) for rows in drawn]) for drawn in (drawn_found, drawn_truth)]
    rows, things = (np.concatenate([np.empty(0, np.intp), *drawn]) for drawn in (drawn_found, drawn_truth))
    return (
        Found(place[0], found.label[rows], found.score[rows], found.box[rows]),
        Truth(place[1], truth.label[things], truth.box[things], truth.ignored[things]),
    )


def test_running_sums_and_tables_give_the_same(monkeypatch):
    generator = np.random.default_rng(1)
    for seed in range(150):
        found, truth = random_scene(seed, levels=seed % 4)
        matched = match(found, truth, paired_iou, 0.4, SCORE_FREE)
        weights = generator.integers(0, 3, (5, 4))
        both = []
        for dense in (0, 10**9):
            monkeypatch.setattr(Curve, "DENSE", dense)
            monkeypatch.setattr(Curve, "BLOCK", 40)
            both.append(Curve(matched, 3, SCORE_FREE.interpolation, grouped=True).per_label(weights))
        assert np.array_equal(*both, equal_nan=True)


def test_bounds_hold_for_every_order_of_tied_detections():
    generator = np.random.default_rng(0)
    one, ordered = np.ones((1, 4), np.int64), Convention("ordered")
    for seed in range(100):
        found, truth = random_scene(seed, levels=2)
        matched = match(found, truth, paired_iou, 0.4, SCORE_FREE)
        low = Curve(matched, 3, ordered.interpolation, grouped=True).mean(one)[0]
        high = Curve(optimistic(matched), 3, ordered.interpolation, grouped=False).mean(one)[0]
        for _ in range(10):
            order = np.lexsort([generator.random(len(matched.score)), -matched.score, matched.label])
            shuffled = type(matched)(
                *(column[order] for column in (matched.image, matched.label, matched.score, matched.correct)),
                matched.truth_image,
                matched.truth_label,
            )
            value = Curve(shuffled, 3, ordered.interpolation, grouped=False).mean(one)[0]
            assert np.isnan(value) or low - 1e-12 <= value <= high + 1e-12


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 3))
def test_saying_everything_twice_never_helps_even_where_objects_overlap(seed, levels):
    found, truth = random_scene(seed, levels=levels)
    twice = found.take(np.tile(np.arange(len(found.score)), 2))
    for threshold in (0.3, 0.5):
        once = average(found, truth, SCORE_FREE, threshold)[0]
        assert np.isnan(once) or average(twice, truth, SCORE_FREE, threshold)[0] <= once + 1e-12


def crowded_scene(generator):
    """One image in which most detections overlap several objects, without scores."""
    n = int(generator.integers(2, 4))
    corner = generator.uniform(0, 30, (n, 2))
    box = np.concatenate([corner, corner + generator.uniform(30, 50, (n, 2))], axis=1)
    found = box[generator.integers(0, n, int(generator.integers(2, 6)))]
    found = found + generator.normal(0, 6, found.shape)
    zeros = np.zeros(len(found), np.intp)
    truth = Truth(np.zeros(n, np.intp), np.zeros(n, np.intp), box, np.zeros(n, np.bool_))
    return Found(zeros, zeros, np.ones(len(found)), found), truth


def test_bounds_hold_where_the_order_decides_which_object_is_taken():
    """Every order of a few detections, evaluated as COCO does: the most is reached, nothing lies outside."""
    generator, ordered, reached, one = np.random.default_rng(0), Convention("ordered"), 0, np.ones((1, 1), np.int64)
    for _ in range(120):
        found, truth = crowded_scene(generator)
        values = []
        for order in itertools.permutations(range(len(found.score))):
            matched = match(found.take(np.array(order)), truth, paired_iou, 0.5, ordered)
            values.append(Curve(matched, 1, ordered.interpolation, grouped=False).mean(one)[0])
        low, high = order_bounds(found, truth, paired_iou, 0.5, SCORE_FREE, 1)
        assert low - 1e-12 <= min(values)
        assert max(values) == pytest.approx(high, abs=1e-12)
        assert low - 1e-12 <= average(found, truth, SCORE_FREE, labels=1, images=1)[0] <= high + 1e-12
        reached += min(values) == pytest.approx(low, abs=1e-12)
    assert reached > 30


def test_with_distinct_scores_the_bounds_are_the_value():
    for seed in range(60):
        found, truth = random_scene(seed, levels=0)
        value = average(found, truth, SCORE_FREE, 0.4)[0]
        for bound in order_bounds(found, truth, paired_iou, 0.4, SCORE_FREE, 3):
            assert bound == pytest.approx(value, abs=1e-12, nan_ok=True)


def test_many_rivals_are_bounded_by_half():
    """Nine equal detections of two objects: one order finds both, none finds less than one."""
    box = np.array([[0.0, 0, 10, 10], [0.0, 0, 10, 9.9]])
    detections = np.array([[0.0, 0, 10, 9.9 + i / 1000] for i in range(9)])
    zeros = np.zeros(9, np.intp)
    truth = Truth(np.zeros(2, np.intp), np.zeros(2, np.intp), box, np.zeros(2, np.bool_))
    low, high = order_bounds(Found(zeros, zeros, np.ones(9), detections), truth, paired_iou, 0.5, SCORE_FREE, 1)
    assert high == 1
    assert low == pytest.approx(51 / 101 / 9)


def test_order_of_ties_moves_cocos_number_but_not_ours(test_data):
    folder = test_data / "coco100"
    content = json.loads((folder / "instances_val2014_100.json").read_text())
    results = json.loads((folder / "instances_val2014_fakebbox100_results.json").read_text())
    images = {image["id"]: i for i, image in enumerate(content["images"])}
    kinds = {kind["id"]: i for i, kind in enumerate(content["categories"])}
    things = [thing for thing in content["annotations"] if not thing["iscrowd"]]

    def columns(records):
        image = np.array([images[record["image_id"]] for record in records])
        label = np.array([kinds[record["category_id"]] for record in records])
        return (
            image,
            label,
            np.stack(corners_of(np.array([record["bbox"] for record in records], float).T, Layout.XYWH), axis=1),
        )

    image, label, box = columns(things)
    found_image, found_label, found_box = columns(results)
    generator = np.random.default_rng(0)
    cocos, ours = [], []
    for _ in range(12):
        names = generator.permutation(len(images))
        truth = Truth(names[image], label, box, np.zeros(len(image), np.bool_))
        order = np.argsort(names[found_image], kind="stable")
        found = Found(names[found_image][order], found_label[order], np.ones(len(order)), found_box[order])
        cocos.append(average(found, truth, COCO, labels=80, images=100)[0])
        ours.append(average(found, truth, SCORE_FREE, labels=80, images=100)[0])
    matched = match(found, truth, paired_iou, 0.5, SCORE_FREE)
    high = Curve(optimistic(matched), 80, SCORE_FREE.interpolation, False).mean(np.ones((1, 100), np.int64))[0]
    assert max(cocos) - min(cocos) > 0.01
    assert max(ours) - min(ours) < 1e-12
    assert ours[0] <= min(cocos)
    assert max(cocos) <= high


def test_limit_of_detections_an_image_and_class():
    found, truth = random_scene(3)
    few = Convention("few", grouped=True, max_detections=1)
    kept = match(found, truth, paired_iou, 0.5, few)
    keys = list(zip(kept.image.tolist(), kept.label.tolist(), strict=True))
    assert len(keys) == len(set(keys))
    assert len(keys) == len({*zip(found.image.tolist(), found.label.tolist(), strict=True)})


def test_nothing_anywhere():
    nothing = np.empty(0, np.intp)
    found = Found(nothing, nothing, np.empty(0), np.empty((0, 4)))
    truth = Truth(nothing, nothing, np.empty((0, 4)), np.empty(0, np.bool_))
    assert np.isnan(average(found, truth, SCORE_FREE)).all()
    some, objects = random_scene(1, ignored=0)
    assert average(found, objects, SCORE_FREE) == 0
    assert np.isnan(average(some, truth, SCORE_FREE)).all()

"""COCO's summary equals pycocotools' for boxes, masks and keypoints."""

import contextlib
import copy
import io
import json
import sys

import numpy as np
import pytest

import lamm_metrics
from lamm_metrics.coco.masks import run_lengths
from lamm_metrics.coco.overlaps import OVERLAPS, SIGMAS
from lamm_metrics.coco.records import read_coco_found, read_coco_truth
from lamm_metrics.coco.scores import _drawn, coco_scores
from lamm_metrics.coco.summary import coco_summary
from lamm_metrics.errors import LammMetricsError, UsageError
from lamm_metrics.statistics import group_weights

SIDE = 300


def random_case(seed, images=4, classes=3):
    """Annotations and detections around them; odd seeds have integer boxes, every third has tied scores."""
    generator = np.random.default_rng(seed)
    annotations, detections = [], []
    for image in range(images):
        for _ in range(generator.integers(0, 6)):
            size = generator.integers(4, 180, 2).astype(float)
            corner = generator.integers(0, 120, 2).astype(float)
            kind = int(generator.integers(1, classes + 1))
            truth = {
                "id": len(annotations) + 1,
                "image_id": image,
                "category_id": kind,
                "bbox": [*corner.tolist(), *size.tolist()],
                "area": float(size.prod() * generator.uniform(0.5, 1)),
                "iscrowd": int(generator.random() < 0.15),
            }
            annotations.append(truth)
            for near in generator.choice([0.1, 0.7], generator.integers(0, 4)):
                move = generator.integers(-12, 13, 4) * near
                box = np.array(truth["bbox"]) + (np.round(move) if seed % 2 else move)
                score = generator.random()
                detections.append(
                    {
                        "image_id": image,
                        "category_id": kind if generator.random() < 0.8 else int(generator.integers(1, classes + 1)),
                        "bbox": [*box[:2].tolist(), *np.maximum(box[2:], 1).tolist()],
                        "score": float(score if seed % 3 else round(score, 1)),
                    }
                )
    generator.shuffle(detections)
    return with_images(annotations, images, classes), detections


def with_images(annotations, images, classes):
    return {
        "info": {},
        "images": [{"id": i, "height": SIDE, "width": SIDE} for i in range(images)],
        "annotations": annotations,
        "categories": [{"id": k, "name": f"class {k}"} for k in range(1, classes + 1)],
    }


def peer_numbers(truth, detections, kind="bbox"):
    """What pycocotools says."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO()
        known.dataset = copy.deepcopy(truth)
        known.createIndex()
        evaluation = COCOeval(known, known.loadRes(copy.deepcopy(detections)), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


def our_numbers(truth, detections, kind="bbox"):
    """What we say, with pycocotools' mark for undefined numbers."""
    return np.nan_to_num(np.array(list(coco_summary(truth, detections, kind).numbers.values())), nan=-1)


# Printed by pycocotools for the bounding boxes of its own example files.
COCO100 = (
    0.504581, 0.696973, 0.572982, 0.585626, 0.519400, 0.501398, 0.386813, 0.593680, 0.595353, 0.639811, 0.566421,
    0.564291,
)  # fmt: skip


@pytest.fixture(scope="session")
def coco100(test_data):
    folder = test_data / "coco100"
    names = ("instances_val2014_100.json", "instances_val2014_fakebbox100_results.json")
    return tuple(json.loads((folder / name).read_text()) for name in names)


def test_known_numbers(coco100):
    numbers = coco_summary(*coco100).numbers
    assert list(numbers.values()) == pytest.approx(COCO100, abs=5e-7)
    assert list(numbers) == [
        "AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large",
        "AR_1", "AR_10", "AR_100", "AR_small", "AR_medium", "AR_large",
    ]  # fmt: skip


def test_scores_are_the_numbers_with_intervals_and_signatures(coco100):
    scores = coco_scores(*coco100, draws=60)
    assert [score.value for score in scores] == pytest.approx(COCO100, abs=5e-7)
    for score in scores:
        assert score.interval[0] < score.value < score.interval[1]
        assert (score.n, score.n_failed) == (100, 0)
        assert "|iou:0.5:0.95|" in score.signature
    assert scores == coco_scores(*coco100, draws=60)


def test_intervals_draw_whole_images():
    """A draw equals scoring the drawn images again, as copies of their own."""
    truth, detections = random_case(1, images=4)
    found, objects = read_coco_found(detections, read_coco_truth(truth), "bbox"), read_coco_truth(truth)
    drawn = _drawn(found, objects, *OVERLAPS["bbox"], 7, 12)
    for row, weights in enumerate(np.concatenate(list(group_weights(4, 12, 7)))):
        copies = [(image, copy) for image in range(4) for copy in range(weights[image])]
        names = {pair: i for i, pair in enumerate(copies)}

        def again_of(records, names=names):
            return [
                {**one, "image_id": i} for one in records for pair, i in names.items() if pair[0] == one["image_id"]
            ]

        again, moved = with_images(again_of(truth["annotations"]), len(copies), 3), again_of(detections)
        expected = coco_summary(again, moved).numbers
        assert {name: values[row] for name, values in drawn.items()} == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_protocol_coco_reads_cocos_files(test_data, tmp_path):
    folder = test_data / "coco100"
    files = folder / "instances_val2014_100.json", folder / "instances_val2014_fakebbox100_results.json"
    report = lamm_metrics.score("detection", *files, protocol="coco", draws=10)
    assert report.headline.name == "coco/bbox/AP"
    assert report.headline.value == pytest.approx(0.504581, abs=5e-7)
    assert "coco/bbox/AR_large" in str(report)
    with pytest.raises(UsageError, match="detection, keypoint_detection"):
        lamm_metrics.score("vqa", *files, protocol="coco")
    with pytest.raises(UsageError, match="bbox, segm, keypoints"):
        lamm_metrics.score("detection", *files, protocol="coco", iou_type="boxes")
    with pytest.raises(UsageError, match="annotation file"):
        lamm_metrics.score("detection", files[1], files[0], protocol="coco")
    with pytest.raises(LammMetricsError, match="--protocol coco"):
        lamm_metrics.score("detection", files[0], [])
    (tmp_path / "cut.json").write_text('{"images": [')
    with pytest.raises(LammMetricsError, match=r"cut\.json.*no JSON"):
        lamm_metrics.score("detection", tmp_path / "cut.json", files[1], protocol="coco")


def test_equals_pycocotools_on_real_boxes(coco100):
    pytest.importorskip("pycocotools")
    assert np.abs(our_numbers(*coco100) - peer_numbers(*coco100)).max() < 1e-9


@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.slow) for part in (1, 2, 3))])
def test_equals_pycocotools_on_random_boxes(part):
    pytest.importorskip("pycocotools")
    compared = 0
    for seed in range(part * 265, (part + 1) * 265):
        truth, detections = random_case(seed, images=3, classes=2)
        if detections:
            assert np.abs(our_numbers(truth, detections) - peer_numbers(truth, detections)).max() < 1e-9, seed
            compared += 1
    assert compared >= 250


def test_more_detections_than_an_image_may_keep():
    pytest.importorskip("pycocotools")
    truth, some = random_case(3, images=2, classes=1)
    generator = np.random.default_rng(0)
    many = [
        {**some[i % len(some)], "score": float(generator.random()), "image_id": i % 2, "category_id": 1}
        for i in range(400)
    ]
    assert np.abs(our_numbers(truth, many) - peer_numbers(truth, many)).max() < 1e-9


def random_masks(seed):
    from pycocotools import mask

    truth, boxes = random_case(seed)
    for annotation in truth["annotations"]:
        x, y, w, h = annotation["bbox"]
        if annotation["iscrowd"]:
            filled = np.zeros((SIDE, SIDE), np.uint8, order="F")
            filled[int(y) : int(y + h), int(x) : int(x + w)] = 1
            columns = filled.ravel(order="F")
            edges = np.flatnonzero(np.diff(columns, prepend=0)).tolist()
            counts = np.diff([0, *edges, columns.size]).tolist()
            annotation["segmentation"] = {"size": [SIDE, SIDE], "counts": counts}
        else:
            annotation["segmentation"] = [[x, y, x + w, y, x + w / 2, y + h]]
    detections = []
    for box in boxes:
        x, y, w, h = (int(number) for number in box.pop("bbox"))
        filled = np.zeros((SIDE, SIDE), np.uint8, order="F")
        filled[max(0, y) : y + h, max(0, x) : x + w] = 1
        filled[max(0, y) : y + h // 2, max(0, x) : x + w // 3] = 0
        encoded = mask.encode(filled)
        encoded["counts"] = encoded["counts"].decode()
        detections.append({**box, "segmentation": encoded})
    return truth, detections


def test_equals_pycocotools_on_masks():
    pytest.importorskip("pycocotools")
    for seed in range(40):
        truth, detections = random_masks(seed)
        if detections:
            ours, peers = our_numbers(truth, detections, "segm"), peer_numbers(truth, detections, "segm")
            assert np.abs(ours - peers).max() < 1e-9, seed


@pytest.mark.parametrize("boxed", [False, True])
def test_any_number_of_masks_has_the_areas_of_pycocotools(boxed):
    pytest.importorskip("pycocotools")
    truth, detections = random_masks(3)
    many = [{**one, "score": one["score"] / (1 + turn)} for turn in range(300) for one in detections][:400]
    for detection in many if boxed else ():
        detection["bbox"] = [
            0,
            0,
            20 + 40 * (detection["score"] > 0.1),
            40,
        ]  # no bounds of the mask: other size classes
    ours, peers = our_numbers(truth, many, "segm"), peer_numbers(truth, many, "segm")
    assert np.abs(ours - peers).max() < 1e-9


def test_a_box_beside_a_pose_says_its_area():
    pytest.importorskip("pycocotools")
    truth, detections = random_poses(2)
    boxed = [{**one, "bbox": [0, 0, 10 + 50 * (one["score"] > 0.5), 40]} for one in detections]
    ours, peers = our_numbers(truth, boxed, "keypoints"), peer_numbers(truth, boxed, "keypoints")
    assert np.abs(ours - peers).max() < 1e-9
    with pytest.raises(LammMetricsError, match=r"`bbox` in every detection.*row 1"):
        coco_summary(truth, [boxed[0], detections[0]], "keypoints")


@pytest.mark.parametrize("unset", ["0", 0, False, None, "false"])
def test_what_is_no_crowd_in_words_is_none(unset):
    truth, detections = random_case(4)
    plain = [{**one, "iscrowd": 0} for one in truth["annotations"]]
    written = [{**one, "iscrowd": unset} for one in plain]
    numbers = [coco_summary({**truth, "annotations": listed}, detections).numbers for listed in (plain, written)]
    assert numbers[0] == pytest.approx(numbers[1], nan_ok=True)
    with pytest.raises(LammMetricsError, match=r"annotations in COCO's form.*row 0"):
        coco_summary({**truth, "annotations": [{**plain[0], "iscrowd": "maybe"}]}, detections)


@pytest.mark.parametrize("number", ["0", 0, None])
def test_poses_without_a_keypoint_are_ignored_however_their_number_is_written(number):
    truth, detections = random_poses(1)
    counted = {**truth, "annotations": [{**one, "num_keypoints": number} for one in truth["annotations"]]}
    assert np.isnan(coco_summary(counted, detections, "keypoints").numbers["AP"])
    many = {**truth, "annotations": [{**truth["annotations"][0], "num_keypoints": "many"}]}
    with pytest.raises(LammMetricsError, match=r"annotations in COCO's form.*row 0"):
        coco_summary(many, detections, "keypoints")


@pytest.mark.parametrize("wrong", [None, 7, "x", [1, 2], ["x"] * 51, {}])
def test_poses_and_masks_of_the_truth_that_are_none_are_named(wrong):
    truth, detections = random_poses(1)
    first, *others = truth["annotations"]
    with pytest.raises(LammMetricsError, match="51 numbers in `keypoints`"):
        coco_summary({**truth, "annotations": [{**first, "keypoints": wrong}, *others]}, detections, "keypoints")
    pytest.importorskip("pycocotools")
    masked, found = random_masks(3)
    lacking = [{key: value for key, value in one.items() if key != "segmentation"} for one in masked["annotations"]]
    with pytest.raises(LammMetricsError, match="polygons"):
        coco_summary({**masked, "annotations": lacking}, found, "segm")


def test_masks_without_pycocotools_say_what_to_install(monkeypatch):
    truth, detections = random_case(1)
    masks = [{**detection, "segmentation": [[0, 0, 9, 0, 9, 9]]} for detection in detections]
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    with pytest.raises(UsageError, match=r"lamm-metrics\[coco\]"):
        coco_summary(truth, masks, "segm")


def test_masks_that_are_none_are_refused():
    pytest.importorskip("pycocotools")
    runs = [{"size": [9, 10], "counts": [90]}, {"size": [10, 10], "counts": [1, -1, 100]}, {"size": [10, 10]}]
    runs += [{"size": [10, 10], "counts": [50]}, {"size": "10", "counts": "x"}, {"size": [10, 10], "counts": None}]
    for wrong in ([], [[1, 2, 3]], "cat", {"size": [3, 3]}, [[1, 2, 3, 4, 5, "6"]], [1, 2, 3, 4, 5, 6], *runs):
        with pytest.raises(LammMetricsError, match="polygons"):
            run_lengths(wrong, 10, 10)


def random_poses(seed):
    generator = np.random.default_rng(seed)
    annotations, detections = [], []
    for image in range(5):
        for _ in range(generator.integers(1, 5)):
            points = np.concatenate([generator.uniform(20, 250, (17, 2)), generator.integers(0, 3, (17, 1))], axis=1)
            if generator.random() < 0.15:
                points[:, 2] = 0
            low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
            truth = {
                "id": len(annotations) + 1,
                "image_id": image,
                "category_id": 1,
                "keypoints": points.ravel().tolist(),
                "num_keypoints": int((points[:, 2] > 0).sum()),
                "bbox": [*low.tolist(), *(high - low).tolist()],
                "area": float((high - low).prod() * generator.uniform(0.05, 0.7)),
                "iscrowd": int(generator.random() < 0.1),
            }
            annotations.append(truth)
            for _ in range(generator.integers(0, 4)):
                found = points.copy()
                found[:, :2] += generator.normal(0, generator.choice([3, 12, 40]), (17, 2))
                detections.append(
                    {
                        "image_id": image,
                        "category_id": 1,
                        "keypoints": found.ravel().tolist(),
                        "score": float(generator.random()),
                    }
                )
    return with_images(annotations, 5, 1), detections


def test_equals_pycocotools_on_keypoints():
    pytest.importorskip("pycocotools")
    for seed in range(100):
        truth, detections = random_poses(seed)
        ours, peers = our_numbers(truth, detections, "keypoints"), peer_numbers(truth, detections, "keypoints")
        assert np.abs(ours - peers).max() < 1e-9, seed


def test_real_poses_find_themselves(test_data):
    truth = json.loads((test_data / "coco" / "person_keypoints_4img.json").read_text())
    detections = [
        {**annotation, "score": 1.0} for annotation in truth["annotations"] if annotation["num_keypoints"] > 0
    ]
    assert coco_summary(truth, detections, "keypoints").numbers["AP"] == pytest.approx(1)
    assert len(SIGMAS) == 17


def test_nothing_found_and_nothing_there():
    truth, detections = random_case(1)
    none_found = coco_summary(truth, []).numbers
    assert none_found["AP"] == none_found["AR_100"] == 0
    nothing_there = coco_summary({**truth, "annotations": []}, detections).numbers
    assert np.isnan(list(nothing_there.values())).all()


def test_per_class_averages_to_the_whole(coco100):
    summary = coco_summary(*coco100)
    assert np.mean(list(summary.per_class.values())) == pytest.approx(summary.numbers["AP"])
    assert "person" in summary.per_class


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_id": 99}, r"known `image_id`, got \[99\]"),
        ({"category_id": "cat"}, "known `category_id`"),
        ({"score": float("nan")}, "NaN in row 0"),
    ],
)
def test_faulty_detections_are_named(change, message):
    truth, detections = random_case(1)
    with pytest.raises(LammMetricsError, match=message):
        coco_summary(truth, [{**detections[0], **change}])


def test_missing_keys_are_named():
    truth, detections = random_case(1)
    with pytest.raises(LammMetricsError, match="`bbox` in every detection"):
        coco_summary(truth, [{"image_id": 0, "category_id": 1, "score": 1}])
    with pytest.raises(LammMetricsError, match="keypoints"):
        coco_summary(truth, detections, "keypoints")
    with pytest.raises(LammMetricsError, match="no `categories`"):
        coco_summary({"images": [], "annotations": []}, [])
    with pytest.raises(LammMetricsError, match="iou_type"):
        coco_summary(truth, detections, "boxes")


def test_boxes_that_are_not_finite_find_nothing():
    truth, detections = random_case(1)
    broken = [{**detection, "bbox": [float("nan"), 0, 1, float("inf")]} for detection in detections]
    assert coco_summary(truth, broken).numbers["AP"] == 0

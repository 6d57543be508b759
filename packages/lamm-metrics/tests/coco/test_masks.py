"""Masks of others' files before they reach pycocotools, whose C trusts them."""

import numpy as np
import pytest

from lamm_metrics import LammMetricsError, coco_scores
from lamm_metrics.coco.masks import _covered, encoded, run_lengths

mask = pytest.importorskip("pycocotools.mask", reason="compares masks: pip install 'lamm-metrics[coco]'")
SIZE = np.array([[9, 9]])


def test_run_lengths_are_counted_as_they_were_written():
    draw, texts, pixels = np.random.default_rng(0), [], []
    for _ in range(300):
        height, width = draw.integers(1, 90, 2)
        drawn = np.asfortranarray(draw.random((height, width)) < draw.random() ** 3).astype(np.uint8, order="F")
        texts.append(mask.encode(drawn)["counts"])
        pixels.append(height * width)
    for at, broken in enumerate((b"", b"o", b"5o", b"\xff2", b"5 2", b"ooooooooooo2", b"59O")):
        texts.insert(at * 40, broken)
        pixels.insert(at * 40, -1)
    assert _covered(texts).tolist() == pixels
    assert _covered([]).tolist() == []


@pytest.mark.parametrize(
    "segmentation",
    [
        [[1e300, 0, 5, 0, 5, 5]],  # a room for its outline that no machine has
        [[0, 0, 1e6, 0, 0, 1e6] * 50],
        [[0, 0, 5, 0, 5]],
        {"size": [9, 9], "counts": "m04500000`"},  # ends too early: compared without an end
        {"size": [9, 9], "counts": "m04500000`0o"},  # the last number has no end
        {"size": [9, 9], "counts": "\u0663"},
        {"size": [9, 9], "counts": ""},
        {"size": [9, 9], "counts": [10, 5]},
        {"size": [9, True], "counts": [9]},
        {"size": [0, 9], "counts": []},
        {"size": [2**20, 2**20], "counts": [2**40]},
    ],
)
def test_what_pycocotools_would_not_survive_is_refused(segmentation):
    for size in (SIZE, np.zeros((1, 2), np.int64)):
        with pytest.raises(LammMetricsError, match="Mend the record"):
            encoded([{"segmentation": segmentation}], size)


def test_an_image_larger_than_pixels_are_counted_is_refused():
    with pytest.raises(LammMetricsError, match="100000 x 100000"):
        run_lengths([[0, 0, 5, 0, 5, 5]], 100_000, 100_000)


@pytest.mark.parametrize("kind", ["bbox", "keypoints"])
def test_detections_without_numbers_are_named(kind):
    image, category = {"id": 1, "height": 9, "width": 9}, {"id": 1, "name": "cat"}
    drawn = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 4, 4], "keypoints": [1, 1, 2] * 17, "num_keypoints": 17}
    truth = {"images": [image], "categories": [category], "annotations": [{"id": 1, "area": 16, **drawn}]}
    assert coco_scores(truth, [{**drawn, "score": 0.5}], kind)[0].value == pytest.approx(1)
    broken = {"bbox": [], "keypoints": [10**400, 1, 2] * 17}[kind]
    with pytest.raises(LammMetricsError, match="row 0"):
        coco_scores(truth, [{**drawn, "score": 0.5, kind: broken}], kind)

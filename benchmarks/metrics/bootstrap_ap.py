"""10,000 grouped bootstrap draws of AP50 on 5,000 images from cached matches, beside matching every draw again.

Run: OMP_NUM_THREADS=1 python benchmarks/metrics/bootstrap_ap.py
"""

from typing import Any

import numpy as np
from detections import CLASSES, IMAGES, coco_like
from measuring import seconds, write_result

from lamm_metrics import SCORE_FREE, Curve, Found, Truth, centred_interval, group_weights, match, paired_iou

DETECTIONS = 35_000
DRAWS = 10_000
MATCHED_AGAIN = 10


def measure(found: Found, truth: Truth) -> dict[str, Any]:
    matched = match(found, truth, paired_iou, 0.5, SCORE_FREE)
    curve = Curve(matched, CLASSES, SCORE_FREE.interpolation, grouped=True)
    values: list[np.ndarray] = []

    def draw() -> None:
        values[:] = [curve.mean(weights) for weights in group_weights(IMAGES, DRAWS, seed=0)]

    def match_again() -> None:
        for weights in next(group_weights(IMAGES, MATCHED_AGAIN, seed=0)):
            rows = np.repeat(np.arange(DETECTIONS), weights[found.image])
            things = np.repeat(np.arange(len(truth.image)), weights[truth.image])
            # Copies of an image keep its number: this matches across copies, but takes the time that matching takes.
            drawn = Truth(truth.image[things], truth.label[things], truth.box[things], truth.ignored[things])
            match(found.take(rows), drawn, paired_iou, 0.5, SCORE_FREE)

    took, again = seconds(draw), seconds(match_again)
    value = float(curve.mean(np.ones((1, IMAGES), np.int64))[0])
    return {
        "ap50": value,
        "interval": centred_interval(value, np.concatenate(values)),
        "cached": took,
        "matching_again_processor_s_a_draw": round(again["median_processor_s"] / MATCHED_AGAIN, 4),
    }


def main() -> None:
    objects, detections = coco_like(DETECTIONS)
    truth = Truth(objects.image, objects.label, objects.corners, objects.ignored)
    scored = Found(detections.image, detections.label, detections.score, detections.corners)
    unscored = Found(detections.image, detections.label, np.ones(DETECTIONS), detections.corners)
    measured = {
        "draws": DRAWS,
        "images": IMAGES,
        "detections": DETECTIONS,
        "distinct scores": measure(scored, truth),
        "no scores": measure(unscored, truth),
    }
    write_result("bootstrap_ap", measured, [])


if __name__ == "__main__":
    main()

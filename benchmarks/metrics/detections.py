"""Detections at the scale of COCO's validation set, drawn from a seed, for the detection benchmarks."""

from typing import Any

import numpy as np

from lamm_metrics import CocoFound, CocoTruth

IMAGES = 5_000
CLASSES = 80
OBJECTS = 36_934


def coco_like(n_detections: int, seed: int = 0) -> tuple[CocoTruth, CocoFound]:
    """5,000 images, 80 classes, 36,934 objects (1.2 % crowds) and so many detections.

    About half of the detections are objects moved a little, a fifth of them under another class; the rest lie anywhere.
    """
    generator = np.random.default_rng(seed)
    image = np.sort(generator.integers(0, IMAGES, OBJECTS))
    # An image shows few classes, some of them several times.
    favourite = generator.integers(0, CLASSES, (IMAGES, 4))
    label = favourite[image, generator.integers(0, 4, OBJECTS)]
    size = np.exp(generator.normal(4.0, 0.9, (OBJECTS, 2))).clip(4, 400)
    box = np.concatenate([generator.uniform(0, 640 - size), size], axis=1)
    crowd = generator.random(OBJECTS) < 0.012
    source = generator.integers(0, OBJECTS, n_detections)
    near = generator.random(n_detections) < 0.5
    moved = box[source] * generator.normal(1, 0.06, (n_detections, 4))
    anywhere = np.concatenate(
        [generator.uniform(0, 500, (n_detections, 2)), generator.uniform(8, 200, (n_detections, 2))], axis=1
    )
    found = np.where(near[:, None], moved, anywhere)
    named = np.where(generator.random(n_detections) < 0.8, label[source], generator.integers(0, CLASSES, n_detections))
    score = generator.random(n_detections) * np.where(near, 1.0, 0.6)
    area = box[:, 2] * box[:, 3]
    found_area = found[:, 2] * found[:, 3]
    truth = CocoTruth(
        image=image,
        label=label,
        corners=_corners(box),
        box_area=area,
        area=area * 0.7,
        crowd=crowd,
        ignored=crowd,
        names=[f"class {k + 1}" for k in range(CLASSES)],
        image_ids=list(range(1, IMAGES + 1)),
        category_ids=list(range(1, CLASSES + 1)),
    )
    return truth, CocoFound(image[source], named, score, _corners(found), found_area, found_area)


def _corners(box: np.ndarray) -> np.ndarray:
    return np.concatenate([box[:, :2], box[:, :2] + box[:, 2:]], axis=1)


def _sized(corners: np.ndarray) -> list[list[float]]:
    return np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1).tolist()


def as_files(truth: CocoTruth, found: CocoFound) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The same as the content of an annotation file and of a results file."""
    annotations = [
        {
            "id": i + 1,
            "image_id": int(truth.image[i]) + 1,
            "category_id": int(truth.label[i]) + 1,
            "bbox": box,
            "area": float(truth.area[i]),
            "iscrowd": int(truth.crowd[i]),
        }
        for i, box in enumerate(_sized(truth.corners))
    ]
    detections = [
        {"image_id": image + 1, "category_id": label + 1, "bbox": box, "score": score}
        for image, label, box, score in zip(
            found.image.tolist(), found.label.tolist(), _sized(found.corners), found.score.tolist(), strict=True
        )
    ]
    content = {
        "info": {},
        "images": [{"id": i, "width": 640, "height": 640} for i in truth.image_ids],
        "categories": [{"id": k, "name": name} for k, name in zip(truth.category_ids, truth.names, strict=True)],
        "annotations": annotations,
    }
    return content, detections

"""Detections at the scale of COCO's validation set, drawn from a seed, for the detection benchmarks."""

from typing import Any

import numpy as np

IMAGES = 5_000
CLASSES = 80
OBJECTS = 36_934


def coco_like(n_detections: int, seed: int = 0) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A COCO annotation file's content and a results file's, with 5,000 images, 80 classes and 36,934 objects.

    About half of the detections are objects moved a little, a fifth of them under another class; the rest lie anywhere.
    """
    generator = np.random.default_rng(seed)
    image = np.sort(generator.integers(0, IMAGES, OBJECTS))
    # An image shows few classes, some of them several times.
    favourite = generator.integers(0, CLASSES, (IMAGES, 4))
    label = favourite[image, generator.integers(0, 4, OBJECTS)]
    size = np.exp(generator.normal(4.0, 0.9, (OBJECTS, 2))).clip(4, 400)
    box = np.concatenate([generator.uniform(0, 640 - np.minimum(size, 600)), size], axis=1)
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
    truth = {
        "info": {},
        "images": [{"id": i + 1, "width": 640, "height": 640} for i in range(IMAGES)],
        "categories": [{"id": k + 1, "name": f"class {k + 1}"} for k in range(CLASSES)],
        "annotations": [
            {
                "id": i + 1,
                "image_id": int(image[i]) + 1,
                "category_id": int(label[i]) + 1,
                "bbox": box[i].tolist(),
                "area": float(box[i, 2] * box[i, 3] * 0.7),
                "iscrowd": int(crowd[i]),
            }
            for i in range(OBJECTS)
        ],
    }
    detections = [
        {
            "image_id": int(image[source[i]]) + 1,
            "category_id": int(named[i]) + 1,
            "bbox": found[i].tolist(),
            "score": float(score[i]),
        }
        for i in range(n_detections)
    ]
    return truth, detections

"""The published PCK and binary locating formulas (LAMM v1)."""

from collections.abc import Mapping, Sequence
from math import dist
from typing import Any

from lamm_metrics.paper.parsing import points
from lamm_metrics.paper.words import mentions

Record = Mapping[str, Any]
_REACH = 0.1

PCK_IS_ZERO = (
    "The published PCK adds a hit with an expression whose result is thrown away, so its sum "
    "never leaves 0: every model scores "
    "0.0 whatever it answers, and the paper lists every model as failed. paper/pck is therefore 0 by definition; "
    "paper/pck_repaired is the same formula with the sum kept."
)


def _normalised(record: Record, key: str) -> list[tuple[float, float]]:
    width, height = record["image_size"]
    return [(float(point[0]) / width, float(point[1]) / height) for point in record[key]]


def _answers(record: Record, text: str | Mapping[str, str]) -> Sequence[str]:
    """One answer per joint, in the order of the answers; one string serves all joints."""
    if isinstance(text, str):
        return [text] * len(record["gt_joints"])
    return list(text.values())


def pck(record: Record, text: str | Mapping[str, str]) -> tuple[tuple[float, float], ...]:
    """The published value, which is always 0, and the repaired one.

    A joint is right if any point of its answer lies nearer than a tenth of the image (each axis as a fraction of the
    image's side). Answers and joints are paired by their order; visibility plays no part; every image is divided by 14.

    Args:
        record: With `gt_joints` in pixels and `image_size`.
        text: One answer per joint, or one string.
    """
    joints = _normalised(record, "gt_joints")
    hits = sum(
        any(dist(point, joint) < _REACH for point in points(answer))
        for joint, answer in zip(joints, _answers(record, text), strict=False)
    )
    return ((0.0, 1.0), (hits / 14, 1.0))


def _strictly_inside(point: Sequence[float], box: Sequence[float]) -> bool:
    return box[0] < point[0] < box[2] and box[1] < point[1] < box[3]


def locating(record: Record, text: str | Mapping[str, str]) -> tuple[tuple[float, float], ...]:
    """Binary locating: hits and decisions over VOC2012 objects, LSP persons and FSC147 points, pooled and apart.

    VOC2012: an object counts where its label occurs and any point lies strictly inside its box. LSP: one decision an
    image, any point inside the box around all joints. FSC147: images with fewer than ten points; each true point needs
    a predicted one nearer than a tenth of the image.

    Args:
        record: With `object`, or `gt_joints` or `points` and `image_size`.
        text: The answer.
    """
    answer = text if isinstance(text, str) else "\n".join(text.values())
    found = points(answer)
    nothing = (0.0, 0.0)
    if "object" in record:
        hits = sum(
            mentions(item["label"], answer) and any(_strictly_inside(point, item["bbox"]) for point in found)
            for item in record["object"]
        )
        part = (float(hits), float(len(record["object"])))
        return part, part, nothing, nothing
    if "gt_joints" in record:
        part = (float(_person_hit(record, found)), 1.0)
        return part, nothing, part, nothing
    truth = _normalised(record, "points")
    if len(truth) >= 10:
        return nothing, nothing, nothing, nothing
    hits = sum(any(dist(point, centre) < _REACH for point in found) for centre in truth)
    part = (float(hits), float(len(truth)))
    return part, nothing, nothing, part


def _person_hit(record: Record, found: Sequence[Sequence[float]]) -> bool:
    """Whether any point lies in the box around all joints, both in pixels."""
    width, height = record["image_size"]
    across = [float(joint[0]) for joint in record["gt_joints"]]
    down = [float(joint[1]) for joint in record["gt_joints"]]
    box = (min(across), min(down), max(across), max(down))
    return any(_strictly_inside((point[0] * width, point[1] * height), box) for point in found)

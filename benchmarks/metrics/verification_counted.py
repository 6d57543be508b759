"""Our numbers beside the same ones counted here in a few lines, where no other program has them."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from verification_golden import queries_of
from verification_rows import Row, named

from lamm_metrics import score

RECORDS = 300
HERE = "counted in `verification_counted.py`"


def rows(queries: Sequence[Any]) -> Iterator[Row]:
    """Yield every comparison with a count of our own.

    Args:
        queries: Descriptions with several targets or none, of `boxes_multi3drefer.json`.
    """
    generator = np.random.default_rng(1)
    yield from _several_boxes(queries)
    yield from _points(generator)
    yield from _spatial(generator)
    yield from _marks(generator)


def _several_boxes(queries: Sequence[Any]) -> Iterator[Row]:
    """F1 of boxes that scipy pairs, by two rules for overlaps."""
    from scipy.optimize import linear_sum_assignment

    def overlaps(truth: np.ndarray, boxes: np.ndarray, added: float) -> np.ndarray:
        low = np.maximum(truth[:, None, 0], boxes[None, :, 0])
        high = np.minimum(truth[:, None, 1], boxes[None, :, 1])
        shared = np.maximum(high - low, 0).prod(axis=2)
        sizes = [(side[:, 1] - side[:, 0]).prod(axis=1) for side in (truth, boxes)]
        return np.asarray(shared / (sizes[0][:, None] + sizes[1][None] - shared + added))

    def f1(truth: list[Any], boxes: list[Any], added: float) -> float:
        if not truth or not boxes:
            return float(not truth and not boxes)
        size = max(len(truth), len(boxes))
        found = np.zeros((size, size))
        found[: len(truth), : len(boxes)] = overlaps(np.array(truth, float), np.array(boxes, float), added)
        hits = int((found[linear_sum_assignment(found, maximize=True)] >= 0.25).sum())
        return 2 * hits / (len(truth) + len(boxes))

    for protocol, added in (("standard", 0.0), ("chatscene", 1e-8), ("gpt4scene", 1e-8)):
        report = score("multi_grounding3d", *queries_of(queries, len(queries)), protocol, draws=2)
        ours = [sample.value for sample in report.samples]
        ours = ours if protocol != "standard" else [named(report)["grounding_f1@0.25"]]
        theirs = [f1(truth, boxes, added) for _, truth, boxes, *_ in queries]
        theirs = theirs if protocol != "standard" else [float(np.mean(theirs))]
        yield Row("multi_grounding3d", protocol, "F1@0.25", f"{HERE}, pairing by scipy", ours, theirs)


def _points(generator: np.random.Generator) -> Iterator[Row]:
    """Joints within a tenth of the image, and objects that scipy pairs with points."""
    from scipy.optimize import linear_sum_assignment

    joints = ("neck", "head top")
    truth, found = generator.uniform(0.2, 0.8, (2, RECORDS, 2, 2))
    found = truth + (found - 0.5) * 0.6
    records = [
        {"id": f"{i:03d}", "joints": joints, "gt_joints": one.tolist(), "image_size": [1, 1]}
        for i, one in enumerate(truth)
    ]
    answers = [
        {
            "id": f"{i:03d}",
            "points": [{"label": name, "point": place.tolist()} for name, place in zip(joints, one, strict=True)],
        }
        for i, one in enumerate(found)
    ]
    ours = [named(score("keypoint_detection", records, answers, draws=2))["image_pck@0.1"]]
    theirs = [float((np.linalg.norm(truth - found, axis=2) < 0.1).mean())]
    yield Row("keypoint_detection", "standard", "joints within 0.1", HERE, ours, theirs)
    boxes = np.sort(generator.uniform(0, 1, (RECORDS, 3, 2, 2)), axis=2).reshape(RECORDS, 3, 4)
    points = generator.uniform(0, 1, (RECORDS, 3, 2))
    records = [
        {"id": f"{i:03d}", "object": [{"label": "cup", "bbox": box.tolist()} for box in one]}
        for i, one in enumerate(boxes)
    ]
    answers = [
        {"id": f"{i:03d}", "points": [{"label": "cup", "point": point.tolist()} for point in one]}
        for i, one in enumerate(points)
    ]
    hits = 0
    for one, marked in zip(boxes, points, strict=True):
        inside = (marked[None] >= one[:, None, :2]).all(axis=2) & (marked[None] <= one[:, None, 2:]).all(axis=2)
        hits += int(inside[linear_sum_assignment(inside, maximize=True)].sum())
    ours = [score("locating", records, answers, draws=2).headline.value]
    yield Row(
        "locating", "standard", "objects with a point", f"{HERE}, pairing by scipy", ours, [hits / boxes[..., 0].size]
    )


def _spatial(generator: np.random.Generator) -> Iterator[Row]:
    """The mean of a numeric task and of one with options."""
    truth, said = generator.integers(1, 9, (2, RECORDS))
    pick, chosen = generator.integers(0, 3, (2, RECORDS))
    records: list[dict[str, Any]] = [
        {"id": f"n{i:03d}", "question_type": "object_counting", "num": float(one)} for i, one in enumerate(truth)
    ]
    records += [
        {"id": f"o{i:03d}", "question_type": "route_planning", "gt_choice": int(one), "gt_choices": ["a", "b", "c"]}
        for i, one in enumerate(pick)
    ]
    answers: list[dict[str, Any]] = [{"id": f"n{i:03d}", "number": float(one)} for i, one in enumerate(said)]
    answers += [{"id": f"o{i:03d}", "choice": int(one)} for i, one in enumerate(chosen)]
    bounds = 1 - np.linspace(0.5, 0.95, 10)
    near = (np.abs(said - truth) / truth)[:, None] <= bounds
    ours = [score("spatial_questions3d", records, answers, draws=2).headline.value]
    yield Row(
        "spatial_questions3d", "standard", "mean over tasks", HERE, ours, [(near.mean() + (pick == chosen).mean()) / 2]
    )


def _marks(generator: np.random.Generator) -> Iterator[Row]:
    """Marks of a judge, 1 to 5, as MSQA and Beacon3D average them."""
    marks = generator.integers(1, 6, RECORDS)
    kinds = generator.choice(["counting", "existence", "navigation"], RECORDS)
    records = [{"id": f"{i:03d}", "answers": ["red"], "question_type": str(kind)} for i, kind in enumerate(kinds)]
    answers = [{"id": f"{i:03d}", "text": "blue", "meta": {"mark": str(mark)}} for i, mark in enumerate(marks)]
    share = float((marks - 1).mean() / 4)
    for protocol, best in (("msqa-judge", share), ("beacon3d-judge", share)):
        ours = [score("open_vqa3d", records, answers, protocol, draws=2).headline.value]
        yield Row("open_vqa3d", protocol, "means of a judge's marks", HERE, ours, [best])

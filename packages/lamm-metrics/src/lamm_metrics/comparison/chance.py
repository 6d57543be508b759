"""What an answerer that never looks would score: predictions drawn from the truth about other pictures."""

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.references import read_references
from lamm_metrics.records.truth import LSP_JOINTS, group_of, letter, truth_text

Record = Mapping[str, Any]


def _donors(groups: Sequence[str], generator: np.random.Generator) -> NDArray[np.int64]:
    """For each record one of another group, each equally likely; another record where there is one group only."""
    names, codes = np.unique(np.array(groups, dtype=object).astype(str), return_inverse=True)
    if len(names) < 2:
        codes = np.arange(len(groups))
    order = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes)
    starts = np.cumsum(sizes) - sizes
    others = len(groups) - sizes[codes]
    picks = (generator.random(len(groups)) * others).astype(np.int64)
    # Skip over the block of the record's own group.
    picks += np.where(picks >= starts[codes], sizes[codes], 0)
    return order[np.minimum(picks, len(groups) - 1)]


def _points(record: Record) -> list[dict[str, Any]]:
    width, height = record.get("image_size", (1.0, 1.0))
    if "gt_joints" in record:
        names = record.get("joints") or LSP_JOINTS
        joints = zip(names, record["gt_joints"], strict=False)
        return [{"label": name, "point": [joint[0] / width, joint[1] / height]} for name, joint in joints]
    if "points" in record:
        return [{"point": [x / width, y / height]} for x, y in record["points"]]
    boxes = [(item["label"], item["bbox"]) for item in record["object"]]
    return [{"label": label, "point": [(b[0] + b[2]) / 2, (b[1] + b[3]) / 2]} for label, b in boxes]


def _spoken(points: Sequence[Mapping[str, Any]]) -> str | dict[str, str]:
    """Points in words, for metrics that read nothing else: an answer a joint where every point has its own name."""
    said = [(str(item.get("label", "")), f"[{item['point'][0]:.4f}, {item['point'][1]:.4f}]") for item in points]
    if said and len({name for name, _ in said}) == len(said):
        return dict(said)
    return "\n".join(f"{name} {point}".strip() for name, point in said)


def _boxes(record: Record) -> list[dict[str, Any]]:
    if "gt_bbox" in record:
        return [{"label": "", "box": list(record["gt_bbox"])}]
    return [{"label": item["label"], "box": list(item["bbox"])} for item in record["object"]]


def _copied(task: str, key: str, donor: Record, generator: np.random.Generator) -> Prediction:
    """The truth of the donor as an answer to another record."""
    if task in ("detection", "detection3d", "visual_grounding3d"):
        return Prediction(key, truth_text(donor), boxes=_boxes(donor))
    if task in ("keypoint_detection", "locating"):
        points = _points(donor)
        return Prediction(key, _spoken(points), points=points)
    if task == "counting":
        return Prediction(key, truth_text(donor), number=float(donor["num"]))
    if task == "caption":
        return Prediction(key, str(generator.choice(donor["sentences"])))
    if task == "ocr":
        return Prediction(key, " ".join(f'"{word}"' for word in donor["word_list"]))
    return Prediction(key, truth_text(donor))


def _choose(key: str, index: int) -> Prediction:
    return Prediction(key, f"The answer is ({letter(index)}).", choice=index)


def chance_predictions(
    task: str, references: str | PathLike[str] | Iterable[Record], seed: int = 0
) -> list[Prediction]:
    """Answers of somebody who knows the data set but not the picture: the truth about a picture of another group.

    Multiple-choice questions are answered with a random option instead. Score these answers like any others; their
    score is the level of chance, with an interval.

    Args:
        task: A task key.
        references: Benchmark records, or the path of their file.
        seed: Seed of the draw.

    Returns:
        One answer a record, in the order of the records.
    """
    records = read_references(references, task).records
    generator = np.random.default_rng(seed)
    if task in ("vqa", "vqa3d"):
        picks = generator.random(len(records))
        return [
            _choose(key, int(pick * len(record["gt_choices"])))
            for pick, (key, record) in zip(picks, records.items(), strict=True)
        ]
    if len(records) < 2:
        return [Prediction(key) for key in records]
    listed = list(records.values())
    donors = _donors([group_of(record) for record in listed], generator)
    return [_copied(task, key, listed[donor], generator) for key, donor in zip(records, donors, strict=True)]

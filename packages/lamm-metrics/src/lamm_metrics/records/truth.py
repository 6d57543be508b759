"""The ground truth of a record: its identity and group, its classes, and all of it in words."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Reference = Mapping[str, Any]
# Joint order of Leeds Sports Pose, the published benchmark's data set.
LSP_JOINTS = (
    "right ankle", "right knee", "right hip", "left hip", "left knee", "left ankle", "right wrist", "right elbow",
    "right shoulder", "left shoulder", "left elbow", "left wrist", "neck", "head top",
)  # fmt: skip
YES_NO = {"1": "yes", "-1": "no", "yes": "yes", "no": "no", "true": "yes", "false": "no"}


def record_id(record: Mapping[str, Any]) -> str:
    """Return the identifier of a record as a string, so that 7 and "7" name the same record."""
    return str(record["id"])


def group_of(reference: Reference) -> str:
    """Return what makes records dependent: `group`, else the image or cloud they look at, else the record itself."""
    for key in ("group", "image", "pcl"):
        value = reference.get(key)
        if value:
            return "\n".join(map(str, value)) if isinstance(value, list) else str(value)
    return record_id(reference)


def letter(index: int) -> str:
    """Return the letter of an option, A for 0."""
    return chr(ord("A") + index)


def truth_label(reference: Reference) -> str:
    """Return the true class or attribute of a record, spelled as in the file."""
    return str(reference["label"] if "label" in reference else reference["attr"])


def label_set(reference: Reference, labels: Sequence[str]) -> list[str]:
    """Return the closed set of a record: its own `labels`, else the given ones, with the truth among them."""
    own = [str(label) for label in reference.get("labels") or labels]
    truth = truth_label(reference)
    return own if truth in own else [*own, truth]


def labels_of(references: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return every class, attribute and object name that is true in some reference, sorted: the default closed set."""
    labels = {truth_label(record) for record in references if "label" in record or "attr" in record}
    objects = [record.get("object") for record in references]
    # A yes/no record names the object it asks for, others list what the image shows.
    return sorted(labels.union(str(item["label"]) for shown in objects if isinstance(shown, list) for item in shown))


def _attribute(record: Mapping[str, Any]) -> str:
    truth = truth_label(record)
    return YES_NO.get(truth.strip().lower(), truth) if truth.strip() in ("1", "-1") else truth


def _option(record: Mapping[str, Any]) -> str:
    index = int(record["gt_choice"])
    return f"({letter(index)}) {record['gt_choices'][index]}"


def _objects(record: Mapping[str, Any]) -> str:
    return "; ".join(f"{item['label']} {list(item['bbox'])}" for item in record["object"])


_WORDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "label": truth_label,
    "attr": _attribute,
    "gt_choice": _option,
    "sentences": lambda record: "\n".join(record["sentences"]),
    "num": lambda record: f"{record['num']:g}",
    "word_list": lambda record: ", ".join(record["word_list"]),
    "gt_bbox": lambda record: json.dumps(record["gt_bbox"]),
    "object": _objects,
    "gt_joints": lambda record: json.dumps(record["gt_joints"]),
    "points": lambda record: json.dumps(record["points"]),
}


def truth_text(record: Mapping[str, Any]) -> str:
    """Return the ground truth of a record as a person would read it."""
    return next((words(record) for key, words in _WORDS.items() if key in record), "")

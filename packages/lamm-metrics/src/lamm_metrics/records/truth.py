"""Ground truth in words, for lists of samples and for answering without looking."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from lamm_metrics.answers.closed import YES_NO, letter, truth_label


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
    """The ground truth of a record as a person would read it."""
    return next((words(record) for key, words in _WORDS.items() if key in record), "")

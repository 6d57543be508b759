"""System messages by task type."""

from __future__ import annotations

import functools
import json
from importlib import resources

from lamm_model.errors import UsageError

# Spellings met outside the published files, folded to the published ones.
_VARIANTS = {
    "commonsenseqa": "commomsenseqa",
    "commonsenseqa3d": "commomsenseqa3d",
    "keypoints_detection": "keypoint_detection",
    "caption": "description",
    "ocr": "VQA",
    "fine_grained_classification": "classification",
    "facial_classification": "classification",
    "locating": "detection",
    "vqa3d": "VQA3d",
    "vqa": "VQA",
}


@functools.cache
def system_messages() -> dict[str, str]:
    """Return the seventeen published task types and our system message for each."""
    text = resources.files(__package__).joinpath("system_messages.json").read_text("utf-8")
    return dict(json.loads(text))


def system_message(task_type: str) -> str:
    """Return the system message of a task type or benchmark task.

    Args:
        task_type: One of the published task types, a spelling variant, or a benchmark task key.

    Returns:
        The message.

    Raises:
        UsageError: The task type is unknown.
    """
    messages = system_messages()
    folded = {key.lower(): key for key in messages}
    name = task_type.strip()
    key = name if name in messages else _VARIANTS.get(name.lower(), folded.get(name.lower(), ""))
    if key not in messages:
        raise UsageError(f"Expected a task_type ({', '.join(messages)}), got {task_type!r}. Correct the record.")
    return messages[key]


def system_text(choice: str, task_type: str, own: str | None) -> str:
    """Return the system message that a run's choice gives a record.

    Args:
        choice: `task` (the task type's message), `record` (the record's own where it has one) or `none`.
        task_type: Of the record.
        own: The record's own message, or None.

    Returns:
        The message; empty for none.
    """
    if choice == "none":
        return ""
    return own if choice == "record" and own else system_message(task_type)

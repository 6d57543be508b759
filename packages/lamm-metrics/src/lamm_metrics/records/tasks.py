"""The tasks as a table: what is true, what is read from answers, which metrics score them. A new task is one row.

LAMM (arXiv 2306.06687), Sec. 4 and Table 1; the file prefixes are those of the published benchmark.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from os import PathLike
from pathlib import PurePath
from typing import Any

from lamm_metrics.errors import UsageError
from lamm_metrics.records.truth import TRUTHS, truth_fault

ENTRY_POINTS = "lamm.tasks"


@dataclass(frozen=True, slots=True)
class Task:
    """One task. Reading, checking, chance and drawing hang on the two kinds, never on the task's name.

    Attributes:
        key: Name used everywhere.
        prefix: Start of the published file name, `<prefix>_<dataset>.json`.
        modality: "image" or "pcl".
        truth_kind: What is true, a key of `lamm_metrics.records.truth.TRUTHS`.
        extractor: What is read from an answer, a key of `lamm_metrics.answers.kinds.ANSWERS`.
        metrics: Names of the metrics, the headline first.
        higher_is_better: Direction of the headline.
        coco: What COCO's protocol compares, `bbox` or `keypoints`; empty for tasks that it does not know.
    """

    key: str
    prefix: str
    modality: str
    truth_kind: str
    extractor: str
    metrics: tuple[str, ...]
    higher_is_better: bool = True
    coco: str = ""

    @property
    def truth(self) -> tuple[str, ...]:
        """Return the keys of the ground truth; a record carries at least one of them."""
        return tuple(TRUTHS[self.truth_kind])

    def matches(self, path: str | PathLike[str]) -> bool:
        """Return whether a file is named as those of this task are; one of the other modality may match too.

        >>> TASKS["yes_no"].matches("data/POPE_Mine.json"), TASKS["ocr"].matches("POPE_Mine.json")
        (True, False)
        """
        return PurePath(path).name.startswith(f"{self.prefix}_")


_TASKS = (
    Task("classification", "Classification", "image", "class", "label", ("accuracy",)),
    Task("fine_grained_classification", "Fine-grained_Classification", "image", "class", "label", ("accuracy",)),
    Task("facial_classification", "Facial_Classification", "image", "attribute", "label or yes/no", ("accuracy",)),
    Task("detection", "Detection", "image", "2D boxes", "2D boxes", ("detection_ap",), coco="bbox"),
    Task("keypoint_detection", "Keypoints_Detection", "image", "joints", "points", ("pck",), coco="keypoints"),
    Task("vqa", "VQA", "image", "option", "choice", ("accuracy",)),
    Task("caption", "Caption", "image", "sentences", "whole text", ("bleu", "rouge_l", "cider_d")),
    Task("counting", "Counting", "image", "count", "number", ("counting",), higher_is_better=False),
    Task("ocr", "OCR", "image", "words", "words", ("word_accuracy",)),
    Task("detection3d", "Detection", "pcl", "3D boxes", "3D boxes", ("detection_ap_3d",)),
    Task("visual_grounding3d", "VG", "pcl", "3D box", "3D boxes", ("grounding_accuracy",)),
    Task("vqa3d", "VQA", "pcl", "option", "choice", ("accuracy",)),
    Task("locating", "Locating", "image", "places", "points", ("binary_locating",)),
    Task("yes_no", "POPE", "image", "yes or no", "yes/no", ("yes_no",)),
)
TASKS: Mapping[str, Task] = {task.key: task for task in _TASKS}
"""The built-in tasks by key; `all_tasks` adds those of installed packages."""


@cache
def all_tasks() -> Mapping[str, Task]:
    """Return the built-in tasks and those that installed packages bring by the entry point group `lamm.tasks`.

    Raises:
        UsageError: What a package offers is no task, has a known key, or names an unknown kind of truth.
    """
    from importlib.metadata import entry_points

    tasks = dict(TASKS)
    for point in entry_points(group=ENTRY_POINTS):
        loaded = point.load()
        for task in [loaded] if isinstance(loaded, Task) else loaded:
            if not isinstance(task, Task) or task.key in tasks or task.truth_kind not in TRUTHS:
                raise UsageError(
                    f"Expected {point.value!r} to be a lamm_metrics.Task (or a list of them) with a key of its own and "
                    f"a kind of truth out of {', '.join(TRUTHS)}, got {task!r}. "
                    "Tell the authors of the package that brings it."
                )
            tasks[task.key] = task
    return tasks


def find_task(key: str) -> Task | None:
    """Return the task of a key, None where there is none; packages are searched only for what is not built in."""
    return TASKS.get(key) or all_tasks().get(key)


def task_named(key: str) -> Task:
    """Return the task of a key.

    Raises:
        UsageError: There is none.
    """
    found = find_task(key)
    if found is None:
        raise UsageError(f"Expected a task ({', '.join(all_tasks())}), got {key!r}. Choose one of them.")
    return found


def task_of_file(path: str | PathLike[str], modality: str = "image") -> Task | None:
    """Return the task that the name of a benchmark file tells, such as `Detection_VOC2012.json`; None where none does.

    Args:
        path: The file, which need not exist.
        modality: "image" or "pcl"; a few names stand for a task in both.

    >>> task_of_file("POPE_COCO.json").key, task_of_file("VQA_Mine.json", "pcl").key, task_of_file("notes.json")
    ('yes_no', 'vqa3d', None)
    """
    named = sorted((task for task in all_tasks().values() if task.matches(path)), key=lambda task: -len(task.prefix))
    return next((task for task in named if task.modality == modality), named[0] if named else None)


def task_of_record(record: Mapping[str, Any]) -> Task | None:
    """Return the task that a record names in `task`, else the first whose truth it carries; None where none fits."""
    tasks = all_tasks()
    if isinstance(record.get("task"), str) and record["task"] in tasks:
        return tasks[record["task"]]
    able = [task for task in tasks.values() if any(key in record for key in task.truth)]
    return next((task for task in able if not truth_fault(task.truth_kind, record)), able[0] if able else None)

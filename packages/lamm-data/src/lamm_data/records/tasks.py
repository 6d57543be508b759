"""The vision tasks of LAMM: their keys, published names and the ground truth each one carries."""

from __future__ import annotations

from dataclasses import dataclass

from lamm_data.errors import UsageError

TASK_TYPES = (
    "classification",
    "detection",
    "keypoint_detection",
    "VQA",
    "counting",
    "conversation",
    "description",
    "commomsenseqa",
    "normal",
    "classification3d",
    "detection3d",
    "VQA3d",
    "VQA3D",
    "conversation3d",
    "description3d",
    "commomsenseqa3d",
    "visual_grounding3d",
)
"""The `task_type` values of the published instruction files, spelled as they are there."""

_BY_FOLDED = {name.casefold(): name for name in TASK_TYPES if name != "VQA3D"}
_BY_FOLDED |= {"commonsenseqa": "commomsenseqa", "commonsenseqa3d": "commomsenseqa3d"}


def canonical_task_type(task_type: str | None) -> str | None:
    """Read a `task_type` the way the published loader would have wanted it.

    A missing value means `normal`, letter case does not matter, `VQA3D` is `VQA3d`, and both the published
    `commomsenseqa` and its correct spelling are accepted.

    Returns:
        The canonical published spelling, or None for a value that no published file uses.
    """
    if task_type is None:
        return "normal"
    return _BY_FOLDED.get(task_type.strip().casefold().replace("-", "_"))


@dataclass(frozen=True, slots=True)
class Task:
    """One task of the benchmark.

    Attributes:
        key: Our name of the task, used by every package and command.
        prefix: First part of the published benchmark file name.
        modality: `image` or `pcl`.
        task_type: `task_type` of instruction records made for this task.
        truth: Keys a benchmark record must have; of a tuple inside, any one will do.
    """

    key: str
    prefix: str
    modality: str
    task_type: str
    truth: tuple[str | tuple[str, ...], ...]


TASKS: dict[str, Task] = {
    task.key: task
    for task in (
        Task("classification", "Classification", "image", "classification", ("label",)),
        Task("fine_grained_classification", "Fine-grained_Classification", "image", "classification", ("label",)),
        Task("facial_classification", "Facial_Classification", "image", "classification", ("attr",)),
        Task("detection", "Detection", "image", "detection", ("object",)),
        Task("keypoint_detection", "Keypoints_Detection", "image", "keypoint_detection", ("gt_joints",)),
        Task("vqa", "VQA", "image", "VQA", ("gt_choice", "gt_choices")),
        Task("caption", "Caption", "image", "description", ("sentences",)),
        Task("counting", "Counting", "image", "counting", ("num",)),
        Task("ocr", "OCR", "image", "VQA", ("word_list",)),
        Task("detection3d", "Detection", "pcl", "detection3d", ("object",)),
        Task("visual_grounding3d", "VG", "pcl", "visual_grounding3d", (("gt_bbox", "object"),)),
        Task("vqa3d", "VQA", "pcl", "VQA3d", ("gt_choice", "gt_choices")),
        Task("locating", "Locating", "image", "detection", (("object", "gt_joints", "points"),)),
    )
}
"""Benchmark tasks by key."""

CONVERSION_TASKS: dict[str, str] = {key: task.task_type for key, task in TASKS.items() if key != "locating"}
CONVERSION_TASKS |= {"classification3d": "classification3d", "scene_graph": "VQA", "scene_graph3d": "VQA3d"}
CONVERSION_TASKS |= {"presence": "VQA", "presence3d": "VQA3d"}
"""Tasks that template conversion can write, with the `task_type` of their records."""


def get_task(key: str) -> Task:
    """Look a benchmark task up.

    Raises:
        UsageError: No task has this key.
    """
    if key not in TASKS:
        raise UsageError(f"Expected a task out of {', '.join(TASKS)}, got {key!r}. Name one of them.")
    return TASKS[key]


def task_of_file_name(name: str, modality: str) -> Task | None:
    """Tell the task from a published benchmark file name such as `Detection_VOC2012.json`.

    Args:
        name: File name without folders. `Keypoints_Dectection`, a misspelling of the published README, is understood.
        modality: `image` or `pcl`: `Detection` and `VQA` name a task in both.

    Returns:
        The task, or None when the name follows no published pattern.
    """
    name = name.replace("Dectection", "Detection")
    matches = [task for task in TASKS.values() if task.modality == modality and name.startswith(task.prefix + "_")]
    return max(matches, key=lambda task: len(task.prefix), default=None)


def benchmark_file_name(task: str, dataset: str) -> str:
    """Compose `<Task>_<Dataset>.json` as the published benchmark names its files."""
    return f"{get_task(task).prefix}_{dataset}.json"

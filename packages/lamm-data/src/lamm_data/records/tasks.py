"""The vision tasks of LAMM, a row each: everything that differs from task to task hangs on a column of this table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from lamm_data.errors import UsageError
from lamm_data.files.settings import did_you_mean

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


@lru_cache(maxsize=1024)
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


TRUTH: dict[str, tuple[str | tuple[str, ...], ...]] = {
    "class": ("label",),
    "attribute": ("attr",),
    "boxes": ("object",),
    "boxes3d": ("object",),
    "joints": ("gt_joints",),
    "choice": ("gt_choice", "gt_choices"),
    "captions": ("sentences",),
    "count": ("num",),
    "words": ("word_list",),
    "description": (("gt_bbox", "object"),),
    "places": (("object", "gt_joints", "points"),),
    "relations": (),
    "presence": (),
    "yes_no": ("label",),
    "answers": ("answers",),
    "targets": ("object",),
    "object_caption": ("sentences",),
    "dense_captions": (("object", "gt_bbox"),),
    "situation": ("position", "rotation"),
    "number_or_choice": (("num", "gt_choice"),),
}
"""Kinds of truth, with the keys a benchmark record must have; of a tuple inside, any one will do.

The kind decides what a source's annotations become: `templates.pairs` writes instruction records, `benchmark.build`
benchmark records, and `benchmark.fine_tune` true answers by it.
"""


@dataclass(frozen=True, slots=True)
class Task:
    """One task.

    Attributes:
        key: Our name of the task, used by every package and command.
        kind: Kind of truth, a key of `TRUTH`.
        modality: `image` or `pcl`.
        task_type: `task_type` of instruction records made for this task.
        prefix: First part of the published benchmark file name; empty for a task without benchmark files.
        pools: Template pools that instruction records draw from; empty when templates write none.
        naming: Pools among them whose answers or questions name a class or a joint.
        attributes: What the classes of an image are about, with the word in the data set's name: a file each.
        presence: Task of the yes-or-no questions that can be asked beside this one's boxes.
        recipe_for: Task whose benchmark records a recipe makes this one's of.
        optioned: Whether open questions become multiple choice in instruction records.
    """

    key: str
    kind: str
    modality: str
    task_type: str
    prefix: str = ""
    pools: tuple[str, ...] = ()
    naming: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=lambda: {"": ""})
    presence: str = ""
    recipe_for: str = ""
    optioned: bool = False

    @property
    def truth(self) -> tuple[str | tuple[str, ...], ...]:
        """Keys a benchmark record must have; of a tuple inside, any one will do."""
        return TRUTH[self.kind]


def _named(key: str, kind: str, modality: str, task_type: str, prefix: str = "", presence: str = "") -> Task:
    """Make the row of a task with one template pool of its own name, which names classes or joints."""
    return Task(key, kind, modality, task_type, prefix, (key,), (key,), presence=presence)


TASK_TABLE: dict[str, Task] = {
    task.key: task
    for task in (
        _named("classification", "class", "image", "classification", "Classification"),
        _named("fine_grained_classification", "class", "image", "classification", "Fine-grained_Classification"),
        Task(
            "facial_classification",
            "attribute",
            "image",
            "classification",
            "Facial_Classification",
            ("facial_smile", "facial_hair"),
            ("facial_hair",),
            {"smile": "Smile", "hair": "Hair"},
        ),
        _named("detection", "boxes", "image", "detection", "Detection", "presence"),
        _named("keypoint_detection", "joints", "image", "keypoint_detection", "Keypoints_Detection"),
        Task("vqa", "choice", "image", "VQA", "VQA", ("vqa", "vqa_open")),
        Task("caption", "captions", "image", "description", "Caption", ("caption",)),
        _named("counting", "count", "image", "counting", "Counting"),
        Task("ocr", "words", "image", "VQA", "OCR", ("ocr",)),
        _named("detection3d", "boxes3d", "pcl", "detection3d", "Detection", "presence3d"),
        Task("visual_grounding3d", "description", "pcl", "visual_grounding3d", "VG", ("visual_grounding3d",)),
        Task("vqa3d", "choice", "pcl", "VQA3d", "VQA", ("vqa3d", "vqa3d_open"), optioned=True),
        Task("locating", "places", "image", "detection", "Locating"),
        _named("classification3d", "class", "pcl", "classification3d"),
        Task("scene_graph", "relations", "image", "VQA", pools=("scene_graph",)),
        Task("scene_graph3d", "relations", "pcl", "VQA3d", pools=("scene_graph3d",)),
        Task("presence", "presence", "image", "VQA", pools=("presence",)),
        Task("presence3d", "presence", "pcl", "VQA3d", pools=("presence3d",)),
        Task("yes_no", "yes_no", "image", "VQA", "POPE", recipe_for="detection"),
        Task("open_vqa", "answers", "image", "VQA", "OpenVQA"),
        Task("open_vqa3d", "answers", "pcl", "VQA3d", "OpenVQA"),
        Task("spatial_questions3d", "number_or_choice", "pcl", "VQA3d", "SpatialQA"),
        Task("multi_grounding3d", "targets", "pcl", "visual_grounding3d", "MultiVG"),
        Task("referring", "description", "image", "detection", "Referring"),
        Task("object_caption3d", "object_caption", "pcl", "description3d", "ObjectCaption"),
        Task("dense_caption3d", "dense_captions", "pcl", "description3d", "DenseCaption"),
        Task("yes_no3d", "yes_no", "pcl", "VQA3d", "POPE"),
        Task("localisation3d", "situation", "pcl", "VQA3d", "Localisation"),
    )
}
"""Every task by key."""

BENCHMARK_TASKS = {key: task for key, task in TASK_TABLE.items() if task.prefix}
"""Tasks that have benchmark files, by key."""

TASKS = {key: task for key, task in BENCHMARK_TASKS.items() if not task.recipe_for}
"""Tasks whose benchmark files are built from annotations, by key."""

CONVERSION_TASKS = {key: task for key, task in TASK_TABLE.items() if task.pools}
"""Tasks that template conversion can write, by key."""


def task_of_file_name(name: str, modality: str) -> Task | None:
    """Tell the task from a published benchmark file name such as `Detection_VOC2012.json`.

    Args:
        name: File name without folders. `Keypoints_Dectection`, a misspelling of the published README, is understood.
        modality: `image` or `pcl`: `Detection` and `VQA` name a task in both.

    Returns:
        The task, or None when the name follows no published pattern.
    """
    name = name.replace("Dectection", "Detection")
    matches = [
        task for task in BENCHMARK_TASKS.values() if task.modality == modality and name.startswith(task.prefix + "_")
    ]
    return max(matches, key=lambda task: len(task.prefix), default=None)


def benchmark_file_name(task: str, dataset: str, suffix: str = "") -> str:
    """Compose `<Task>_<Dataset><suffix>.json` as the published benchmark names its files.

    Raises:
        UsageError: No benchmark task has this key.
    """
    if task not in BENCHMARK_TASKS:
        raise UsageError(f"Expected a task, got {task!r}. {did_you_mean(task, BENCHMARK_TASKS)}")
    return f"{BENCHMARK_TASKS[task].prefix}_{dataset}{suffix}.json"

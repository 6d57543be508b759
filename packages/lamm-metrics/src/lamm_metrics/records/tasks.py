"""The tasks of the benchmark as a table: what is true, how answers are read, which metrics score them.

LAMM (arXiv 2306.06687), Sec. 4 and Table 1; the file prefixes are those of the published benchmark.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from lamm_metrics.errors import UsageError


@dataclass(frozen=True, slots=True)
class Task:
    """One task.

    Attributes:
        key: Name used everywhere.
        prefix: Start of the published file name, `<prefix>_<dataset>.json`.
        modality: "image" or "pcl".
        truth: Keys of the ground truth; a record carries at least one of them.
        extractor: What is read from an answer.
        metrics: Names of the metrics, the headline first.
        higher_is_better: Direction of the headline.
        chance: What an answerer does that never looks at the picture.
    """

    key: str
    prefix: str
    modality: str
    truth: tuple[str, ...]
    extractor: str
    metrics: tuple[str, ...]
    higher_is_better: bool = True
    chance: str = "the true answer to a record of another group"


_TASKS = (
    Task("classification", "Classification", "image", ("label",), "label", ("accuracy",)),
    Task("fine_grained_classification", "Fine-grained_Classification", "image", ("label",), "label", ("accuracy",)),
    Task("facial_classification", "Facial_Classification", "image", ("attr",), "label or yes/no", ("accuracy",)),
    Task("detection", "Detection", "image", ("object",), "2D boxes", ("detection_ap",)),
    Task("keypoint_detection", "Keypoints_Detection", "image", ("gt_joints",), "points", ("pck",)),
    Task("vqa", "VQA", "image", ("gt_choice",), "choice", ("accuracy",), chance="a random option"),
    Task("caption", "Caption", "image", ("sentences",), "whole text", ("bleu", "rouge_l", "cider_d")),
    Task("counting", "Counting", "image", ("num",), "number", ("counting",), higher_is_better=False),
    Task("ocr", "OCR", "image", ("word_list",), "words", ("word_accuracy",)),
    Task("detection3d", "Detection", "pcl", ("object",), "3D boxes", ("detection_ap_3d",)),
    Task("visual_grounding3d", "VG", "pcl", ("gt_bbox", "object"), "3D boxes", ("grounding_accuracy",)),
    Task("vqa3d", "VQA", "pcl", ("gt_choice",), "choice", ("accuracy",), chance="a random option"),
    Task("locating", "Locating", "image", ("object", "gt_joints", "points"), "points", ("binary_locating",)),
    Task("yes_no", "POPE", "image", ("label",), "yes/no", ("yes_no",)),
)
TASKS: Mapping[str, Task] = {task.key: task for task in _TASKS}


def task_named(key: str) -> Task:
    """The task of a key.

    Raises:
        UsageError: There is none.
    """
    if key not in TASKS:
        raise UsageError(f"Expected a task ({', '.join(TASKS)}), got {key!r}. Choose one of them.")
    return TASKS[key]

"""The kinds of answer as a table: how one is read, what somebody answers who does not look, what plots of it show."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lamm_metrics.answers.closed import Answer, read_attribute, read_choice, read_label, read_yes_no
from lamm_metrics.errors import UsageError
from lamm_metrics.geometry.conventions import NORMALISED_XYXY
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.tasks import Task, all_tasks, find_task, task_named
from lamm_metrics.records.truth import LSP_JOINTS, Reference, letter, truth_text

# From a record, its answer and the closed label set to what was read.
Reader = Callable[[Reference, Prediction, Sequence[str]], Answer]
# From the id to answer and a record, the answerer's own or that of another group, to an answer.
Guess = Callable[[str, Reference, np.random.Generator], Prediction]


def _truth(key: str, record: Reference, generator: np.random.Generator) -> Prediction:
    return Prediction(key, truth_text(record))


def _any_option(key: str, record: Reference, generator: np.random.Generator) -> Prediction:
    index = int(generator.random() * len(record["gt_choices"]))
    return Prediction(key, f"The answer is ({letter(index)}).", choice=index)


def _number(key: str, record: Reference, generator: np.random.Generator) -> Prediction:
    return Prediction(key, truth_text(record), number=float(record["num"]))


def _number_or_option(key: str, record: Reference, generator: np.random.Generator) -> Prediction:
    return _any_option(key, record, generator) if "gt_choice" in record else _number(key, record, generator)


def _boxes(key: str, record: Reference, generator: np.random.Generator) -> Prediction:
    objects = [{"label": "", "bbox": record["gt_bbox"]}] if "gt_bbox" in record else record["object"]
    boxes = [{"label": item["label"], "box": list(item["bbox"])} for item in objects]
    return Prediction(key, truth_text(record), boxes=boxes, convention=str(NORMALISED_XYXY))


def _captions(key: str, record: Reference, generator: np.random.Generator) -> Prediction:
    objects = record["object"] if "object" in record else [{"bbox": record["gt_bbox"], **record}]
    said = [(str(generator.choice(item["sentences"])), list(item["bbox"])) for item in objects]
    boxes = [{"label": caption, "box": box} for caption, box in said]
    return Prediction(key, "\n".join(f"{caption} {box}" for caption, box in said), boxes=boxes)


def _points(key: str, record: Reference, generator: np.random.Generator) -> Prediction:
    """Answer with points, also in words for metrics that read nothing else: by name where every point has its own."""
    points = _true_points(record)
    named = [(str(item.get("label", "")), f"[{item['point'][0]:.4f}, {item['point'][1]:.4f}]") for item in points]
    if named and len({name for name, _ in named}) == len(named):
        return Prediction(key, dict(named), points=points, convention=str(NORMALISED_XYXY))
    text = "\n".join(f"{name} {point}".strip() for name, point in named)
    return Prediction(key, text, points=points, convention=str(NORMALISED_XYXY))


def _true_points(record: Reference) -> list[dict[str, Any]]:
    width, height = record.get("image_size", (1.0, 1.0))
    if "gt_joints" in record:
        joints = zip(record.get("joints") or LSP_JOINTS, record["gt_joints"], strict=False)
        return [{"label": name, "point": [joint[0] / width, joint[1] / height]} for name, joint in joints]
    if "points" in record:
        return [{"point": [x / width, y / height]} for x, y in record["points"]]
    boxes = [(item["label"], item["bbox"]) for item in record["object"]]
    return [{"label": label, "point": [(b[0] + b[2]) / 2, (b[1] + b[3]) / 2]} for label, b in boxes]


@dataclass(frozen=True, slots=True)
class AnswerKind:
    """What hangs on a kind of answer.

    Attributes:
        guess: Answers a record without looking: from the record itself where `own`, else from one of another group.
        read: Reads a closed answer; None for open ones.
        own: Key of records whose guess needs nothing but the record itself; empty where there are none.
        chance: In words, what an answerer does that never looks at the picture.
        plot: What plots show of single samples: "count" against the truth, else "confidence" against correctness.
    """

    guess: Guess = _truth
    read: Reader | None = None
    own: str = ""
    plot: str = "confidence"
    chance: str = "the true answer to a record of another group"


ANSWERS: Mapping[str, AnswerKind] = {
    "label": AnswerKind(read=read_label),
    "label or yes/no": AnswerKind(read=read_attribute),
    "yes/no": AnswerKind(read=read_yes_no),
    "choice": AnswerKind(_any_option, read=read_choice, own="gt_choice", chance="a random option"),
    "whole text": AnswerKind(lambda key, record, draws: Prediction(key, str(draws.choice(record["sentences"])))),
    "short text": AnswerKind(lambda key, record, _: Prediction(key, str(record["answers"][0]))),
    "number": AnswerKind(_number, plot="count"),
    "number or choice": AnswerKind(
        _number_or_option, own="gt_choice", chance="a random option, or the true number of another group"
    ),
    "words": AnswerKind(lambda key, record, _: Prediction(key, " ".join(f'"{word}"' for word in record["word_list"]))),
    "points": AnswerKind(_points),
    "2D boxes": AnswerKind(_boxes),
    "3D boxes": AnswerKind(_boxes),
    "captioned boxes": AnswerKind(_captions),
    "situation": AnswerKind(),
}


def answers_of(task: str | Task) -> AnswerKind:
    """Return the kind of answer of a task.

    Raises:
        UsageError: There is no such task, or its row names an unknown kind.
    """
    row = task if isinstance(task, Task) else task_named(task)
    if row.extractor not in ANSWERS:
        raise UsageError(
            f"Expected the task {row.key!r} to name a kind of answer ({', '.join(ANSWERS)}), got {row.extractor!r}. "
            "Tell the authors of the package that brings it."
        )
    return ANSWERS[row.extractor]


def reader_of(task: str) -> Reader:
    """Return the reader of a task with closed answers.

    Raises:
        UsageError: The task has no closed answers.
    """
    row = find_task(task)
    read = None if row is None else answers_of(row).read
    if read is None:
        closed = ", ".join(row.key for row in all_tasks().values() if answers_of(row).read is not None)
        raise UsageError(f"Expected a task with closed answers ({closed}), got {task!r}. Choose one of them.")
    return read


def described(task: Task) -> dict[str, Any]:
    """Return a task's row as a plain dictionary that `json.dumps` accepts."""
    own = {"truth": list(task.truth), "metrics": list(task.metrics), "chance": answers_of(task).chance}
    return {name: value for name, value in asdict(task).items() if name not in ("truth_kind", "coco")} | own

"""Fine-tune sets: the queries of a benchmark on the training split, with their true answers, as instruction records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from lamm_data.benchmark.proposals import nearest, token
from lamm_data.errors import UsageError
from lamm_data.records.benchmark import LSP_JOINTS, BenchmarkRecord, by_axis
from lamm_data.records.instruction import InstructionRecord, Turn
from lamm_data.records.tasks import TASKS
from lamm_data.writing.coordinates import fractions, metres
from lamm_data.writing.options import LETTERS


def _size(record: BenchmarkRecord) -> tuple[float, float]:
    if record.image_size is None:
        raise UsageError(
            f"Expected the image size of {record.id}, got none: pixels cannot be made fractions without it."
        )
    return record.image_size[0], record.image_size[1]


def _box(record: BenchmarkRecord, numbers: list[float]) -> str:
    return fractions(numbers) if record.modality == "image" else metres(numbers)


def _objects(record: BenchmarkRecord) -> str:
    return "; ".join(f"{item['label']} {_box(record, item['bbox'])}" for item in record.object or [])


def _targets(record: BenchmarkRecord) -> str:
    """Write the boxes of all targets, or the numbers of the objects that overlap them most."""
    numbered = record.extra.get("proposals")
    boxes = [item["bbox"] for item in record.object or []]
    if numbered is None:
        written = "; ".join(_box(record, box) for box in boxes)
    else:
        named = (nearest(box, numbered) for box in boxes)
        written = ", ".join(dict.fromkeys(token(one["id"]) for one in named if one is not None))
    return written or "There is no such object."


def _captioned(record: BenchmarkRecord) -> str:
    if record.object is None:  # asked about one box, which the query names
        return (record.sentences or [""])[0]
    return "\n".join(f"{item['sentences'][0]} {_box(record, item['bbox'])}" for item in record.object or [])


def _situation(record: BenchmarkRecord) -> str:
    return " ".join(
        metres(by_axis(numbers, axes) or ()) for numbers, axes in ((record.position, "xyz"), (record.rotation, "xyzw"))
    )


def _option(record: BenchmarkRecord) -> str:
    assert record.gt_choice is not None
    return f"The answer is ({LETTERS[record.gt_choice]}) {(record.gt_choices or [])[record.gt_choice]}."


_ANSWERS: dict[str, Callable[[BenchmarkRecord], str]] = {
    "class": lambda record: str(record.label),
    "attribute": lambda record: {"1": "yes", "-1": "no"}.get(str(record.attr), str(record.attr)),
    "boxes": _objects,
    "boxes3d": _objects,
    "choice": _option,
    "captions": lambda record: (record.sentences or [""])[0],
    "count": lambda record: str(record.num),
    "words": lambda record: ", ".join(f'"{word}"' for word in record.word_list or []),
    "description": _targets,
    "targets": _targets,
    "answers": lambda record: (record.answers or [""])[0],
    "number_or_choice": lambda record: f"{record.num:g}" if record.gt_choices is None else _option(record),
    "yes_no": lambda record: str(record.label),
    "object_caption": lambda record: (record.sentences or [""])[0],
    "dense_captions": _captioned,
    "situation": _situation,
}
"""The true answer by the task's kind of truth; joints become a round each."""

FINE_TUNE_TASKS = {key: task for key, task in TASKS.items() if task.kind in (*_ANSWERS, "joints")}
"""Benchmark tasks with a fine-tune form."""


def _joint_turns(record: BenchmarkRecord) -> Iterator[Turn]:
    width, height = _size(record)
    for name, joint in zip(record.joints or LSP_JOINTS, record.gt_joints or [], strict=True):
        yield Turn("human", record.query.replace("{}", name))
        yield Turn("gpt", fractions((joint[0] / width, joint[1] / height)))


def as_instruction(record: BenchmarkRecord) -> InstructionRecord:
    """Turn a benchmark record into an instruction record: the query, and the truth in the structure that is asked for.

    A keypoint record becomes one round a joint. The inference instruction goes to `meta.system`.

    Raises:
        UsageError: The record's task has no fine-tune form (locating), or joints come without an image size.
    """
    task = FINE_TUNE_TASKS.get(str(record.task))
    if task is None:
        raise UsageError(
            f"Expected a task out of {', '.join(FINE_TUNE_TASKS)}, got {record.task!r}: it has no fine-tune form."
        )
    if task.kind == "joints":
        turns = list(_joint_turns(record))
    else:
        turns = [Turn("human", record.query), Turn("gpt", _ANSWERS[task.kind](record))]
    meta: dict[str, Any] = dict(record.meta or {}) | {"task": task.key, "system": record.system}
    flat = record.modality == "image"
    return InstructionRecord(
        turns,
        id=record.id,
        image=record.image,
        pcl=record.pcl,
        task_type=task.task_type,
        src_image=record.dataset if flat else None,
        src_dataset=None if flat else record.dataset,
        src_id=None if flat else record.group,
        meta=meta,
    )

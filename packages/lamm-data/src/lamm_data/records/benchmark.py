"""The benchmark record: one query about one image or point cloud, with its ground truth."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from lamm_data.errors import Fault
from lamm_data.files.shards import write_values
from lamm_data.records.instruction import HasMedia, faultless, media_faults, refuse_faults, scan_values, text_faults
from lamm_data.records.tasks import BENCHMARK_TASKS, Task, task_of_file_name

LSP_JOINTS = (
    "right ankle",
    "right knee",
    "right hip",
    "left hip",
    "left knee",
    "left ankle",
    "right wrist",
    "right elbow",
    "right shoulder",
    "left shoulder",
    "left elbow",
    "left wrist",
    "neck",
    "head top",
)
"""Joint names in the order of the Leeds Sports Pose files; right and left are the person's own."""


@dataclass(slots=True)
class BenchmarkRecord(HasMedia):
    """One record of a benchmark file `<Task>_<Dataset>.json`.

    Boxes in 2D are `[x1, y1, x2, y2]` as fractions of image width and height. Boxes in 3D are
    `[cx, cy, cz, dx, dy, dz]` in metres, z up, with one more number for yaw or three more for Euler angles, in radians.

    Attributes:
        id: Unique inside the file.
        query: The question; for keypoints it holds a `{}` that is filled with each joint's name.
        image: Path of the image below the media root (or a list).
        pcl: Path of the cloud below the media root (or a list).
        label: Class name.
        object: `[{"label": str, "bbox": [...]}]`.
        sentences: Reference captions.
        answers: Every right answer to an open question, repeats kept.
        num: How many there are, or how much.
        word_list: Words in the image; repeats are kept.
        attr: Facial attribute: `"1"` / `"-1"` or a colour word.
        gt_joints: `[[x, y, visible], ...]` in pixels of the original image.
        points: `[[x, y], ...]` in pixels.
        gt_choice: Index of the right option.
        gt_choices: Options.
        gt_bbox: The box a description means.
        cloud_corner: Lowest `[x, y, z]` of the cloud in metres, from which answers in layout text count.
        position: Where somebody stands: `[x, y, z]` in metres.
        rotation: Which way they look: a quaternion `[x, y, z, w]`.
        task: Task key.
        dataset: Data set name.
        group: Image or scene that makes records dependent (for clustered intervals).
        image_size: `[width, height]` in pixels.
        labels: The closed label set of a classification.
        joints: Joint names in the order of `gt_joints`; the LSP order when missing.
        system: Task definition and output structure: the inference instruction without the query.
        meta: Provenance.
        src_image: Published key for the source of an image.
        extra: Unknown keys, kept as they were.
    """

    id: str | None = None
    query: str = ""
    image: str | list[str] | None = None
    pcl: str | list[str] | None = None
    label: str | None = None
    object: list[dict[str, Any]] | None = None
    sentences: list[str] | None = None
    answers: list[str] | None = None
    num: float | None = None
    word_list: list[str] | None = None
    attr: str | None = None
    gt_joints: list[list[float]] | None = None
    points: list[list[float]] | None = None
    gt_choice: int | None = None
    gt_choices: list[str] | None = None
    gt_bbox: list[float] | None = None
    cloud_corner: list[float] | None = None
    position: list[float] | dict[str, float] | None = None
    rotation: list[float] | dict[str, float] | None = None
    task: str | None = None
    dataset: str | None = None
    group: str | None = None
    image_size: list[int] | None = None
    labels: list[str] | None = None
    joints: list[str] | None = None
    system: str | None = None
    meta: dict[str, Any] | None = None
    src_image: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, value: Any, task: str | None = None) -> Self:
        """Read a record.

        Args:
            value: Parsed JSON.
            task: Task key to hold the ground truth against when the record does not name its own.

        Raises:
            RecordError: It breaks the contract; all faults are named.
        """
        refuse_faults(value, benchmark_faults(value, task))
        known = {key: value[key] for key in _KEYS if key in value}
        return cls(**known, extra={k: v for k, v in value.items() if k not in _KEYS})

    def to_dict(self) -> dict[str, Any]:
        """Return the record with its published keys; fields that are None are left out."""
        return {key: getattr(self, key) for key in _KEYS if getattr(self, key) is not None} | self.extra

    def _repr_html_(self) -> str:
        from lamm_data.records.notebook import record_html

        truth = [(key, str(value)) for key, value in self.to_dict().items() if key not in _NO_TRUTH]
        rows = [*([("system", self.system)] if self.system else []), ("query", self.query), *truth]
        title = (self.id, self.task, self.dataset, *self.media)
        return record_html(title, self.media if self.modality == "image" else (), rows)


_NO_TRUTH = {"id", "query", "image", "pcl", "task", "dataset", "group", "image_size", "system", "meta", "src_image"}
"""What a record holds beside question and truth."""
_KEYS = tuple(item.name for item in fields(BenchmarkRecord) if item.name != "extra")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_numbers(value: Any, lengths: tuple[int, ...]) -> bool:
    return isinstance(value, list) and len(value) in lengths and all(_is_number(part) for part in value)


def _is_box(value: Any, modality: str) -> bool:
    if modality == "pcl":
        return _is_numbers(value, (6, 7, 9)) and all(size >= 0 for size in value[3:6])
    if not _is_numbers(value, (4,)):
        return False
    x1, y1, x2, y2 = value
    return bool(0 <= x1 <= x2 <= 1 and 0 <= y1 <= y2 <= 1)


def _is_strings(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(part, str) for part in value)


def by_axis(value: Any, axes: str) -> list[float] | None:
    """Return numbers that are listed in this order, or named by axis as `x` or `_x`; None where they are neither.

    Annotations write a quaternion's w first or last: whoever takes the values as they come reads another turn.
    """
    if isinstance(value, dict):
        value = [value.get(axis, value.get(f"_{axis}")) for axis in axes]
    return value if _is_numbers(value, (len(axes),)) else None


def _are_proposals(value: Any) -> bool:
    listed = value if isinstance(value, list) else [None]
    ids = {str(item.get("id", "")) for item in listed if isinstance(item, dict) and _is_box(item.get("bbox"), "pcl")}
    return len(ids - {""}) == len(listed)


_CHECKS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "label": ("a class name", lambda v: isinstance(v, str) and bool(v.strip())),
    "sentences": ("a list of captions", _is_strings),
    "num": ("a whole number from 0", lambda v: isinstance(v, int) and not isinstance(v, bool) and v >= 0),
    "word_list": ("a list of words", _is_strings),
    "answers": ("a list of answers", _is_strings),
    "position": ("[x, y, z] in metres", lambda v: by_axis(v, "xyz") is not None),
    "rotation": ("a quaternion [x, y, z, w]", lambda v: any(by_axis(v, "xyzw") or ())),
    "proposals": ('a list of {"id", "bbox"}, each id once, with 6, 7 or 9 numbers (metres)', _are_proposals),
    "attr": ("a string such as '1', '-1' or a colour", lambda v: isinstance(v, str) and bool(v)),
    "gt_joints": (
        "a list of [x, y] or [x, y, visible]",
        lambda v: isinstance(v, list) and bool(v) and all(_is_numbers(p, (2, 3)) for p in v),
    ),
    "points": ("a list of [x, y]", lambda v: isinstance(v, list) and all(_is_numbers(p, (2,)) for p in v)),
    "gt_choices": ("a list of options", _is_strings),
    "gt_choice": ("an index from 0", lambda v: isinstance(v, int) and not isinstance(v, bool) and v >= 0),
    "cloud_corner": ("[x, y, z] in metres", lambda v: _is_numbers(v, (3,))),
    "image_size": ("[width, height]", lambda v: _is_numbers(v, (2,)) and min(v) > 0),
    "labels": ("a list of names", _is_strings),
    "joints": ("a list of names", _is_strings),
    "system": ("a text", lambda v: isinstance(v, str)),
    "query": ("a question", lambda v: isinstance(v, str) and bool(v.strip())),
}
_MEASURED = _CHECKS | {"num": ("a number from 0", lambda v: _is_number(v) and v >= 0)}
"""Checks of records whose number is a measure rather than a count."""


def _object_faults(value: dict[str, Any], modality: str, task: Task | None) -> Iterator[str]:
    boxes = "[x1, y1, x2, y2] inside 0..1" if modality == "image" else "6, 7 or 9 numbers (metres)"
    if value.get("gt_bbox") is not None and not _is_box(value["gt_bbox"], modality):
        yield f"Expected `gt_bbox` to be {boxes}, got {value['gt_bbox']!r}."
    objects = value.get("object")
    if objects is None:
        return
    # Beside another truth, objects may be told by their names alone.
    named = task is not None and not any("object" in wanted for wanted in task.truth)
    if named and isinstance(objects, str):
        return
    # ScanRefer's published loader holds one object where detection holds a list.
    for item in objects if isinstance(objects, list) else [objects]:
        if not isinstance(item, dict) or not isinstance(item.get("label"), str):
            yield f"Expected each `object` to have a `label`, got {str(item)[:60]}."
        elif not (named and "bbox" not in item) and not _is_box(item.get("bbox"), modality):
            yield f"Expected the `bbox` of {item['label']!r} to be {boxes}, got {item.get('bbox')!r}."


def _truth_faults(value: dict[str, Any], task: Task) -> Iterator[str]:
    for wanted in task.truth:
        names = (wanted,) if isinstance(wanted, str) else wanted
        if all(value.get(name) is None for name in names):
            yield f"Expected the ground truth `{'` or `'.join(names)}` of a {task.key} record, got none."
    if task.kind == "dense_captions":
        described = value.get("object") if isinstance(value.get("object"), list) else [value]
        if not all(isinstance(item, dict) and _is_strings(item.get("sentences")) for item in described or ()):
            yield "Expected `sentences`, at least one, of each object, got an object without."


def _choice_faults(value: dict[str, Any]) -> Iterator[str]:
    if value.get("label") is not None and value.get("labels") and value["label"] not in value["labels"]:
        yield f"Expected `label` to be one of `labels`, got {value['label']!r}."
    choices = value.get("gt_choices")
    if isinstance(choices, list) and isinstance(value.get("gt_choice"), int) and value["gt_choice"] >= len(choices):
        yield f"Expected `gt_choice` below {len(choices)}, the number of options, got {value['gt_choice']}."


def benchmark_faults(value: Any, task: str | None = None) -> list[str]:
    """Name everything that keeps a JSON value from being a benchmark record of a task."""
    if not isinstance(value, dict):
        return [f"Expected a record object, got {type(value).__name__}."]
    faults = [*media_faults(value), *text_faults(value, ("image", "pcl"))]
    modality = "image" if value.get("image") is not None else "pcl"
    if value.get("query") is None:
        faults.append("Expected a `query`, got none.")
    name = value.get("task") or task
    row = BENCHMARK_TASKS.get(str(name))
    checks = _MEASURED if row is not None and row.kind == "number_or_choice" else _CHECKS
    faults.extend(
        f"Expected `{key}` to be {words}, got {str(value[key])[:60]!r}."
        for key, (words, check) in checks.items()
        if value.get(key) is not None and not check(value[key])
    )
    faults.extend(_object_faults(value, modality, row))
    if row is not None:
        faults.extend(_truth_faults(value, row))
    elif name is not None:
        faults.append(f"Expected a task out of {', '.join(BENCHMARK_TASKS)}, got {name!r}.")
    faults.extend(_choice_faults(value))
    return faults


def scan_benchmark(path: str | Path, task: str | None = None) -> Iterator[BenchmarkRecord | Fault]:
    """Stream a benchmark file, giving a record or its faults for every entry.

    The task is taken from the record, else from the argument, else from the published file name.
    """

    def read(value: Any) -> BenchmarkRecord:
        modality = "image" if isinstance(value, dict) and value.get("image") is not None else "pcl"
        named = task_of_file_name(Path(path).name, modality)
        return BenchmarkRecord.from_dict(value, task or (named.key if named else None))

    return scan_values(path, "benchmark", read)


def read_benchmark(path: str | Path, task: str | None = None) -> list[BenchmarkRecord]:
    """Read a whole benchmark file.

    Raises:
        RecordError: Some records break the contract; every fault is named with file, line and id.
        SourceError: The file is missing or not JSON.
    """
    return faultless(scan_benchmark(path, task))


def write_benchmark(path: str | Path, records: Iterable[BenchmarkRecord]) -> int:
    """Write records as the published JSON list (JSON Lines when the name ends in `.jsonl`); atomically.

    Returns:
        How many were written.
    """
    return write_values(path, map(BenchmarkRecord.to_dict, records))

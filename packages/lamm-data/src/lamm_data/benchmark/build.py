"""Build benchmark records from annotated items: one function a kind of truth."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import KW_ONLY, dataclass, field
from functools import cache
from typing import Any

from lamm_data.errors import UsageError
from lamm_data.files.settings import packaged_toml
from lamm_data.records.annotations import Annotated, Box3D
from lamm_data.records.benchmark import LSP_JOINTS, BenchmarkRecord
from lamm_data.records.tasks import TASKS
from lamm_data.writing.coordinates import solid_boxes, usable_boxes
from lamm_data.writing.draws import fill, item_rng
from lamm_data.writing.english import as_sentence, plural, singular
from lamm_data.writing.options import AnswerPool, lettered, question_kind
from lamm_data.writing.words import worded

Entry = tuple[str, str, dict[str, Any]]
"""Suffix of the record id, query and ground truth."""


@dataclass
class Build:
    """Settings of one benchmark file and the account it keeps.

    Attributes:
        task: Task key.
        dataset: Data set name, the second part of the file name.
        seed: Seed for drawing options.
        choices: Options per question where options are made.
        attribute: What the classes are about, for a task with attributes.
        oriented: Write 3D boxes that are turned with nine numbers instead of the axis-aligned box around them.
        meta: Provenance added to every record.
        left_out: Annotations left out, by reason.
        read: Images or clouds read.
        options: Answers that options are drawn from, once there are any.
    """

    task: str
    dataset: str
    _: KW_ONLY
    seed: int = 0
    choices: int = 4
    attribute: str = ""
    oriented: bool = False
    meta: dict[str, Any] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    read: int = 0
    options: AnswerPool | None = None

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise UsageError(f"Expected a task out of {', '.join(TASKS)}, got {self.task!r}.")

    @property
    def instruction(self) -> str:
        """Name of the instruction in `instructions.toml`."""
        return f"facial_{self.attribute}" if self.attribute else self.task


@cache
def instructions() -> dict[str, dict[str, str]]:
    """Load the inference instructions."""
    return packaged_toml("benchmark", "instructions.toml")


def _label(item: Annotated, build: Build, query: str) -> Iterator[Entry]:
    for _, label in worded(item.classes, "name", build.left_out, "class without a name"):
        if label.task == build.task:
            yield "", query, {"label": label.name, "labels": list(label.labels) or None}


def _attr(item: Annotated, build: Build, query: str) -> Iterator[Entry]:
    for label in item.classes:
        if label.attribute == build.attribute:
            value = {"yes": "1", "no": "-1"}.get(label.name, label.name)
            labels = list(label.labels) if build.attribute == "hair" else None
            yield "", query, {"attr": value, "labels": labels}


def _objects(item: Annotated, build: Build, query: str) -> Iterator[Entry]:
    objects = [
        {"label": box.label, "bbox": [round(value, 4) for value in corners]}
        for box, corners in usable_boxes(item, build.left_out)
    ]
    if objects:
        yield "", query, {"object": objects}


def _joints(item: Annotated, build: Build, query: str) -> Iterator[Entry]:
    for number, person in enumerate(item.keypoints):
        joints = [[x, y, int(v > 0)] for x, y, v in person.points]
        names = None if person.names == LSP_JOINTS else list(person.names)
        yield f"-{number}" if number else "", query, {"gt_joints": joints, "joints": names}


def _choices(item: Annotated, build: Build, query: str) -> Iterator[Entry]:
    for number, question in worded(item.questions, "text", build.left_out, "question without a text"):
        rng = item_rng(build.seed, "options", item.id, question.id)
        asked = build.options.pose(question, build.choices, rng) if build.options else question
        if asked.answer is None:
            build.left_out["question without options" if asked.answers else "question without answer"] += 1
            continue
        text = f"{asked.text} Context: {asked.context}" if asked.context else asked.text
        filled = fill(query, {"question": text, "options": lettered(asked.choices)})
        yield f"-{number}", filled, {"gt_choice": asked.answer, "gt_choices": list(asked.choices)}


def _sentences(item: Annotated, build: Build, query: str) -> Iterator[Entry]:
    captions = worded(item.captions, "", build.left_out, "caption without a text")
    if captions:
        yield "", query, {"sentences": [caption for _, caption in captions]}


def _number(item: Annotated, build: Build, query: str) -> Iterator[Entry]:
    for number, count in worded(item.counts, "label", build.left_out, "count without a name"):
        truth = {"num": count.number, "points": [list(point) for point in count.points] or None}
        yield f"-{number}" if number else "", fill(query, {"plural": plural(count.label)}), truth


def _words(item: Annotated, build: Build, query: str) -> Iterator[Entry]:
    words = worded(item.words, "", build.left_out, "word without a text")
    if words:
        yield "", query, {"word_list": [word for _, word in words]}


def _numbers(box: Box3D, build: Build) -> list[float]:
    return [round(value, 4) for value in (box.oriented_values if build.oriented else box.values)]


def _objects3d(item: Annotated, build: Build, query: str) -> Iterator[Entry]:
    objects = [{"label": box.label, "bbox": _numbers(box, build)} for box in solid_boxes(item, build.left_out)]
    if objects:
        yield "", query, {"object": objects}


def _grounded(item: Annotated, build: Build, query: str) -> Iterator[Entry]:
    boxes = {box.id: box for box in solid_boxes(item, build.left_out)}
    for number, text in worded(item.descriptions, "text", build.left_out, "description without a text"):
        box = boxes.get(text.object_id)
        if box is None:
            build.left_out["description of an object without box"] += 1
            continue
        values = _numbers(box, build)
        truth = {"gt_bbox": values, "object": [{"label": box.label, "bbox": values}]}
        yield f"-{number}", fill(query, {"description": as_sentence(text.text)}), truth


def _locating(item: Annotated, build: Build, query: str) -> Iterator[Entry]:
    """Ask for points: on each object of a class, on each counted object, or on the person whose joints are known."""
    by_label: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for box, corners in usable_boxes(item, build.left_out):
        by_label[box.label].append({"label": box.label, "bbox": [round(value, 4) for value in corners]})
    for label, objects in by_label.items():
        yield f"-{label}", fill(query, {"label": singular(label)}), {"object": objects, "label": label}
    for _, count in worded(item.counts, "label", build.left_out, "count without a name"):
        truth = {"points": [list(point) for point in count.points], "num": count.number, "label": singular(count.label)}
        yield "", fill(query, {"label": singular(count.label)}), truth
    yield from _joints(item, build, instructions()["locating_person"]["query"])


BUILDERS: dict[str, Callable[[Annotated, Build, str], Iterator[Entry]]] = {
    "class": _label,
    "attribute": _attr,
    "boxes": _objects,
    "joints": _joints,
    "choice": _choices,
    "captions": _sentences,
    "count": _number,
    "words": _words,
    "boxes3d": _objects3d,
    "description": _grounded,
    "places": _locating,
}
"""Builder by the task's kind of truth."""


def build_records(items: Iterable[Annotated], build: Build) -> Iterator[BenchmarkRecord]:
    """Turn annotated items into benchmark records of one task.

    Questions that come without options get them here, from the answers of the same data set
    (`lamm_data.writing.options.AnswerPool`); the seed is written into the record's `meta`.
    """
    items = list(items)
    kind = TASKS[build.task].kind
    if kind == "choice" and any(not q.choices for item in items for q in item.questions):
        build.options = AnswerPool(items)
        build.meta = build.meta | {"options_seed": build.seed}
    words = instructions()[build.instruction]
    for item in items:
        for key, number in item.account.items():
            if key.startswith("left out: "):
                build.left_out[key.removeprefix("left out: ")] += number
        flat = item.modality == "image"
        for suffix, query, truth in BUILDERS[kind](item, build, words["query"]):
            yield BenchmarkRecord(
                id=f"{item.id}{suffix}",
                query=query,
                image=item.media if flat else None,
                pcl=None if flat else item.media,
                task=build.task,
                dataset=build.dataset,
                group=item.group or item.id,
                image_size=[item.width, item.height] if item.width and item.height else None,
                system=f"{words['definition']} {words['structure']}",
                src_image=build.dataset if flat else None,
                meta={"file": item.origin} | build.meta | ({"licence": item.licence} if item.licence else {}),
                **truth,
            )


def stratum(record: BenchmarkRecord) -> str:
    """Name what a subset should hold evenly: the class, the attribute, the number, or the kind of question."""
    if record.gt_choices is not None:
        return question_kind(record.query)
    values = (record.label, record.attr, record.num)
    return next((str(value) for value in values if value is not None), "")


def subset(records: Iterable[BenchmarkRecord], count: int, seed: int) -> list[BenchmarkRecord]:
    """Draw a seeded subset of so many records that holds every stratum as evenly as it can, in the original order."""
    everything = list(records)
    strata: dict[str, list[int]] = defaultdict(list)
    for index, record in enumerate(everything):
        strata[stratum(record)].append(index)
    rng = random.Random(seed)
    for name in sorted(strata):
        rng.shuffle(strata[name])
    turn = [strata[name] for name in sorted(strata)]
    rng.shuffle(turn)
    chosen: list[int] = []
    while len(chosen) < min(count, len(everything)):
        for pile in turn:
            if pile and len(chosen) < count:
                chosen.append(pile.pop())
    return [everything[index] for index in sorted(chosen)]

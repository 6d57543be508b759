"""Build benchmark records from annotated items: one function a kind of truth."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from lamm_data.benchmark import objects, questions
from lamm_data.benchmark.entry import Build, Entry, instructions
from lamm_data.records.annotations import Annotated
from lamm_data.records.benchmark import LSP_JOINTS, BenchmarkRecord
from lamm_data.records.tasks import TASKS
from lamm_data.writing.coordinates import usable_boxes
from lamm_data.writing.draws import fill
from lamm_data.writing.english import plural, singular
from lamm_data.writing.options import AnswerPool, question_kind
from lamm_data.writing.words import worded


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


def _boxes(item: Annotated, build: Build, query: str) -> Iterator[Entry]:
    boxes = [
        {"label": box.label, "bbox": [round(value, 4) for value in corners]}
        for box, corners in usable_boxes(item, build.left_out)
    ]
    if boxes:
        yield "", query, {"object": boxes}


def _joints(item: Annotated, build: Build, query: str) -> Iterator[Entry]:
    for number, person in enumerate(item.keypoints):
        joints = [[x, y, int(v > 0)] for x, y, v in person.points]
        names = None if person.names == LSP_JOINTS else list(person.names)
        yield f"-{number}" if number else "", query, {"gt_joints": joints, "joints": names}


def _sentences(item: Annotated, build: Build, query: str) -> Iterator[Entry]:
    captions = worded(item.captions, "", build.left_out, "caption without a text")
    if captions:
        named = [{"label": label} for label in dict.fromkeys(box.label for box in item.boxes)]
        yield "", query, {"sentences": [caption for _, caption in captions], "object": named or None}


def _number(item: Annotated, build: Build, query: str) -> Iterator[Entry]:
    for number, count in worded(item.counts, "label", build.left_out, "count without a name"):
        truth = {"num": count.number, "points": [list(point) for point in count.points] or None}
        yield f"-{number}" if number else "", fill(query, {"plural": plural(count.label)}), truth


def _words(item: Annotated, build: Build, query: str) -> Iterator[Entry]:
    words = worded(item.words, "", build.left_out, "word without a text")
    if words:
        yield "", query, {"word_list": [word for _, word in words]}


def _locating(item: Annotated, build: Build, query: str) -> Iterator[Entry]:
    """Ask for points: on each object of a class, on each counted object, or on the person whose joints are known."""
    by_label: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for box, corners in usable_boxes(item, build.left_out):
        by_label[box.label].append({"label": box.label, "bbox": [round(value, 4) for value in corners]})
    for label, boxes in by_label.items():
        yield f"-{label}", fill(query, {"label": singular(label)}), {"object": boxes, "label": label}
    for _, count in worded(item.counts, "label", build.left_out, "count without a name"):
        truth = {"points": [list(point) for point in count.points], "num": count.number, "label": singular(count.label)}
        yield "", fill(query, {"label": singular(count.label)}), truth
    yield from _joints(item, build, instructions()["locating_person"]["query"])


BUILDERS: dict[str, Callable[[Annotated, Build, str], Iterator[Entry]]] = {
    "class": _label,
    "attribute": _attr,
    "boxes": _boxes,
    "joints": _joints,
    "choice": questions.choices,
    "captions": _sentences,
    "count": _number,
    "words": _words,
    "boxes3d": objects.solids,
    "description": objects.one_target,
    "places": _locating,
    "answers": questions.answers,
    "number_or_choice": questions.numbers,
    "yes_no": questions.yes_or_no,
    "situation": questions.situations,
    "targets": objects.targets,
    "object_caption": objects.captions,
    "dense_captions": objects.dense_captions,
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
                id=truth.pop("id", f"{item.id}{suffix}"),
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
    if record.gt_choices is not None or record.answers is not None:
        return question_kind(str(record.extra.get("question") or record.query))
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

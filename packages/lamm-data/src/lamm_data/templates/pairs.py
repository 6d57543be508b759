"""From annotations to what a template needs: one function a task, each yielding question and answer values."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from lamm_data.annotations import Annotated, Box
from lamm_data.templates.numbers import fractions, metres
from lamm_data.templates.options import LETTERS, AnswerPool, lettered
from lamm_data.templates.wording import as_sentence, plural, singular, with_article

Values = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Pair:
    """One question with its answer, before words are put around them.

    Attributes:
        pool: Template pool to draw from.
        question: Values of the question's placeholders.
        answers: Values of the answer's placeholders, one mapping a sentence.
        source_id: Annotation the pair is about.
    """

    pool: str
    question: Values
    answers: tuple[Values, ...]
    source_id: str = ""


@dataclass(slots=True)
class Context:
    """What pair makers may need besides the item.

    Attributes:
        rng: The item's own random stream.
        options: Answer pool for open questions that become multiple choice; None leaves them open.
        choices: Options per question, the right one included.
        left_out: Counts of annotations that were not used, by reason.
    """

    rng: random.Random
    options: AnswerPool | None = None
    choices: int = 4
    left_out: Counter[str] = field(default_factory=Counter)


def _label_values(name: str) -> dict[str, str]:
    phrase = with_article(name)
    return {"label": name, "a_label": phrase, "A_label": phrase[:1].upper() + phrase[1:]}


def _classes(task: str) -> Callable[[Annotated, Context], Iterator[Pair]]:
    def make(item: Annotated, context: Context) -> Iterator[Pair]:
        for label in item.classes:
            if label.task == task:
                yield Pair(task, {}, (_label_values(label.name),))

    return make


def _faces(item: Annotated, context: Context) -> Iterator[Pair]:
    for label in item.classes:
        if label.attribute == "smile":
            smiling = {
                "answer": label.name,
                "Answer": label.name.capitalize(),
                "is": "is" if label.name == "yes" else "is not",
            }
            yield Pair("facial_smile", {}, (smiling,), "smile")
        elif label.attribute == "hair":
            yield Pair("facial_hair", {}, (_label_values(label.name),), "hair")


def usable_boxes(item: Annotated, left_out: Counter[str]) -> Iterator[tuple[Box, tuple[float, float, float, float]]]:
    """Yield boxes with their normalised corners; unusable ones are counted by reason.

    Crowd regions stand for many objects, difficult ones are excluded by VOC's protocol, and a box that is empty inside
    the image or after rounding to two decimals cannot be answered with.
    """
    for box in item.boxes:
        reason = "crowd region" if box.crowd else "difficult object" if box.difficult else ""
        if not reason and not (item.width and item.height):
            reason = "image size unknown"
        if reason:
            left_out[reason] += 1
            continue
        x1, y1, x2, y2 = corners = box.normalised(item.width, item.height)
        if round(x1, 2) < round(x2, 2) and round(y1, 2) < round(y2, 2):
            yield box, corners
        else:
            left_out["box without area"] += 1


def _detection(item: Annotated, context: Context) -> Iterator[Pair]:
    sentences = tuple(
        {**_label_values(box.label), "box": fractions(corners)} for box, corners in usable_boxes(item, context.left_out)
    )
    if sentences:
        yield Pair("detection", {}, sentences)


def _keypoints(item: Annotated, context: Context) -> Iterator[Pair]:
    if len(item.keypoints) != 1:
        context.left_out["image with several people"] += len(item.keypoints)
        return
    person = item.keypoints[0]
    for name, (x, y) in person.labelled().items():
        if 0 <= x <= item.width and 0 <= y <= item.height:
            joint = name.replace("_", " ")
            point = fractions((x / item.width, y / item.height))
            yield Pair(
                "keypoint_detection", {"joint": joint}, ({"joint": joint, "point": point},), f"{person.id}:{joint}"
            )
        else:
            context.left_out["joint outside the image"] += 1


def _captions(item: Annotated, context: Context) -> Iterator[Pair]:
    for number, caption in enumerate(item.captions):
        yield Pair("caption", {}, ({"caption": caption, "Caption": as_sentence(caption)},), str(number))


def _counts(item: Annotated, context: Context) -> Iterator[Pair]:
    for count in item.counts:
        one, many = singular(count.label), plural(count.label)
        values = {
            "number": str(count.number),
            "plural": many,
            "noun": one if count.number == 1 else many,
            "are": "is" if count.number == 1 else "are",
        }
        yield Pair("counting", {"plural": many}, (values,))


def _words(item: Annotated, context: Context) -> Iterator[Pair]:
    if item.words:
        quoted = ", ".join(f'"{word}"' for word in item.words)
        yield Pair("ocr", {}, ({"words": quoted, "bare": " ".join(item.words)},))


def _questions(pool: str) -> Callable[[Annotated, Context], Iterator[Pair]]:
    def make(item: Annotated, context: Context) -> Iterator[Pair]:
        for question in item.questions:
            if not question.answers and question.answer is None:
                context.left_out["question without answer"] += 1
                continue
            asked = context.options.pose(question, context.choices, context.rng) if context.options else question
            text = f"{asked.text} {asked.context}".strip()
            if asked.answer is None:
                yield Pair(f"{pool}_open", {"question": text}, ({"answer": asked.answers[0]},), asked.id)
            else:
                answer = {"letter": LETTERS[asked.answer], "choice": asked.choices[asked.answer]}
                yield Pair(pool, {"question": text, "options": lettered(asked.choices)}, (answer,), asked.id)

    return make


def _detection3d(item: Annotated, context: Context) -> Iterator[Pair]:
    sentences = tuple({**_label_values(box.label), "box": metres(box.values)} for box in item.boxes3d)
    if sentences:
        yield Pair("detection3d", {}, sentences)


def _grounding(item: Annotated, context: Context) -> Iterator[Pair]:
    boxes = {box.id: box for box in item.boxes3d}
    for text in item.descriptions:
        if text.object_id in boxes:
            box = metres(boxes[text.object_id].values)
            yield Pair("visual_grounding3d", {"description": as_sentence(text.text)}, ({"box": box},), text.id)
        else:
            context.left_out["description of an object without box"] += 1


def _relations(pool: str) -> Callable[[Annotated, Context], Iterator[Pair]]:
    def make(item: Annotated, context: Context) -> Iterator[Pair]:
        # A question names two things, so each name must belong to one thing only, and one relation must join them.
        ids: dict[str, set[str]] = defaultdict(set)
        things = [(box.label, box.id) for box in item.boxes] + [(box.label, box.id) for box in item.boxes3d]
        for name, key in things:
            ids[name].add(key)
        for relation in item.relations:
            ids[relation.subject].add(relation.subject_id)
            ids[relation.object].add(relation.object_id)
        joined = Counter((relation.subject, relation.object) for relation in item.relations)
        for relation in item.relations:
            ends = (relation.subject, relation.object)
            if len(ids[ends[0]]) > 1 or len(ids[ends[1]]) > 1 or joined[ends] > 1 or ends[0] == ends[1]:
                context.left_out["relation that its names do not single out"] += 1
                continue
            values = {"subject": ends[0], "object": ends[1], "predicate": relation.predicate}
            yield Pair(pool, values, (values,), f"{relation.subject_id}-{relation.object_id}")

    return make


PAIR_MAKERS: dict[str, Callable[[Annotated, Context], Iterator[Pair]]] = {
    "classification": _classes("classification"),
    "fine_grained_classification": _classes("fine_grained_classification"),
    "facial_classification": _faces,
    "detection": _detection,
    "keypoint_detection": _keypoints,
    "vqa": _questions("vqa"),
    "caption": _captions,
    "counting": _counts,
    "ocr": _words,
    "classification3d": _classes("classification3d"),
    "detection3d": _detection3d,
    "visual_grounding3d": _grounding,
    "vqa3d": _questions("vqa3d"),
    "scene_graph": _relations("scene_graph"),
    "scene_graph3d": _relations("scene_graph3d"),
}
"""Pair maker by task key."""

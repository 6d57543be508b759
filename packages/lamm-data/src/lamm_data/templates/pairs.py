"""From annotations to what a template needs: one function a kind of truth, yielding question and answer values."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from math import prod

from lamm_data.records.annotations import Annotated, ClassLabel
from lamm_data.records.tasks import Task
from lamm_data.writing.coordinates import (
    LAYOUT,
    METRE_DECIMALS,
    PAPER,
    NumberStyle,
    labels_there,
    metres,
    solid_boxes,
    written_boxes,
)
from lamm_data.writing.english import as_sentence, mid_sentence, plural, singular, takes_are, with_article
from lamm_data.writing.layout_text import layout_answer
from lamm_data.writing.options import LETTERS, AnswerPool, lettered
from lamm_data.writing.words import worded

Values = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Pair:
    """One question with its answer, before words are put around them.

    Attributes:
        pool: Template pool to draw from.
        question: Values of the question's placeholders.
        answers: Values of the answer's placeholders, one mapping a sentence.
        source_id: Annotation the pair is about.
        text: The whole answer, where no words are put around it.
    """

    pool: str
    question: Values
    answers: tuple[Values, ...]
    source_id: str = ""
    text: str = ""


@dataclass(slots=True)
class Context:
    """What pair makers may need besides the item.

    Attributes:
        task: The task to make pairs of.
        rng: The item's own random stream.
        options: Answer pool for open questions that become multiple choice; None leaves them open.
        choices: Options per question, the right one included.
        numbers: How 2D boxes and points are written.
        metre_decimals: Decimals of 3D boxes.
        largest_first: List the objects by size, the largest first, in place of as annotated.
        closed: Classes that the source's annotators looked for in every image; for `presence` questions.
        negatives: Share of `presence` questions whose answer is no, between 0 and 1.
        left_out: Counts of annotations that were not used, by reason.
        noted: Counts of annotations that were changed before use, by change.
    """

    task: Task
    rng: random.Random
    options: AnswerPool | None = None
    choices: int = 4
    numbers: NumberStyle = PAPER
    metre_decimals: int = METRE_DECIMALS
    largest_first: bool = False
    closed: tuple[str, ...] = ()
    negatives: float = 0.0
    left_out: Counter[str] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)


@lru_cache(maxsize=65536)
def _label_values(name: str) -> dict[str, str]:
    """Give a class name the forms that templates ask for. The mapping is shared: copy it before adding to it."""
    phrase, many = with_article(name), takes_are(name)
    return {
        "label": name,
        "a_label": phrase,
        "A_label": phrase[:1].upper() + phrase[1:],
        "is": "are" if many else "is",
        "Is": "Are" if many else "Is",
    }


def _classes(item: Annotated, context: Context) -> Iterator[Pair]:
    for _, label in worded(item.classes, "name", context.left_out, "class without a name"):
        if label.task == context.task.key:
            yield Pair(context.task.pools[0], {}, (_label_values(label.name),))


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
            yield Pair("facial_hair", {}, (_hair_values(label),), "hair")


def _hair_values(label: ClassLabel) -> dict[str, str]:
    # CelebA's fifth "hair colour" is bald, and nobody has bald hair.
    bald = label.name == "bald"
    return {
        "label": label.name,
        "hair": "a bald head" if bald else f"{label.name} hair",
        "has_hair": "is bald" if bald else f"has {label.name} hair",
    }


def _detection(item: Annotated, context: Context) -> Iterator[Pair]:
    boxes = list(written_boxes(item, context.numbers, context.left_out, context.noted))
    if context.largest_first:
        boxes.sort(key=lambda box: -(box[1][2] - box[1][0]) * (box[1][3] - box[1][1]))
    sentences = tuple([{**_label_values(box.label), "box": text} for box, _, text in boxes])
    if sentences:
        yield Pair(context.task.pools[0], {}, sentences)


def _keypoints(item: Annotated, context: Context) -> Iterator[Pair]:
    if not item.keypoints:
        return
    if len(item.keypoints) > 1:
        context.left_out["image with several people"] += len(item.keypoints)
        return
    person, width, height = item.keypoints[0], item.width, item.height
    if not (width and height):
        context.left_out["image size unknown"] += 1
        return
    for name, (x, y) in person.labelled().items():
        if 0 <= x <= width and 0 <= y <= height:
            joint = name.replace("_", " ")
            point = context.numbers.point((x / width, y / height), (width, height))
            yield Pair(
                context.task.pools[0], {"joint": joint}, ({"joint": joint, "point": point},), f"{person.id}:{joint}"
            )
        else:
            context.left_out["joint outside the image"] += 1


def _captions(item: Annotated, context: Context) -> Iterator[Pair]:
    for number, caption in worded(item.captions, "", context.left_out, "caption without a text"):
        yield Pair(context.task.pools[0], {}, ({"caption": caption, "Caption": as_sentence(caption)},), str(number))


def _counts(item: Annotated, context: Context) -> Iterator[Pair]:
    for _, count in worded(item.counts, "label", context.left_out, "count without a name"):
        label = mid_sentence(count.label)
        one, many = singular(label), plural(label)
        values = {
            "number": str(count.number),
            "plural": many,
            "noun": one if count.number == 1 else many,
            "are": "is" if count.number == 1 else "are",
        }
        yield Pair(context.task.pools[0], {"plural": many}, (values,))


def _words(item: Annotated, context: Context) -> Iterator[Pair]:
    words = [word for _, word in worded(item.words, "", context.left_out, "word without a text")]
    if words:
        quoted = ", ".join(f'"{word}"' for word in words)
        yield Pair(context.task.pools[0], {}, ({"words": quoted, "bare": " ".join(words)},))


def _questions(item: Annotated, context: Context) -> Iterator[Pair]:
    pool, pool_open = context.task.pools
    for _, question in worded(item.questions, "text", context.left_out, "question without a text"):
        if not question.answers and question.answer is None:
            context.left_out["question without answer"] += 1
            continue
        asked = context.options.pose(question, context.choices, context.rng) if context.options else question
        text = " ".join(filter(None, (asked.situation, asked.text, asked.context)))
        if asked.answer is None:
            yield Pair(pool_open, {"question": text}, ({"answer": asked.answers[0]},), asked.id)
        else:
            answer = {"letter": LETTERS[asked.answer], "choice": asked.choices[asked.answer]}
            yield Pair(pool, {"question": text, "options": lettered(asked.choices)}, (answer,), asked.id)


def _detection3d(item: Annotated, context: Context) -> Iterator[Pair]:
    if context.numbers == LAYOUT:
        if text := layout_answer(item, context.left_out):
            yield Pair(context.task.pools[0], {}, (), text=text)
        return
    decimals = context.metre_decimals
    boxes = list(solid_boxes(item, context.left_out, decimals))
    if context.largest_first:
        boxes.sort(key=lambda box: -prod(box.size))
    sentences = tuple({**_label_values(box.label), "box": metres(box.values, decimals)} for box in boxes)
    if sentences:
        yield Pair(context.task.pools[0], {}, sentences)


def _grounding(item: Annotated, context: Context) -> Iterator[Pair]:
    boxes = {box.id: box for box in solid_boxes(item, context.left_out, context.metre_decimals)}
    for _, text in worded(item.descriptions, "text", context.left_out, "description without a text"):
        if text.object_ids is not None and len(text.object_ids) != 1:
            context.left_out["description of several objects or of none"] += 1
        elif text.object_id in boxes:
            box = metres(boxes[text.object_id].values, context.metre_decimals)
            yield Pair(context.task.pools[0], {"description": as_sentence(text.text)}, ({"box": box},), text.id)
        else:
            context.left_out["description of an object without box"] += 1


def _presence(item: Annotated, context: Context) -> Iterator[Pair]:
    """Ask whether classes of a closed list are there, as many of them absent as the declared share wants."""
    there = labels_there(item)
    present = [name for name in context.closed if name in there]
    if not present:
        context.left_out["image without a class of the closed list"] += 1
        return
    # Of a class whose every box is doubtful neither answer would be safe.
    named = {box.label for box in item.boxes} | {box.label for box in item.boxes3d}
    absent = [name for name in context.closed if name not in named]
    wanted = len(present) * context.negatives / (1 - context.negatives)
    number = int(wanted) + (context.rng.random() < wanted % 1)
    if number > len(absent):
        context.left_out["no for want of an absent class"] += number - len(absent)
    answers = [(name, True) for name in present]
    answers += [(name, False) for name in context.rng.sample(absent, min(number, len(absent)))]
    context.rng.shuffle(answers)
    for name, yes in answers:
        values = _presence_values(name, yes)
        yield Pair(context.task.pools[0], values, (values,), f"{'has' if yes else 'lacks'}:{name}")


def _presence_values(name: str, yes: bool) -> dict[str, str]:
    values = _label_values(name)
    return values | {
        "answer": "yes" if yes else "no",
        "Answer": "Yes" if yes else "No",
        "some_label": values["a_label"] if yes else f"no {name}",
        "shows": "shows" if yes else "does not show",
        "contains": "contains" if yes else "does not contain",
    }


def _relations(item: Annotated, context: Context) -> Iterator[Pair]:
    # A question names two things, so each name must belong to one thing only, and one relation must join them.
    ids: dict[str, set[str]] = defaultdict(set)
    boxes = [(box.label, box.id) for box in item.boxes] + [(box.label, box.id) for box in item.boxes3d]
    for name, key in boxes:
        ids[name].add(key)
    for relation in item.relations:
        ids[relation.subject].add(relation.subject_id)
        ids[relation.object].add(relation.object_id)
    joined = Counter((relation.subject, relation.object) for relation in item.relations)
    for _, relation in worded(item.relations, "predicate", context.left_out, "relation without a name"):
        if not (relation.subject and relation.object):
            context.left_out["relation of an object without a name"] += 1
            continue
        if item.modality == "pcl" and relation.predicate in VIEWPOINT:
            context.left_out["relation that depends on the viewpoint"] += 1
            continue
        ends = (relation.subject, relation.object)
        if len(ids[ends[0]]) > 1 or len(ids[ends[1]]) > 1 or joined[ends] > 1 or ends[0] == ends[1]:
            context.left_out["relation that its names do not single out"] += 1
            continue
        values = {"subject": ends[0], "object": ends[1], "predicate": relation.predicate}
        yield Pair(context.task.pools[0], values, (values,), f"{relation.subject_id}-{relation.object_id}")


VIEWPOINT = frozenset({"left", "right", "front", "behind"})
"""Relations of 3DSSG that hold from one place in the room only, which no question says."""

PAIR_MAKERS: dict[str, Callable[[Annotated, Context], Iterator[Pair]]] = {
    "class": _classes,
    "attribute": _faces,
    "boxes": _detection,
    "joints": _keypoints,
    "choice": _questions,
    "captions": _captions,
    "count": _counts,
    "words": _words,
    "boxes3d": _detection3d,
    "description": _grounding,
    "relations": _relations,
    "presence": _presence,
}
"""Pair maker by the task's kind of truth."""

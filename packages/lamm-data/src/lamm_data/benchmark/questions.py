"""Entries about a question: options, open answers, numbers, yes or no, and where the asker stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lamm_data.benchmark.entry import Build, Entry
from lamm_data.records.annotations import Annotated, Question
from lamm_data.sources.guard import tidy_text
from lamm_data.writing.draws import fill, item_rng
from lamm_data.writing.options import lettered
from lamm_data.writing.words import worded


def _asked(item: Annotated, build: Build) -> list[tuple[str, Question]]:
    """Return the questions that say something, each with the id of its record: its own, else its place in the item."""
    questions = worded(item.questions, "text", build.left_out, "question without a text")
    return [(question.id or f"{item.id}-{number}", question) for number, question in questions]


def _posed(question: Question, query: str, **values: str) -> str:
    """Fill a query; what goes with a question stands before it."""
    text = " ".join(filter(None, (question.context, question.situation, question.text)))
    return fill(query, {"question": text, **values}).strip()


def _beside(key: str, question: Question) -> dict[str, Any]:
    """Return what a record says beside its truth: id, bare question, situation, and what the source states."""
    bare = {"question": question.text, "situation": question.situation}
    return {"id": key, "extra": {name: text for name, text in bare.items() if text} | dict(question.stated)}


def choices(item: Annotated, build: Build, query: str) -> Iterator[Entry]:
    """Pose questions with their own options, or with options made from the answers of the data set."""
    for number, question in worded(item.questions, "text", build.left_out, "question without a text"):
        rng = item_rng(build.seed, "options", item.id, question.id)
        asked = build.options.pose(question, build.choices, rng) if build.options else question
        if asked.answer is None:
            build.left_out["question without options" if asked.answers else "question without answer"] += 1
            continue
        text = f"{asked.situation} {asked.text}".strip()
        text += f" Context: {asked.context}" if asked.context else ""
        filled = fill(query, {"question": text, "options": lettered(asked.choices)})
        yield f"-{number}", filled, {"gt_choice": asked.answer, "gt_choices": list(asked.choices)}


def answers(item: Annotated, build: Build, query: str) -> Iterator[Entry]:
    """Pose open questions; every answer is kept as published, in order and with repeats."""
    for key, question in _asked(item, build):
        truth = {"answers": list(question.references or question.answers)}
        if not any(map(tidy_text, truth["answers"])):
            build.left_out["question without answer"] += 1
            continue
        yield "", _posed(question, query), truth | _beside(key, question)


def numbers(item: Annotated, build: Build, query: str) -> Iterator[Entry]:
    """Pose questions whose answer is a number or an option."""
    for key, question in _asked(item, build):
        if question.choices and question.answer is not None:
            options = f" Options: {lettered(question.choices)}"
            truth: dict[str, Any] = {"gt_choice": question.answer, "gt_choices": list(question.choices)}
        elif question.number is not None:
            options, truth = "", {"num": question.number}
        else:
            build.left_out["question without answer"] += 1
            continue
        yield "", _posed(question, query, options=options), truth | _beside(key, question)


def yes_or_no(item: Annotated, build: Build, query: str) -> Iterator[Entry]:
    """Pose questions that are answered by yes or no."""
    for key, question in _asked(item, build):
        truth = question.answers[0].lower() if question.answers else ""
        if truth not in ("yes", "no"):
            build.left_out["question that yes or no does not answer"] += 1
            continue
        yield "", _posed(question, query), {"label": truth} | _beside(key, question)


def situations(item: Annotated, build: Build, query: str) -> Iterator[Entry]:
    """Ask where somebody stands and looks whose situation is described."""
    for key, question in _asked(item, build):
        if not (question.situation and question.position and question.rotation):
            build.left_out["question without a situation"] += 1
            continue
        truth = {"position": list(question.position), "rotation": list(question.rotation)}
        extra = {"situation": question.situation} | dict(question.stated)
        yield "", fill(query, {"situation": question.situation}), truth | {"id": key, "extra": extra}

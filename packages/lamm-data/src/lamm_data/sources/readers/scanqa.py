"""ScanQA: open questions about ScanNet scenes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from lamm_data.files.json_lines import iter_values
from lamm_data.records.annotations import Question
from lamm_data.sources.readers.fields import need


def read_questions(path: str | Path) -> Iterator[tuple[str, Question]]:
    """Read questions one by one; repeated answers are kept once, in order.

    The test files have no answers: their questions come with none.

    Yields:
        `(scene id, question)`.
    """
    for line, value in iter_values(path):
        entry = need(value, ("question_id", "scene_id", "question"), f"{path}, line {line}", "a ScanQA entry")
        answers = tuple(dict.fromkeys(answer.strip() for answer in entry.get("answers", ())))
        yield str(entry["scene_id"]), Question(entry["question"].strip(), answers, id=str(entry["question_id"]))


def questions_by_scene(path: str | Path) -> dict[str, tuple[Question, ...]]:
    """Group a file's questions by scene, in file order."""
    grouped: dict[str, list[Question]] = defaultdict(list)
    for scene, question in read_questions(path):
        grouped[scene].append(question)
    return {scene: tuple(values) for scene, values in grouped.items()}

"""ScienceQA: multiple-choice school questions; those with an image are LAMM's SQAimage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lamm_data.files.json_lines import iter_sections
from lamm_data.records.annotations import Annotated, Question
from lamm_data.sources.readers.fields import measured, need, right_option


def open_scienceqa(root: Path, split: str) -> Iterator[Annotated]:
    """Read the problems of `problems.json` with an image, `images/<split>/<id>/image.png`."""
    yield from read_problems(root / "problems.json", root, split)


def read_problems(path: Path, root: Path, split: str) -> Iterator[Annotated]:
    """Read the problems of one split that have an image.

    Raises:
        SourceError: The right answer's index is outside the options.
    """
    for key, value in iter_sections(path):
        entry = need(value, ("question", "choices", "answer", "image", "split"), f"{path}, problem {key}", "a problem")
        if entry["split"] != split or entry["image"] is None:
            continue
        choices = tuple(map(str, entry["choices"]))
        answer = right_option(choices, entry["answer"], f"{path}, problem {key}")
        context = str(entry.get("hint") or "").strip()
        question = Question(str(entry["question"]).strip(), (choices[answer],), choices, answer, context, key)
        media = f"images/{split}/{key}/{entry['image']}"
        yield measured(root, media, key, origin=path.name, questions=(question,))

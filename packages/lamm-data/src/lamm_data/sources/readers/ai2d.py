"""AI2D: multiple-choice questions about diagrams, one JSON file an image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lamm_data.errors import SourceError
from lamm_data.files.json_lines import load_json
from lamm_data.records.annotations import Annotated, Question
from lamm_data.sources.readers.fields import measured, need, read_lines, right_option


def read_ai2d(root: Path, split: str = "all") -> Iterator[Annotated]:
    """Read `questions/<image>.json` of `images`, with `ai2d_test_ids.csv` naming the images of the test split.

    Raises:
        SourceError: A question's right option is outside its options.
    """
    test = set() if split == "all" else {line.strip() for line in read_lines(root / "ai2d_test_ids.csv")}
    paths = sorted((root / "questions").glob("*.json"))
    if not paths:
        raise SourceError(f"Expected question files in {root / 'questions'}, got none. Check the root folder.")
    for path in paths:
        number = path.name.split(".")[0]
        if split != "all" and (number in test) != (split == "test"):
            continue
        value = need(load_json(path), ("imageName", "questions"), path, "an AI2D question file")
        questions = []
        for text, entry in value["questions"].items():
            choices = tuple(entry["answerTexts"])
            answer = right_option(choices, entry["correctAnswer"], f"{path}, {text!r}")
            questions.append(Question(text, (choices[answer],), choices, answer, id=str(entry["questionId"])))
        origin = f"questions/{path.name}"
        yield measured(root, f"images/{value['imageName']}", number, origin=origin, questions=tuple(questions))

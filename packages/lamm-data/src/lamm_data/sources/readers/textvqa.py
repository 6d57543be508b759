"""TextVQA 0.5 and 0.5.1: open questions about text in photographs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from lamm_data.errors import SourceError
from lamm_data.files.json_lines import iter_sections
from lamm_data.records.annotations import Annotated, Question, join
from lamm_data.sources.readers.fields import need

NO_ANSWERS = frozenset({"unanswerable", "answering does not require reading text in the image", "i don't know", ""})
"""What annotators typed when there was nothing to read; none of these is an answer."""
VERSIONS = ("0.5.1", "0.5")


def ranked_answers(answers: list[str]) -> tuple[str, ...]:
    """Rank the ten people's answers by how many gave each, pseudo-answers dropped; ties keep their order.

    >>> ranked_answers(["nokia", "toshiba", "nokia", "unanswerable"])
    ('nokia', 'toshiba')
    """
    votes = Counter(answer.strip().lower() for answer in answers)
    return tuple(answer for answer, _ in votes.most_common() if answer not in NO_ANSWERS)


def _question(entry: dict[str, Any]) -> Question:
    text = str(entry["question"]).strip()
    sentence = text[:1].upper() + text[1:]
    published = tuple(entry.get("answers") or ())
    return Question(sentence, ranked_answers(list(published)), id=str(entry["question_id"]), references=published)


def _data(path: Path) -> Iterator[Any]:
    """Stream the questions; a file that says it is of a version which nobody has described is refused."""
    for section, entry in iter_sections(path):
        if section == "dataset_version" and str(entry) not in VERSIONS:
            raise SourceError(f"Expected TextVQA {' or '.join(VERSIONS)}, got dataset_version {entry!r} ({path}).")
        if section == "data":
            yield entry


def read_textvqa(path: Path, media: str) -> Iterator[Annotated]:
    """Read one file; neighbouring questions about one image share an item. Test files come without answers.

    Raises:
        SourceError: The file is truncated, of another version, or a question lacks a key.
    """
    keys = ("question_id", "question", "image_id", "image_width", "image_height")
    rows = (need(entry, keys, path, "a question") for entry in _data(path))
    for (image, width, height), entries in groupby(
        rows, key=lambda row: (str(row["image_id"]), int(row["image_width"]), int(row["image_height"]))
    ):
        questions = tuple(_question(dict(entry)) for entry in entries)
        yield Annotated(
            image, join(media, f"{image}.jpg"), origin=path.name, width=width, height=height, questions=questions
        )


def open_textvqa(root: Path, split: str) -> Iterator[Annotated]:
    """Read a download: images of train and val lie in `train_images`, those of test in `test_images`."""
    for version in VERSIONS:
        path = root / f"TextVQA_{version}_{split}.json"
        if path.is_file():
            return read_textvqa(path, "test_images" if split == "test" else "train_images")
    raise SourceError(f"Expected TextVQA_0.5.1_{split}.json in {root}, got none. Check the root folder and split.")

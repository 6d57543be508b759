"""Open questions about images: VQAv2, GQA, DocVQA, ChartQA."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lamm_data.errors import SourceError
from lamm_data.files.json_lines import iter_sections, iter_values
from lamm_data.records.annotations import Annotated, Question
from lamm_data.sources.readers.fields import first_file, measured, need


class Asked(NamedTuple):
    """A question, its image below the root, the name of the image, and the file it stands in."""

    image: str
    media: str
    question: Question
    origin: str


def _open(read: Callable[[Path, str], Iterable[Asked]]) -> Callable[[Path, str], Iterator[Annotated]]:
    """Make a reader of images in the order of their first question, each with all its questions."""

    def open_set(root: Path, split: str) -> Iterator[Annotated]:
        grouped: dict[tuple[str, str, str], list[Question]] = defaultdict(list)
        for one in read(root, split):
            grouped[one.image, one.media, one.origin].append(one.question)
        for (image, media, origin), questions in grouped.items():
            yield measured(root, media, image, origin=origin, questions=tuple(questions))

    return open_set


def _question(text: Any, answers: Iterable[Any], key: Any, **stated: Any) -> Question:
    published = tuple(str(answer) for answer in answers)
    taught = tuple(dict.fromkeys(answer.strip() for answer in published))
    return Question(str(text).strip(), taught, id=str(key), references=published, stated=stated)


def _of_version(path: Path, section: str, version: str, key: str) -> Iterator[Any]:
    """Stream a section of a file; one that says it is of another version is refused.

    Raises:
        SourceError: It is of another version, or lacks the section.
    """
    seen = set[str]()
    for name, value in iter_sections(path, seen):
        stated = value.get("version") if name == "info" and isinstance(value, Mapping) else value
        if name == key and stated is not None and str(stated) != version:
            raise SourceError(f"Expected version {version}, got {stated!r} ({path}). Download that version.")
        if name == section:
            yield value
    if section not in seen:
        raise SourceError(f"Expected a section {section!r}, got {', '.join(sorted(seen)) or 'none'} ({path}).")


def _vqav2(root: Path, split: str) -> Iterator[Asked]:
    """Join questions and the ten people's answers by `question_id`."""
    questions = first_file(root, "v2_OpenEnded_mscoco_{split}2014_questions.json", split=split)
    annotations = first_file(root, "v2_mscoco_{split}2014_annotations.json", split=split)
    answers: dict[int, tuple[tuple[str, ...], str]] = {}
    for value in _of_version(annotations, "annotations", "2.0", "info"):
        entry = need(value, ("question_id", "answers", "answer_type"), annotations, "a VQAv2 annotation")
        answers[entry["question_id"]] = tuple(one["answer"] for one in entry["answers"]), str(entry["answer_type"])
    for value in _of_version(questions, "questions", "2.0", "info"):
        entry = need(value, ("question_id", "image_id", "question"), questions, "a VQAv2 question")
        key, image = entry["question_id"], int(entry["image_id"])
        if key not in answers:
            raise SourceError(
                f"Expected the answers to question {key} in {annotations}, got none. Take both files of one split."
            )
        published, kind = answers[key]
        media = f"{split}2014/COCO_{split}2014_{image:012d}.jpg"
        yield Asked(str(image), media, _question(entry["question"], published, key, question_type=kind), questions.name)


def _gqa(root: Path, split: str) -> Iterator[Asked]:
    name = "{split}_balanced_questions.json"
    path = first_file(root, f"{name} | questions1.2/{name}", split=split)
    for key, value in iter_sections(path):
        entry = need(value, ("imageId", "question"), f"{path}, question {key}", "a GQA question")
        types = entry.get("types") or {}
        stated = {"question_type": str(types["structural"])} if types.get("structural") else {}
        answers = [entry["answer"]] if "answer" in entry else []
        image = str(entry["imageId"])
        yield Asked(image, f"images/{image}.jpg", _question(entry["question"], answers, key, **stated), path.name)


def _docvqa(root: Path, split: str) -> Iterator[Asked]:
    path = first_file(root, "{split}_v1.0_withQT.json | {split}_v1.0.json | {split}/{split}_v1.0.json", split=split)
    keys = ("questionId", "question", "image")
    for value in _of_version(path, "data", "1.0", "dataset_version"):
        entry = need(value, keys, path, "a DocVQA question")
        kinds = entry.get("question_types") or []
        stated = {"question_type": str(kinds[0])} if len(kinds) == 1 else {"question_types": kinds} if kinds else {}
        question = _question(entry["question"], entry.get("answers") or (), entry["questionId"], **stated)
        media = (path.parent / str(entry["image"])).relative_to(root).as_posix()
        yield Asked(Path(str(entry["image"])).stem, media, question, path.name)


def _chartqa(root: Path, split: str) -> Iterator[Asked]:
    """Read what people asked and what was made from summaries; `question_type` says which."""
    for kind in ("human", "augmented"):
        path = first_file(root, "{split}/{split}_{kind}.json", split=split, kind=kind)
        for number, (line, value) in enumerate(iter_values(path)):
            entry = need(value, ("imgname", "query", "label"), f"{path}, line {line}", "a ChartQA question")
            question = _question(entry["query"], [entry["label"]], f"{kind}-{number}", question_type=kind)
            image = str(entry["imgname"])
            yield Asked(f"{kind}-{Path(image).stem}", f"{split}/png/{image}", question, path.name)


open_vqav2 = _open(_vqav2)
open_gqa = _open(_gqa)
open_docvqa = _open(_docvqa)
open_chartqa = _open(_chartqa)

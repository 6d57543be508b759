"""Benchmark records to queries: one question to the model each, keypoint records one per joint."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

from lamm_data import (
    LSP_JOINTS,
    TASKS,
    LammDataError,
    OutsideError,
    iter_values,
    media_file,
    media_paths,
    shown_name,
    task_of_file_name,
)
from lamm_model.errors import LammModelError
from lamm_model.processing.segments import IMAGE, POINT_CLOUD, find_markers

SHOWN_FAULTS = 20
Answer = dict[str, Any]


@dataclass(frozen=True)
class PredictionOptions:
    """How to predict.

    Attributes:
        blind: Withhold the media: the same question and adapter set, no media tokens.
        batch_size: Rows answered together.
        limit: Only the first records of each file.
        media_root: Folder that media paths are relative to; each benchmark file's own folder when None.
        max_new_tokens: Longest answer for every task instead of each task's own.
        system: `task` uses the system message of the record's task type (as in training), `record` the record's own
            where it has one, `none` no system message.
        probabilities: Also score every option of closed questions.
        two_pass: Ask questions with options a second time, after the model's own reasoning, for the option alone (the
            paper's VQA protocol); the text holds both answers.
        trust_remote_code: Run the code that a model of another family brings.
    """

    blind: bool = False
    batch_size: int = 32
    limit: int | None = None
    media_root: Path | None = None
    max_new_tokens: int | None = None
    system: str = "task"
    probabilities: bool = False
    two_pass: bool = False
    trust_remote_code: bool = False


class UnsupportedMediumError(LammModelError):
    """The model takes no media of this kind."""


@dataclass(frozen=True)
class Query:
    """One question.

    Attributes:
        key: Unique in its file: the record id, and the joint after a tab for keypoints.
        record_id: Id of the record.
        part: Joint name, or empty.
        question: Text of the question.
        media: `(kind, path)` of each medium, kinds `image` and `point_cloud`.
        task: Benchmark task key, or empty.
        task_type: Published task type: chooses the system message.
        system: The record's own system message, or None.
        choices: Options of a multiple-choice record, or the closed label set of a classification.
        labelled: Whether the choices are labels: their probabilities are stored by name.
        max_new_tokens: Longest answer.
    """

    key: str
    record_id: str
    part: str
    question: str
    media: tuple[tuple[str, Path], ...]
    task: str
    task_type: str
    system: str | None = None
    choices: tuple[str, ...] = ()
    labelled: bool = False
    max_new_tokens: int = 128

    @property
    def modality(self) -> str:
        """Adapter set that answers: the first medium's kind, or `text`."""
        return self.media[0][0] if self.media else "text"


class Answers(Protocol):
    """Whatever answers queries: `Predictor`, `ImageTextAnswers`, `EndpointAnswers`, or `KeepGoing` around one."""

    def answer(self, queries: list[Query]) -> Iterator[list[tuple[Query, Answer]]]:
        """Answer queries.

        Args:
            queries: In any order.

        Yields:
            Queries with their answers, a batch at a time.

        Raises:
            LammModelError: A query cannot be answered; it is named.
        """


@dataclass
class Benchmark:
    """A benchmark file's records, as queries.

    Attributes:
        record_ids: Ids in file order.
        queries: Queries in file order.
    """

    record_ids: list[str] = field(default_factory=list)
    queries: list[Query] = field(default_factory=list)


@functools.cache
def answer_lengths() -> dict[str, int]:
    """Return the longest answer in tokens by task."""
    return dict(json.loads(resources.files(__package__).joinpath("answer_lengths.json").read_text("utf-8")))


def read_queries(
    path: Path,
    media_root: Path | None = None,
    limit: int | None = None,
    max_new_tokens: int | None = None,
    blind: bool = False,
) -> Benchmark:
    """Read a benchmark file.

    Ground truth is not needed. Every fault is reported at once.

    Args:
        path: Benchmark file (JSON list or JSON Lines) named `<Task>_<Dataset>.json` or with a `task` in its records.
        media_root: Folder that media paths are relative to; the file's folder when None.
        limit: Only the first records.
        max_new_tokens: Longest answer for every task instead of the task's own.
        blind: Nothing is shown, so the media need not be there.

    Returns:
        The queries.

    Raises:
        LammModelError: Records lack an id, a query or a readable medium, or an id occurs twice.
    """
    root = media_root if media_root is not None else path.parent
    benchmark = Benchmark()
    faults: list[str] = []
    seen: set[str] = set()
    for line, record in iter_values(path):
        if limit is not None and len(benchmark.record_ids) >= limit:
            break
        in_record = [*_faults(record, seen), *(() if blind else _absent_media(record, root))]
        if in_record:
            shown = repr(record.get("id")) if isinstance(record, dict) else "unknown"
            faults += [f"{fault} ({path}, line {line}, id {shown})" for fault in in_record]
            continue
        seen.add(str(record["id"]))
        benchmark.record_ids.append(str(record["id"]))
        benchmark.queries += _queries(record, path.name, root, max_new_tokens)
    if faults:
        rest = [f"... and {len(faults) - SHOWN_FAULTS} more"] if len(faults) > SHOWN_FAULTS else []
        raise LammModelError("\n  ".join([f"{len(faults)} faulty records:", *faults[:SHOWN_FAULTS], *rest]))
    if not benchmark.queries:
        raise LammModelError(f"Expected at least one record, got none ({path}). Give a benchmark file.")
    return benchmark


def refuse_point_clouds(queries: list[Query], blind: bool, why: str) -> None:
    """Raise where a query shows a point cloud to a model that takes none.

    Raises:
        UnsupportedMediumError: It does; its record is named.
    """
    for query in queries:
        if not blind and any(kind != IMAGE for kind, _ in query.media):
            raise UnsupportedMediumError(
                f"Expected images only, got a point cloud (id {query.record_id!r}). {why}; use --blind or a LAMM model."
            )


def shard_queries(queries: list[Query], rank: int, world_size: int) -> list[Query]:
    """Pick one process's share of a file's queries, in file order; the shares are about equal.

    Questions about the same media stay together. Every process passes the same queries.
    """
    if world_size == 1:
        return queries
    homes: dict[object, int] = {}
    load = [0] * world_size
    for number, query in enumerate(queries):
        key = query.media or number
        home = homes.setdefault(key, load.index(min(load)))
        load[home] += query.max_new_tokens
    return [query for number, query in enumerate(queries) if homes[query.media or number] == rank]


def _faults(record: Any, seen: set[str]) -> Iterator[str]:
    if not isinstance(record, dict):
        yield f"Expected an object, got {type(record).__name__}"
        return
    if record.get("id") is None:
        yield "Expected an id, got none"
    elif str(record["id"]) in seen:
        yield "Expected an id of its own, got one that occurred before"
    if not isinstance(record.get("query"), str) or not record["query"].strip():
        yield f"Expected a query, got {record.get('query')!r}"
    joints = record.get("joints")
    if joints is not None and not (isinstance(joints, list) and all(isinstance(name, str) for name in joints)):
        yield f"Expected joints to be a list of names, got {joints!r}"
    for key in ("image", "pcl"):
        value = record.get(key)
        if value is not None and not isinstance(value, str | list):
            yield f"Expected {key} to be a path, got {value!r}"


def _absent_media(record: Any, root: Path) -> Iterator[str]:
    for key in ("image", "pcl"):
        value = record.get(key) if isinstance(record, dict) else None
        for name in media_paths(value) if isinstance(value, str | list) else ():
            try:
                media_file(root, name)
            except LammDataError as fault:
                found = "a name that leads out of it:" if isinstance(fault, OutsideError) else "nothing at"
                yield f"Expected its {key} below the media root, got {found} {shown_name(name)} ({root})"


def in_place(question: str, media: tuple[tuple[str, Path], ...]) -> tuple[tuple[str, Path], ...]:
    """Put media in the order of the question's placeholders, where it has one for each."""
    markers = find_markers(question)
    if sorted(markers) != sorted(kind for kind, _ in media):
        return media
    waiting = {kind: iter([medium for medium in media if medium[0] == kind]) for kind in set(markers)}
    return tuple(next(waiting[kind]) for kind in markers)


def _queries(record: dict[str, Any], file_name: str, root: Path, max_new_tokens: int | None) -> Iterator[Query]:
    record_id = str(record["id"])
    media = tuple((IMAGE, root / name) for name in media_paths(record.get("image")))
    media += tuple((POINT_CLOUD, root / name) for name in media_paths(record.get("pcl")))
    named = task_of_file_name(file_name, "pcl" if record.get("pcl") is not None else "image")
    task = str(record.get("task") or (named.key if named is not None else ""))
    known = TASKS.get(task)
    length = max_new_tokens or answer_lengths().get(task, answer_lengths()["other"])
    question = record["query"]
    media = in_place(question, media)
    by_part = task == "keypoint_detection" and "{}" in question
    for part in (record.get("joints") or LSP_JOINTS) if by_part else [""]:
        yield Query(
            key=f"{record_id}\t{part}" if part else record_id,
            record_id=record_id,
            part=part,
            question=question.replace("{}", part) if part else question,
            media=media,
            task=task,
            task_type=str(record.get("task_type") or (known.task_type if known is not None else "normal")),
            system=record.get("system"),
            choices=tuple(str(choice) for choice in record.get("gt_choices") or record.get("labels") or ()),
            labelled=not record.get("gt_choices"),
            max_new_tokens=length,
        )

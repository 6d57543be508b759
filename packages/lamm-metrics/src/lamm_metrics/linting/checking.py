"""`lint`: a benchmark file in, the records out whose true answers would not be read."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lamm_metrics.answers.kinds import answers_of
from lamm_metrics.extraction.text.names import words_of
from lamm_metrics.linting.phrasings import spoken
from lamm_metrics.metrics.base import OK, Metric
from lamm_metrics.metrics.registry import make_metric
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.tasks import ReferenceSource, Task, read_references, task_named, task_of_references
from lamm_metrics.records.truth import Reference, label_set, labels_of, letter, truth_label
from lamm_metrics.results.score import SampleResult

CLOSED = 1.0
"""What a right closed answer contributes."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A record whose true answer is not read in some phrasing.

    Attributes:
        id: Its identifier.
        missed: How many phrasings are not read.
        phrasings: How many were tried.
        example: The first answer that is not read.
        read: What is read in its place, its status where nothing is.
        why: Why, in one sentence.
    """

    id: str
    missed: int
    phrasings: int
    example: str
    read: str
    why: str


@dataclass(frozen=True, slots=True)
class Lint:
    """What became of the true answers of a benchmark file.

    Attributes:
        task: The task.
        records: How many records there are.
        phrasings: How many phrasings were tried at most.
        unread: The records that cannot be read in every phrasing.
    """

    task: str
    records: int
    phrasings: int
    unread: tuple[Unread, ...]

    def __str__(self) -> str:
        tried = f"{self.records} records, {self.phrasings} phrasings of {self.task}"
        if not self.phrasings:
            return f"{tried}: there is nothing to read"
        if not self.unread:
            return f"{tried}: every true answer is read in all of them"
        reasons = Counter(one.why for one in self.unread)
        lines = [f"{tried}: {len(self.unread)} records are not read in all of them"]
        lines += [f"  {count} x {why}" for why, count in reasons.most_common()]
        for one in self.unread:
            lines.append(f"{one.id}: {one.missed} of {one.phrasings}, {one.example!r:.100} reads {one.read}: {one.why}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values that `json.dumps` accepts."""
        return asdict(self)


def lint(references: ReferenceSource, task: str | None = None) -> Lint:
    """Say every true answer of a benchmark file in each known phrasing and report what is not read back.

    Args:
        references: Benchmark records, or the path of their file.
        task: A task key; None takes the one that the records or the file's name tell.

    Returns:
        The records that cannot be read in every phrasing, and why.

    Raises:
        UsageError: The task is unknown, or neither the records nor the file's name tell it.
        FileFaultsError: A faulty file.

    >>> lint([{"id": 1, "gt_choices": ["red", "Red"], "gt_choice": 1}], "vqa").unread[0].why
    'two options differ by nothing but case: red, Red'
    """
    truth = read_references(references, task)
    row = task_named(task or task_of_references(truth))
    labels = labels_of(list(truth.records.values()))
    read = [_read(row, labels, key, record) for key, record in truth.records.items()]
    unread = tuple(one for one, _ in read if one is not None)
    return Lint(row.key, len(truth.records), max((tried for _, tried in read), default=0), unread)


def _read(task: Task, labels: Sequence[str], key: str, record: Reference) -> tuple[Unread | None, int]:
    """Read one record's true answer in every phrasing; return what is not read, and how many phrasings there are."""
    truth = _true_answer(task, key, record)
    wanted = _scored(task, labels, record, truth)
    closed = answers_of(task).read is not None
    missed: list[tuple[str, SampleResult]] = []
    tried = 0
    for _, text in spoken(task.extractor, record, truth):
        tried += 1
        found = _scored(task, labels, record, Prediction(key, text))
        right = found.value == CLOSED if closed else _outcome(found) == _outcome(wanted)
        if found.status != OK or not right:
            missed.append((text, found))
    if not missed:
        return None, tried
    text, found = missed[0]
    read = (found.extracted or found.status) if found.status == OK else found.status
    seen = "another answer is read" if found.status == OK else "nothing in it is read as an answer"
    why = _reason(task, record, labels) or found.detail or seen
    return Unread(key, len(missed), tried, text, read, why), tried


def _true_answer(task: Task, key: str, record: Reference) -> Prediction:
    if "gt_choice" in record and "choice" in task.extractor:
        return Prediction(key, choice=int(record["gt_choice"]))
    return answers_of(task).guess(key, record, np.random.default_rng(0))


def _scored(task: Task, labels: Sequence[str], record: Reference, prediction: Prediction) -> SampleResult:
    """Return how one answer is scored by the task's own metric."""
    metric: Metric[Any] = make_metric(task.metrics[0], task.key, labels)
    metric.update(record, prediction)
    return next(metric.per_sample())


def _outcome(found: SampleResult) -> tuple[float | None, int, int, int]:
    """Return what two readings share that find the same: the value, the objects found, and how many were named."""
    true = [mark.matched for mark in found.marks if mark.true]
    value = None if found.value is None else round(found.value, 9)
    return value, sum(true), len(true), len(found.marks)


def _reason(task: Task, record: Reference, labels: Sequence[str]) -> str:
    """Return what in a record keeps its answers from being read; empty where that cannot be told."""
    if "gt_choice" in record and "choice" in task.extractor:
        options = [str(option) for option in record["gt_choices"]]
        names = record.get("option_labels") or [letter(index) for index in range(len(options))]
        return _clash("option", options, options[int(record["gt_choice"])]) or _called(options, names)
    if "label" in record or "attr" in record:
        return _clash("label", label_set(record, labels), truth_label(record))
    return ""


def _clash(what: str, texts: Sequence[str], truth: str) -> str:
    """Return in what a true text and another one are too alike."""
    for alike, fault in _ALIKE:
        same = [text for text in texts if alike(text) == alike(truth)]
        if len(same) > 1:
            return f"two {what}s {fault}: {', '.join(same[:2])}"
    if not words_of(truth):
        return f"the {what} has no word: {truth!r}"
    inside = [text for text in texts if text != truth and _holds(text, truth)]
    if inside:
        return f"the {what} {truth!r} is a part of another one: {inside[0]}"
    holding = [text for text in texts if text != truth and _holds(truth, text)]
    return f"another {what} is a part of {truth!r}: {holding[0]}" if holding else ""


def _called(options: Sequence[str], names: Sequence[str]) -> str:
    """Return that the text of an option is what another one is called."""
    upper = [option.strip().upper() for option in options]
    for place, name in enumerate(names):
        if str(name).upper() in upper and upper.index(str(name).upper()) != place:
            return f"an option's text is the letter of another one: {name}"
    return ""


def _holds(text: str, part: str) -> bool:
    return f" {' '.join(words_of(part))} " in f" {' '.join(words_of(text))} "


_ALIKE = (
    (str, "are the same"),
    (str.casefold, "differ by nothing but case"),
    (lambda text: "".join(text.casefold().split()), "differ by nothing but white space and case"),
    (lambda text: " ".join(words_of(text)), "differ by nothing but punctuation, signs and case"),
)

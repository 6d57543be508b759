"""What is judged: records with a question, the truth in words and every model's answer, and the verdicts to ask for."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from lamm_metrics.errors import LammMetricsError, UsageError
from lamm_metrics.gpt.settings import JudgeSettings
from lamm_metrics.records.predictions import Prediction, PredictionSource, read_predictions, run_names
from lamm_metrics.records.tasks import ReferenceSource, pair, read_references, task_named, task_of_record
from lamm_metrics.records.truth import group_of, truth_text

MOST_MODELS = 26


def sendable(text: str) -> str:
    r"""The text with joined surrogate pairs, and U+FFFD in place of single halves.

    >>> sendable("a\ud83d\ude00\ud800") == "a\U0001f600\ufffd"
    True
    """
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@dataclass(frozen=True, slots=True)
class Item:
    """One record.

    Attributes:
        id: Identifier.
        group: What makes records dependent, such as the image.
        task: Task key.
        question: What the models were asked.
        truth: The ground truth in words.
        answers: The answer of each model.
        pictures: Files of the pictures that the judge is shown.
    """

    id: str
    group: str
    task: str
    question: str
    truth: str
    answers: tuple[str, ...]
    pictures: tuple[Path, ...] = ()


def pictures_of(record: Mapping[str, Any], identifier: str, root: Path) -> tuple[Path, ...]:
    """Find the pictures of a record below a folder; a point cloud has none.

    Raises:
        LammMetricsError: One is missing, or lies outside of the folder.
    """
    image = record.get("image") or ()
    found = []
    for name in (image,) if isinstance(image, str) else image:
        path = root / str(name)
        if not path.resolve().is_relative_to(root.resolve()) or not path.is_file():
            raise LammMetricsError(
                f"Expected the picture of record {identifier!r} below {root}, got none at {name}. "
                "Name the folder that the records' images are relative to with --media-root, or leave it out."
            )
        found.append(path)
    return tuple(found)


def answer_text(prediction: Prediction) -> str:
    """An answer as text; structured answers without text are written as JSON."""
    text = prediction.plain_text
    if text.strip():
        return text
    given = {key: getattr(prediction, key) for key in ("choice", "number", "boxes", "points", "probabilities")}
    given = {key: value for key, value in given.items() if value is not None}
    return json.dumps(given, ensure_ascii=False, default=str) if given else ""


def draw(ids: Iterable[str], size: int | None, seed: int) -> list[str]:
    """Draw ids without replacement; the draw depends on the set of ids and the seed only, not on their order."""
    listed = sorted(ids)
    if size is None or size >= len(listed):
        return listed
    picked = np.random.default_rng(seed).permutation(len(listed))[:size]
    return sorted(listed[int(index)] for index in picked)


def read_items(
    references: ReferenceSource,
    predictions: Sequence[PredictionSource],
    settings: JudgeSettings,
    task: str | None = None,
    missing: str = "error",
) -> tuple[list[Item], tuple[str, ...]]:
    """Read records and the answers of every model, arguments as for `judge_answers`.

    Returns:
        The drawn records sorted by id, and the names of the models.

    Raises:
        LammMetricsError: Faulty files, or nothing to judge.
    """
    if not 1 <= len(predictions) <= MOST_MODELS:
        raise UsageError(f"Expected 1 to {MOST_MODELS} predictions files, got {len(predictions)}.")
    truth = read_references(references, task)
    found = [read_predictions(source) for source in predictions]
    answers = [pair(truth, one, missing) for one in found]
    if not truth.records:
        raise LammMetricsError(f"Expected at least one record, got none ({truth.source}). Give a file with records.")
    items = []
    for identifier in draw(truth.records, settings.sample, settings.seed):
        record = truth.records[identifier]
        given = tuple(sendable(answer_text(of_model[identifier])) for of_model in answers)
        question = sendable(str(record.get("query") or record.get("question") or ""))
        truth_said = sendable(truth_text(record))
        own = task_named(truth.task) if truth.task else task_of_record(record)
        root = settings.media_root
        pictures = pictures_of(record, identifier, root) if root is not None else ()
        items.append(Item(identifier, group_of(record), own.key if own else "", question, truth_said, given, pictures))
    return items, run_names(found)


@dataclass(frozen=True, slots=True)
class Job:
    """One verdict to ask for.

    Attributes:
        item: The record.
        judge: Name of the judging model.
        mode: One of the modes.
        order: Indices of the answers in the order in which they are shown.
        repeat: 0, or 1 for the second asking that measures self-agreement.
    """

    item: Item
    judge: str
    mode: str
    order: tuple[int, ...]
    repeat: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one job.

    Attributes:
        job: What was asked.
        values: Ranks in the order shown, or the five grades; empty where the job is unscored.
        reason: Why it is unscored: empty, refusal, truncated, no_json, wrong_form, contradictory (the judge's fault),
            rejected (the server refused the request), http_500 and other failures, max_cost (not sent).
        replies: What the judge wrote, the corrected reply last.
        keys: Keys of the requests in the cache.
        form: Format that was asked for.
    """

    job: Job
    values: tuple[int, ...] = ()
    reason: str = ""
    replies: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    form: str = ""


def _orders(mode: str, models: int, generator: np.random.Generator) -> list[tuple[int, ...]]:
    """The orders in which the answers to one record are shown; every order comes with its reverse."""
    if mode == "absolute":
        return [(index,) for index in range(models)]
    if mode == "pairwise":
        return [order for one, two in combinations(range(models), 2) for order in ((one, two), (two, one))]
    shuffled = tuple(int(index) for index in generator.permutation(models))
    return [shuffled, shuffled[::-1]]


def plan_jobs(items: Sequence[Item], judges: Sequence[str], models: int, settings: JudgeSettings) -> list[Job]:
    """List the verdicts of a run.

    Raises:
        UsageError: A comparison needs two models.
    """
    if settings.mode != "absolute" and models < 2:
        raise UsageError(
            f"Expected at least two predictions files to compare, got {models}. Add one, or use --mode absolute."
        )
    generator = np.random.default_rng(settings.seed)
    share = settings.repeat_share
    again = set(generator.permutation(len(items))[: int(np.ceil(share * len(items)))].tolist())
    orders = [_orders(settings.mode, models, generator) for _ in items]
    return [
        Job(item, judge, settings.mode, order, repeat)
        for judge in judges
        for number, item in enumerate(items)
        for order in orders[number]
        for repeat in ((0, 1) if number in again else (0,))
    ]

"""Yes-or-no questions about objects that are there and objects that are not (POPE, arXiv 2305.10355)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lamm_data.benchmark.recipes.recipe import Job
from lamm_data.errors import UsageError
from lamm_data.records.benchmark import BenchmarkRecord
from lamm_data.records.tasks import TASK_TABLE
from lamm_data.templates.exhaustive import load_exhaustive
from lamm_data.writing.draws import item_rng
from lamm_data.writing.english import singular, with_article

PRESENCE_TASK = "yes_no"
SYSTEM = "Your task is to tell whether an object is in the image. Answer yes or no."


@dataclass(frozen=True)
class Presence:
    """What is asked for.

    Attributes:
        sampling: Of what is not there: `random`, `popular` (the most frequent classes of the set first) or
            `adversarial` (those that occur most often together with what is there).
        questions: The most of either kind an image.
        classes: The closed list; that of the records' source when empty.
    """

    sampling: Literal["random", "popular", "adversarial"] = "random"
    questions: int = 3
    classes: tuple[str, ...] = ()


def ask_presence(records: Sequence[BenchmarkRecord], settings: Presence, job: Job) -> list[dict[str, Any]]:
    """Ask for as many objects that are not there as for objects that are.

    A missing label says that nothing is there only where every class of a closed list was looked for: the sources of
    `templates/exhaustive.toml`, or what the recipe's own `classes` promise.

    Returns:
        Records of the task `yes_no`, whose truth is `label`.

    Raises:
        UsageError: The annotations do not say what is missing.
    """
    classes = list(dict.fromkeys(settings.classes)) or _closed_list(records)
    present = [sorted({item["label"] for item in record.object or []} & set(classes)) for record in records]
    frequency = Counter(label for labels in present for label in labels)
    together: dict[str, Counter[str]] = {label: Counter() for label in classes}
    for labels in present:
        for label in labels:
            together[label].update(other for other in labels if other != label)
    asked = []
    for record, labels in zip(records, present, strict=True):
        rng = item_rng(job.seed, job.variant, str(record.id))
        absent = [label for label in classes if label not in labels]
        rng.shuffle(absent)
        count = min(settings.questions, len(labels), len(absent))
        if not count:
            job.left_out["image that holds every class, or none"] += 1
            continue
        if settings.sampling == "popular":
            absent.sort(key=lambda label: -frequency[label])
        elif settings.sampling == "adversarial":
            near = {label: sum(together[other][label] for other in labels) for label in absent}
            absent.sort(key=lambda label: -near[label])
        for label in rng.sample(labels, count):
            asked.append(_question(record, label, "yes"))
        asked += [_question(record, label, "no") for label in absent[:count]]
    return asked


def _closed_list(records: Sequence[BenchmarkRecord]) -> list[str]:
    known, _ = load_exhaustive()
    sources = {str((record.meta or {}).get("source", "")) for record in records}
    boxes = TASK_TABLE[PRESENCE_TASK].recipe_for
    lists = {known[source, boxes].classes for source in sources if (source, boxes) in known}
    if len(sources) != 1 or len(lists) != 1:
        able = ", ".join(source for source, task in known if task == boxes)
        raise UsageError(
            f"Expected detection records of a source whose annotators looked for every class ({able}), got "
            f"{', '.join(sorted(sources)) or 'an unknown source'}. "
            "Write a recipe of your own with `classes`, the closed list."
        )
    return list(lists.pop())


def _question(record: BenchmarkRecord, label: str, truth: str) -> dict[str, Any]:
    return {
        "id": f"{record.id}-{label}",
        "query": f"Is there {with_article(singular(label))} in the image?",
        "image": record.image,
        "label": truth,
        "object": label,
        "task": PRESENCE_TASK,
        "dataset": record.dataset,
        "group": record.group or record.id,
        "system": SYSTEM,
        "meta": dict(record.meta or {}),
    }

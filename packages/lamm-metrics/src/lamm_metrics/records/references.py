"""References: the benchmark records with the ground truth, and pairing them with predictions by id."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any

from lamm_metrics.errors import UsageError
from lamm_metrics.records.files import ENOUGH, FileFaultsError, first_ten, placed_records
from lamm_metrics.records.predictions import Prediction, Predictions
from lamm_metrics.records.tasks import Task, all_tasks, task_named, task_of_record
from lamm_metrics.records.truth import fault_of, truth_text
from lamm_metrics.tables import listed_html

ReferenceSource = str | PathLike[str] | Iterable[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class References:
    """Benchmark records.

    Attributes:
        records: Records by id, in the order of the file.
        source: Where they come from, for messages.
        dataset: The data set's name, from the records or the file name; empty where unknown.
    """

    records: Mapping[str, Mapping[str, Any]]
    source: str = "references"
    dataset: str = ""

    def _repr_html_(self) -> str:
        rows = [(key, str(one.get("query", "")), truth_text(one)) for key, one in self.records.items()]
        title = f"{len(rows)} records{f' of {self.dataset}' if self.dataset else ''}"
        return listed_html(title, ("id", "question", "truth"), rows)


def _other_task(task: Task, placed: Sequence[tuple[str, Any]]) -> str:
    """Return what the file seems to be of, when no record carries the task's truth; empty when some do."""
    records = [record for _, record in placed if isinstance(record, Mapping)]
    if not records or any(key in record for record in records for key in task.truth):
        return ""
    likely = [other.key for other in all_tasks().values() if all(key in records[0] for key in other.truth[:1])]
    hint = f"it looks like a file of {' or '.join(likely)}" if likely else f"got keys {', '.join(sorted(records[0]))}"
    if {"annotations", "images", "categories"} <= records[0].keys():
        hint = "it looks like a COCO annotation file, which `--protocol coco` scores"
    return f"expected `{'` or `'.join(task.truth)}` in every record of task {task.key}, but none has it; {hint}"


def _fault(record: object, where: str, task: Task | None) -> str:
    """Return what is wrong with a record of a task, or of the task that it is of itself; empty when nothing is."""
    own = task or (task_of_record(record) if isinstance(record, Mapping) else None)
    return fault_of(own.truth_kind, record, where) if own else f"{where}: expected a benchmark record with its truth"


def _dataset(placed: Sequence[tuple[str, Any]], path: Path | None, task: Task | None) -> str:
    named = {str(record["dataset"]) for _, record in placed if isinstance(record, Mapping) and record.get("dataset")}
    if len(named) == 1:
        return named.pop()
    prefix = f"{task.prefix}_" if task else ""
    return path.stem.removeprefix(prefix) if path and prefix and path.stem.startswith(prefix) else ""


def read_references(source: ReferenceSource, task: str | None) -> References:
    """Read benchmark records and check that they are of the task.

    Args:
        source: Path of a JSON list (as published) or JSON Lines, or the records themselves.
        task: A key of `lamm_metrics.TASKS`; None for records of several tasks, each of which tells its own.

    Raises:
        FileFaultsError: Listing every fault with file, line and id.
        UsageError: There is no such task.
        LammMetricsError: A JSON list is not UTF-8.
    """
    row = None if task is None else task_named(task)
    path = Path(source) if isinstance(source, str | PathLike) else None
    placed, faults = placed_records(source)
    name = "references" if path is None else str(path)
    other = _other_task(row, placed) if row else ""
    found = iter([other]) if other else (_fault(record, where, row) for where, record in placed)
    faults += islice(filter(None, found), max(0, ENOUGH - len(faults)))
    records: dict[str, Mapping[str, Any]] = {}
    twice: dict[str, None] = {}
    for _, record in placed if not faults else []:
        if str(record["id"]) in records:
            twice[str(record["id"])] = None
        records[str(record["id"])] = record
    if twice:
        faults.append(f"ids that occur more than once: {first_ten(list(twice))}")
    if faults:
        raise FileFaultsError(name, faults, "Mend the file; docs/formats.md describes it.")
    return References(records, name, _dataset(placed, path, row))


def pair(references: References, predictions: Predictions, missing: str = "error") -> dict[str, Prediction]:
    """Find the answer to every record, by id.

    Args:
        references: The records.
        predictions: The answers.
        missing: "error" refuses records without an answer, "failed" counts them as answers that cannot be read.

    Returns:
        An answer for each record id, in the order of the references.

    Raises:
        FileFaultsError: Answers are missing, or answer records that do not exist.
    """
    if missing not in ("error", "failed"):
        raise UsageError(f"Expected missing to be error or failed, got {missing!r}. Choose one of them.")
    absent = [key for key in references.records if key not in predictions.records]
    unknown = [key for key in predictions.records if key not in references.records]
    faults = []
    if absent and missing == "error":
        faults.append(f"records without an answer: {first_ten(absent)}")
    if unknown:
        faults.append(f"answers to unknown ids: {first_ten(unknown)}")
    if faults:
        remedy = "Give the references these predictions were made for"
        failed = ", or count missing answers as failed (--missing failed, in Python missing='failed')."
        remedy += failed if absent and not unknown else "."
        raise FileFaultsError(f"{predictions.source} against {references.source}", faults, remedy)
    return {key: predictions.records.get(key, Prediction(key)) for key in references.records}

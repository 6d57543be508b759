"""The tasks as a table, and the benchmark records of each: read, checked, paired with answers. A new task is one row.

A row says what is true, what is read from answers and which metrics score them. LAMM (arXiv 2306.06687), Sec. 4 and
Table 1; the file prefixes are those of the published benchmark.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from os import PathLike
from pathlib import Path, PurePath
from typing import Any

from lamm_metrics.errors import UsageError, did_you_mean
from lamm_metrics.records.columns import Placed, parsed_cells
from lamm_metrics.records.files import ENOUGH, MEND, FileFaultsError, bare_name, first_ten
from lamm_metrics.records.incoming import is_header, placed_records
from lamm_metrics.records.other_tools import IDS
from lamm_metrics.records.predictions import LOOKED_AT, Prediction, Predictions
from lamm_metrics.records.truth import LISTS, PARSED, TRUTH_KEYS, TRUTHS, fault_of, truth_fault, truth_text
from lamm_metrics.tables import listed_html

ENTRY_POINTS = "lamm.tasks"


@dataclass(frozen=True, slots=True)
class Task:
    """One task. Reading, checking, chance and drawing hang on the two kinds, never on the task's name.

    Attributes:
        key: Name used everywhere.
        prefix: Start of the published file name, `<prefix>_<dataset>.json`.
        modality: "image" or "pcl".
        truth_kind: What is true, a key of `lamm_metrics.records.truth.TRUTHS`.
        extractor: What is read from an answer, a key of `lamm_metrics.answers.kinds.ANSWERS`.
        metrics: Names of the metrics, the headline first.
        higher_is_better: Direction of the headline.
        also: Names of further metrics, which score too where every record has the truth that they read.
        coco: What COCO's protocol compares, `bbox` or `keypoints`; empty for tasks that it does not know.
    """

    key: str
    prefix: str
    modality: str
    truth_kind: str
    extractor: str
    metrics: tuple[str, ...]
    higher_is_better: bool = True
    coco: str = ""
    also: tuple[str, ...] = ()

    @property
    def truth(self) -> tuple[str, ...]:
        """Return the keys of the ground truth; a record carries at least one of them."""
        return tuple(TRUTHS[self.truth_kind])

    def matches(self, path: str | PathLike[str]) -> bool:
        """Return whether a file is named as those of this task are; one of the other modality may match too.

        >>> TASKS["yes_no"].matches("data/POPE_Mine.json"), TASKS["ocr"].matches("POPE_Mine.json")
        (True, False)
        """
        return PurePath(path).name.startswith(f"{self.prefix}_")


_TASKS = (
    Task("classification", "Classification", "image", "class", "label", ("accuracy",)),
    Task("fine_grained_classification", "Fine-grained_Classification", "image", "class", "label", ("accuracy",)),
    Task("facial_classification", "Facial_Classification", "image", "attribute", "label or yes/no", ("accuracy",)),
    Task("detection", "Detection", "image", "2D boxes", "2D boxes", ("detection_ap",), coco="bbox"),
    Task("keypoint_detection", "Keypoints_Detection", "image", "joints", "points", ("pck",), coco="keypoints"),
    Task("vqa", "VQA", "image", "option", "choice", ("accuracy",)),
    Task("caption", "Caption", "image", "sentences", "whole text", ("bleu", "rouge_l", "cider_d"), also=("chair",)),
    Task("counting", "Counting", "image", "count", "number", ("counting",), higher_is_better=False),
    Task("ocr", "OCR", "image", "words", "words", ("word_accuracy",)),
    Task("detection3d", "Detection", "pcl", "3D boxes", "3D boxes", ("detection_ap_3d",)),
    Task("visual_grounding3d", "VG", "pcl", "3D box", "3D boxes", ("grounding_accuracy",)),
    Task("vqa3d", "VQA", "pcl", "option", "choice", ("accuracy",)),
    Task("locating", "Locating", "image", "places", "points", ("binary_locating",)),
    Task("yes_no", "POPE", "image", "yes or no", "yes/no", ("yes_no",)),
    Task("spatial_questions3d", "SpatialQA", "pcl", "number or option", "number or choice", ("mra",)),
    Task("open_vqa", "OpenVQA", "image", "answers", "short text", ("exact_match",)),
    Task("open_vqa3d", "OpenVQA", "pcl", "answers", "short text", ("exact_match", "bleu", "rouge_l", "cider_d")),
    Task("multi_grounding3d", "MultiVG", "pcl", "3D boxes", "3D boxes", ("grounding_f1",)),
    Task("referring", "Referring", "image", "2D box", "2D boxes", ("referring_accuracy",)),
    Task("object_caption3d", "ObjectCaption", "pcl", "sentences", "whole text", ("bleu", "rouge_l", "cider_d")),
    Task("dense_caption3d", "DenseCaption", "pcl", "described 3D boxes", "captioned boxes", ("dense_captions",)),
    Task("yes_no3d", "POPE", "pcl", "yes or no", "yes/no", ("yes_no",)),
    Task("localisation3d", "Localisation", "pcl", "situation", "situation", ("localisation",)),
)
TASKS: Mapping[str, Task] = {task.key: task for task in _TASKS}
"""The built-in tasks by key; `all_tasks` adds those of installed packages."""


@cache
def all_tasks() -> Mapping[str, Task]:
    """Return the built-in tasks and those that installed packages bring by the entry point group `lamm.tasks`.

    Raises:
        UsageError: What a package offers is no task, has a known key, or names an unknown kind of truth.
    """
    from importlib.metadata import entry_points

    tasks = dict(TASKS)
    for point in entry_points(group=ENTRY_POINTS):
        loaded = point.load()
        for task in [loaded] if isinstance(loaded, Task) else loaded:
            if not isinstance(task, Task) or task.key in tasks or task.truth_kind not in TRUTHS:
                raise UsageError(
                    f"Expected {point.value!r} to be a lamm_metrics.Task (or a list of them) with a key of its own and "
                    f"a kind of truth out of {', '.join(TRUTHS)}, got {task!r}. "
                    "Tell the authors of the package that brings it."
                )
            tasks[task.key] = task
    return tasks


def find_task(key: str) -> Task | None:
    """Return the task of a key, None where there is none; packages are searched only for what is not built in."""
    if not isinstance(key, str):
        raise UsageError(
            f"Expected the name of a task, got a {type(key).__name__}. Check the order: score(task, references, "
            "predictions), compare_conventions(references, predictions, task)."
        )
    return TASKS.get(key) or all_tasks().get(key)


def task_named(key: str) -> Task:
    """Return the task of a key.

    Raises:
        UsageError: There is none.
    """
    found = find_task(key)
    if found is None:
        raise UsageError(f"Expected a task, got {key!r}. {did_you_mean(key, all_tasks())}")
    return found


def task_of_file(path: str | PathLike[str], modality: str = "image") -> Task | None:
    """Return the task that the name of a benchmark file tells, such as `Detection_VOC2012.json`; None where none does.

    Args:
        path: The file, which need not exist.
        modality: "image" or "pcl"; a few names stand for a task in both.

    >>> task_of_file("POPE_COCO.json").key, task_of_file("VQA_Mine.json", "pcl").key, task_of_file("notes.json")
    ('yes_no', 'vqa3d', None)
    """
    named = sorted((task for task in all_tasks().values() if task.matches(path)), key=lambda task: -len(task.prefix))
    return next((task for task in named if task.modality == modality), named[0] if named else None)


def task_of_record(record: Mapping[str, Any]) -> Task | None:
    """Return the task that a record names in `task`, else the first whose truth it carries; None where none fits."""
    tasks = all_tasks()
    if isinstance(record.get("task"), str) and record["task"] in tasks:
        return tasks[record["task"]]
    able = [task for task in tasks.values() if any(key in record for key in task.truth)]
    return next((task for task in able if not truth_fault(task.truth_kind, record)), able[0] if able else None)


@dataclass(frozen=True, slots=True)
class References:
    """Benchmark records.

    Attributes:
        records: Records by id, in the order of the file.
        source: Where they come from, for messages.
        dataset: The data set's name, from the records or the file name; empty where unknown.
        task: Key of the task that all of them are of; empty for records of several tasks.
    """

    records: Mapping[str, Mapping[str, Any]]
    source: str = "references"
    dataset: str = ""
    task: str = ""

    def _repr_html_(self) -> str:
        rows = [(key, str(one.get("query", "")), truth_text(one)) for key, one in self.records.items()]
        title = f"{len(rows)} records{f' of {self.dataset}' if self.dataset else ''}"
        return listed_html(title, ("id", "question", "truth"), rows)


ReferenceSource = str | PathLike[str] | Iterable[Any] | References


def _other_task(task: Task | None, placed: Sequence[tuple[str, Any]]) -> str:
    """Return what the file seems to be of, when no record carries the task's truth; empty when some do."""
    records = [record for _, record in placed if isinstance(record, Mapping)]
    wanted = task.truth if task else tuple(sorted(TRUTH_KEYS))
    if not records or any(key in record for record in records for key in wanted):
        return ""
    likely = [other.key for other in all_tasks().values() if all(key in records[0] for key in other.truth[:1])]
    hint = f"it looks like a file of {' or '.join(likely)}" if likely else f"got keys {', '.join(map(str, records[0]))}"
    if "lamm" in records[0] or "text" in records[0]:
        hint = "it looks like predictions: put the references and the predictions in the right order"
    if {"annotations", "images", "categories"} <= records[0].keys():
        hint = "it looks like a COCO annotation file, which `--protocol coco` scores"
    of_task = f" of task {task.key}" if task else ""
    return f"expected `{'` or `'.join(wanted)}` in every record{of_task}, but none has it; {hint}"


def _fault(record: object, where: str, task: Task | None) -> str:
    """Return what is wrong with a record of a task, or of the task that it is of itself; empty when nothing is."""
    own = task or (task_of_record(record) if isinstance(record, Mapping) else None)
    return fault_of(own.truth_kind, record, where) if own else f"{where}: expected a benchmark record with its truth"


def _dataset(placed: Placed, path: Path | None, task: Task | None) -> str:
    named = {str(record["dataset"]) for _, record in placed if isinstance(record, Mapping) and record.get("dataset")}
    if len(named) == 1:
        return named.pop()
    prefix = f"{task.prefix}_" if task else ""
    return bare_name(path).removeprefix(prefix) if path and prefix and path.name.startswith(prefix) else ""


def _told_task(placed: Placed, path: Path | None) -> Task | None:
    """Return the task that every record names, else the one of the file's name, where they have its truth."""
    records = [record for _, record in placed if isinstance(record, Mapping)]
    named = {str(record.get("task", "")) for record in records}
    if named != {""}:
        return all_tasks().get(named.pop()) if len(named) == 1 else None
    cloud = any("pcl" in record for record in records[:1])
    row = task_of_file(path, "pcl" if cloud else "image") if path else None
    return row if row and all(not record.keys().isdisjoint(row.truth) for record in records) else None


def _under_ids(placed: Placed, source: str, id_key: str, table: bool) -> Placed:
    """Return records with their ids under `id`, and with lists and numbers where a table's cells hold text.

    Raises:
        FileFaultsError: No key of theirs is known to be an id's.
    """
    placed = [one for one in placed if not (is_header(one[1]) and one[1]["lamm"] == "benchmark")]
    found = dict.fromkeys(key for _, record in placed[:LOOKED_AT] if isinstance(record, Mapping) for key in record)
    known = [key for key in IDS if key in found]
    key = id_key if id_key in found else known[0] if len(known) == 1 else "id"
    if key not in found and found.keys() & TRUTH_KEYS:
        listed = ", ".join(map(str, list(found)[:20]))
        fault = f"expected one key of an id ({', '.join(IDS)}), got {listed} (records read: {len(placed)})"
        raise FileFaultsError(source, [fault], "Name yours: --id-key KEY (in Python read_references(…, id_key=…)).")
    if key == "id" and not table:
        return placed
    return [
        (
            where,
            _with_id(parsed_cells(record, PARSED, LISTS) if table else record, key)
            if isinstance(record, Mapping)
            else record,
        )
        for where, record in placed
    ]


def _with_id(record: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    return {**record, "id": record[key]} if key in record else record


def read_references(source: ReferenceSource, task: str | None = None, *, id_key: str = "") -> References:
    """Read benchmark records and check that they are of the task.

    Args:
        source: Path of a file, a frame, a data set or the records themselves, as for `read_predictions`.
        task: A key of `lamm_metrics.TASKS`; None where the records or the file's name tell it, and for records of
            several tasks.
        id_key: Key or column of the ids, in records that have it.

    Raises:
        FileFaultsError: Listing every fault with file, line and id.
        UsageError: There is no such task.
        LammMetricsError: It is no file of records.
    """
    if isinstance(source, References):
        if task in (None, source.task):
            return source
        again = read_references(list(source.records.values()), task)
        return replace(again, source=source.source, dataset=source.dataset)
    path = Path(source) if isinstance(source, str | PathLike) else None
    placed, faults, table = placed_records(source)
    name = "references" if path is None else str(path)
    row = None if task is None else task_named(task)
    placed = _under_ids(placed, name, id_key, table)
    row = row or _told_task(placed, path)
    other = _other_task(row, placed)
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
        raise FileFaultsError(name, faults, MEND)
    return References(records, name, _dataset(placed, path, row), row.key if row else "")


def task_of_references(references: References) -> str:
    """Return the key of the one task that records are of.

    Raises:
        UsageError: Neither the records nor the name of their file tell it.
    """
    if references.task:
        return references.task
    able = [
        task.key
        for task in all_tasks().values()
        if references.records and all(key in record for record in references.records.values() for key in task.truth[:1])
    ]
    raise UsageError(
        f"Expected records that name one `task`, or a file named after one ({references.source}), got neither. "
        f"Name it: --task {' or '.join(able) or 'KEY'}."
    )


def check_missing(missing: str) -> None:
    """Refuse a way of treating missing answers that there is not.

    Raises:
        UsageError: It is neither "error" nor "failed".
    """
    if missing not in ("error", "failed"):
        raise UsageError(f"Expected missing to be error or failed, got {missing!r}. Choose one of them.")


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
    check_missing(missing)
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
    paired = {}
    for key in references.records:
        one = predictions.records.get(key)
        # An answer with an error counts as none, whatever else it holds.
        paired[key] = (
            one if one is not None and not one.error else Prediction(key, error=one.error if one else "", absent=True)
        )
    return paired

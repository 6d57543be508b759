"""References: the benchmark records with the ground truth, and pairing them with predictions by id."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any

from lamm_metrics.errors import UsageError
from lamm_metrics.records.files import ENOUGH, FileFaultsError, are_numbers, first_ten, is_number, read_records, shown
from lamm_metrics.records.predictions import Prediction, Predictions
from lamm_metrics.records.tasks import TASKS, Task, task_named
from lamm_metrics.records.truth import YES_NO

# A count beyond this is no count: it would drown every other record and overflow when squared.
LARGEST_COUNT = 1e9
Check = Callable[[Mapping[str, Any]], str]


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
        from lamm_metrics.report.notebook import references_html

        return references_html(self)


def _strings(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and all(isinstance(item, str) for item in value)


def _check_label(record: Mapping[str, Any]) -> str:
    labels = record.get("labels")
    if labels is not None and not _strings(labels):
        return "`labels` to be a list of strings"
    return "" if isinstance(record["label"], str) and record["label"].strip() else "`label` to be a class name"


def _check_yes_no(record: Mapping[str, Any]) -> str:
    return "" if str(record["label"]).strip().lower() in YES_NO else "`label` to be yes or no"


def _check_attr(record: Mapping[str, Any]) -> str:
    return "" if isinstance(record["attr"], str | int) and str(record["attr"]).strip() else '`attr` "1", "-1" or a word'


def _check_choice(record: Mapping[str, Any]) -> str:
    choices, choice = record.get("gt_choices"), record["gt_choice"]
    if not _strings(choices) or len(choices or ()) > 26:
        return "`gt_choices` to be a list of 1 to 26 strings"
    good = isinstance(choice, int) and not isinstance(choice, bool) and 0 <= choice < len(choices or ())
    if not good:
        return f"`gt_choice` to be an index from 0 to {len(choices or ()) - 1}"
    labels, accepted = record.get("option_labels"), record.get("gt_accepted", [])
    if labels is not None and not (_strings(labels) and len(labels) == len(set(labels)) == len(choices or ())):
        return "`option_labels` to be a different string for each option"
    known = isinstance(accepted, list) and all(number in range(len(choices or ())) for number in accepted)
    return "" if known else f"`gt_accepted` to be a list of indices from 0 to {len(choices or ()) - 1}"


def _check_sentences(record: Mapping[str, Any]) -> str:
    return "" if _strings(record["sentences"]) else "`sentences` to be a list of at least one string"


def _check_number(record: Mapping[str, Any]) -> str:
    good = is_number(record["num"]) and 0 <= record["num"] <= LARGEST_COUNT
    return "" if good else f"`num` to be a count from 0 to {LARGEST_COUNT:g}"


def _check_words(record: Mapping[str, Any]) -> str:
    words = record["word_list"]
    # An image without text has no words.
    return "" if words == [] or _strings(words) else "`word_list` to be a list of words"


def _is_object(item: object, numbers: Sequence[int] = (4, 6, 7, 9)) -> bool:
    return isinstance(item, Mapping) and isinstance(item.get("label"), str) and are_numbers(item.get("bbox"), numbers)


def _check_objects(numbers: Sequence[int]) -> Check:
    def check(record: Mapping[str, Any]) -> str:
        objects = record["object"]
        good = isinstance(objects, list) and all(_is_object(item, numbers) for item in objects)
        return (
            "" if good else f'`object` to be a list of {{"label", "bbox"}} with boxes of {list(numbers)} finite numbers'
        )

    return check


def _check_joints(record: Mapping[str, Any]) -> str:
    joints = record["gt_joints"]
    good = isinstance(joints, list) and len(joints) > 0 and all(are_numbers(joint, (2, 3)) for joint in joints)
    if not good:
        return "`gt_joints` to be a list of [x, y, visible] in pixels"
    names = record.get("joints")
    if names is not None and not (_strings(names) and len(names) == len(joints)):
        return f"`joints` to name the {len(joints)} joints of `gt_joints`"
    wrong = [key for key in ("bbox", "head_bbox") if key in record and not are_numbers(record[key], (4,))]
    if wrong:
        return f"`{wrong[0]}` to be four finite numbers"
    return "" if _has_size(record) else "`image_size` [width, height], because `gt_joints` is in pixels"


def _has_size(record: Mapping[str, Any]) -> bool:
    size = record.get("image_size")
    return isinstance(size, list | tuple) and are_numbers(size, (2,)) and all(side > 0 for side in size)


def _check_grounding(record: Mapping[str, Any]) -> str:
    if "gt_bbox" not in record:
        return _check_objects((6, 7, 9))(record)
    return "" if are_numbers(record["gt_bbox"], (6, 7, 9)) else "`gt_bbox` to be 6, 7 or 9 finite numbers"


def _check_locating(record: Mapping[str, Any]) -> str:
    if "object" in record:
        return _check_objects((4,))(record)
    if "gt_joints" in record:
        return _check_joints(record)
    points = record["points"]
    if not (isinstance(points, list) and all(are_numbers(point, (2,)) for point in points)):
        return "`points` to be a list of [x, y] in pixels"
    return "" if _has_size(record) else "`image_size` [width, height], because `points` is in pixels"


_CHECKS: Mapping[str, Check] = {
    "classification": _check_label,
    "fine_grained_classification": _check_label,
    "facial_classification": _check_attr,
    "detection": _check_objects((4,)),
    "keypoint_detection": _check_joints,
    "vqa": _check_choice,
    "vqa3d": _check_choice,
    "caption": _check_sentences,
    "counting": _check_number,
    "ocr": _check_words,
    "detection3d": _check_objects((6, 7, 9)),
    "visual_grounding3d": _check_grounding,
    "locating": _check_locating,
    "yes_no": _check_yes_no,
}


def _other_task(task: Task, placed: Sequence[tuple[str, Any]]) -> str:
    """What the file seems to be of, when no record carries the task's truth; empty when some do."""
    records = [record for _, record in placed if isinstance(record, Mapping)]
    if not records or any(key in record for record in records for key in task.truth):
        return ""
    likely = [other.key for other in TASKS.values() if all(key in records[0] for key in other.truth[:1])]
    hint = f"it looks like a file of {' or '.join(likely)}" if likely else f"got keys {', '.join(sorted(records[0]))}"
    if {"annotations", "images", "categories"} <= records[0].keys():
        hint = "it looks like a COCO annotation file, which `--protocol coco` scores"
    return f"expected `{'` or `'.join(task.truth)}` in every record of task {task.key}, but none has it; {hint}"


def _check_record(task: Task, record: object, where: str) -> str:
    """What is wrong with a record; empty when nothing is."""
    if not isinstance(record, Mapping):
        return f"{where}: expected an object, got {type(record).__name__}"
    if not isinstance(record.get("id"), int | str) or isinstance(record["id"], bool):
        return f"{where}: expected `id`, a string or a whole number, got {shown(record.get('id'))}"
    place = f"{where}, id {str(record['id'])[:80]!r}"
    if not any(key in record for key in task.truth):
        return f"{place}: expected the key `{'` or `'.join(task.truth)}`"
    fault = _CHECKS[task.key](record)
    if not fault and record.get("image_size") is not None and not _has_size(record):
        fault = "`image_size` to be [width, height], both above 0"
    return f"{place}: expected {fault}, got {_found(record, fault)}" if fault else ""


def _found(record: Mapping[str, Any], fault: str) -> str:
    """What stands under the key that a fault names first; of a list of things the first that cannot be used."""
    key = fault.partition("`")[2].partition("`")[0]
    if key not in record:
        return "none"
    value = record[key]
    if isinstance(value, list) and key in ("object", "gt_joints", "points"):
        usable = _is_object if key == "object" else lambda item: are_numbers(item, (2, 3))
        value = next((item for item in value if not usable(item)), value)
    return shown(value)


def _dataset(placed: Sequence[tuple[str, Any]], path: Path | None, task: Task) -> str:
    named = {str(record["dataset"]) for _, record in placed if isinstance(record, Mapping) and record.get("dataset")}
    if len(named) == 1:
        return named.pop()
    stem = path.stem if path else ""
    return stem.removeprefix(task.prefix + "_") if stem.startswith(task.prefix + "_") else ""


def read_references(source: str | PathLike[str] | Iterable[Mapping[str, Any]], task: str) -> References:
    """Read benchmark records and check that they are of the task.

    Args:
        source: Path of a JSON list (as published) or JSON Lines, or the records themselves.
        task: A key of `lamm_metrics.records.tasks.TASKS`.

    Raises:
        FileFaultsError: Listing every fault with file, line and id.
        UsageError: There is no such task.
        LammMetricsError: A JSON list is not UTF-8.
    """
    row = task_named(task)
    faults: list[str] = []
    path: Path | None = None
    if isinstance(source, str | PathLike):
        path = Path(source)
        placed, faults = read_records(path)
    else:
        placed = [(f"record {i}", record) for i, record in enumerate(source, 1)]
    name = "references" if path is None else str(path)
    other = _other_task(row, placed)
    found = iter([other]) if other else (_check_record(row, record, where) for where, record in placed)
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

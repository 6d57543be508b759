"""The ground truth of a record: identity, group, classes; its kinds, what may be wrong with each, and all in words."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lamm_metrics.records.files import shown

Reference = Mapping[str, Any]
# Returns what was expected of a record that has the key; empty where nothing is wrong.
Check = Callable[[Reference], str]
# A count beyond this is no count: it would drown every other record and overflow when squared.
LARGEST_COUNT = 1e9
LARGEST = sys.float_info.max
_MARKS: Mapping[object, bool] = {
    **dict.fromkeys((0, None, "", "0", "false", "no"), False),
    **dict.fromkeys((1, "1", "true", "yes"), True),
}
# Joint order of Leeds Sports Pose, the published benchmark's data set.
LSP_JOINTS = (
    "right ankle", "right knee", "right hip", "left hip", "left knee", "left ankle", "right wrist", "right elbow",
    "right shoulder", "left shoulder", "left elbow", "left wrist", "neck", "head top",
)  # fmt: skip
YES_NO = {"1": "yes", "-1": "no", "yes": "yes", "no": "no", "true": "yes", "false": "no"}


def is_number(value: object) -> bool:
    """Return whether a parsed value is a finite number that a float can hold, and no truth value.

    >>> is_number(3), is_number(True), is_number(float("nan")), is_number(10**400)
    (True, False, False, False)
    """
    # Comparisons of whole numbers with floats are exact, so this works for those no float can hold.
    return isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST <= value <= LARGEST


def are_numbers(value: object, lengths: Sequence[int] | None = None) -> bool:
    """Return whether a parsed value is a list of finite numbers, of one of these lengths."""
    return isinstance(value, list | tuple) and all(map(is_number, value)) and (lengths is None or len(value) in lengths)


def mark_of(value: object) -> bool | None:
    """Return whether a mark such as `iscrowd` is set, as 0 and 1 or words tell; None where it is neither.

    >>> mark_of(1), mark_of("0"), mark_of(None), mark_of("maybe")
    (True, False, False, None)
    """
    written = value.strip().lower() if isinstance(value, str) else value
    return _MARKS.get(written) if isinstance(written, str | int | float | None) else None


def record_id(record: Reference) -> str:
    """Return the identifier of a record as a string, so that 7 and "7" name the same record."""
    return str(record["id"])


def group_of(reference: Reference) -> str:
    """Return what makes records dependent: the group, image, cloud or scene that they name, else the record itself."""
    return stated_group(reference) or record_id(reference)


def stated_group(reference: Reference) -> str:
    """Return the group that a record names itself, by `group`, `image`, `pcl` or `scene_id`; empty where it does not.

    >>> stated_group({"id": 1, "scene_id": "scene0011_00"}), stated_group({"id": 1})
    ('scene0011_00', '')
    """
    for key in ("group", "image", "pcl", "scene_id"):
        value = reference.get(key)
        if value:
            return "\n".join(map(str, value)) if isinstance(value, list) else str(value)
    return ""


def letter(index: int) -> str:
    """Return the letter of an option, A for 0."""
    return chr(ord("A") + index)


def truth_label(reference: Reference) -> str:
    """Return the true class or attribute of a record, spelled as in the file."""
    return str(reference["label"] if "label" in reference else reference["attr"])


def label_set(reference: Reference, labels: Sequence[str]) -> list[str]:
    """Return the closed set of a record: its own `labels`, else the given ones, with the truth among them."""
    own = [str(label) for label in reference.get("labels") or labels]
    truth = truth_label(reference)
    return own if truth in own else [*own, truth]


def labels_of(references: Sequence[Reference]) -> list[str]:
    """Return every class, attribute and object name that is true in some reference, sorted: the default closed set."""
    labels = {truth_label(record) for record in references if "label" in record or "attr" in record}
    objects = [record.get("object") for record in references]
    # A yes/no record names the object it asks for, others list what the image shows.
    return sorted(labels.union(str(item["label"]) for shown in objects if isinstance(shown, list) for item in shown))


def _attribute(record: Reference) -> str:
    truth = truth_label(record)
    return YES_NO.get(truth.strip().lower(), truth) if truth.strip() in ("1", "-1") else truth


def _option(record: Reference) -> str:
    index = int(record["gt_choice"])
    return f"({letter(index)}) {record['gt_choices'][index]}"


_WORDS: Mapping[str, Callable[[Reference], str]] = {
    "label": truth_label,
    "attr": _attribute,
    "gt_choice": _option,
    "sentences": lambda record: "\n".join(record["sentences"]),
    "answers": lambda record: "; ".join(record["answers"]),
    "num": lambda record: f"{record['num']:g}",
    "word_list": lambda record: ", ".join(record["word_list"]),
    "gt_bbox": lambda record: json.dumps(record["gt_bbox"]),
    "object": lambda record: "; ".join(f"{item['label']} {list(item['bbox'])}" for item in record["object"]),
    "gt_joints": lambda record: json.dumps(record["gt_joints"]),
    "points": lambda record: json.dumps(record["points"]),
    "position": lambda record: json.dumps(
        {"position": axes(record["position"], "xyz"), "rotation": axes(record["rotation"], "xyzw")}
    ),
}


def written_truth(record: Reference) -> Sequence[str]:
    """Return the texts that a written answer is compared with: reference captions, or the answers to a question."""
    texts: Sequence[str] = record["sentences"] if "sentences" in record else record["answers"]
    return texts


def truth_text(record: Reference) -> str:
    """Return the ground truth of a record as a person would read it."""
    return next((words(record) for key, words in _WORDS.items() if key in record), "")


def _strings(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and all(isinstance(item, str) for item in value)


def _check_label(record: Reference) -> str:
    labels = record.get("labels")
    if labels is not None and not _strings(labels):
        return "`labels` to be a list of strings"
    return "" if isinstance(record["label"], str) and record["label"].strip() else "`label` to be a class name"


def _check_yes_no(record: Reference) -> str:
    return "" if str(record["label"]).strip().lower() in YES_NO else "`label` to be yes or no"


def _check_attribute(record: Reference) -> str:
    return "" if isinstance(record["attr"], str | int) and str(record["attr"]).strip() else '`attr` "1", "-1" or a word'


def _check_choice(record: Reference) -> str:
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


def _check_sentences(record: Reference) -> str:
    return "" if _strings(record["sentences"]) else "`sentences` to be a list of at least one string"


def _check_answers(record: Reference) -> str:
    if not _strings(record["answers"]):
        return "`answers` to be a list of at least one string"
    texts = ("question", "question_type", "situation")
    wrong = next((key for key in texts if not isinstance(record.get(key, ""), str)), "")
    return f"`{wrong}` to be a string" if wrong else ""


def _check_count(record: Reference) -> str:
    good = is_number(record["num"]) and 0 <= record["num"] <= LARGEST_COUNT
    return "" if good else f"`num` to be a count from 0 to {LARGEST_COUNT:g}"


def _check_words(record: Reference) -> str:
    words = record["word_list"]
    # An image without text has no words.
    return "" if words == [] or _strings(words) else "`word_list` to be a list of words"


def _is_object(item: object, numbers: Sequence[int] = (4, 6, 7, 9)) -> bool:
    if not isinstance(item, Mapping) or not isinstance(item.get("label"), str):
        return False
    marks = (mark_of(item.get(key)) for key in ("difficult", "iscrowd"))
    return are_numbers(item.get("bbox"), numbers) and None not in marks


def _check_objects(*numbers: int) -> Check:
    def check(record: Reference) -> str:
        objects = record["object"]
        good = isinstance(objects, list) and all(_is_object(item, numbers) for item in objects)
        return (
            ""
            if good
            else f'`object` to be a list of {{"label", "bbox"}} with boxes of {list(numbers)} finite numbers, and '
            "`difficult` and `iscrowd`, where given, to be 0 or 1"
        )

    return check


def _check_box(*numbers: int) -> Check:
    wanted = " or ".join(map(str, numbers))

    def check(record: Reference) -> str:
        return "" if are_numbers(record["gt_bbox"], numbers) else f"`gt_bbox` to be {wanted} finite numbers"

    return check


def axes(value: object, names: str) -> tuple[float, ...] | None:
    """Return numbers that are listed, or named by axis as `x` or `_x`; None where one is missing or no number.

    By name, because annotations write a quaternion's w first and then last: whoever takes the values as they come reads
    another turn.

    >>> axes({"_w": 1, "_x": 0, "_y": 0, "_z": 0}, "xyzw"), axes([1, 2], "xyz")
    ((0.0, 0.0, 0.0, 1.0), None)
    """
    if isinstance(value, Mapping):
        value = [value.get(name, value.get(f"_{name}")) for name in names]
    good = isinstance(value, list | tuple) and are_numbers(value, (len(names),))
    return tuple(map(float, value)) if good and isinstance(value, list | tuple) else None


def _check_situation(record: Reference) -> str:
    if axes(record["position"], "xyz") is None:
        return "`position` to be x, y, z in metres"
    turn = axes(record.get("rotation"), "xyzw")
    return "" if turn and any(turn) else "`rotation` to be a quaternion x, y, z, w, by name or in this order"


def proposal_id(written: object) -> str:
    """Return the id of a numbered object without leading zeros, so that 12, "12" and "012" name the same one.

    >>> proposal_id("012"), proposal_id(12), proposal_id("a3")
    ('12', '12', 'a3')
    """
    text = str(written)
    return text.lstrip("0") or "0" if text.isdecimal() else text


def _are_proposals(value: object) -> bool:
    listed = value if isinstance(value, list | tuple) else [None]
    ids = [
        proposal_id(item["id"])
        for item in listed
        if isinstance(item, Mapping)
        and isinstance(item.get("id"), int | str)
        and are_numbers(item.get("bbox"), (6, 7, 9))
    ]
    return len(listed) == len(set(ids))


def _check_described(record: Reference) -> str:
    if "object" not in record:
        asked = record.get("proposal_bbox")
        if asked is not None and not are_numbers(asked, (6, 7, 9)):
            return "`proposal_bbox` to be 6, 7 or 9 finite numbers"
        sentences = "" if _strings(record.get("sentences")) else "`sentences` beside `gt_bbox`, at least one string"
        return _check_box(6, 7, 9)(record) or sentences
    fault = _check_objects(6, 7, 9)(record)
    if fault or all(_strings(item.get("sentences")) for item in record["object"]):
        return fault
    return '`object` to be a list of {"label", "bbox", "sentences"} with at least one sentence each'


def _are_named(value: object) -> bool:
    """Return whether objects beside another truth can be told by their labels, as captions' are."""
    return not isinstance(value, list) or all(
        isinstance(item, Mapping) and isinstance(item.get("label"), str) for item in value
    )


def _check_joints(record: Reference) -> str:
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


def _check_points(record: Reference) -> str:
    points = record["points"]
    if not (isinstance(points, list) and all(are_numbers(point, (2,)) for point in points)):
        return "`points` to be a list of [x, y] in pixels"
    return "" if _has_size(record) else "`image_size` [width, height], because `points` is in pixels"


def _has_size(record: Reference) -> bool:
    size = record.get("image_size")
    return isinstance(size, list | tuple) and are_numbers(size, (2,)) and all(side > 0 for side in size)


TRUTHS: Mapping[str, Mapping[str, Check]] = {
    "class": {"label": _check_label},
    "yes or no": {"label": _check_yes_no},
    "attribute": {"attr": _check_attribute},
    "option": {"gt_choice": _check_choice},
    "sentences": {"sentences": _check_sentences},
    "answers": {"answers": _check_answers},
    "count": {"num": _check_count},
    "number or option": {"num": _check_count, "gt_choice": _check_choice},
    "words": {"word_list": _check_words},
    "2D boxes": {"object": _check_objects(4)},
    "3D boxes": {"object": _check_objects(6, 7, 9)},
    "2D box": {"gt_bbox": _check_box(4), "object": _check_objects(4)},
    "3D box": {"gt_bbox": _check_box(6, 7, 9), "object": _check_objects(6, 7, 9)},
    "described 3D boxes": {"object": _check_described, "gt_bbox": _check_described},
    "joints": {"gt_joints": _check_joints},
    "situation": {"position": _check_situation},
    "places": {"object": _check_objects(4), "gt_joints": _check_joints, "points": _check_points},
}
"""Kinds of truth: the keys under which a record may carry it, the first that is there counts, and their checks."""
TRUTH_KEYS = frozenset(key for checks in TRUTHS.values() for key in checks)
# Keys under which a record has words; under all others a cell of a table holds JSON.
WORDS = frozenset({"label", "attr"})
# Keys under which it has a list of texts; in a table a cell that is no list is the only one.
LISTS = ("answers", "sentences", "word_list")
PARSED = (TRUTH_KEYS - WORDS) | {
    "gt_choices", "gt_accepted", "option_labels", "labels", "joints", "image_size", "bbox", "head_bbox", "unique",
    "meta", "easy", "view_dependent", "proposals", "rotation", "proposal_bbox", "cloud_corner",
}  # fmt: skip


def fault_of(kind: str, record: object, where: str) -> str:
    """Return what is wrong with a record of a kind of truth; empty when nothing is."""
    if not isinstance(record, Mapping):
        return f"{where}: expected an object, got {type(record).__name__}"
    if not isinstance(record.get("id"), int | str) or isinstance(record["id"], bool):
        return f"{where}: expected `id`, a string or a whole number, got {shown(record.get('id'))}"
    named = f"{where}, id {str(record['id'])[:80]!r}"
    if not any(key in record for key in TRUTHS[kind]):
        return f"{named}: expected the key `{'` or `'.join(TRUTHS[kind])}`"
    fault = truth_fault(kind, record)
    if not fault and record.get("image_size") is not None and not _has_size(record):
        fault = "`image_size` to be [width, height], both above 0"
    if not fault and record.get("cloud_corner") is not None and not are_numbers(record["cloud_corner"], (3,)):
        fault = "`cloud_corner` to be three finite numbers"
    if not fault and record.get("proposals") is not None and not _are_proposals(record["proposals"]):
        fault = '`proposals` to be a list of {"id", "bbox"}, each id once, with boxes of 6, 7 or 9 finite numbers'
    if not fault and "object" not in TRUTHS[kind] and not _are_named(record.get("object")):
        fault = '`object` to be a list of {"label"}, or a name'
    return f"{named}: expected {fault}, got {_found(record, fault)}" if fault else ""


def truth_fault(kind: str, record: Reference) -> str:
    """Return what was expected of a record's truth, which must be there; empty when nothing is wrong."""
    return next(check(record) for key, check in TRUTHS[kind].items() if key in record)


def _found(record: Reference, fault: str) -> str:
    """Return what stands under the key that a fault names first; of a list the first item that cannot be used."""
    key = fault.partition("`")[2].partition("`")[0]
    if key not in record:
        return "none"
    value = record[key]
    if isinstance(value, list) and key in ("object", "gt_joints", "points"):
        usable = _is_object if key == "object" else lambda item: are_numbers(item, (2, 3))
        value = next((item for item in value if not usable(item)), value)
    return shown(value)

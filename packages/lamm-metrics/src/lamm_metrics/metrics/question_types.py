"""Which type a question is of, by the rules with which projects group their scores."""

from collections.abc import Callable, Mapping
from typing import Literal

from lamm_metrics.records.truth import Reference

Types = Literal["record", "sqa3d", "scanqa", "msqa", "none"]
_SCANQA = (
    ("Where", "Place"), ("How many", "Number"), ("What color", "Color"), ("What is the color", "Color"),
    ("What shape", "Object nature"), ("What type", "Object nature"), ("What kind", "Object nature"),
    ("What is", "Object"),
)  # fmt: skip
_MSQA = {
    "counting": "counting", "existence": "existence", "attribute": "attribute", "description": "attribute",
    "spatial relationship": "spatial", "refer": "spatial", "navigation": "navigation", "affordance": "others",
    "room type": "others",
}  # fmt: skip


def _question(record: Reference) -> str:
    return str(record.get("question") or record.get("query") or "")


def sqa3d_type(question: str) -> str:
    """Return the type of a question of SQA3D: how it begins, be it a word or not.

    >>> sqa3d_type("Island of chairs?"), sqa3d_type("Are there two?")
    ('is', 'other')
    """
    start = question.lstrip().lower()
    return next((prefix for prefix in ("what", "is", "how", "can", "which") if start.startswith(prefix)), "other")


def scanqa_class(question: str) -> str:
    """Return the class of a question of ScanQA: the first of its phrases that occurs anywhere, case included.

    >>> scanqa_class("In the room Where is it?"), scanqa_class("what is on it?")
    ('Place', 'Other')
    """
    return next((name for phrase, name in _SCANQA if phrase in question), "Other")


def msqa_types(stated: str) -> tuple[str, ...]:
    """Return the merged types of a question of MSQA: all that its stated type contains.

    >>> msqa_types("Attribute and Counting"), msqa_types("room type")
    (('attribute', 'counting'), ('others',))
    """
    return tuple(sorted({merged for part, merged in _MSQA.items() if part in stated.lower()}))


def _stated(record: Reference) -> str:
    return str(record.get("question_type") or "")


TYPES: Mapping[Types, Callable[[Reference], tuple[str, ...]]] = {
    "record": lambda record: (_stated(record),) if _stated(record) else (),
    "sqa3d": lambda record: (sqa3d_type(_question(record)),),
    "scanqa": lambda record: (scanqa_class(_question(record)),),
    "msqa": lambda record: msqa_types(_stated(record)),
    "none": lambda record: (),
}
"""Rules by name: from a record to the types that its question is of."""

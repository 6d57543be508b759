"""Answers that name numbered objects, such as `<OBJ012>`: the boxes that a record lists under these numbers.

A record numbers the objects of its scene under `proposals`, a list of `{"id", "bbox"}`: instances of the annotation, or
what a detector proposed. Which of both stands in the record's `proposal_source`, where it says so.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from lamm_metrics.answers.located import AnsweredBoxes, boxes_3d
from lamm_metrics.errors import LammMetricsError
from lamm_metrics.extraction.result import LabelledBox, Status
from lamm_metrics.geometry.rotated import NumberCount
from lamm_metrics.records.files import SHOWN
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import Reference, proposal_id, record_id

Ids = Literal["strict", "chatscene", "gpt4scene"]
_TOKEN = re.compile(r"<?\bobj[_ ]?(\d{1,9})\b>?", re.IGNORECASE)
_NO_ID = re.compile(r"\bImg_\d{1,9}|\bImage \d{1,9}|\b\d{1,9}\.")
_WHOLE = re.compile(r"(?<![\d.])\d{1,9}\b")


class Named(NamedTuple):
    """The boxes of an answer, and the numbers in it that no object of the scene has."""

    answer: AnsweredBoxes
    unknown: tuple[str, ...] = ()


def _numbers_in(text: str, ids: Ids) -> list[str]:
    found = _TOKEN.findall(text)
    if not found and ids == "gpt4scene":
        found = list(dict.fromkeys(_WHOLE.findall(_NO_ID.sub(" ", text))))
    return [proposal_id(number) for number in found]


def _proposals(reference: Reference) -> Mapping[str, Sequence[float]]:
    listed = reference.get("proposals")
    if not listed:
        raise LammMetricsError(
            f"Expected the numbered objects of the scene of record {record_id(reference)!r} under `proposals` "
            '({"id", "bbox"} each), because the answer names some, got none. Add them to the record.'
        )
    return {proposal_id(item["id"]): item["bbox"] for item in listed}


def named_boxes(reference: Reference, prediction: Prediction, numbers: NumberCount, ids: Ids, single: bool) -> Named:
    """Return the 3D boxes of an answer, written as numbers or as ids of the record's objects.

    Args:
        reference: The record.
        prediction: The answer; its structured boxes come first.
        numbers: Numbers of a box.
        ids: "strict": an id that no object has is a box that overlaps nothing. "chatscene": such ids are left out, and
            where none is left, object 0 is the answer if a single box is asked for, else nothing is. "gpt4scene": as
            Chat-Scene without object 0; bare whole numbers are ids too, each once.
        single: Whether a record has exactly one target.

    Raises:
        LammMetricsError: The answer names objects, or is read by ids alone, and the record lists no objects.
    """
    text = prediction.plain_text
    asked = prediction.boxes is None and not (prediction.absent or prediction.error)
    found = _numbers_in(text, ids) if asked else []
    # By the projects' rules an answer without an id names object 0 or nothing; by ours it may still hold boxes.
    if not found and (ids == "strict" or not asked):
        answer = boxes_3d(prediction, None, numbers, reference.get("cloud_corner"))
        unread = answer.status == Status.NONE and not answer.detail and bool(text.strip())
        return Named(answer._replace(detail="it names no box and no object") if unread else answer)
    known = _proposals(reference)
    unknown = tuple(dict.fromkeys(number for number in found if number not in known))
    usable = found if ids == "strict" else [number for number in found if number in known]
    if not usable and single and ids == "chatscene":
        usable = ["0"]
    boxes = [LabelledBox(None, _box(known.get(number), numbers)) for number in usable]
    return Named(AnsweredBoxes(Status.OK, boxes, ()), unknown)


def _box(written: Sequence[float] | None, numbers: NumberCount) -> tuple[float, ...]:
    if written is None:
        return (np.nan,) * numbers
    return (*map(float, written), *(0.0,) * numbers)[:numbers]


def unknown_in_words(unknown: Mapping[str, Sequence[str]]) -> list[str]:
    """Return in one sentence the first ten answers that name objects which are not in their scenes; empty without any.

    Args:
        unknown: The ids that no object of the scene has, by record id.
    """
    listed = [f"{key[:80]!r} ({', '.join(ids[:SHOWN])})" for key, ids in unknown.items() if ids]
    more = f", … ({len(listed)} in all)" if len(listed) > SHOWN else ""
    return [f"ids of objects that are not in the scene in the answers to {', '.join(listed[:SHOWN])}{more}"] * bool(
        listed
    )

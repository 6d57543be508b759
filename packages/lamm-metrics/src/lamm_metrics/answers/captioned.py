"""Answers that describe objects and say where they are: boxes whose label is a caption."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from lamm_metrics import extraction
from lamm_metrics.answers.located import AnsweredBoxes, boxes_3d
from lamm_metrics.extraction.result import LabelledBox, Status
from lamm_metrics.extraction.text.answer import overlong
from lamm_metrics.records.predictions import Prediction

_GROUP = re.compile(r"<?[\[({][^\[\](){}]*\d[^\[\](){}]*[\])}]>?")
_BULLET = re.compile(r"^\s*(?:[-*•]|\d{1,3}[.)])\s+")
_CAPTION_KEYS = ("caption", "description", "label")
_BOX_KEYS = ("box", "bbox", "bbox_3d")
_EDGES = " \t:;,-–"


def captioned_boxes(prediction: Prediction) -> AnsweredBoxes:
    """Return the boxes of an answer with their captions as labels, six numbers each.

    A box is structured (`label` is the caption), an item of a JSON list, or stands in a line with its caption.

    >>> found = captioned_boxes(Prediction("1", "1. A brown chair at the desk: [1, 2, 0.5, 1, 1, 1]"))
    >>> found.boxes[0].label
    'A brown chair at the desk'
    """
    if prediction.boxes is not None:
        return boxes_3d(prediction, None, 6)
    text = prediction.plain_text
    fault = overlong(text)
    if fault:
        return AnsweredBoxes(Status.MALFORMED, [], (), fault)
    found = [*(_of_json(text) or _of_lines(text))]
    boxes = [box for box in found if box is not None]
    if len(boxes) < len(found):
        return AnsweredBoxes(Status.MALFORMED, boxes, (), f"{len(found) - len(boxes)} lines hold no single box")
    if boxes:
        return AnsweredBoxes(Status.OK, boxes, ())
    whole = extraction.extract_boxes_3d(text)
    return AnsweredBoxes(whole.status, [], (), whole.detail or ("it names no box" if text.strip() else ""))


def _of_lines(text: str) -> Iterator[LabelledBox | None]:
    """Yield the box of each line that has one; None where it has several, or numbers that are none."""
    for line in text.splitlines():
        if not _GROUP.search(line):
            continue
        found = extraction.extract_boxes_3d(line)
        caption = _BULLET.sub("", _GROUP.sub(" ", line)).strip(_EDGES)
        single = found.status is Status.OK and len(found.value or ()) == 1
        yield LabelledBox(" ".join(caption.split()), found.value[0].box) if single and found.value else None


def _of_json(text: str) -> list[LabelledBox | None]:
    start, end = text.find("["), text.rfind("]")
    try:
        items = json.loads(text[start : end + 1]) if 0 <= start < end else []
    except (ValueError, RecursionError):
        return []
    listed = isinstance(items, list) and bool(items) and all(isinstance(item, Mapping) for item in items)
    return [_of_item(item) for item in items] if listed else []


def _of_item(item: Mapping[str, Any]) -> LabelledBox | None:
    caption = next((item[key] for key in _CAPTION_KEYS if isinstance(item.get(key), str)), "")
    written = next((item[key] for key in _BOX_KEYS if key in item), ())
    boxes = boxes_3d(Prediction("", boxes=[{"box": written, "label": caption}]), None, 6)
    return None if boxes.faults else boxes.boxes[0]
